"""The program inside a worker process: `python -I -S main.py MODE MEMORY_MB WORKER_ID PATH…`.

Start the native core, lock the realm down, give up every right that is not needed, then answer frames.
"""

from __future__ import annotations

import os
import sys

DEBUGGING = "debugging"


def start(memory_mb: int, worker_id: str, reader: int, writer: int, *, debugging: bool) -> None:
    """Build everything, say `ready`, and serve until the coordinator is gone."""
    from ratchet_mcp.engine.worker import confinement, core, garbage, host, loop, realm, runner, running_loop, stack_end, wire

    confinement.die_with_parent()
    pipe = wire.Wire(reader, writer)
    try:
        if debugging:
            os.environ["JIT_OPTION_ion"] = "false"  # code of the optimising compiler does not count how often it runs
        heard: list[realm.Realm] = []
        jobs = loop.JobQueue(lambda: heard[0].rejected() if heard else None)
        native = core.load(jobs.call_exception_handler)
        running_loop.install(jobs)
        running_loop.prove(native, jobs)
        if debugging:
            stack_end.ignore_reports(native.__file__)
        ours = host.Host(pipe)
        heard.append(realm.build(native, ours.functions(host.parse_url, jobs.queued), debugging=debugging))
        host.parse_url("https://example.com/?a#b", "", "", "")  # imports now what could not be opened later
        leftovers = garbage.Garbage(native.collect, memory_mb << 20)
        level, missing = confinement.confine(memory_mb)
    except Exception as error:  # whatever it is, the coordinator has to hear of it
        pipe.send("start_failed", message=f"{type(error).__name__}: {error}")
        raise SystemExit(1) from error
    pipe.send("ready", worker=worker_id, isolation=level, missing=missing, pid=os.getpid(), python=sys.version.split()[0])
    try:
        runner.Runner(pipe, ours, jobs, heard[0], leftovers).serve()
    except (wire.CoordinatorGone, BrokenPipeError):
        pass
    os._exit(0)  # the engine's threads have nothing to finish


def main() -> None:
    """Take the protocol's descriptors away from stdin and stdout, so that nothing else can write a frame."""
    mode, memory_mb, worker_id, *paths = sys.argv[1:]
    sys.path[:0] = paths
    reader, writer = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    start(int(memory_mb), worker_id, reader, writer, debugging=mode == DEBUGGING)


if __name__ == "__main__":
    main()
