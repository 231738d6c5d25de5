"""Wrap a task's code into the script that a worker evaluates."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ratchet_mcp.engine.run import Locate
    from ratchet_mcp.tasks.code import PreparedCode

CAPTURED = frozenset(
    "Object Array ArrayBuffer BigInt Boolean DataView Date Error EvalError RangeError ReferenceError SyntaxError TypeError URIError "
    "Float32Array Float64Array Int8Array Int16Array Int32Array Uint8Array Uint8ClampedArray Uint16Array Uint32Array Intl JSON Map Math "
    "Number Promise Proxy Reflect RegExp Set String Symbol WeakMap WeakSet isFinite isNaN parseFloat parseInt decodeURI "
    "decodeURIComponent encodeURI encodeURIComponent console URL URLSearchParams TextEncoder TextDecoder fetch Headers Request Response "
    "FormData Blob AbortController AbortSignal atob btoa structuredClone setTimeout clearTimeout crypto reportProgress tasks ask".split()
)
"""Globals that are taken into constants before the task's code: each use of a global of a compartment goes through a proxy otherwise."""

MARK = "/**/"
"""Ends what stands before the task's code on the first line."""


GLOBALS = CAPTURED | frozenset(
    "globalThis undefined NaN Infinity escape unescape eval Function BigInt64Array BigUint64Array AggregateError Iterator File "
    "setInterval clearInterval setImmediate clearImmediate queueMicrotask Event EventTarget DOMException self "
    "global AuthenticationError AuthorizationError NetworkError HttpError ValidationError ConfigurationError RateLimitError "
    "ServiceUnavailableError TimeoutError DataError AskDeclined".split()
)
"""Every name a task finds without declaring it: the same list as in `worker/realm/run.js`."""

UNKNOWN = "/*?*/ let "
"""Begins the declaration of names that nothing declares; it is never reached, so that reading them is an error."""


def compose(code: PreparedCode) -> tuple[str, str]:
    """Return the script and its digest (SHA-256, hexadecimal). Line numbers are those of the task's file."""
    names = sorted(CAPTURED & code.identifiers)
    capture = f"const {{ {', '.join(names)} }} = globalThis; " if names else ""
    unknown = sorted(code.undeclared - GLOBALS)
    dead = f"{UNKNOWN}{', '.join(unknown)}; " if unknown else ""
    inner = f"{MARK}{code.body}\n"
    if names or unknown:  # a function of its own, so that the task may declare names like these
        inner = f"{capture}return (() => {{ {inner}}})(); {dead}"
    script = f'(() => {{ "use strict"; {inner}}})()\n//# sourceURL=main.js'
    return script, hashlib.sha256(script.encode("utf-8", "surrogatepass")).hexdigest()


def module_head(script: str) -> int:
    """Return the length of the `module` and `exports` that were put before the task's code."""
    from ratchet_mcp.tasks.forms import MODULE_HEAD

    return len(MODULE_HEAD) if script.startswith(MODULE_HEAD, first_line_shift(script)) else 0


def in_source(line: int, column: int, script: str, locate: Locate | None) -> tuple[int, int]:
    """Map a place in the script to the place in the file of the task."""
    if line == 1:
        column = max(1, column - first_line_shift(script))
    return locate(line, column) if locate is not None else (line, column)


def is_unknown(script: str, name: str) -> bool:
    """Tell whether nothing declares this name in the task."""
    _, found, names = script.rpartition(UNKNOWN)
    return bool(found) and name in names.partition(";")[0].split(", ")


def first_line_shift(script: str) -> int:
    """Return how many columns the first line of the task's code was moved to the right."""
    return script.index(MARK) + len(MARK)
