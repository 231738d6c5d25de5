"""Options and credentials of remote sources."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.registry.remote.credentials import Credentials, CredentialsMissing, read_credentials
from ratchet_mcp.registry.remote.options import CredentialOptions, GitOptions, HttpOptions, read_options
from ratchet_mcp.registry.sources import open_sources
from ratchet_mcp.settings import SourceSettings
from ratchet_mcp.settings.loader import load

SECRET = "hunter2-hunter2"


def options(model: Any, **config: Any) -> Any:
    return read_options(model, SourceSettings(name="s", uri="https://example.com/index.json", config=config))


def test_an_unknown_option_names_the_near_one() -> None:
    with pytest.raises(SettingsInvalid, match=r"registry\.sources\.s\.config\.refresh_second: .*did you mean refresh_seconds\?"):
        options(HttpOptions, refresh_second=3)


@pytest.mark.parametrize("key", ["token", "password", "secret"])
def test_a_secret_in_the_settings_is_refused_and_never_repeated(key: str) -> None:
    with pytest.raises(SettingsInvalid, match="token_env or password_env") as caught:
        options(HttpOptions, **{key: SECRET})
    assert SECRET not in f"{caught.value.to_dict()}{caught.value.__cause__!r}"


def test_a_secret_in_place_of_the_name_of_a_variable_is_never_repeated() -> None:
    with pytest.raises(SettingsInvalid, match="token_env") as caught:
        options(HttpOptions, token_env=SECRET)
    assert SECRET not in f"{caught.value.to_dict()}"


@pytest.mark.parametrize(
    "config",
    [
        {"branch": "--upload-pack=touch /tmp/x"},
        {"branch": "-x"},
        {"branch": "a..b"},
        {"branch": "a b"},
        {"branch": "a:b"},
        {"branch": "refs/heads/*"},
        {"branch": "a\nb"},
        {"branch": "a~1"},
        {"branch": "a@{1}"},
        {"branch": "a.lock"},
        {"tag": "--x"},
        {"commit": "abc123"},
        {"commit": "--exec=x"},
        {"folder": "../x"},
        {"folder": "a/../../x"},
        {"folder": "a\nb"},
        {"branch": "a", "tag": "b"},
        {"token_env": "A", "password_env": "B"},
        {"max_bytes": 1},
        {"depth": 99},
        {"username": "a:b"},
    ],
)
def test_options_that_git_could_misunderstand_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(SettingsInvalid):
        options(GitOptions, **config)


def test_names_of_branches_that_people_use_are_taken() -> None:
    for name in ("main", "release/1.2", "feature/some-thing_x", "v1.0.0", "dependabot/npm+yarn"):
        assert options(GitOptions, branch=name).branch == name


def test_a_token_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    from_variable = read_credentials(CredentialOptions(token_env="T"), {"T": SECRET})
    from_file = read_credentials(CredentialOptions(token_file=file), {})
    assert from_variable.header() == from_file.header() == ("Authorization", f"Bearer {SECRET}")
    assert from_variable.header("X-Token") == ("X-Token", SECRET)


def test_a_password_goes_with_its_user_name() -> None:
    chosen = CredentialOptions(username_env="U", password_env="P")
    assert read_credentials(chosen, {"U": "me", "P": "pw"}).header() == ("Authorization", "Basic bWU6cHc=")
    with pytest.raises(CredentialsMissing, match="user name"):
        read_credentials(CredentialOptions(password_env="P"), {"P": "pw"})


@pytest.mark.parametrize("value", ["", "  ", "a\r\nX-Evil: 1", "gehe\u0308im", "a\0b"])
def test_a_credential_that_no_header_can_carry_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(CredentialsMissing) as caught:
        read_credentials(CredentialOptions(token_env="T"), {"T": value})
    assert not value.strip() or value not in str(caught.value)


def test_a_missing_variable_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsMissing, match="MY_TOKEN"):
        read_credentials(CredentialOptions(token_env="MY_TOKEN"), {})
    with pytest.raises(CredentialsMissing, match="nowhere"):
        read_credentials(CredentialOptions(token_file=tmp_path / "nowhere"), {})


def test_credentials_show_nothing_of_themselves() -> None:
    credentials = Credentials("me", None, SECRET)
    header = credentials.basic(None)
    assert header is not None
    assert SECRET not in f"{credentials}{credentials!r}"
    assert credentials.redact(f"x {SECRET} {header[1]}") == "x *** Basic ***"


def test_the_sources_in_the_documentation_can_be_opened(tmp_path: Path) -> None:
    text = (Path(__file__).parents[4] / "docs" / "sources.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "config.yaml").write_text(example)
    settings = load(tmp_path / "config.yaml", env={})
    sources, problems = open_sources(settings.registry, settings.limits)
    assert [source.kind for source in sources] == ["folder", "http", "git", "bundled"]
    assert not problems
