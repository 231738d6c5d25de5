"""The server's own log: all of it on stderr, whichever library speaks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SPEAK = """
import logging, warnings
from ratchet_mcp.observability.log import configure
from ratchet_mcp.settings import LoggingSettings
from loguru import logger
configure(LoggingSettings(**{settings!r}))
logger.info("from loguru")
logging.getLogger("some.library").warning("from %s", "logging")
logging.getLogger("mcp.server").info("chatter")
warnings.warn("from warnings")
secret = "s3cret"
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("it {{broke}}")
"""


def speak(**settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", SPEAK.format(settings=settings)], capture_output=True, text=True, timeout=60, check=True)


def test_every_voice_ends_on_stderr_and_none_on_stdout():
    run = speak()
    assert run.stdout == ""
    for text in ("from loguru", "some.library: from logging", "from warnings", "it {broke}", "ZeroDivisionError"):
        assert text in run.stderr
    assert "chatter" not in run.stderr


def test_values_of_variables_stay_out_of_tracebacks():
    assert "s3cret" not in speak().stderr.replace('secret = "s3cret"', "")


def test_debug_lets_libraries_chatter():
    assert "chatter" in speak(level="DEBUG").stderr


def test_machines_get_one_json_object_a_line():
    entries = [json.loads(line) for line in speak(format="json").stderr.splitlines()]
    assert [entry["message"] for entry in entries][:2] == ["from loguru", "from logging"]
    assert entries[1]["logger"] == "some.library"
    assert "ZeroDivisionError" in entries[-1]["exception"]


def test_a_file_gets_the_log_too(tmp_path: Path):
    speak(file=str(tmp_path / "ratchet.log"))
    assert "from loguru" in (tmp_path / "ratchet.log").read_text()
