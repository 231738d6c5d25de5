"""Splitting a byte stream into lines, and finding ids in what cannot be parsed."""

from __future__ import annotations

import json

import pytest

from ratchet_mcp.mcp.stdio_lines import EDGE_BYTES, LineSplitter, Overlong, find_request_id


def split(chunks: list[bytes], limit: int = 100) -> list[bytes | Overlong]:
    splitter = LineSplitter(limit)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return [*lines, *splitter.flush()]


def test_lines_come_out_whole_however_the_stream_is_cut():
    text = b"one\ntwo\n\nthree is longer\n"
    for size in range(1, len(text)):
        chunks = [text[start : start + size] for start in range(0, len(text), size)]
        assert split(chunks) == [b"one", b"two", b"", b"three is longer"]


def test_the_last_line_counts_without_a_newline():
    assert split([b"one\ntw", b"o"]) == [b"one", b"two"]


def test_a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not():
    assert split([b"x" * 100 + b"\n"]) == [b"x" * 100]
    assert split([b"x" * 101 + b"\n"]) == [Overlong(b"x" * 101, b"x" * 101, 101)]


def test_an_overlong_line_is_skipped_to_its_newline_and_the_next_one_is_read():
    chunks = [b"a" * 60, b"b" * 60, b"c" * 60, b"d\nnext\n"]
    skipped, following = split(chunks)
    assert skipped == Overlong(b"a" * 60 + b"b" * 60, b"a" * 60 + b"b" * 60 + b"c" * 60 + b"d", 181)
    assert following == b"next"


def test_an_overlong_line_keeps_only_its_edges():
    splitter = LineSplitter(1000)
    for _ in range(50):
        assert list(splitter.feed(b"x" * EDGE_BYTES)) == []
    (line,) = splitter.feed(b"tail\n")
    assert isinstance(line, Overlong)
    assert len(line.head) == len(line.tail) == EDGE_BYTES
    assert line.size == 50 * EDGE_BYTES + 4
    assert line.tail.endswith(b"tail")


@pytest.mark.parametrize("request_id", [0, 7, -3, "abc", 'with "quotes"', "ünï"])
def test_the_id_is_found_at_either_end(request_id: int | str):
    deep = "[" * 5000 + "]" * 5000
    first = f'{{"jsonrpc":"2.0", "id" : {json.dumps(request_id)}, "method":"m","params":{{"x":{deep}}}}}'.encode()
    last = f'{{"method":"m","params":{{"id":1,"x":"{"y" * 200_000}"}},"jsonrpc":"2.0","id":{json.dumps(request_id)}}}'.encode()
    middle = f'{{"method":"m","params":{{"id":1,"x":"{"y" * 200_000}"}},"id":{json.dumps(request_id)},"jsonrpc":"2.0"}}'.encode()
    assert find_request_id(first) == request_id
    assert find_request_id(last[:EDGE_BYTES], last[-EDGE_BYTES:]) == request_id
    assert find_request_id(middle[:EDGE_BYTES], middle[-EDGE_BYTES:]) == request_id


@pytest.mark.parametrize(
    "text",
    [
        b'{"method":"m","params":{"id":5}}',
        b'{"method":"m","params":{"x":[{"id":5}]}',
        b'{"method":"id","params":"\\"id\\":5}"}',
        b'{"id":null}',
        b'{"id":1.5}',
        b'{"id":{"a":1}}',
        b"[[[[",
        b"\xff\xfe",
        b'"' * 999,
        b"",
    ],
)
def test_an_id_that_is_not_the_requests_own_is_not_taken(text: bytes):
    assert find_request_id(text) is None


def test_the_search_stays_linear_on_hostile_text():
    assert find_request_id(b'\\"' * 1_000_000) is None
    assert find_request_id(b'"\\' * 1_000_000) is None
    assert find_request_id(b"{" * 1_000_000, b',"id":1' * 1_000_000) is None
