"""The known ways out of JavaScript sandboxes, each tried in a real worker.

`attacks/*.js` holds the cases, one file a category: `// case: what it tries`, then a function `(canary, reach, context)`. It returns what it
got hold of; `reach(value)` lists what `value` gives access to that no task may have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_runs import RecordingHost, request

from ratchet_mcp.engine.pool import WorkerPool

ATTACKS = Path(__file__).parent / "attacks"
SECRET = "canary-4a7d1f"

PRELUDE = (
    "(input, context) => { const FORBIDDEN = ['python', 'debuggerGlobal', 'Debugger', 'require', 'process', 'WebAssembly', 'Compartment',"
    " 'lockdown', 'harden', 'hardenIntrinsics', 'repairIntrinsics', 'ShadowRealm', 'FinalizationRegistry', 'WeakRef', 'XMLHttpRequest',"
    " '__class__', '__globals__', '__builtins__', '__code__', '__traceback__', 'f_globals', 'host', 'realm', 'parseUrl'];"
    " const told = (name, found) => name === 'host' && typeof found === 'string';"  # an error of fetch names the host it was for
    " const reach = (value) => FORBIDDEN.filter((name) => { try { return value !== null && value !== undefined && value[name] !== undefined"
    " && !told(name, value[name]); } catch { return false; } }); const attack = "
)
FINISH = (
    "; const nothing = (found) => found === undefined || found === null || found === false || found === 0 || found === '' ||"
    " found === 'undefined' || (Array.isArray(found) && found.every(nothing));"
    " const tell = (found) => (nothing(found) ? null : String(JSON.stringify(found) || found));"
    " const found = attack(input, reach, context); return found && typeof found.then === 'function' ? Promise.resolve(found).then(tell) : tell(found); }"
)


def cases() -> Iterator[Any]:
    for file in sorted(ATTACKS.glob("*.js")):
        for case in file.read_text(encoding="utf-8").split("// case: ")[1:]:
            name, code = case.split("\n", 1)
            yield pytest.param(code.strip().removesuffix(";"), id=f"{file.stem}: {name}")


@pytest.mark.parametrize("attack", list(cases()))
async def test_an_attack_gets_hold_of_nothing(attack: str, pool: WorkerPool, canary: Any) -> None:
    host = RecordingHost()
    outcome = await pool.run(request(f"{PRELUDE}{attack}{FINISH}", canary.to_input(), timeout_seconds=5), host)

    if outcome.error is None:
        assert json.loads(outcome.output_json or "null") is None
    else:  # it was refused, and said why
        assert outcome.error.code in ("task_error", "unhandled_rejection"), outcome.error.to_dict()
    assert SECRET not in json.dumps([outcome.output_json, outcome.error and outcome.error.to_dict(), host.text])
    assert not canary.was_called()


async def test_an_attack_that_succeeds_would_be_noticed(pool: WorkerPool, canary: Any) -> None:
    for found in ("'x'", "['', [null, 'x']]", "reach({ python: 1 })", "Promise.resolve({})", "() => 1", "1"):
        outcome = await pool.run(request(f"{PRELUDE}() => ({found}){FINISH}", canary.to_input()), RecordingHost())
        assert outcome.error is None
        assert json.loads(outcome.output_json or "null") is not None, found


async def test_there_are_attacks_of_every_category() -> None:
    ids = [str(case.id) for case in cases()]
    assert len(set(ids)) == len(ids) >= 100
