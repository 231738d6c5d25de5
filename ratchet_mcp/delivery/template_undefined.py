"""What stands for a field that is not there."""

from __future__ import annotations

from jinja2 import StrictUndefined


class FieldMissing(StrictUndefined):
    """Fails when it is used, except by the filter `default` and the test `defined`; says which member was looked for, but not in what."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return f"{self._undefined_name!r} is not there"
