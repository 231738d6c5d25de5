"""What `ratchet doctor` looks at: the versions, the files and the folders that Ratchet stands on."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ratchet_mcp.errors import RatchetError, SettingsInvalid

if TYPE_CHECKING:
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.settings.loader import Loaded

SES_VERSION = "2.3.0"
SES_DIGEST = "2ac48b2cda4e2e466a49a4acc7aab0288567e0c10ce96c0970ef1cadd0cec566"
"""SHA-256 of the `ses.umd.min.js` that belongs to this version of Ratchet (package.json has the same)."""

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's report. `missing` fails the whole; `note` is worth knowing."""

    area: str
    name: str
    state: State
    detail: str
    hint: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def failed(area: str, name: str, error: RatchetError) -> Check:
    """Make a check of an error."""
    return Check(area, name, "missing", error.message, error.hint)


def versions() -> list[Check]:
    """Check Python, the JavaScript engine, SES, and npm (which only the installation needs)."""
    here = f"{platform.system()} {platform.release()} {platform.machine()}"
    return [
        Check("versions", "Python", "ok", f"{platform.python_version()} on {here}"),
        _package("pythonmonkey", "the JavaScript engine"),
        *([_package("pyseccomp", "the filter of system calls")] if sys.platform == "linux" else []),
        _package("mcp", "the MCP SDK"),
        _ses(),
        _npm(),
    ]


def _package(name: str, role: str) -> Check:
    try:
        return Check("versions", name, "ok", f"{metadata.version(name)}, {role}")
    except metadata.PackageNotFoundError:
        return Check(
            "versions", name, "missing", f"{role} is not installed", "Install Ratchet again: pip install --force-reinstall ratchet-mcp"
        )


def _ses() -> Check:
    import ratchet_mcp.engine.worker

    path = Path(ratchet_mcp.engine.worker.__file__).with_name("ses.umd.min.js")
    if not path.is_file():
        return Check("versions", "SES", "missing", f"{path} is not there", "Install Ratchet again; its build takes SES from npm.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != SES_DIGEST:
        return Check("versions", "SES", "missing", f"{path} is not the file of SES {SES_VERSION}", "Install Ratchet again.")
    return Check("versions", "SES", "ok", f"{SES_VERSION}, the sandbox within the engine")


def _npm() -> Check:
    npm = shutil.which("npm")
    if npm is None:
        return Check("versions", "npm", "note", "not found", "Only installing Ratchet from source needs it.")
    try:
        done = subprocess.run([npm, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("versions", "npm", "note", f"does not answer: {error}", "Only installing Ratchet from source needs it.")
    return Check("versions", "npm", "ok", done.stdout.strip())


def settings(config: Path | None, profile: str | None) -> tuple[Loaded, list[Check]]:
    """Check the settings; with wrong ones the other checks go on with the defaults."""
    from ratchet_mcp.settings.files import default_folder
    from ratchet_mcp.settings.loader import load_with_origins

    try:
        loaded = load_with_origins(config, profile)
    except SettingsInvalid as error:
        return _defaults(), [failed("settings", "settings", error)]
    file = str(loaded.file) if loaded.file else f"no file in {default_folder()}: defaults"
    chosen = f", profile {loaded.profile}" if loaded.profile else ""
    return loaded, [Check("settings", "settings", "ok", file + chosen)]


def _defaults() -> Loaded:
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.settings.loader import Loaded

    return Loaded(Settings(), {})


async def services(settings: Settings) -> list[Check]:
    """Open the store and the catalog, as a server would."""
    return [await _store(settings), *await _catalog(settings), network(settings)]


def network(settings: Settings) -> Check:
    """Tell what tasks may reach; whatever is more than the public internet is worth knowing."""
    rules = settings.network
    reached = {
        "off": "tasks reach nothing",
        "allow-listed": "tasks reach the hosts that they or network.allow name",
        "public": "tasks reach the public internet",
        "open": "tasks reach everything, also private networks and this machine",
    }[rules.mode]
    hints = ["Set network.mode to public, and name what is needed in network.allow_private."] if rules.mode == "open" else []
    if rules.allow_private:
        reached += f", and in private networks {', '.join(rules.allow_private[:5])}"
    if rules.proxy_resolves:
        hints.append("network.proxy_resolves: the proxy looks names up, so private addresses behind public names are not noticed.")
    noted = hints or rules.allow_private
    return Check("network", f"network.mode {rules.mode}", "note" if noted else "ok", reached, " ".join(hints) or None)


async def _store(settings: Settings) -> Check:
    from ratchet_mcp.store.opening import import_store

    try:
        store_class = await import_store()
        async with store_class.open(settings.store) as store:
            status = store.status()
            return Check("services", "store", "ok", f"{status.get('url', store.url)} can be written")
    except RatchetError as error:
        return failed("services", "store", error)


async def _catalog(settings: Settings) -> list[Check]:
    from ratchet_mcp.registry.catalog import Catalog

    catalog = Catalog(settings.registry, settings.limits, settings.network)
    await catalog.start()
    total = catalog.find(limit=1).total
    checks = [Check("services", "tasks", "ok" if total else "note", f"{total} tasks")]
    checks += [
        Check("services", f"task in {problem.source}", "note", f"{problem.location}: {problem.error.message}", problem.error.hint)
        for problem in catalog.problems
    ]
    return checks
