"""Fail when a file of the project names the address of a package registry: installs must follow each machine's own set-up."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

# The brackets keep this file from holding what it looks for.
HOSTS = re.compile(
    r"registry[.](?:npm|yarn)[a-z]+[.][a-z]+|\bpypi[.](?:org|io)\b|pythonhosted[.]org|npmmirror[.]com|\bproxy[.]golang[.]",
    re.IGNORECASE,
)
SETTINGS = re.compile(r"--(?:extra-)?index-url|--find-links|^\s*registry\s*=|\"resolved\"\s*:|^[\w.\[\]-]+\s*@\s*\w+:", re.MULTILINE)
INSTALL_FILES = {"constraints.txt", "package-lock.json", "package.json", ".npmrc", "setup", "pyproject.toml"}


def main() -> int:
    """Print each finding as `file:line: text`; return 1 when there is one."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], capture_output=True, text=True, check=True
    ).stdout
    found = 0
    for name in filter(None, listed.split("\0")):
        path = Path(name)
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        patterns = [HOSTS, SETTINGS] if path.name in INSTALL_FILES else [HOSTS]
        for match in (match for pattern in patterns for match in pattern.finditer(text)):
            found += 1
            print(f"{name}:{text.count(chr(10), 0, match.start()) + 1}: names a package registry: {match[0].strip()}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
