"""Takes compression off a body as it comes, within bounds: a small body cannot become a large one unnoticed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ratchet_mcp.egress.failures import failed
from ratchet_mcp.errors import FetchLimit

ACCEPTED = "gzip, deflate"
_PIECE = 64 << 10
_MAX_LAYERS = 3
_RATIO_FROM = 1 << 20
"""Below this size any ratio is harmless."""


class Decoder:
    """Decodes one body. `feed` each piece, then `finish`; `received` and `total` count bytes before and after."""

    def __init__(self, host: str, encoding: str | None, *, max_bytes: int, max_ratio: int) -> None:
        self._host, self._max_bytes, self._max_ratio = host, max_bytes, max_ratio
        layers = [each.strip().lower() for each in (encoding or "").split(",")]
        layers = [each for each in layers if each not in ("", "identity")]
        if len(layers) > _MAX_LAYERS or any(each not in ("gzip", "x-gzip", "deflate") for each in layers):
            raise failed(host, "encoding", f"{host} sent its response in the encoding {', '.join(layers)[:80]!r}, which was not asked for")
        self._layers = [_Layer(each) for each in reversed(layers)]
        self.received = self.total = 0
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take the next piece as it came. Raises `FetchLimit` or `NetworkFailed`."""
        self.received += len(data)
        if self.received > self._max_bytes:
            raise too_large(self._host, self._max_bytes)
        for piece in self._through(data, 0):
            self.total += len(piece)
            if self.total > self._max_bytes:
                raise too_large(self._host, self._max_bytes)
            self._parts.append(piece)

    def finish(self) -> bytes:
        """Return the whole body. Raises `NetworkFailed` when its end is missing."""
        if self.received and any(not layer.ended for layer in self._layers):
            raise failed(self._host, "encoding", f"The compressed response of {self._host} lacks its end")
        return b"".join(self._parts)

    def _through(self, data: bytes, number: int) -> Iterator[bytes]:
        if number == len(self._layers):
            if data:
                yield data
            return
        layer = self._layers[number]
        try:
            for piece in layer.decode(data):
                if layer.produced > max(_RATIO_FROM, self._max_ratio * self.received):
                    raise FetchLimit(
                        f"The response of {self._host} grows more than {self._max_ratio} times when it is decompressed.",
                        hint="Raise network.decompression_ratio if the response is right.",
                        details={"host": self._host, "limit": "decompression_ratio", "maximum": self._max_ratio},
                    )
                if layer.produced > self._max_bytes:
                    raise too_large(self._host, self._max_bytes)
                yield from self._through(piece, number + 1)
        except zlib.error as error:
            raise failed(self._host, "encoding", f"The response of {self._host} cannot be decompressed ({error})") from None


class _Layer:
    """One encoding: gzip with any number of members, or deflate with or without its zlib header."""

    def __init__(self, name: str) -> None:
        self._gzip = name != "deflate"
        self._machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._head: bytes | None = None if self._gzip else b""
        self.produced = 0

    @property
    def ended(self) -> bool:
        return self._machine.eof

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._head is not None:
            data = self._head + data
            self._head = data if len(data) < 2 else None
            if self._head is not None:
                return
            self._machine = zlib.decompressobj(zlib.MAX_WBITS if _has_zlib_header(data) else -zlib.MAX_WBITS)
        while True:
            if self._machine.eof:
                if not self._gzip or not data.startswith(b"\x1f"):
                    return  # padding after the end
                self._machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
            piece = self._machine.decompress(data, _PIECE)
            self.produced += len(piece)
            if piece:
                yield piece
            data = self._machine.unused_data if self._machine.eof else self._machine.unconsumed_tail
            if not data and len(piece) < _PIECE:
                return


def _has_zlib_header(data: bytes) -> bool:
    """Tell zlib (RFC 1950) from bare deflate (RFC 1951), which some servers send under the same name."""
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def too_large(host: str, maximum: int, claimed: int | None = None) -> FetchLimit:
    """Return the error for a body above the limit; `claimed` is the size that its Content-Length says."""
    return FetchLimit(
        f"The response of {host} is larger than {maximum} bytes.",
        hint="Ask the server for less (a page, fewer fields), or raise network.response_bytes.",
        details={"host": host, "limit": "response_bytes", "maximum": maximum, **({"claimed": claimed} if claimed is not None else {})},
    )
