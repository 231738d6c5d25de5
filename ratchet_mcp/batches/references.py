"""References of an input to earlier outputs: `{"$from": "id", "path": "/a/b"}` anywhere inside it.

An object with other members beside `$from` is a mistake, and so is a `$from` that names nothing. `{"$literal": value}` stands for the value
as it is, without a look inside, so that data which happens to hold `$from` or `$literal` can be passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.pointers import MISSING, at_pointer, read_pointer

FROM, PATH, LITERAL = "$from", "path", "$literal"
Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference: where it stands in the input, whose output it means, and where in that."""

    where: Where
    id: str
    pointer: tuple[str, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that looks like a reference and is none."""

    where: Where
    message: str


class ReferenceMissing(ValueError):
    """An output has nothing where a reference points."""


def find_references(value: Any) -> Iterator[Reference | Mistake]:
    """Find everything that is, or seems meant as, a reference."""
    waiting: list[tuple[Where, Any]] = [((), value)]
    while waiting:
        where, node = waiting.pop()
        if is_array(node):
            waiting.extend(((*where, index), child) for index, child in enumerate(node))
        elif is_object(node):
            if _is_literal(node):
                continue
            if FROM in node:
                yield _read(where, node)
            else:
                waiting.extend(((*where, name), child) for name, child in node.items())


def resolve(value: Any, outputs: Mapping[str, Any]) -> Any:
    """Return an input with outputs in the place of its references. Raises `ReferenceMissing`. Recursive: the nesting is checked before."""
    if is_array(value):
        return [resolve(child, outputs) for child in value]
    if not is_object(value):
        return value
    if _is_literal(value):
        return value[LITERAL]
    if FROM not in value:
        return {name: resolve(child, outputs) for name, child in value.items()}
    path = value.get(PATH, "")
    found = at_pointer(outputs[value[FROM]], read_pointer(path))
    if found is MISSING:
        raise ReferenceMissing(f"the output of {value[FROM]} has nothing at {path}")
    return found


def _is_literal(node: Any) -> TypeGuard[dict[str, Any]]:
    return is_object(node) and len(node) == 1 and LITERAL in node


def _read(where: Where, node: dict[str, Any]) -> Reference | Mistake:
    others = [name for name in node if name not in (FROM, PATH)]
    if others:
        advice = f'only path goes with $from, not {others[0][:40]}; write {{"$literal": …}} around data that is no reference'
        return Mistake(where, advice)
    id, path = node[FROM], node.get(PATH, "")
    if not isinstance(id, str) or not id:
        return Mistake(where, '$from is the id of another request; write {"$literal": …} around data that is no reference')
    try:
        return Reference(where, id, read_pointer(path), path)
    except ValueError as error:
        return Mistake((*where, PATH), str(error))
