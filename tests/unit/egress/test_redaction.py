"""What is taken out of URLs, headers and bodies."""

from __future__ import annotations

import time

import pytest

from ratchet_mcp.egress.redaction import Redactor, without
from ratchet_mcp.settings import NetworkSettings

REDACTOR = Redactor(NetworkSettings())


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("https://a.example/?q=1", "https://a.example/?q=1"),
        ("https://a.example/?api_key=x&q=1", "https://a.example/?api_key=***&q=1"),
        ("https://a.example/?API%5FKEY=x", "https://a.example/?API%5FKEY=***"),
        ("https://a.example/?access_token=x#token=y", "https://a.example/?access_token=***#token=y"),
        (
            "https://a.example/?X-Amz-Signature=x&appid=y&key=z&keyword=w",
            "https://a.example/?X-Amz-Signature=***&appid=***&key=***&keyword=w",
        ),
        ("https://a.example/?key=", "https://a.example/?key="),
        ("https://user:pw@a.example/", "https://***@a.example/"),
        ("nonsense", "nonsense"),
    ],
)
def test_urls(url: str, redacted: str) -> None:
    assert REDACTOR.url(url) == redacted


@pytest.mark.parametrize(
    ("name", "value", "redacted"),
    [
        ("Authorization", "Bearer abc", "Bearer ***"),
        ("authorization", "abc", "***"),
        ("Cookie", "a=b; c=d", "a=***; c=***"),
        ("Set-Cookie", "a=b; Path=/; HttpOnly", "a=***; Path=/; HttpOnly"),
        ("X-Api-Key", "abc def", "***"),
        ("X-Auth-Token", "abc", "***"),
        ("Accept", "text/plain", "text/plain"),
        ("Location", "https://a.example/back?code=abc&q=1", "https://a.example/back?code=***&q=1"),
    ],
)
def test_headers(name: str, value: str, redacted: str) -> None:
    assert REDACTOR.headers(((name, value),)) == ((name, redacted),)


@pytest.mark.parametrize(
    ("body", "redacted"),
    [
        (b'{"password": "a\\"b", "q": "c"}', b'{"password": "***", "q": "c"}'),
        (b'{"x":{"access_token":"a"},"y":[{"apiKey":"b"}]}', b'{"x":{"access_token":"***"},"y":[{"apiKey":"***"}]}'),
        (b"user=a&password=b&q=c", b"user=a&password=***&q=c"),
        (b"password=b", b"password=***"),
        (b"plain password: b", b"plain password: b"),
        (b'{"password": 1234, "n": 5}', b'{"password": "***", "n": 5}'),
        (
            b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nhun\r\nter\r\n--x\r\nContent-Disposition: form-data; name="q"\r\n\r\n\xff\r\n--x--\r\n',
            b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n***\r\n--x\r\nContent-Disposition: form-data; name="q"\r\n\r\n\xff\r\n--x--\r\n',
        ),
        (b"--x\r\nno form", b"--x\r\nno form"),
        (b'["ghp_0123456789abcdefABCD", "ghp_short", "nghp_0123456789abcdef"]', b'["***", "ghp_short", "nghp_0123456789abcdef"]'),
        (b"\xff sk-0123456789abcdef-0123 \xff", b"\xff *** \xff"),
        (b"\xff\xfe", b"\xff\xfe"),
        (b"", b""),
    ],
)
def test_bodies(body: bytes, redacted: bytes) -> None:
    assert REDACTOR.body(body) == redacted


def test_known_values_are_taken_out_of_paths_and_headers() -> None:
    value = "AKIA0123456789ABCDEF"
    assert REDACTOR.url(f"https://a.example/x/{value}/y?q={value}#{value}") == "https://a.example/x/***/y?q=***#***"
    assert REDACTOR.headers((("X-Note", f"by {value}"),)) == (("X-Note", "by ***"),)
    other = Redactor(NetworkSettings(redact_values=["bot*"]))
    assert other.url(f"https://a.example/bot0123456789abcdef/{value}") == f"https://a.example/***/{value}"
    with pytest.raises(ValueError, match="at least 3"):
        NetworkSettings(redact_values=["*-*"])


def test_patterns_are_settable() -> None:
    redactor = Redactor(NetworkSettings(redact_headers=["x-mine"], redact_query=[], redact_fields=["pin"]))
    assert redactor.headers((("X-Mine", "a"), ("Authorization", "b"))) == (("X-Mine", "***"), ("Authorization", "b"))
    assert redactor.url("https://a.example/?key=x") == "https://a.example/?key=x"
    assert redactor.text('{"pin":"1","password":"2"}') == '{"pin":"***","password":"2"}'


@pytest.mark.parametrize(
    "hostile",
    [
        '"password":"' + "\\" * 200_000,
        '"' * 300_000,
        '"password' * 40_000,
        "password=" * 40_000,
        "--x\r\n" * 60_000,
        "sk-" * 100_000,
        "ghp_" + "a" * 300_000,
        '--x\r\nform-data; name="' + "password" * 40_000,
        "a&" * 150_000 + "=",
        "*" * 200_000,
    ],
)
def test_hostile_text_costs_no_time(hostile: str) -> None:
    started = time.process_time()
    REDACTOR.body(hostile.encode())
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("value", "body", "cleaned"),
    [
        ("sess-1a2b", b"id=sess-1a2b;", b"id=***;"),
        ("abc123", b"xabc123x abc123 abc1234", b"xabc123x *** abc1234"),
        ("a-long-cookie-of-words", b"xa-long-cookie-of-wordsx", b"x***x"),
        ("dark", b"dark mode", b"dark mode"),
        ("2026-01-02", b"on 2026-01-02", b"on 2026-01-02"),
        ("a1", b"a1", b"a1"),
    ],
)
def test_what_went_over_the_wire_as_a_cookie_or_in_a_url_is_found_in_bodies(value: str, body: bytes, cleaned: bytes) -> None:
    for headers, url in (
        ((("Set-Cookie", f"sid={value}; Path=/"), ("Accept", "abc")), ""),
        ((), f"https://a.example/?q=mode&token={value}#x"),
    ):
        found = body
        for each in REDACTOR.values(headers, url):
            found = without(found, each)
        assert found == cleaned
