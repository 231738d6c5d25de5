"""What a reload changed, and who wants to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of tasks: new ones, those whose versions, content or metadata differ, and those that are gone."""

    added: frozenset[str] = field(default=NONE)
    changed: frozenset[str] = field(default=NONE)
    removed: frozenset[str] = field(default=NONE)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class Subscribers:
    """Callbacks, called on the event loop; one that fails does not keep the others from being called."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callable[[Changes], None]] = {}

    def add(self, callback: Callable[[Changes], None]) -> Callable[[], None]:
        """Call `callback` with all changes from now on; call what is returned to end that."""
        key = object()
        self._callbacks[key] = callback
        return lambda: self._callbacks.pop(key, None) and None

    def tell(self, changes: Changes) -> None:
        """Call everyone, unless nothing changed."""
        if not changes:
            return
        for callback in list(self._callbacks.values()):
            try:
                callback(changes)
            except Exception as error:
                from loguru import logger

                logger.opt(exception=error).error("A listener of the catalog failed")
