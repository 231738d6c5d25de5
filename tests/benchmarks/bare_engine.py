"""The bare engine: no SES, no compartment. Reads sources as JSON lines, answers with the seconds that each took."""

from __future__ import annotations

import json
import sys
import time

from ratchet_mcp.engine.worker import core

native = core.load(lambda *_: None)
for line in sys.stdin:
    function = native.eval("(" + json.loads(line) + ")")
    start = time.perf_counter()
    function()
    print(time.perf_counter() - start, flush=True)
