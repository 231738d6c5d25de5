"""What docs/delivery.md shows is so."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet_mcp.delivery.checks import Checks
from ratchet_mcp.delivery.destinations import FileDestination, WebhookDestination
from ratchet_mcp.delivery.signing import sign
from ratchet_mcp.delivery.template_filters import FILTERS
from ratchet_mcp.delivery.templates import FIELDS
from ratchet_mcp.settings import Settings

DOCUMENT = (Path(__file__).parents[3] / "docs" / "delivery.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", blocks("yaml"), ids=range(len(blocks("yaml"))))
def test_every_destination_that_is_shown_can_be_used(text: str) -> None:
    settings = Settings(**yaml.safe_load(text))
    assert Checks(settings).read(settings.delivery.destinations, where="the example")


def test_a_receiver_as_it_is_shown_knows_what_is_genuine() -> None:
    shown: dict[str, Any] = {}
    exec(blocks("python")[0], shown)
    header = sign("the-secret", b"{}", int(time.time()))
    assert shown["is_genuine"](header, b"{}", "the-secret")
    assert not shown["is_genuine"](header, b"[]", "the-secret")
    assert not shown["is_genuine"](sign("the-secret", b"{}", 1000), b"{}", "the-secret")


def test_every_key_field_and_filter_is_told() -> None:
    keys = {*FileDestination.model_fields, *WebhookDestination.model_fields}
    members = {member for several in FIELDS.values() for member in several or ()}
    assert [name for name in sorted({*keys, *FIELDS, *members, *FILTERS}) if f"`{name}`" not in DOCUMENT] == []
