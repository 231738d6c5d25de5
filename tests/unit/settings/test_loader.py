from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.settings import Settings
from ratchet_mcp.settings.loader import load, load_with_origins

NOTHING: Mapping[str, str] = {}


@pytest.fixture(autouse=True)
def no_settings_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "config"
    monkeypatch.setattr("ratchet_mcp.settings.files.default_folder", lambda: home)
    return home


def write(folder: Path, text: str, name: str = "ratchet.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def problems(error: pytest.ExceptionInfo[SettingsInvalid]) -> list[dict[str, str]]:
    return error.value.details["problems"]


def test_without_file_and_variables_everything_has_its_default() -> None:
    assert load(env=NOTHING) == Settings()


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    yaml = write(tmp_path, "limits:\n  timeout_seconds: 5\nserver:\n  port: 9000\n")
    json_file = write(tmp_path, '{\n\t"limits": {"timeout_seconds": 5},\n\t"server": {"port": 9000}\n}', "ratchet.json")
    assert load(yaml, env=NOTHING) == load(json_file, env=NOTHING)
    assert load(yaml, env=NOTHING).limits.timeout_seconds == 5


def test_each_layer_wins_over_the_one_before_it_key_by_key(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "limits: {timeout_seconds: 1, cpu_seconds: 1, memory_mb: 101, input_bytes: 2001}\n"
        "profiles:\n  fast:\n    limits: {cpu_seconds: 2, memory_mb: 102, input_bytes: 2002}\n",
    )
    env = {"RATCHET_LIMITS__MEMORY_MB": "103", "RATCHET_LIMITS__INPUT_BYTES": "2003"}
    limits = load(path, "fast", {"limits": {"input_bytes": 2004}}, env).limits
    assert (limits.timeout_seconds, limits.cpu_seconds, limits.memory_mb, limits.input_bytes) == (1, 2, 103, 2004)


def test_the_origin_of_each_value_is_remembered(tmp_path: Path) -> None:
    path = write(tmp_path, "limits:\n  timeout_seconds: 1\nprofiles:\n  fast:\n    limits:\n      cpu_seconds: 2\n")
    loaded = load_with_origins(path, "fast", {"server": {"port": 1}}, {"RATCHET_LOGGING__LEVEL": "DEBUG"})
    assert loaded.origin("limits", "timeout_seconds").place == f"{path}:2"
    assert loaded.origin("limits", "cpu_seconds").place == f"{path}:6"
    assert loaded.origin("limits", "cpu_seconds").kind == "profile"
    assert loaded.origin("logging", "level").place == "RATCHET_LOGGING__LEVEL"
    assert loaded.origin("server", "port").kind == "override"
    assert loaded.origin("server", "host").kind == "default"


def test_an_override_of_none_was_not_given() -> None:
    assert load(overrides={"server": {"port": None, "host": None}}, env=NOTHING) == Settings()


def test_the_users_own_file_is_found_and_the_working_folder_is_not_searched(
    tmp_path: Path, no_settings_of_the_user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    for name in ("ratchet.yaml", "config.yaml"):
        write(project, "limits: {timeout_seconds: 3000, max_timeout_seconds: 3000}\n", name)
    monkeypatch.chdir(project)
    assert load(env=NOTHING) == Settings()
    write(no_settings_of_the_user, "limits: {timeout_seconds: 7}\n", "config.yaml")
    assert load(env=NOTHING).limits.timeout_seconds == 7


def test_variables_name_the_file_and_the_profile(tmp_path: Path) -> None:
    path = write(tmp_path, "profiles: {fast: {limits: {timeout_seconds: 2}}}\n")
    assert load(env={"RATCHET_CONFIG": str(path), "RATCHET_PROFILE": "fast"}).limits.timeout_seconds == 2


def test_variables_hold_lists_as_json_or_with_commas() -> None:
    commas = load(env={"RATCHET_SERVER__ALLOWED_HOSTS": "a.example, b.example"})
    as_json = load(env={"RATCHET_SERVER__ALLOWED_HOSTS": '["a.example", "b.example"]'})
    assert commas.server.allowed_hosts == as_json.server.allowed_hosts == ["a.example", "b.example"]


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(env={"RATCHET_LIMITS__TIMEOUT_SECONDS": "", "RATCHET_STORE__URL": ""}) == Settings()


def test_an_empty_section_counts_as_absent(tmp_path: Path) -> None:
    assert load(write(tmp_path, "limits:\nserver:\n"), env=NOTHING) == Settings()


def test_relative_paths_in_a_file_count_from_its_folder(tmp_path: Path) -> None:
    sources = [{"name": "mine", "uri": "tasks"}, {"name": "web", "uri": "file:///elsewhere"}]
    path = write(tmp_path, json.dumps({"logging": {"file": "ratchet.log"}, "registry": {"sources": sources}}), "r.json")
    settings = load(path, env=NOTHING)
    assert settings.logging.file == tmp_path / "ratchet.log"
    assert [source.uri for source in settings.registry.sources] == [str(tmp_path / "tasks"), "file:///elsewhere"]


def test_a_wrong_key_names_the_key_its_line_and_the_nearest_right_one(tmp_path: Path) -> None:
    path = write(tmp_path, "limits:\n  cpu_seconds: 3\n  timeout_secs: 5\n")
    with pytest.raises(SettingsInvalid) as error:
        load(path, env=NOTHING)
    assert problems(error) == [
        {
            "key": "limits.timeout_secs",
            "source": f"{path}:3",
            "message": "There is no such key.",
            "did_you_mean": "limits.timeout_seconds",
        }
    ]
    assert f"{path}:3: limits.timeout_secs: There is no such key. Did you mean limits.timeout_seconds?" in str(error.value)


def test_a_wrong_value_names_the_key_its_line_and_the_value(tmp_path: Path) -> None:
    path = write(tmp_path, '{\n  "server": {\n    "port": "many"\n  }\n}', "r.json")
    with pytest.raises(SettingsInvalid, match="port") as error:
        load(path, env=NOTHING)
    assert problems(error)[0]["source"] == f"{path}:3"
    assert "'many'" in problems(error)[0]["message"]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "limitz: {}\nserver: {port: -1}\n")
    with pytest.raises(SettingsInvalid) as error:
        load(path, env={"RATCHET_LIMITS__MEMORY": "1", "RATCHET_ENGINE__MIN_WORKERS": "none"})
    assert [(item["source"], item["key"], item.get("did_you_mean")) for item in problems(error)] == [
        ("RATCHET_ENGINE__MIN_WORKERS", "engine.min_workers", None),
        ("RATCHET_LIMITS__MEMORY", "limits.memory", "RATCHET_LIMITS__MEMORY_MB"),
        (f"{path}:2", "server.port", None),
        (f"{path}:1", "limitz", "limits"),
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RATCHET_TIMEOUT_SECONDS", "RATCHET_LIMITS__TIMEOUT_SECONDS"),
        ("RATCHET_SERVR__PORT", "RATCHET_SERVER"),
        ("RATCHET_SERVER__TIMEOUT_SECONDS", "RATCHET_LIMITS__TIMEOUT_SECONDS"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_names_the_right_one(name: str, meant: str) -> None:
    with pytest.raises(SettingsInvalid) as error:
        load(env={name: "5"})
    assert (problems(error)[0]["source"], problems(error)[0]["did_you_mean"]) == (name, meant)


def test_a_section_that_is_a_value_is_explained() -> None:
    with pytest.raises(SettingsInvalid, match="RATCHET_LIMITS: limits: This is a section"):
        load(env={"RATCHET_LIMITS": "5"})


def test_a_wrong_key_of_a_source_names_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "registry:\n  sources:\n    - name: a\n      uri: x\n    - name: b\n      url: y\n")
    with pytest.raises(SettingsInvalid) as error:
        load(path, env=NOTHING)
    assert [(item["key"], item["source"]) for item in problems(error)] == [
        ("registry.sources.1.uri", f"{path}:5"),
        ("registry.sources.1.url", f"{path}:6"),
    ]


def test_two_keys_that_contradict_each_other_are_named_with_their_place() -> None:
    with pytest.raises(SettingsInvalid, match=r"RATCHET_LIMITS__TIMEOUT_SECONDS: limits: timeout_seconds \(500\) is above max_timeout"):
        load(env={"RATCHET_LIMITS__TIMEOUT_SECONDS": "500"})


def test_an_unknown_profile_lists_those_that_exist(tmp_path: Path) -> None:
    path = write(tmp_path, "profiles: {careful: {}, fast: {}}\n")
    with pytest.raises(SettingsInvalid, match=r"has no profile 'carefull' .it has: careful, fast.. Did you mean careful") as error:
        load(path, env={"RATCHET_PROFILE": "carefull"})
    assert problems(error)[0]["source"] == "RATCHET_PROFILE"


def test_a_profile_without_a_file_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="no settings file"):
        load(profile="fast", env=NOTHING)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limits: [", ":1: The file is not YAML"),
        ("- a\n- b\n", "must hold sections"),
        ("limits: {cpu_seconds: 1}\nlimits: {cpu_seconds: 2}\n", ":2: limits: The key stands here for the second time"),
        ("profiles: [a]\n", "Profiles must be a mapping"),
        ("limits: !!python/object/apply:os.getcwd []\n", "The file is not YAML"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsInvalid, match=r"ratchet[.]yaml") as error:
        load(path, env=NOTHING)
    assert words in str(error.value)


def test_broken_json_names_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, '{\n  "limits": }\n', "r.json")
    with pytest.raises(SettingsInvalid, match=r"r.json:2: The file is not JSON: Expecting value \(column 13\)"):
        load(path, env=NOTHING)


def test_a_missing_file_is_an_error_when_it_was_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"gone[.]yaml: The settings file cannot be read: No such file"):
        load(env={"RATCHET_CONFIG": str(tmp_path / "gone.yaml")})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RATCHET_NETWORK__SECRETS", '{"HOOK": {"value": "hush-hush"}}'),
        ("RATCHET_NETWORK__SECRETS", '[{"name": "HOOK", "env": ["hush-hush"], "hosts": ["example.com"]}]'),
        ("RATCHET_NETWORK__SECRETS", '[{"name": "HOOK", "value": "hush-hush", "hosts": ["example.com"]}]'),
        ("RATCHET_REGISTRY__SOURCES", '[{"name": "ours", "uri": ["hush-hush"]}]'),
        ("RATCHET_STORE__QUEUE_SIZE", "postgresql://me:hush-hush@db/ratchet"),
        ("RATCHET_STORE__QUEUE_SIZE", "postgresql://me:a/b hush-hush@db/ratchet"),
    ],
    ids=["a-mapping", "a-list-for-a-text", "a-value-in-the-settings", "a-source", "a-url-with-a-password", "a-password-with-a-slash"],
)
def test_a_credential_in_the_wrong_place_is_not_repeated(variable: str, value: str) -> None:
    with pytest.raises(SettingsInvalid) as error:
        load(env={variable: value})
    said = error.value
    assert variable.removeprefix("RATCHET_").split("__")[1].lower() in str(said.details)
    assert "hush-hush" not in said.message + str(said.details)
