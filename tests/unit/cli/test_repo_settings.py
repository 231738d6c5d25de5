"""Adding a source to a settings file leaves the rest of the file as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ratchet_mcp.cli.repo_settings import with_source
from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.settings import SourceSettings

SOURCE = SourceSettings(name="new", uri="https://example.com/index.json", config={"token_env": "T"})
FILE = Path("config.yaml")

COMMENTED = """\
# Settings of the team
registry:
    # ours first
    sources:
        - name: mine   # here
          uri: 'tasks'

    bundled: false  # enough of our own

# the rest
limits: {timeout_seconds: 10}
"""


def test_only_the_lines_of_the_source_are_new() -> None:
    before, after = COMMENTED.splitlines(), with_source(FILE, COMMENTED, SOURCE, first=False).splitlines()
    new = [line for line in after if line not in before]
    assert [line for line in after if line in before] == before
    assert [line.strip() for line in new] == ["- name: new", "uri: https://example.com/index.json", "config:", "token_env: T"]


def test_a_source_can_be_put_first() -> None:
    sources = yaml.safe_load(with_source(FILE, COMMENTED, SOURCE, first=True))["registry"]["sources"]
    assert [source["name"] for source in sources] == ["new", "mine"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet",
        "limits:\n  timeout_seconds: 10 # short\n",
        "registry:\n",
        "registry:\n  sources:\n",
        "registry:\n  sources: []\n",
        "registry: {sources: [{name: mine, uri: tasks}]} # short\n",
        "registry:\n  sources:\n  - name: mine\n    uri: tasks",
        "registry:\n  sources:\n  - {name: mine, uri: tasks}\n# end\n",
        "\ufeffregistry:\r\n  bundled: true # yes\r\n",
        "registry:\r\n  sources:\r\n    - name: mine\r\n      uri: tasks\r\nlimits:\r\n  json_depth: 10\r\n",
        "profiles:\n  a:\n    registry:\n      sources:\n        - name: other\n          uri: x\n",
    ],
)
def test_every_way_of_writing_a_file_is_understood(text: str) -> None:
    after = with_source(FILE, text, SOURCE, first=False)
    old, new = yaml.safe_load(text.removeprefix("\ufeff")) or {}, yaml.safe_load(after.removeprefix("\ufeff"))
    before = (old.get("registry") or {}).get("sources") or []
    assert new["registry"]["sources"] == [*before, {"name": "new", "uri": SOURCE.uri, "config": {"token_env": "T"}}]
    assert {key: value for key, value in new.items() if key != "registry"} == {
        key: value for key, value in old.items() if key != "registry"
    }
    assert [line for line in text.splitlines() if "#" in line and line.partition("#")[2] not in after] == []


def test_json_keeps_its_form() -> None:
    after = with_source(Path("config.json"), '{\n    "limits": {"json_depth": 10}\n}\n', SOURCE, first=False)
    assert after.startswith('{\n    "limits": {"json_depth": 10},\n    "registry"')


@pytest.mark.parametrize(
    "text",
    [
        "registry: 5\n",
        "- a\n",
        "a: 1\n---\nb: 2\n",
        "registry:\n  sources: 7\n",
        "registry: &r\n  sources: &s\n    - {name: a, uri: b}\nprofiles: {p: {registry: {sources: *s}}}\n",
    ],
)
def test_a_file_that_cannot_be_changed_without_harm_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        with_source(FILE, text, SOURCE, first=False)
