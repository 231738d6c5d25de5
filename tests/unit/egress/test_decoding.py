"""Compression is taken off within bounds."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest

from ratchet_mcp.egress.decoding import Decoder
from ratchet_mcp.errors import FetchLimit, NetworkFailed

TEXT = random.Random(1).randbytes(300_000) + b"x" * 500_000


def decode(data: bytes, encoding: str | None, piece: int = 1000, *, max_bytes: int = 1 << 20, max_ratio: int = 200) -> bytes:
    decoder = Decoder("a.example", encoding, max_bytes=max_bytes, max_ratio=max_ratio)
    for start in range(0, len(data), piece):
        decoder.feed(data[start : start + piece])
    return decoder.finish()


@pytest.mark.parametrize("piece", [1, 7, 65_536, 10_000_000])
@pytest.mark.parametrize("encoding", [None, "identity", "gzip", "x-gzip", "GZIP", "deflate", "raw", "gzip, gzip", "deflate, gzip"])
def test_a_body_is_whole_in_pieces_of_any_size(encoding: str | None, piece: int) -> None:
    text = TEXT if piece > 1 else TEXT[-50_000:] + TEXT[:20_000]
    data, name = text, encoding
    for each in (encoding or "").lower().split(", "):
        if each in ("gzip", "x-gzip"):
            data = gzip.compress(data)
        elif each == "deflate":
            data = zlib.compress(data)
        elif each == "raw":
            data, name = zlib.compress(data)[2:-4], "deflate"
    assert decode(data, name, piece) == text


def test_members_and_padding_of_gzip() -> None:
    assert decode(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip", 3) == b"one two"
    assert decode(gzip.compress(b"one") + b"\0" * 100, "gzip") == b"one"
    assert decode(b"", "gzip") == b""


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"no gzip", id="no gzip"),
        pytest.param(gzip.compress(b"x" * 1000)[:-4], id="without its length"),
        pytest.param(gzip.compress(b"x")[:5], id="half a header"),
        pytest.param(gzip.compress(b"abc" * 100)[:-8] + b"\0" * 8, id="a wrong checksum"),
    ],
)
def test_what_is_broken_is_told(data: bytes) -> None:
    with pytest.raises(NetworkFailed) as error:
        decode(data, "gzip")
    assert error.value.details == {"host": "a.example", "reason": "encoding"}


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br", "gzip, gzip, gzip, gzip", "x" * 1000])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(NetworkFailed):
        decode(b"x", encoding)


def bomb(layers: int, size: int = 50_000_000) -> bytes:
    data = b"\0" * size
    for _ in range(layers):
        data = gzip.compress(data, 9)
    return data


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_bomb_is_stopped_long_before_it_is_large(layers: int) -> None:
    decoder = Decoder("a.example", ", ".join(["gzip"] * layers), max_bytes=8 << 20, max_ratio=200)
    with pytest.raises(FetchLimit):
        decoder.feed(bomb(layers))
    assert decoder.total <= (8 << 20) + (64 << 10)


def test_the_size_is_exact() -> None:
    assert len(decode(b"x" * 100, None, max_bytes=100)) == 100
    with pytest.raises(FetchLimit) as error:
        decode(b"x" * 101, None, max_bytes=100)
    assert error.value.details == {"host": "a.example", "limit": "response_bytes", "maximum": 100}


def test_empty_members_without_end_make_no_progress_but_end() -> None:
    assert decode(gzip.compress(b"") * 10_000, "gzip", 4096) == b""
