"""What files hold, and what signatures prove."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
import yaml

from ratchet_mcp.delivery.destinations import Format
from ratchet_mcp.delivery.formats import encode, first_line
from ratchet_mcp.delivery.signing import is_signed, sign
from ratchet_mcp.errors import DeliveryRefused

ROWS = [{"city": "Rome", "n": 1, "ok": True}, {"city": 'O"Brien, Y\nZ', "n": None, "tags": ["a"]}]


def made(value: Any, format: Format) -> bytes:
    return encode(value, format, most_bytes=1 << 20)


def test_json_and_yaml_hold_the_same_value() -> None:
    assert json.loads(made(ROWS, "json")) == ROWS
    assert yaml.safe_load(made(ROWS, "yaml")) == ROWS
    assert [json.loads(line) for line in made(ROWS, "jsonl").splitlines()] == ROWS


def test_csv_has_every_column_of_every_row() -> None:
    rows = list(csv.reader(io.StringIO(made(ROWS, "csv").decode(), newline="")))
    assert rows == [["city", "n", "ok", "tags"], ["Rome", "1", "true", ""], ['O"Brien, Y\nZ', "", "", '["a"]']]
    assert first_line(ROWS, "csv") == b"city,n,ok,tags\n"
    assert made([[1, 2], [3]], "csv") == b"1,2\n3\n"
    assert made({"a": 1}, "csv") == b"a\n1\n"
    assert made([1, "x"], "csv") == b"value\n1\nx\n"
    assert made([], "csv") == b""


def test_parquet_holds_typed_columns() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(made(ROWS, "parquet")))
    assert table.to_pylist() == [
        {"city": "Rome", "n": 1, "ok": True, "tags": None},
        {"city": 'O"Brien, Y\nZ', "n": None, "ok": None, "tags": ["a"]},
    ]


@pytest.mark.parametrize(
    ("value", "format", "told"),
    [
        ("text", "csv", "a list of objects or of lists"),
        (None, "csv", "a list of objects or of lists"),
        ([{"a": 1}, 2], "csv", "not all objects"),
        ([[1]], "parquet", "have no names"),
        ([{"a": 1}, {"a": "x"}], "parquet", "cannot be written as parquet"),
        ("\ud800", "json", "cannot be written as json"),
        ("x" * (2 << 20), "json", "delivery.max_bytes"),
    ],
    ids=range(7),
)
def test_what_a_format_cannot_say_is_refused(value: Any, format: Format, told: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    with pytest.raises(DeliveryRefused) as refused:
        made(value, format)
    assert told in refused.value.message


def test_a_signature_belongs_to_one_secret_body_and_time() -> None:
    value = sign("secret-one", b'{"a":1}', 1000)
    assert value == "t=1000,v1=3d09b834f2f93a917f916e00e4e47a81e89ec62b442ed2e2d24e586596354192"  # by openssl dgst -sha256 -hmac
    assert is_signed(value, "secret-one", b'{"a":1}', 1200)
    assert not is_signed(value, "secret-two", b'{"a":1}', 1000)
    assert not is_signed(value, "secret-one", b'{"a":2}', 1000)
    assert not is_signed(value.replace("t=1000", "t=1001"), "secret-one", b'{"a":1}', 1000)
    assert not is_signed(value, "secret-one", b'{"a":1}', 1301), "an old one proves nothing"
    assert not is_signed("", "secret-one", b"", 0)
