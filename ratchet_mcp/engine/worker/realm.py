"""Build the JavaScript realm that tasks run in: SES lockdown, our globals, and the functions that start and end a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SES = HERE / "ses.umd.min.js"
PARTS = (
    "rejections", "errors", "inspect", "clock", "encoding", "url", "events", "headers", "crypto", "blob", "formdata", "body", "request",
    "response", "clone", "fetch", "console", "timers", "output", "context", "tasks",
    "run",
)  # fmt: skip
"""The files of `realm/` in the order in which they are evaluated; the first runs between SES's repair and its hardening."""

CONSOLE = (
    "globalThis.console = Object.fromEntries(['log', 'info', 'warn', 'error', 'debug', 'trace', 'group', 'groupEnd', 'groupCollapsed',"
    " 'assert', 'dir', 'dirxml', 'table', 'count', 'countReset', 'time', 'timeLog', 'timeEnd', 'profile', 'profileEnd', 'timeStamp',"
    " 'exception', 'clear'].map((name) => [name, () => {}]))"
)
"""SES wants a console; the start realm's says nothing."""

REPAIR = (
    "repairIntrinsics({ errorTaming: 'unsafe', consoleTaming: 'unsafe', overrideTaming: 'severe', evalTaming: 'safe-eval',"
    " domainTaming: 'unsafe', localeTaming: 'unsafe', stackFiltering: 'verbose', reporting: 'none' })"
)
"""Errors keep their stack and line, dates and numbers their locale; everything else is SES's strict default."""


@dataclass(frozen=True, slots=True)
class Realm:
    """The functions of `realm/*.js` that the worker calls. All take and return text and numbers only."""

    prepare: Callable[[], Any]
    start: Callable[..., Any]
    fire: Callable[[int], Any]
    settle: Callable[[int, bool, str], Any]
    settled: Callable[[], bool]
    rejected: Callable[[], Any]
    lost: Callable[[], bool]
    report: Callable[[Any], Any]
    output: Callable[[], str | None]
    end: Callable[[], str]
    allowed: tuple[str, ...]
    observe: Callable[[str, str], Any] | None


def build(core: Any, host_functions: list[Callable[..., Any]], *, debugging: bool = False) -> Realm:
    """Lock the start realm down and build the kit in it. `core` is the native core, already loaded.

    With `debugging` the debugger is set up first; tasks find the same realm.
    """
    if debugging:
        _set_up_debugger(core)
    core.eval(CONSOLE)
    core.eval(SES.read_text(encoding="utf-8"))
    core.eval(REPAIR)
    names = (*PARTS, "observe") if debugging else PARTS
    parts = ",\n".join((HERE / "realm" / f"{name}.js").read_text(encoding="utf-8") for name in names)
    boot = (HERE / "realm" / "boot.js").read_text(encoding="utf-8")
    kit = core.eval(f"(...host) => ({boot})([{parts}], ...host)")(*host_functions)
    core.eval("for (const name of ['debuggerGlobal', 'WebAssembly', 'eval', 'Function']) delete globalThis[name]")
    return Realm(
        prepare=kit["prepare"],
        start=kit["start"],
        fire=kit["fire"],
        settle=kit["settle"],
        settled=kit["settled"],
        rejected=kit["rejected"],
        lost=kit["lost"],
        report=kit["report"],
        output=kit["output"],
        end=kit["end"],
        allowed=tuple(kit["allowed"]),
        observe=kit["observe"] if debugging else None,
    )


def _set_up_debugger(core: Any) -> None:
    """Let the debugger's own global watch this one. What it offers waits on the global for `observe.js`, which takes it away."""
    debugger, render = ((HERE / "realm" / name).read_text(encoding="utf-8") for name in ("debugger.js", "render.js"))
    set_up = core.eval("debuggerGlobal.eval")(f"(main) => {{ main.debugging = ({debugger})(main, ({render})); }}")
    set_up(core.eval("globalThis"))
