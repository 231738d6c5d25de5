"""What the database says when it refuses, in words that help."""

from __future__ import annotations

import re
from typing import Any, cast

from sqlalchemy.exc import DBAPIError, IntegrityError

from ratchet_mcp.errors import InvalidArgument, RatchetError, StoreFailed

SQLITE = {
    "SQLITE_FULL": ("disk_full", "The disk is full", "Free some space; new executions are recorded again from then on."),
    "SQLITE_READONLY": (
        "read_only",
        "The database cannot be written to",
        "Make the file and its folder writable, or set store.url.",
    ),
    "SQLITE_BUSY": (
        "locked",
        "Another process holds the database",
        "End the process that locks it, or raise store.busy_timeout_seconds.",
    ),
    "SQLITE_LOCKED": ("locked", "Another process holds the database", "End the process that keeps it locked."),
    "SQLITE_CANTOPEN": ("cannot_open", "The database cannot be opened", "Check that the folder exists and that you may write there."),
    "SQLITE_PERM": ("cannot_open", "The database cannot be opened", "Check the permissions of the file and its folder."),
    "SQLITE_NOTADB": ("not_a_database", "The file is not a database", "Name another file in store.url, or move this one away."),
    "SQLITE_CORRUPT": ("corrupt", "The database is damaged", "Restore the file from a backup, or move it away to start afresh."),
    "SQLITE_IOERR": ("io_error", "The disk reported an error", "Check the disk and the file system that holds the database."),
}
POSTGRES = {
    "53100": ("disk_full", "The disk of the database server is full", "Free some space there."),
    "53300": ("too_many_connections", "The database server has no connection left", "Raise its max_connections."),
    "25006": ("read_only", "The database is read-only", "Name the primary server in store.url."),
    "28P01": ("access_denied", "The password is wrong", "Check the password in store.url."),
    "28000": ("access_denied", "The user may not connect", "Check the user in store.url."),
    "3D000": ("cannot_open", "The database does not exist", "Create it, or name another in store.url."),
    "42501": ("access_denied", "The user may not do this", "Grant the user its own schema."),
    "55P03": ("locked", "Another session holds a lock", "End the session that keeps it locked."),
    "57014": ("locked", "The database took too long", "Look for sessions that block others."),
}
REFUSALS = (
    (re.compile(r'database ".*" does not exist'), "3D000"),
    (re.compile(r"password authentication failed|no password supplied"), "28P01"),
    (re.compile(r'role ".*" (does not exist|is not permitted to log in)'), "28000"),
    (re.compile(r"no pg_hba\.conf entry|(Peer|Ident) authentication failed"), "28000"),
)
"""With what words a server refuses a connection, for which the driver gives no SQLSTATE."""
CONFLICTS = ("40001", "40P01")
"""Serialization failure, deadlock."""
UNREACHABLE = ("unreachable", "The database server cannot be reached", "Check that it runs and that store.url names it rightly.")
OTHER = ("failed", "The database refused", None)


def describe(error: BaseException, url: str) -> RatchetError:
    """Turn an error of the database into a `StoreFailed` that names the database, the reason and what to do.

    A text that PostgreSQL can neither hold nor compare is an `InvalidArgument`: trying again does not help.
    """
    if isinstance(error, RatchetError):
        return error
    if "cannot contain NUL" in _words(error):
        return InvalidArgument("A name or another text holds the character NUL, which the database cannot hold.", hint="Leave it out.")
    reason, message, hint = _classify(error)
    cause = _words(error)
    return StoreFailed(f"{message}: {url} ({cause})", hint=hint, details={"url": url, "reason": reason, "cause": cause})


def concerns_one_row(error: BaseException) -> bool:
    """Tell whether only the statement's own values are at fault, so that its neighbours may succeed."""
    return _classify(error) == OTHER or isinstance(error, IntegrityError)


def connection_lost(error: BaseException) -> bool:
    """Tell whether the connection is gone, so that a new one may help."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def server_gone(error: BaseException) -> bool:
    """Tell whether a database server cannot be reached now, so that trying again a little later may help."""
    return _classify(error) == UNREACHABLE


def unreachable(error: StoreFailed) -> bool:
    """Tell the same of an error that `describe` has made."""
    return error.details.get("reason") == UNREACHABLE[0]


def conflicted(error: BaseException) -> bool:
    """Tell whether a transaction was undone because of another one, so that it succeeds when it is tried again."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in CONFLICTS


def _classify(error: BaseException) -> tuple[str, str, str | None]:
    original: Any = error.orig if isinstance(error, DBAPIError) else error
    name: str = getattr(original, "sqlite_errorname", None) or ""
    for prefix, known in SQLITE.items():
        if name.startswith(prefix):
            return known
    state: str | None = getattr(original, "sqlstate", None) or _refusal(original)
    if state in POSTGRES:
        return POSTGRES[state]
    if connection_lost(error) or (state or "").startswith(("08", "57P")) or _never_connected(original, state):
        return UNREACHABLE
    return OTHER


def _refusal(original: Any) -> str | None:
    """Return the SQLSTATE of a connection that the server refused, as far as its words tell."""
    if not _never_connected(original, None):
        return None
    words = str(original)
    return next((state for pattern, state in REFUSALS if pattern.search(words)), None)


def _never_connected(original: Any, state: str | None) -> bool:
    """Psycopg gives no SQLSTATE when there was no server to talk to."""
    kind = cast("type[Any]", type(original))
    return kind.__module__.startswith("psycopg") and kind.__name__ in ("OperationalError", "ConnectionTimeout") and state is None


def _words(error: BaseException) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    text = str(original).strip() or type(error).__name__
    return text.splitlines()[0][:300]
