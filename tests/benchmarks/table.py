"""The table of results in the README: the rows of a benchmark are replaced together, those of others stay."""

from __future__ import annotations

from collections.abc import Sequence

Rows = dict[str, list[str]]
"""The rows of each benchmark, as Markdown."""

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
HEAD = ("| `tools/bench` | measured | Ratchet | beside | ratio | target | met |", "|---|---|---|---|---|---|---|")


def table(rows: Rows, order: Sequence[str]) -> str:
    """Return the table, benchmark by benchmark."""
    return "\n".join([*HEAD, *(row for name in order for row in rows.get(name, []))])


def with_rows(readme: str, measured: Rows, order: Sequence[str], machine: str) -> str:
    """Return a README whose table has the new rows."""
    head, _, rest = readme.partition(BEGIN)
    block, _, tail = rest.partition(END)
    note = f"Printed by `tools/bench` on {machine}; medians. What the first column names was measured in one run."
    return f"{head}{BEGIN}\n{note}\n\n{table({**_rows_of(block), **measured}, order)}\n{END}{tail}"


def _rows_of(block: str) -> Rows:
    rows: Rows = {}
    for line in block.splitlines():
        if line.startswith("| ") and line not in HEAD:
            rows.setdefault(line.split("|")[1].strip(), []).append(line)
    return rows
