"""What the commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console

    from ratchet_mcp.errors import RatchetError


def console(*, stderr: bool = False) -> Console:
    """Return a console that colours only on a terminal, and never reads markup out of foreign text."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a JSON value on stdout, indented."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        sys.stdout.write(text + "\n")
    except UnicodeEncodeError:
        sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def print_text(text: str) -> None:
    """Print text on stdout as it is."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their heads on stdout."""
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(printable(str(cell)) for cell in row))
    out = console()
    if not out.is_terminal:
        out.width = 240
    out.print(table)


def print_error(error: RatchetError) -> None:
    """Print an error for people on stderr: what, where, the code frame, each problem, what to do next."""
    out = console(stderr=True)
    out.print("error", style="bold red", end="")
    out.print(f"[{error.code}]", style="red", end=": ")
    out.print(printable(error.message), style="bold")
    details = error.details
    place = f"{details.get('file', 'main.js')}:{details.get('line')}"
    if details.get("line") and place not in error.message:
        out.print(f"  at {place}" + (f":{details['column']}" if details.get("column") else ""))
    if details.get("frame"):
        out.print(printable(str(details["frame"])), style="cyan")
    for item in [*_listed(details, "problems"), *_listed(details, "violations")][:50]:
        if str(item.get("message")) not in error.message:
            out.print(f"  - {printable(_one(item))}")
    if details.get("suggestions"):
        out.print(f"  near: {', '.join(str(name) for name in details['suggestions'])}")
    if error.hint:
        out.print("hint", style="bold yellow", end=": ")
        out.print(printable(error.hint))


def _listed(details: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    items: list[object] = details.get(name) or []
    return [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]


def _one(item: Mapping[str, Any]) -> str:
    place = item.get("file") or item.get("source") or ""
    if item.get("line"):
        place = f"{place}:{item['line']}" + (f":{item['column']}" if item.get("column") else "")
    where = " ".join(str(part) for part in (place, item.get("path") or item.get("key")) if part)
    return f"{where}: {item.get('message', '')}" if where else str(item.get("message", ""))


def printable(text: str) -> str:
    """Make control characters visible: a task must not be able to move the cursor of a terminal."""
    return "".join(char if char in "\n\t" or char.isprintable() else f"\\x{ord(char):02x}" for char in text)
