"""Build hook: bring SES from npm, and ship the bundled tasks inside the wheel."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SES = "ses/dist/ses.umd.min.js"
TARGET = Path("ratchet_mcp/engine/worker/ses.umd.min.js")
NPM_FILES = ("package.json", "package-lock.json", ".npmrc")


class CustomBuildHook(BuildHookInterface[Any]):
    """Put `ses.umd.min.js` beside the worker program, and `registry/` into standard wheels as `ratchet_mcp/bundled`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Prepare the files that are not in the repository. An editable install reads `registry/` where it is."""
        root = Path(self.root)
        bring_ses(root)
        build_data["artifacts"].append(f"/{TARGET.as_posix()}")
        if version != "editable":
            build_data["force_include"][str(root / "registry")] = "ratchet_mcp/bundled"


def bring_ses(root: Path) -> None:
    """Install SES from npm, exactly as locked, unless the right file is there already. Raises `SystemExit` with what to do."""
    wanted = json.loads((root / "package.json").read_text())["shipped"][SES]
    target = root / TARGET
    if target.is_file() and _digest(target) == wanted:
        return
    with tempfile.TemporaryDirectory(prefix="ratchet-npm-") as folder:
        for name in NPM_FILES:
            shutil.copy(root / name, folder)
        _npm_ci(Path(folder))
        source = Path(folder, "node_modules", SES)
        found = _digest(source)
        if found != wanted:
            raise SystemExit(f"{SES} from npm has SHA-256 {found}, but package.json wants {wanted}: not installing it.")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _npm_ci(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is missing: the build takes SES, the JavaScript sandbox, from it. Install Node.js with npm and try again.")
    done = subprocess.run([npm, "ci", "--loglevel=error"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"npm could not install SES (exit {done.returncode}). It said:\n{done.stdout}{done.stderr}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
