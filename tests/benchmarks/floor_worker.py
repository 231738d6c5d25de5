"""The floor: the engine behind a pipe and nothing else. No limits, no confinement, no globals of ours; a fresh compartment for each run."""

from __future__ import annotations

import json
import os
import sys

from ratchet_mcp.engine.worker import core, realm

native = core.load(lambda *_: None)
native.eval(realm.CONSOLE)
native.eval(realm.SES.read_text())
native.eval(realm.REPAIR + "; hardenIntrinsics()")
run = native.eval(
    "(source, input) => JSON.stringify(new Compartment({ __options__: true, globals: {} }).evaluate(source)(JSON.parse(input)))"
)
out = os.fdopen(1, "wb", buffering=0)
for number, line in enumerate(sys.stdin.buffer, 1):
    message = json.loads(line)
    out.write(b'{"id":%d,"output":%s}\n' % (message["id"], run(message["source"], json.dumps(message["input"])).encode()))
    if number % 1000 == 0:
        native.collect()  # thousands of compartments would otherwise slow it down more and more
