"""The command line `ratchet` within this process: all that it says and does, without the second that a process takes to start."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from loguru import logger

from ratchet_mcp.cli.main import main


def ratchet(
    *arguments: object, stdin: str = "", cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` would. Signals, pipes and terminals need a process of their own."""
    command = ["ratchet", *map(str, arguments)]
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for name in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch, _logging_as_it_was():
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        patch.setattr(sys, "argv", command)
        if cwd is not None:
            patch.chdir(cwd)
        if env is not None:
            for name in os.environ.keys() - env.keys():
                patch.delenv(name)
            for name, value in env.items():
                patch.setenv(name, value)
        status = _status()
    said = {name: stream.buffer.getvalue().decode() for name, stream in streams.items() if isinstance(stream.buffer, io.BytesIO)}
    return subprocess.CompletedProcess(command, status, **said)


def _status() -> int:
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


@contextmanager
def _logging_as_it_was() -> Iterator[None]:
    """Undo what `observability.log.configure` does to the whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: each.level for name, each in logging.root.manager.loggerDict.items() if isinstance(each, logging.Logger)}
    try:
        yield
    finally:
        logger.remove()
        logger.add(sys.stderr)
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)
        logging.captureWarnings(False)
