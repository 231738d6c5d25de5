"""Secret keys in files that only their owner can read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from ratchet_mcp.errors import SettingsInvalid

KEY_BYTES = 32


def load_or_make(file: Path) -> bytes:
    """Return the key in `file`; make one, with mode 0600, if there is none. Blocking.

    Raises `SettingsInvalid` when the file cannot be read or made, others can read it, or it holds no key.
    """
    try:
        _make(file)
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as opened:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise _wrong(file, "it is not a regular file", "Name another file.")
            if os.name == "posix" and facts.st_mode & 0o077:
                raise _wrong(file, "others can read it", f"Remove it, or run: chmod 600 {file}")
            key = opened.read(KEY_BYTES + 1)
    except OSError as error:
        raise _wrong(file, error.strerror or str(error), "Check that the folder can be written, or name another file.") from None
    if len(key) != KEY_BYTES:
        raise _wrong(file, f"it does not hold {KEY_BYTES} bytes", "Remove it; a new one is made.")
    return key


def _make(file: Path) -> None:
    """Make the file if it is missing. Written whole before it gets its name: another process never reads half a key."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(secrets.token_bytes(KEY_BYTES))
        os.link(draft, file)
    except FileExistsError:
        pass  # another process was first; its key counts
    finally:
        draft.unlink()


def _wrong(file: Path, why: str, hint: str) -> SettingsInvalid:
    message = f"The key file cannot be used: {file} ({why})."
    return SettingsInvalid(message, hint=hint, details={"problems": [{"key": "mcp.state_key_file", "source": str(file), "message": why}]})
