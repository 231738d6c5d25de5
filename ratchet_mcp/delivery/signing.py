"""Signatures of webhooks: HMAC with SHA-256 over the time and the body, so that neither can be changed, and old ones can be told.

The header is `Ratchet-Signature: t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 of `SECONDS.BODY` under the shared secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re

HEADER = "Ratchet-Signature"
TOLERANCE_SECONDS = 300
_FORM = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def sign(secret: str, body: bytes, at: int) -> str:
    """Return the value of the header for a body that is sent at this time (seconds since 1970)."""
    return f"t={at},v1={_digest(secret, body, at)}"


def is_signed(value: str, secret: str, body: bytes, now: float, tolerance: float = TOLERANCE_SECONDS) -> bool:
    """Tell whether a value of the header belongs to a body, and is not older or newer than `tolerance` seconds: what a receiver checks."""
    found = _FORM.fullmatch(value.strip())
    if found is None or abs(now - int(found[1])) > tolerance:
        return False
    return hmac.compare_digest(found[2], _digest(secret, body, int(found[1])))


def _digest(secret: str, body: bytes, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
