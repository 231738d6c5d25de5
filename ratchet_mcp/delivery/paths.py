"""Paths of files below a root, piece by piece."""

from __future__ import annotations

import re

from ratchet_mcp.errors import DeliveryRefused

MOST_PIECES = 32
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?", re.IGNORECASE)
_TEMPORARY = ".ratchet-"
"""How the names of files begin that are being written."""


def why_not(piece: str) -> str | None:
    """Say why a text cannot be one piece of a path; None when it can."""
    if not piece:
        return "it is empty"
    if piece in (".", ".."):
        return "it goes up, or nowhere"
    if re.search(r"[\x00-\x1f\x7f/\\]", piece):
        return "it holds a separator or a control character"
    if len(piece.encode("utf-8", "replace")) > 240:
        return "it is longer than 240 bytes"
    if _DEVICE.fullmatch(piece.rstrip(" .")):
        return "it is the name of a device on some systems"
    if piece.startswith(_TEMPORARY):
        return f"names that begin with {_TEMPORARY} are those of unfinished files"
    return None


def pieces_of(path: str) -> list[str]:
    """Return the folders and the name of a path below a root. Raises `DeliveryRefused`."""
    pieces = path.split("/")
    for piece in pieces:
        if reason := why_not(piece):
            shown = piece[:80].encode("unicode_escape").decode()
            raise DeliveryRefused(
                f'The path cannot be used: "{shown}" {reason[3:] if reason.startswith("it ") else reason}.', details=_why()
            )
    if len(pieces) > MOST_PIECES or len(path.encode("utf-8", "replace")) > 3000:
        raise DeliveryRefused(f"The path has more than {MOST_PIECES} pieces, or is too long.", details=_why())
    return pieces


def temporary_start(key: str) -> str:
    """Return how the names begin under which the files of one delivery are written before they get their own."""
    return f"{_TEMPORARY}{re.sub('[^0-9A-Za-z-]', '', key)[-60:]}."


def _why() -> dict[str, str]:
    return {"reason": "path"}
