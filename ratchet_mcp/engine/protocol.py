"""The messages between coordinator and worker: JSON lines in a versioned envelope.

Both sides import this module and it imports nothing of ours. A frame is one line `{"v": 1, "type": …, …}`:

====================  =========  ==================================================================
type                  direction  fields
====================  =========  ==================================================================
``ready``             to us      ``worker``, ``isolation``, ``missing``, ``pid``, ``python``
``start_failed``      to us      ``message``
``execute``           to worker  ``id``, ``digest``, ``script?``, ``forget?``, ``input``, ``context``, ``limits``, ``course?``,
                                 ``secrets?``, ``observe?``
``host_call``         to us      ``id``, ``call``, ``method``, ``arguments`` (JSON text)
``host_cancel``       to us      ``id``, ``call``: the task gave the call up; no answer is expected
``host_result``       to worker  ``id``, ``call``, ``ok``, ``value`` (JSON text)
``log``               to us      ``id``, ``at``, ``level``, ``message``
``progress``          to us      ``id``, ``at``, ``value`` (JSON text)
``limit``             to us      ``id``, ``code``
``observed``          to us      ``id``, ``what``, ``value`` (JSON text): what the debugger of a debugging worker saw
``lost``              to us      ``id``: a promise was rejected and nothing handled it; the reason follows in ``result``
``result``            to us      ``id``, ``ok``, ``output?`` (JSON text), ``error?``, ``warnings``, ``recycle``
``ping`` / ``pong``   both       ``id``
``shutdown``          to worker
====================  =========  ==================================================================

Only JSON *text* crosses for what tasks make, so the depth of a frame is bounded by this table. Everything that comes from a
worker is untrusted: see `ratchet_mcp.engine.frames`.
"""

VERSION = 1

MAX_FRAME_BYTES = 64 << 20
"""No frame of either side is longer. The coordinator's cap is tighter: it follows from the limits of a run."""

SCRIPT_CACHE = 64
"""Scripts a worker keeps by digest; the coordinator counts them and sends `forget` when they are full."""
