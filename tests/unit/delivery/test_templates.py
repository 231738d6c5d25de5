"""Templates of paths, URLs and bodies: what they can say, and that none of them hangs or grows without end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ratchet_mcp.delivery.templates import Moment, TemplateInvalid, TemplateStopped, Use, read


def moment() -> Moment:
    at = Moment("2026-01-31")
    at.fields = {"year": "2026", "month": "01", "iso": "2026-01-31T12:00:00Z"}
    return at


FIELDS: dict[str, Any] = {
    "task": {"name": "daily-report", "version": "1.2.0", "uuid": None},
    "execution": {"id": "e1", "status": "completed", "error": None},
    "job": {},
    "date": moment(),
    "event": "completed",
    "delivery": {"id": "d", "key": "k", "attempt": 1},
    "output": {"title": "A/B: Ünïted", "rows": [{"a": 1}, {"a": 2}], "up": "../../etc", "text": "x" * 100_000, "many": list(range(3000))},
}


def render(text: str, use: Use = "body", most_bytes: int = 1 << 20, seconds: float = 60) -> str:
    return read(text, use).render(FIELDS, most_bytes=most_bytes, seconds=seconds)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{{ task.name }} {{ date }} {{ date.year }}", "daily-report 2026-01-31 2026"),
        ("{{ output.rows }}", '[{"a":1},{"a":2}]'),
        ("{{ output.title | slug }}", "a-b-united"),
        ("{{ output.title | json }}", '"A/B: Ünïted"'),
        ("{% for row in output.rows %}{{ loop.index }}={{ row.a }}{% if not loop.last %}, {% endif %}{% endfor %}", "1=1, 2=2"),
        ("{{ output.rows[1].a }} {{ output['rows'] | length }}", "2 2"),
        ("{{ output.missing | default('none') }} {{ 'yes' if output.title is defined else 'no' }}", "none yes"),
        ("{% if event == 'completed' and not job %}ok{% endif %}", "ok"),
        ("{% for name, value in output.rows[0] | items %}{{ name }}:{{ value }}{% endfor %}", "a:1"),
        ("{{ [1, 2] | join('-') }} {{ ' x ' | trim | upper }} {{ 'abcdef' | truncate(3) }}", "1-2 X ab…"),
    ],
)
def test_a_template_says_what_a_run_gave(text: str, wanted: str) -> None:
    assert render(text) == wanted


def test_what_comes_from_outside_never_makes_folders_in_a_path() -> None:
    assert render("out/{{ output.up }}/{{ output.title }}.json", "path") == "out/_._.._etc/A_B_ Ünïted.json"
    assert render("{{ '..' }}/{{ '.hidden' }}/{{ '' }}/{{ 'a\\0b' }}", "path") == "_./_hidden/_/a_b"
    assert len(render("{{ output.text }}", "path")) == 120


def test_what_comes_from_outside_is_encoded_in_a_url() -> None:
    assert render("https://example.com/{{ output.up }}?t={{ output.title }}", "url") == (
        "https://example.com/..%2F..%2Fetc?t=A%2FB%3A%20%C3%9Cn%C3%AFted"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ outputs }}", 'there is no field outputs (did you mean "output"?)'),
        ("{{ task.nam }}", 'task has no member nam (did you mean "name"?)'),
        ("{{ execution['ide'] }}", "execution has no member ide"),
        ("{{ output", "unexpected end of template"),
        ("{% if output %}", "(line 1)"),
        ("{{ range(9) }}", "a call cannot be used"),
        ("{{ output.items() }}", "a call cannot be used"),
        ("{{ ''.join([1]) }}", "a call cannot be used"),
        ("{% set a = 1 %}", "set cannot be used"),
        ("{% import 'os' as os %}", "import cannot be used"),
        ("{% include '/etc/passwd' %}", "include cannot be used"),
        ("{% macro a() %}{% endmacro %}", "macro cannot be used"),
        ("{% block a %}{% endblock %}", "block cannot be used"),
        ("{{ 'a' * 1000000000 }}", "* cannot be used"),
        ("{{ 9 ** 9 ** 9 }}", "** cannot be used"),
        ("{{ '%999999999d' % 1 }}", "% cannot be used"),
        ("{{ 'a' ~ 'b' }}", "~ cannot be used"),
        ("{{ output | center(1000000000) }}", "there is no filter center"),
        ("{{ output | attr('x') }}", "there is no filter attr"),
        ("{{ output is callable }}", "there is no test callable"),
        ("{{ self }}", "there is no field self"),
        ("{{ lipsum }}", "there is no field lipsum"),
        ("{% for task in output %}{% endfor %}", "cannot give the name task a new meaning"),
        ("{% for x in output recursive %}{% endfor %}", "recursive"),
        ("{% filter upper %}x{% endfilter %}", "filterblock cannot be used"),
        ("{{ " + "(" * 400 + "1" + ")" * 400 + " }}", "nested too deeply"),
        ("{% for a in output %}" * 30 + "{% endfor %}" * 30, "nested too deeply"),
        ("x" * 20_000, "at most 8192 are taken"),
    ],
    ids=range(28),
)
def test_a_template_that_cannot_be_used_is_refused_before_anything_runs(text: str, told: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        read(text, "body")
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ output.missing }}", "'missing' is not there"),
        ("{{ output.missing | upper }}", "'missing' is not there"),
        ("{% for x in output.missing %}{% endfor %}", "'missing' is not there"),
        ("{{ job.id }}", "'id' is not there"),
        ("{{ output.__class__ }}{{ output.rows.append }}", "'__class__' is not there"),
        ("{% for x in output.text %}{% endfor %}", "loops over a str"),
        ("{{ output.rows < 3 }}", "TypeError"),
        ("{{ output.text | replace('x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') }}", "makes more than 1048576 bytes"),
        ("{{ output.text | replace('', 'x') }}", "replaces an empty text"),
        ("{{ output.many | join(output.text) }}", "makes more than 1048576 bytes"),
        ("{{ output.text }}" * 20, "makes more than 1048576 bytes"),
        ("{{ output.rows" + " | json" * 60 + " }}", "makes more than 1048576 bytes"),
        ("{% for a in output.many %}{% for b in output.many %}{% endfor %}{% endfor %}", "loops more than 200000 times"),
    ],
    ids=range(13),
)
def test_a_template_that_takes_too_much_is_stopped(text: str, told: str) -> None:
    with pytest.raises(TemplateStopped) as stopped:
        render(text)
    assert told in str(stopped.value)


def test_a_template_that_takes_too_long_is_stopped() -> None:
    began = time.monotonic()
    with pytest.raises(TemplateStopped) as stopped:
        render(
            "{% for a in output.many %}{% for b in output.many %}{% if output.text | json == '' %}{% endif %}{% endfor %}{% endfor %}",
            seconds=0.3,
        )
    assert "0.3 s" in str(stopped.value)
    assert time.monotonic() - began < 20, "it hung"
