"""Keep the passwords of URLs out of what is shown."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^@]*(?=@)")


def without_passwords(text: str) -> str:
    """Return a text with `***` for each password in a URL, also for one that holds a slash or a space."""
    return _PASSWORD.sub(r"\1:***", text)
