"""Outputs as files: JSON, JSON lines, YAML, CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import orjson

from ratchet_mcp.delivery.destinations import Format
from ratchet_mcp.errors import DeliveryRefused
from ratchet_mcp.tasks.json_values import is_array, is_object

_NUMBERS = orjson.OPT_NON_STR_KEYS


def encode(value: Any, format: Format, *, most_bytes: int) -> bytes:
    """Return the bytes of a file. Raises `DeliveryRefused` when the format cannot say the value, or it becomes too large."""
    try:
        data = _ENCODERS[format](value)
    except DeliveryRefused:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise _cannot(format, f"{type(error).__name__}: {str(error)[:200]}") from None
    if len(data) > most_bytes:
        message = f"The file would have {len(data)} bytes; at most {most_bytes} are written (delivery.max_bytes)."
        raise DeliveryRefused(message, details={"reason": "too_large", "bytes": len(data), "maximum": most_bytes})
    return data


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | _NUMBERS) + b"\n"


def _lines(value: Any) -> bytes:
    """One line for each item of a list; anything else is one line."""
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return b"".join(orjson.dumps(item, option=_NUMBERS) + b"\n" for item in items)


def _yaml(value: Any) -> bytes:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(value, Dumper=dumper, allow_unicode=True, sort_keys=False, default_flow_style=False, width=120)
    return text.encode("utf-8", "surrogatepass")


def _csv(value: Any) -> bytes:
    header, rows = table(value, "csv")
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(header)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return orjson.dumps(value, option=_NUMBERS).decode()
    return value


def table(value: Any, format: str) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of an output: a list of objects, of lists (without names of columns), or one object.

    Raises `DeliveryRefused` for anything else.
    """
    items: list[Any] = [value] if is_object(value) else value if is_array(value) else []
    if not is_array(value) and not is_object(value):
        raise _cannot(format, "it takes a list of objects or of lists, or an object")
    if all(is_object(item) for item in items):
        objects = cast("list[Mapping[str, Any]]", items)
        header = list(dict.fromkeys(name for item in objects for name in item))
        return header, [[item.get(name) for name in header] for item in objects]
    if all(is_array(item) for item in items):
        return [], [list(cast("Sequence[Any]", item)) for item in items]
    if any(is_object(item) or is_array(item) for item in items):
        raise _cannot(format, "its items are not all objects, or all lists")
    return ["value"], [[item] for item in items]


def _parquet(value: Any) -> bytes:
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        hint = "pip install 'ratchet-mcp[parquet]', then send it again."
        raise DeliveryRefused("Parquet needs pyarrow, which is not installed.", hint=hint, details={"reason": "format"}) from None
    header, rows = table(value, "parquet")
    if not header:
        raise _cannot("parquet", "its columns have no names: give a list of objects")
    columns = {name: [_scalar(row[number]) for row in rows] for number, name in enumerate(header)}
    try:
        made = arrow.table(columns)
        out = io.BytesIO()
        parquet.write_table(made, out)
    except (arrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise _cannot("parquet", str(error).splitlines()[0][:200]) from None
    return out.getvalue()


def _scalar(value: Any) -> Any:
    """Return what a column holds: objects without members, which Parquet cannot say, become JSON text."""
    return "{}" if value == {} and isinstance(value, dict) else value


def first_line(value: Any, format: Format) -> bytes:
    """Return the line that names the columns of a CSV file, without which more rows are appended; nothing for other formats."""
    if format != "csv":
        return b""
    header, _ = table(value, "csv")
    out = io.StringIO(newline="")
    if header:
        csv.writer(out, lineterminator="\n").writerow(header)
    return out.getvalue().encode()


def _cannot(format: str, why: str) -> DeliveryRefused:
    hint = "Let the task give what fits, or deliver it in another format."
    return DeliveryRefused(f"The output cannot be written as {format}: {why}.", hint=hint, details={"reason": "format", "format": format})


_ENCODERS = {"json": _json, "jsonl": _lines, "yaml": _yaml, "csv": _csv, "parquet": _parquet}
