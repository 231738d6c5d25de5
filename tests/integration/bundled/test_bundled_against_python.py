"""Bundled tasks agree with Python's own libraries on random data (with fixed seeds)."""

from __future__ import annotations

import copy
import csv
import datetime
import io
import json
import statistics
from collections.abc import AsyncIterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.settings import Settings, StoreSettings


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    async with Ratchet.open(Settings(store=StoreSettings(url="sqlite://"))) as opened:
        yield opened


async def output_of(ratchet: Ratchet, name: str, task_input: Any) -> Any:
    execution = await (await ratchet.execute(name, task_input, origin=Origin.TEST)).wait(60)
    assert execution.error is None
    return execution.output


def applied(document: Any, patch: list[dict[str, Any]]) -> Any:
    """Apply a JSON Patch of add, remove and replace (RFC 6902)."""
    root = {"": copy.deepcopy(document)}
    for operation in patch:
        tokens = [token.replace("~1", "/").replace("~0", "~") for token in operation["path"].split("/")]
        place: Any = root
        for token in tokens[:-1]:
            place = place[int(token)] if isinstance(place, list) else place[token]
        key: Any = int(tokens[-1]) if isinstance(place, list) else tokens[-1]
        if operation["op"] == "remove":
            del place[key]
        elif operation["op"] == "add" and isinstance(place, list):
            assert key <= len(place)
            place.insert(key, operation["value"])
        else:
            assert operation["op"] == "add" or key in place or isinstance(place, list)
            place[key] = operation["value"]
    return root[""]


def random_json(random: Random, depth: int) -> Any:
    kind = random.random()
    if depth == 0 or kind < 0.4:
        return random.choice([0, 1, 2.5, "a", "", None, True])
    if kind < 0.75:
        return [random_json(random, depth - 1) for _ in range(random.randrange(7))]
    return {random.choice("abc/~"): random_json(random, depth - 1) for _ in range(random.randrange(4))}


