"""Changes a file of another program so that nothing can be lost: a backup next to it, and one atomic step."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from datetime import datetime
from pathlib import Path

from ratchet_mcp.errors import InvalidArgument

MAX_BYTES = 32 << 20
PRIVATE, ORDINARY = 0o600, 0o666


def read(file: Path) -> str | None:
    """Return the text of a file, line ends and byte order mark included, or None when there is none. Raises `InvalidArgument`."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise InvalidArgument(f"{file} is no file, or larger than {MAX_BYTES >> 20} MiB.", hint="Nothing was written.")
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{file} is not UTF-8 text.", hint="Nothing was written. Save the file as UTF-8.") from error
    except OSError as error:
        raise InvalidArgument(f"{file} cannot be read: {error.strerror or error}.", hint="Nothing was written.") from error


def rewrite(file: Path, before: str | None, after: str, *, secret: bool) -> Path | None:
    """Replace the text of a file in one step, and return the backup of what it held.

    A link stays a link: the file it leads to changes. Mode bits stay; a new file that holds something `secret` is for its owner only.
    Raises `InvalidArgument` when the file has changed since `before` was read, or cannot be written.
    """
    target = file.resolve()
    if read(target) != before:
        raise InvalidArgument(f"{file} was changed by another program just now.", hint="Nothing was written. Try again.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        backup = None
        if before is not None:
            backup = _free_name(target)
            shutil.copy2(target, backup)
        _replace(target, after.encode("utf-8"), target.stat().st_mode & 0o7777 if before is not None else _new_mode(secret=secret))
    except OSError as error:
        raise InvalidArgument(f"{file} cannot be written: {error.strerror or error}.", hint="Nothing was changed.") from error
    return backup


def _free_name(target: Path) -> Path:
    stem = f"{target.name}.backup-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    candidates = (target.with_name(stem if number == 1 else f"{stem}-{number}") for number in range(1, 10_000))
    return next(each for each in candidates if not each.exists())


def _new_mode(*, secret: bool) -> int:
    mask = os.umask(0)
    os.umask(mask)
    return (PRIVATE if secret else ORDINARY) & ~mask


def _replace(target: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
