"""Proofs that each limit ends a run on this machine: real workers run real offenders."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ratchet_mcp.cli.checks import Check, failed
from ratchet_mcp.engine.run import LogLine, ProgressUpdate, RunLimits, RunRequest
from ratchet_mcp.errors import RatchetError

if TYPE_CHECKING:
    from ratchet_mcp.engine.pool import WorkerPool
    from ratchet_mcp.settings import Settings

LIMITS = RunLimits(timeout_seconds=15, cpu_seconds=12, memory_mb=96, input_bytes=4096, output_bytes=65536, log_bytes=65536, json_depth=64)
"""What the offenders may use, but for the limit that each of them tries."""


@dataclass(frozen=True, slots=True)
class Proof:
    """An offender: its code, the limit that it tries, and the codes of which one must come back."""

    name: str
    code: str
    codes: tuple[str, ...]
    limits: RunLimits = LIMITS


PROOFS = (
    Proof("a busy loop meets the time limit", "() => { for (;;) {} }", ("timeout",), replace(LIMITS, timeout_seconds=0.5)),
    Proof("a busy loop meets the processor limit", "() => { for (;;) {} }", ("cpu_limit",), replace(LIMITS, cpu_seconds=0.5)),
    Proof(
        "a memory bomb meets the memory limit",
        "() => { const kept = []; for (;;) kept.push(new Array(100000).fill(1.5)); }",
        ("memory_limit",),
    ),
    Proof("a flood of log lines meets the log limit", "() => { for (;;) console.log('x'.repeat(1000)); }", ("log_limit",)),
    Proof("a huge output meets the output limit", "() => 'x'.repeat(1000000)", ("output_too_large",)),
    Proof("endless recursion is an error of the task", "() => { const f = () => f() + 1; return f(); }", ("stack_overflow", "task_error")),
    Proof("a promise that nothing can settle is noticed", "() => new Promise(() => {})", ("never_settles", "timeout")),
    Proof("a task finds no way to the machine", "() => [typeof process, typeof require, typeof python].join()", ()),
)


class _Listener:
    """Takes what an offender says, and drops it."""

    def log(self, line: LogLine) -> None:
        pass

    def progress(self, update: ProgressUpdate) -> None:
        pass

    async def call(self, method: str, arguments: Any) -> Any:
        raise RatchetError(f"{method} is not there")


async def prove(settings: Settings) -> AsyncGenerator[Check, None]:
    """Yield the isolation in force, then one check for each proof. Whatever isolation there is, the proofs run."""
    from ratchet_mcp.engine.fleet import required_isolation
    from ratchet_mcp.engine.pool import WorkerPool

    wanted = required_isolation(settings.engine)
    engine = settings.engine.model_copy(update={"isolation": "none", "min_workers": 1, "spare_workers": 1})
    limits = settings.limits.model_copy(update={"memory_mb": LIMITS.memory_mb})
    try:
        async with WorkerPool(engine, limits) as pool:
            yield _isolation(pool.status(), wanted)
            for proof in PROOFS:
                yield await _try(pool, proof)
    except RatchetError as error:
        yield failed("isolation", "workers", error)


def _isolation(status: dict[str, Any], wanted: str) -> Check:
    order = ["none", "partial", "full"]
    level, missing = str(status["isolation"]), [str(piece) for piece in status.get("missing", [])]
    detail = f"{level}" + (f"; missing: {'; '.join(missing)}" if missing else ": process, limits, system call filter and SES")
    if order.index(level) < order.index(wanted):
        return Check("isolation", "isolation", "missing", f"{detail}; {wanted} is required", f"Accept less with engine.isolation: {level}.")
    return Check("isolation", "isolation", "ok" if level == "full" else "note", detail)


async def _try(pool: WorkerPool, proof: Proof) -> Check:
    from ratchet_mcp.engine.script import compose
    from ratchet_mcp.tasks.code import prepare

    script, digest = compose(prepare(proof.code))
    request = RunRequest(
        execution_id=f"doctor-{digest[:8]}",
        key=f"doctor:{proof.name}",
        script=script,
        digest=digest,
        input_json="{}",
        context={"executionId": "doctor", "task": "doctor", "version": "1.0.0", "attempt": 1},
        limits=proof.limits,
    )
    outcome = await pool.run(request, _Listener())
    if not proof.codes:
        good = outcome.output_json == '"undefined,undefined,undefined"'
        return Check("limits", proof.name, "ok" if good else "missing", f"it sees: {outcome.output_json or outcome.error}")
    code = outcome.error.code if outcome.error else f"no error: {outcome.output_json}"
    took = f"{code} after {outcome.run_ms / 1000:.2f} s"
    return Check("limits", proof.name, "ok" if code in proof.codes else "missing", took)
