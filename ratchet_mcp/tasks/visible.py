"""Text that others wrote, made safe to show to a model or a person: no characters that cannot be seen, and not too long."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Control and direction characters, invisible ones, tags, and lone surrogates; not the joiners that scripts and emoji need."""


def has_unseen(text: str) -> bool:
    """Tell whether a text holds characters that cannot be seen."""
    return _UNSEEN.search(text) is not None


def visible(text: str, limit: int) -> str:
    """Return a text without characters that cannot be seen, cut to `limit` characters."""
    shown = _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"
