"""The server's own log: loguru on stderr (and into a file), never on stdout.

The standard library's `logging` and `warnings` end here too, so that every library speaks with one voice.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

    from ratchet_mcp.settings.server import LoggingSettings

TEXT = "{time:HH:mm:ss.SSS} {level: <7} {name}: {message}"
QUIET = ("alembic", "asyncio", "httpx", "httpcore", "mcp", "sqlalchemy", "sse_starlette", "uvicorn.error")
"""Libraries whose everyday chatter is only wanted at DEBUG."""
SILENT = ("stamina",)
"""Libraries that warn of what is everyday: of each attempt that is made again."""


class _Redirect(logging.Handler):
    """Hand records of the standard library's logging to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log `record` under its own name, level and exception."""
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        source = logger.patch(lambda entry: entry.update(name=record.name))
        source.opt(exception=record.exc_info).log(level, "{}", record.getMessage())


def _as_json(record: Record) -> str:
    entry: dict[str, object] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "logger": record["name"],
        "message": record["message"],
    }
    if record["exception"] is not None:
        entry["exception"] = "".join(traceback.format_exception(record["exception"].value))
    record["extra"]["line"] = json.dumps(entry, default=str)
    return "{extra[line]}\n"


def configure(settings: LoggingSettings) -> None:
    """Send the whole process's log to stderr, and to `settings.file` when set (rotated at 10 MB, five kept)."""
    layout = _as_json if settings.format == "json" else TEXT
    logger.remove()
    # diagnose would print the values of variables, which may be a user's data.
    logger.add(sys.stderr, level=settings.level, format=layout, colorize=False, backtrace=False, diagnose=False)
    if settings.file is not None:
        logger.add(settings.file, level=settings.level, format=layout, rotation="10 MB", retention=5, backtrace=False, diagnose=False)
    verbose = settings.level in ("TRACE", "DEBUG")
    logging.basicConfig(handlers=[_Redirect()], level=logging.DEBUG if verbose else logging.INFO, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET if verbose else logging.WARNING)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.NOTSET if verbose else logging.ERROR)
    logging.captureWarnings(True)
