"""Who may reach what: the rules of the settings and of the task, as one decision for each URL that is about to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ratchet_mcp.egress.addresses import is_address, is_private_name, why_not_public
from ratchet_mcp.egress.urls import Target
from ratchet_mcp.errors import NetworkDenied
from ratchet_mcp.settings.hosts import HostPattern, first_match, read_patterns
from ratchet_mcp.settings.network import Mode, NetworkSettings
from ratchet_mcp.tasks.network import NetworkRules, read_network

if TYPE_CHECKING:
    from ratchet_mcp.tasks.definition import Task

Reach = Literal["public", "private", "any"]
"""Public addresses only; private ones too, but not those of cloud metadata; any, because the address itself was named in the settings."""

BAD_PORTS = frozenset(
    {
        1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111,
        113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548,
        554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379,
        6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
    }
)  # fmt: skip
"""Ports of other protocols (Fetch standard, "port blocking"), with those of Redis and memcached."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says of one URL. `reason` is a short word for the call log, `message` and `hint` are for the user."""

    allowed: bool
    reason: str
    message: str = ""
    hint: str | None = None
    reach: Reach = "public"

    def check(self, host: str) -> Decision:
        """Return the decision itself, or raise `NetworkDenied` when it is a refusal."""
        if self.allowed:
            return self
        raise NetworkDenied(f"{self.message}.", hint=self.hint, details={"host": host, "reason": self.reason})


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of the settings and of one task together. Everything must agree; what a task says can only narrow.

    `task` is how messages call who asks; not `is_task` when it is a part of Ratchet itself, such as a webhook.
    """

    mode: Mode = "public"
    allow: tuple[HostPattern, ...] = ()
    deny: tuple[HostPattern, ...] = ()
    allow_private: tuple[HostPattern, ...] = ()
    task: str = "The task"
    task_allow: tuple[HostPattern, ...] | None = None
    is_task: bool = True

    def decide(self, target: Target) -> Decision:
        """Decide about one URL; what its name resolves to is checked when it is connected to."""
        where = (target.scheme, target.host, target.port)
        if self.mode == "off":
            return _no("mode-off", "The network is switched off (network.mode)", "Set network.mode to public or allow-listed.")
        if denied := first_match(self.deny, *where):
            return _no("denied", f"{target.host} is on the list network.deny ({denied.text})")
        private = first_match(self.allow_private, *where)
        if target.port in BAD_PORTS:
            return _no("port", f"The port {target.port} belongs to another protocol than HTTP")
        if refusal := self._lists(where):
            return refusal
        return self._address(target, private)

    def of_the_task(self) -> Policy:
        """Return only what the task says of itself, for answers that do not come from the network."""
        return Policy(mode="open", task=self.task, task_allow=self.task_allow, is_task=self.is_task)

    def _lists(self, where: tuple[str, str, int]) -> Decision | None:
        scheme, host, port = where
        shown = host if port in (80, 443) else f"{host}:{port}"
        if self.allow and not first_match(self.allow, *where):
            return _no(
                "not-allowed", f"{scheme}://{shown} is not on the list network.allow", "Add the host to network.allow in the settings."
            )
        if self.task_allow is not None and not first_match(self.task_allow, *where):
            listed = ", ".join(pattern.text for pattern in self.task_allow[:8]) or "nothing"
            hint = f'Add "{shown}" to network.allow in its metadata, if it should be reached.' if self.is_task else _CONFIGURED
            return _no(
                "not-allowed-by-task" if self.is_task else "not-allowed",
                f"{self.task} may reach {listed}, but not {scheme}://{shown}",
                hint,
            )
        if self.mode == "allow-listed" and self.task_allow is None and not self.allow:
            hint = f'Write "network": {{"allow": ["{shown}"]}} into its metadata.' if self.is_task else f'Add "{shown}" to network.allow.'
            return _no("no-allow-list", f"{self.task} names no hosts, and network.mode is allow-listed", hint)
        return None

    def _address(self, target: Target, private: HostPattern | None) -> Decision:
        literal = is_address(target.host)
        if private is not None:
            named = literal and private.host != "*"
            return Decision(True, f"allow_private ({private.text})", reach="any" if named else "private")
        if self.mode == "open":
            return Decision(True, "mode-open", reach="private")
        if literal and (kind := why_not_public(target.address)):
            return _no("private-address", f"{target.address} is no public address ({kind})", _PRIVATE_HINT)
        if not literal and is_private_name(target.host):
            return _no("private-name", f"{target.host} names this machine or its own network", _PRIVATE_HINT)
        listed = bool(self.allow) or self.task_allow is not None
        return Decision(True, "allow-listed" if listed else "public")


_CONFIGURED = "Name the host where this request is configured, if it should be reached."
_PRIVATE_HINT = "If tasks should reach it, add it to network.allow_private in the settings."


def _no(reason: str, message: str, hint: str | None = None) -> Decision:
    return Decision(False, reason, message, hint)


def refused_address(host: str, kind: str) -> NetworkDenied:
    """Return the error for a name that is allowed but has an address that is not."""
    details = {"host": host, "reason": "private-address"}
    return NetworkDenied(f"{host} has an address that is not public ({kind}).", hint=_PRIVATE_HINT, details=details)


class PolicySource:
    """Makes the policy of each task from the settings, whose patterns were checked when they were loaded."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._mode: Mode = settings.mode
        self._allow, self._deny = read_patterns(settings.allow), read_patterns(settings.deny)
        self._private = read_patterns(settings.allow_private)

    def of(self, task: Task | None) -> Policy:
        """Return the policy of a task; without a task only the settings count."""
        if task is None:
            return self.of_caller("The request", None)
        return self._policy(f"The task {task.name}", _task_allow(task), is_task=True)

    def of_caller(self, name: str, allow: Sequence[str] | None) -> Policy:
        """Return the policy of a part of Ratchet; `allow`, when given, are the only hosts that it asks. Raises `ValueError`."""
        return self._policy(name, None if allow is None else read_patterns(allow), is_task=False)

    def _policy(self, who: str, allow: tuple[HostPattern, ...] | None, *, is_task: bool) -> Policy:
        return Policy(self._mode, self._allow, self._deny, self._private, who, allow, is_task)


def _task_allow(task: Task) -> tuple[HostPattern, ...] | None:
    rules = rules_of(task)
    return None if rules.allow is None else read_patterns(rules.allow)


def rules_of(task: Task) -> NetworkRules:
    """Return what a task says of its network. What cannot be read allows nothing: loading has told it already."""
    network: Any = task.metadata.get("network")
    try:
        return read_network(network) if network is not None else NetworkRules()
    except ValueError:
        return NetworkRules(allow=())