def same(one: Any, other: Any) -> bool:
    """Compare as JSON: True is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


async def test_every_json_patch_turns_the_first_value_into_the_second(ratchet: Ratchet) -> None:
    random = Random(1)
    for _ in range(60):
        before, after = random_json(random, 4), random_json(random, 4)
        result = await output_of(ratchet, "json-diff", {"before": before, "after": after})
        assert same(applied(before, result["patch"]), after)
        assert result["equal"] == same(before, after)


async def test_arrays_are_aligned_with_as_few_changes_as_possible(ratchet: Ratchet) -> None:
    random = Random(2)
    for _ in range(40):
        before, after = ([random.randrange(4) for _ in range(random.randrange(30))] for _ in range(2))
        counts = (await output_of(ratchet, "json-diff", {"before": before, "after": after}))["counts"]
        kept = longest_common(before, after)
        assert counts["removed"] + counts["replaced"] == len(before) - kept
        assert counts["added"] + counts["replaced"] == len(after) - kept


def longest_common(left: list[int], right: list[int]) -> int:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


async def test_changes_of_texts_can_be_played_back(ratchet: Ratchet) -> None:
    random = Random(3)
    for granularity in ("line", "word", "character"):
        for _ in range(20):
            before, after = (
                "".join(random.choice(["a", "b", " ", "\n", "é", "😀"]) for _ in range(random.randrange(40))) for _ in range(2)
            )
            result = await output_of(ratchet, "text-diff", {"before": before, "after": after, "granularity": granularity})
            if granularity != "line":
                marked = result["diff"]
                for change in result["changes"]:
                    old = f"[-{change['removed']}-]" if change["removed"] else ""
                    new = f"{{+{change['added']}+}}" if change["added"] else ""
                    assert old + new in marked
                    marked = marked.replace(old + new, change["added"], 1)
                assert marked == after
            else:
                assert patched(before, result["diff"]) == after


def patched(text: str, diff: str) -> str:
    """Apply a unified diff strictly: every line of context must be where the hunk says."""
    lines = text.splitlines(keepends=True)
    result, at = [], 0
    parts = diff.splitlines(keepends=True)[2:]
    for index, part in enumerate(parts):
        if part.startswith("@@"):
            start, count = (int(number) for number in (part.split()[1].removeprefix("-") + ",1").split(",")[:2])
            begin = start if count == 0 else start - 1
            result += lines[at:begin]
            at = begin
            continue
        if part.startswith("\\"):
            continue
        ends_open = index + 1 < len(parts) and parts[index + 1].startswith("\\")
        line = part[1:].removesuffix("\n") if ends_open else part[1:]
        if part[0] in " -":
            assert lines[at] == line
            at += 1
        if part[0] in " +":
            result.append(line)
    return "".join(result + lines[at:])


async def test_dates_agree_with_the_calendar_of_python(ratchet: Ratchet) -> None:
    random = Random(4)
    for _ in range(60):
        start = datetime.date.fromordinal(random.randrange(400_000, 1_000_000))
        days = random.randrange(-4000, 4000)
        end = start + datetime.timedelta(days=days)
        facts = (await output_of(ratchet, "date-calculator", {"operation": "add", "date": start.isoformat(), "amount": {"days": days}}))[
            "result"
        ]
        year, week, weekday = end.isocalendar()
        assert (facts["date"], facts["iso_week"], facts["iso_weekday"]) == (end.isoformat(), f"{year:04}-W{week:02}", weekday)
        assert facts["day_of_year"] == end.timetuple().tm_yday
        request = {"operation": "difference", "from": start.isoformat(), "to": end.isoformat()}
        distance = (await output_of(ratchet, "date-calculator", request))["difference"]
        assert (distance["total_days"], distance["business_days"]) == (days, business_days(start, days))


def business_days(start: datetime.date, days: int) -> int:
    first, last = sorted((start, start + datetime.timedelta(days=days)))
    count = sum(datetime.date.fromordinal(day).weekday() < 5 for day in range(first.toordinal() + 1, last.toordinal() + 1))
    return count if days >= 0 else -count


async def test_csv_that_python_writes_is_read_back(ratchet: Ratchet) -> None:
    random = Random(5)
    for delimiter in (",", ";", "\t", "|"):
        for _ in range(10):
            width = random.randrange(2, 5)
            fields = ["x", "a b", 'say "hi"', "1,5", "2;5", "tab\there", "two\nlines", "a|b", " edge ", "007", "é😀"]
            rows = [[random.choice(fields) for _ in range(width)] for _ in range(random.randrange(1, 20))]
            text = io.StringIO()
            csv.writer(text, delimiter=delimiter).writerows(rows)
            request = {"csv": text.getvalue(), "delimiter": delimiter, "header": False, "infer_types": False}
            result = await output_of(ratchet, "csv-to-json", request)
            assert [list(row.values()) for row in result["rows"]] == rows
            assert result["warnings"] == []


async def test_statistics_and_sums_agree_with_python(ratchet: Ratchet) -> None:
    random = Random(6)
    for size in (2, 3, 10, 101, 1000):
        values = [round(random.gauss(50, 20), 2) for _ in range(size)]
        described = await output_of(ratchet, "describe-numbers", {"values": values})
        assert described["mean"] == pytest.approx(statistics.fmean(values), rel=1e-14)
        assert described["standard_deviation"] == pytest.approx(statistics.stdev(values), rel=1e-12)
        quartiles = statistics.quantiles(values, n=4, method="inclusive")
        assert [described["q1"], described["median"], described["q3"]] == pytest.approx(quartiles, rel=1e-14)
        assert sum(part["count"] for part in described["histogram"]) == size
        rows = [{"value": value} for value in values]
        total = await output_of(ratchet, "group-and-aggregate", {"rows": rows, "aggregates": [{"op": "sum", "field": "value"}]})
        assert total["groups"][0]["sum_value"] == float(sum(Decimal(str(value)) for value in values))
