"""Debugging where the stack is used up.

When there is no stack left to call a function of the debugger, SpiderMonkey reports that to whoever embeds it, by a
`ScriptEnvironmentPreparer`. PythonMonkey has none, and a missing one is a segfault. This one does nothing.
"""

from __future__ import annotations

import ctypes
from typing import Any

SET = "_ZN2js28SetScriptEnvironmentPreparerEP9JSContextPNS_25ScriptEnvironmentPreparerE"
"""`js::SetScriptEnvironmentPreparer(JSContext*, js::ScriptEnvironmentPreparer*)`, as GCC and Clang name it."""

_kept: list[Any] = []


def ignore_reports(core_file: str) -> bool:
    """Let the engine report to nobody. Returns False where its functions have other names; a run that gets there ends its worker then."""
    library = ctypes.CDLL(core_file)
    try:
        context = ctypes.c_void_p.in_dll(library, "GLOBAL_CX")
        set_preparer = getattr(library, SET)
    except (AttributeError, ValueError):
        return False
    nothing = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value  # its only virtual function is a notification
    table = (ctypes.c_void_p * 1)(nothing)
    preparer = (ctypes.c_void_p * 1)(ctypes.addressof(table))
    _kept.extend((table, preparer))
    set_preparer.argtypes, set_preparer.restype = (ctypes.c_void_p, ctypes.c_void_p), None
    set_preparer(context, ctypes.addressof(preparer))
    return True
