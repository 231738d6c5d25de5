"""Files below a root: whole or not at all, and never through a link.

Each folder on the way is opened by its name in the folder before it, without following links; so what is swapped on the way cannot lead
elsewhere. A file is written under another name, brought to the disk, and then takes its name in one step.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ratchet_mcp.delivery.paths import pieces_of, temporary_start
from ratchet_mcp.errors import DeliveryFailed, DeliveryRefused, RatchetError

Exists = Literal["replace", "keep", "number", "append"]
MOST_NUMBER = 10_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MAY_NOT = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a file: its path below the root, its bytes, and how it came about."""

    path: str
    bytes: int
    how: Literal["written", "kept", "appended"]


def write(
    root: Path,
    path: str,
    data: bytes,
    *,
    key: str,
    again: bool = False,
    mode: int = 0o640,
    exists: Exists = "replace",
    create_folders: bool = True,
    header: bytes = b"",
) -> Written:
    """Write a file below a root; `key` names the delivery, and `again` says that it was tried before, so that there may be remains.

    With `append`, `data` is added at the end of what is there, without the `header` that it begins with; a file that begins otherwise is
    refused. Raises `DeliveryRefused` for a path that cannot be used, and `DeliveryFailed` when the disk does not take it.
    """
    *folders, name = pieces_of(path)
    shown = "/".join([*folders, name])
    with _told(shown), _folder(root, folders, mode, create=create_folders) as folder:
        if exists == "append":
            size = _append(folder, name, data, mode, header)
            return Written(shown, size, "appended")
        _check_place(folder, name, shown)
        if exists == "keep" and _is_there(folder, name):
            return Written(shown, 0, "kept")
        if again:
            _clear(folder, key)
        temporary = f"{temporary_start(key)}{secrets.token_hex(8)}"
        try:
            _write_whole(folder, temporary, data, mode)
            how: Literal["written", "kept"] = "written"
            if exists == "replace":
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            elif exists == "number":
                name = _take_free_name(folder, temporary, name)
            elif not _link(folder, temporary, name):
                how = "kept"
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
        os.fsync(folder)
        return Written("/".join([*folders, name]), len(data) if how == "written" else 0, how)


# ---------------------------------------------------------------- the way to the folder
@contextmanager
def _folder(root: Path, folders: list[str], mode: int, *, create: bool) -> Generator[int]:
    """Open the folder that a file belongs into. The root itself is the operator's, and may be a link."""
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        hint = "Make the folder, and let Ratchet write to it, or change delivery.roots."
        details = {"reason": "root", "root": str(root)}
        raise DeliveryFailed(f"The root {root} cannot be opened: {error.strerror}.", hint=hint, details=details) from None
    try:
        for name in folders:
            descriptor = _enter(descriptor, name, mode, create=create)
        yield descriptor
    finally:
        os.close(descriptor)


def _enter(folder: int, name: str, mode: int, *, create: bool) -> int:
    """Open a folder within another one, which is closed. A folder gets the permissions of its files, and may be entered by who reads."""
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, mode | (mode & 0o444) >> 2, dir_fd=folder)
            os.fsync(folder)
    entered = os.open(name, _FOLDER, dir_fd=folder)
    os.close(folder)
    return entered


# ---------------------------------------------------------------- the file
def _check_place(folder: int, name: str, shown: str) -> None:
    with suppress(FileNotFoundError):
        _check_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), shown)


def _check_regular(found: os.stat_result, shown: str) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    kind = "a link" if stat.S_ISLNK(found.st_mode) else "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe"
    raise DeliveryRefused(f"{shown} is {kind}, not a file; it was left as it is.", details={"reason": "not_a_file", "path": shown})


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write_whole(folder: int, name: str, data: bytes, mode: int) -> None:
    """Write a new file and bring it to the disk."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        _write_all(descriptor, data)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(folder: int, key: str) -> None:
    """Remove what attempts that died have left; one that is still alive somewhere loses its file, and fails."""
    start = temporary_start(key)
    for entry in os.listdir(folder):
        if entry.startswith(start):
            with suppress(FileNotFoundError):
                os.unlink(entry, dir_fd=folder)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _link(folder: int, temporary: str, name: str) -> bool:
    """Give a file a name that nothing has; tells whether it got it."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    return True


def _take_free_name(folder: int, temporary: str, name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    stem, ending = (stem, dot + extension) if stem else (name, "")
    for number in range(MOST_NUMBER):
        candidate = f"{stem}-{number}{ending}" if number else name
        if not _is_there(folder, candidate) and _link(folder, temporary, candidate):
            return candidate
    raise DeliveryRefused(f"There are {MOST_NUMBER} files with numbers for {name}.", details={"reason": "number", "path": name})


def _append(folder: int, name: str, data: bytes, mode: int, header: bytes) -> int:
    """Add to the end of a file, alone among all who append; what cannot be written whole is taken back."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        _check_regular(os.fstat(descriptor), name)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before = os.fstat(descriptor).st_size
        if before == 0:
            os.fchmod(descriptor, mode)
        elif header:
            _check_header(descriptor, name, header)
            data = data[len(header) :]
        torn = before > 0 and os.pread(descriptor, 1, before - 1) != b"\n"
        try:
            _write_all(descriptor, b"\n" + data if torn else data)
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, before)
            raise
        return len(data)
    finally:
        os.close(descriptor)


def _check_header(descriptor: int, name: str, header: bytes) -> None:
    if os.pread(descriptor, len(header), 0).rstrip(b"\r\n") != header.rstrip(b"\r\n"):
        message = f"{name} has other columns than the output, so nothing was appended to it."
        raise DeliveryRefused(message, hint="Deliver to another file, or move this one away.", details={"reason": "columns", "path": name})


# ---------------------------------------------------------------- what the system says
@contextmanager
def _told(shown: str) -> Generator[None]:
    try:
        yield
    except RatchetError:
        raise
    except OSError as error:
        raise _as_ours(error, shown) from None


def _as_ours(error: OSError, shown: str) -> RatchetError:
    said = error.strerror or str(error)
    if error.errno in _FULL:
        message, reason, hint = "The disk is full", "disk_full", "Free some space; it is tried again."
    elif error.errno in _MAY_NOT:
        message, reason, hint = "Ratchet may not write there", "permission", "Let Ratchet write to the folder; it is tried again."
    elif error.errno == errno.ENOENT:
        message, reason, hint = "A folder is missing", "missing", "Make the folder, or set create_folders in the destination."
    elif error.errno in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
        return DeliveryRefused(f"{shown} is not a file; it was left as it is ({said}).", details={"reason": "not_a_file", "path": shown})
    elif error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
        message = f"{shown} cannot be written: a piece of its path is a link, or a file where a folder should be ({said})."
        return DeliveryRefused(message, details={"reason": "link", "path": shown})
    else:
        message, reason, hint = "The file system reported an error", "io_error", None
    return DeliveryFailed(f"{shown} cannot be written: {message} ({said}).", hint=hint, details={"reason": reason, "path": shown})
