"""What the settings say of a destination: whether its folder, its host and its secrets may be used."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from ratchet_mcp.delivery.destinations import Destination, FileDestination, Problems, WebhookDestination, read_destinations
from ratchet_mcp.delivery.paths import why_not
from ratchet_mcp.egress.policy import PolicySource
from ratchet_mcp.egress.redaction import Redactor
from ratchet_mcp.egress.urls import Target, read_url
from ratchet_mcp.errors import RatchetError
from ratchet_mcp.settings import Settings
from ratchet_mcp.settings.hosts import first_match, read_patterns
from ratchet_mcp.tasks.violations import did_you_mean, shown

_ORIGIN = re.compile(r"https?://[^/?#{}]+", re.IGNORECASE)
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


class Checks:
    """Reads destinations under the settings. Nothing is opened or resolved: names of hosts are checked when they are connected to."""

    def __init__(self, settings: Settings) -> None:
        self._roots = settings.delivery.roots
        self._secrets = {each.name: (read_patterns(each.hosts), each.tasks) for each in settings.network.secrets}
        self._redactor = Redactor(settings.network)
        self._policy = PolicySource(settings.network).of_caller("The webhook", None)

    def read(self, value: Any, *, where: str, task: str | None = None) -> list[Destination]:
        """Return checked destinations. Raises `DeliveryInvalid` with everything that is wrong; `where` says whose they are.

        With the name of the task whose results go there, also whether it may use the secrets.
        """
        problems = Problems()
        destinations = read_destinations(value, problems)
        for number, each in enumerate(_numbered(value)):
            found = next((one for one in destinations if one.raw is each), None)
            if found is not None:
                self._check(found, (number,), task, problems)
        problems.check(where)
        return destinations

    def root_of(self, model: FileDestination) -> Path | None:
        """Return the root that a file belongs below; None when the settings have none, or not this one."""
        if model.root is None:
            return next(iter(self._roots), None)
        return next((root for root in self._roots if root == Path(model.root)), None)

    def _check(self, destination: Destination, at: tuple[int, ...], task: str | None, problems: Problems) -> None:
        model = destination.model
        if isinstance(model, FileDestination):
            self._check_file(model, at, problems)
        else:
            self._check_webhook(model, at, task, problems)

    def _check_file(self, model: FileDestination, at: tuple[int, ...], problems: Problems) -> None:
        if not self._roots:
            problems.add((*at, "path"), "no folder may be written to: name one in delivery.roots in the settings")
        elif self.root_of(model) is None:
            roots = ", ".join(str(root) for root in self._roots)
            problems.add((*at, "root"), f"{shown(model.root)} is none of the roots of the settings (delivery.roots): {roots}")
        for piece in _EXPRESSION.sub("x", model.path).split("/"):
            if reason := why_not(piece):
                problems.add((*at, "path"), f"{shown(piece)} cannot be a piece of a path: {reason}")
        if model.writes == "parquet" and find_spec("pyarrow") is None:
            problems.add((*at, "format"), "parquet needs pyarrow, which is not installed: pip install 'ratchet-mcp[parquet]'")

    def _check_webhook(self, model: WebhookDestination, at: tuple[int, ...], task: str | None, problems: Problems) -> None:
        try:
            origin = _ORIGIN.match(model.url)
            target = read_url(origin[0] if origin else model.url)
            self._policy.decide(target).check(target.host)
        except RatchetError as error:
            problems.add((*at, "url"), error.message.rstrip(".") + (f" ({error.hint.rstrip('.')})" if error.hint else ""))
            return
        literal = _EXPRESSION.sub("", model.url)
        if self._redactor.url(literal) != literal:
            problems.add((*at, "url"), "a credential stands in the URL; send it in a header, by the name of a secret (network.secrets)")
        for name, value in model.headers.items():
            if isinstance(value, str) and self._redactor.is_sensitive(name):
                problems.add((*at, "headers", name), 'a credential is named, not written: {"secret": "NAME"} of network.secrets')
        for key, name in model.secrets():
            self._check_secret((*at, *key.split(".", 1)), name, target, task, problems)

    def _check_secret(self, at: tuple[str | int, ...], name: str, target: Target, task: str | None, problems: Problems) -> None:
        secret = self._secrets.get(name)
        if secret is None:
            known = f"; there are {', '.join(self._secrets)}" if self._secrets else "; there are none"
            problems.add(at, f"there is no secret {name} in network.secrets{did_you_mean(name, self._secrets)}{known}")
            return
        hosts, tasks = secret
        if task is not None and not any(fnmatch.fnmatchcase(task, pattern) for pattern in tasks):
            problems.add(at, f"the secret {name} is not there for the task {task} (network.secrets)")
        if not first_match(hosts, target.scheme, target.host, target.port):
            bound = ", ".join(pattern.text for pattern in hosts)
            problems.add(at, f"the secret {name} may be sent to {bound}, not to {target.scheme}://{target.authority}")


def _numbered(value: Any) -> list[Any]:
    return [value] if isinstance(value, Mapping) else cast("list[Any]", value) if isinstance(value, list) else []
