"""The table of figures in the README."""

from __future__ import annotations

from figures import Figure
from table import with_rows

ORDER = ("stdio", "jobs")


def row(name: str, value: str) -> str:
    return Figure("runs", value, "", "", "≥ 1", False).row(name)


def test_the_rows_of_one_benchmark_are_replaced_and_those_of_others_stay_in_order() -> None:
    readme = "# A title\n<!-- bench:begin -->\n<!-- bench:end -->\nThe rest.\n"
    both = with_rows(readme, {"jobs": [row("jobs", "1 /s"), row("jobs", "2 /s")], "stdio": [row("stdio", "3 ms")]}, ORDER, "a machine")
    again = with_rows(both, {"jobs": [row("jobs", "4 /s")]}, ORDER, "a machine")
    assert again.splitlines()[-4:] == [row("stdio", "3 ms"), row("jobs", "4 /s"), "<!-- bench:end -->", "The rest."]
    assert again.startswith("# A title\n<!-- bench:begin -->\n")
    assert with_rows(again, {}, ORDER, "a machine") == again
