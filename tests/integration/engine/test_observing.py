"""Breakpoints, snapshots and coverage, by real debugging workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from engine_runs import RecordingHost, request

from ratchet_mcp.engine.observe import Observation, Observed
from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.engine.run import RunOutcome

LOOP = """// adds squares
function main(input) {
  let total = 0;
  for (let i = 0; i < input.n; i++) {
    const square = i * i;
    total += square;
  }

  if (total > 100) {
    total = -1;
  }
  return { total };
}
"""

Observe = Callable[..., Awaitable[RunOutcome]]
Look = Callable[..., Awaitable[Observed]]


@pytest.fixture
def observe(pool: WorkerPool, host: RecordingHost) -> Observe:
    """Run JavaScript with breakpoints and expressions; `watch` changes the observation."""

    async def run(
        code: str, lines: tuple[int, ...] = (), expressions: tuple[str, ...] = (), value: Any = None, **changes: Any
    ) -> RunOutcome:
        watch = {"coverage": True, "throws": True, **changes.pop("watch", {})}
        outcome = await pool.run(request(code, value, observe=Observation(lines, expressions, **watch), **changes), host)
        assert outcome.observed is not None
        return outcome

    return run


@pytest.fixture
def look(observe: Observe) -> Look:
    """Run JavaScript that must succeed, and return what was seen."""

    async def run(*arguments: Any, **changes: Any) -> Observed:
        outcome = await observe(*arguments, **changes)
        assert outcome.error is None, outcome.error.to_dict()
        assert outcome.observed is not None
        return outcome.observed

    return run


# ---------------------------------------------------------------- breakpoints
async def test_each_time_a_line_is_reached_its_variables_are_kept(look: Look) -> None:
    seen = await look(LOOP, (6,), (), {"n": 3})
    assert [snapshot.hit for snapshot in seen.snapshots] == [1, 2, 3]
    assert [snapshot.locals for snapshot in seen.snapshots] == [
        {"square": i * i, "i": i, "total": total, "input": {"n": 3}} for i, total in enumerate([0, 0, 1])
    ]
    first = seen.snapshots[0]
    assert (first.line, first.column, first.function) == (6, 5, "main")
    assert first.arguments[0] == {"n": 3}
    assert not seen.truncated


async def test_expressions_are_evaluated_where_the_line_is(look: Look) -> None:
    seen = await look(LOOP, (6,), ("total + square", "nobody.x", "Math.max(i, 1)", "input.n.x.y"), {"n": 1})
    values = seen.snapshots[0].expressions
    assert [one.value for one in values] == [0, None, 1, None]
    assert values[1].error == "ReferenceError: nobody is not defined here"
    assert values[3].error is not None and values[3].error.startswith("TypeError: ")


async def test_an_expression_may_change_what_the_task_does(observe: Observe) -> None:
    outcome = await observe(LOOP, (9,), ("total = 40",), {"n": 1})
    assert outcome.output_json == '{"total":40}'


async def test_a_line_without_code_gives_way_to_the_next_and_a_line_after_all_code_is_reported(look: Look) -> None:
    seen = await look(LOOP, (1, 8, 13, 500), (), {"n": 0})
    assert seen.moved == {1: 3, 8: 9}
    assert [snapshot.line for snapshot in seen.snapshots] == [3, 9]  # the brace at the end is never reached
    assert seen.unreachable == [500]
    assert seen.nearest == [10, 12, 13]


async def test_variables_that_do_not_exist_yet_say_so(look: Look) -> None:
    seen = await look(LOOP, (3,), ("total",), {"n": 0})
    assert seen.snapshots[0].locals["total"] == "<not yet initialised>"
    assert "before initialization" in str(seen.snapshots[0].expressions[0].error)


async def test_the_call_stack_names_functions_and_lines(look: Look) -> None:
    code = "function main() {\n  return outer(1);\n}\nfunction outer(x) {\n  const inner = (y) => {\n    return y;\n  };\n  return inner(x + 1);\n}\n"
    seen = await look(code, (6,))
    assert [(frame.function, frame.line) for frame in seen.snapshots[0].stack] == [("inner", 6), ("outer", 8), ("main", 2)]


async def test_callbacks_show_their_own_variables_and_those_around_them(look: Look) -> None:
    code = "(input) => {\n  const factor = 3;\n  return input.map((n) => {\n    const product = n * factor;\n    return product;\n  });\n}"
    seen = await look(code, (5,), ("factor",), [1, 2])
    assert [snapshot.locals for snapshot in seen.snapshots] == [{"product": 3, "n": 1}, {"product": 6, "n": 2}]
    assert seen.snapshots[0].outer == {"factor": 3, "input": [1, 2]}
    assert seen.snapshots[0].arguments == [1, 0, [1, 2]]


async def test_a_variable_that_a_callback_does_not_use_is_found_in_the_function_around_it(look: Look) -> None:
    code = "(input) => {\n  const unused = 'still here';\n  return input.map((n) => {\n    return n;\n  });\n}"
    seen = await look(code, (4,), ("unused.length + n",), [1])
    assert seen.snapshots[0].outer["unused"] == "still here"
    assert seen.snapshots[0].expressions[0].value == 11


async def test_an_async_function_is_followed_through_its_awaits(look: Look) -> None:
    code = (
        "async function main(input) {\n  const out = [];\n  for (const n of input) {\n    const twice = await double(n);\n    out.push(twice);\n"
        "  }\n  return out;\n}\nasync function double(n) {\n  await null;\n  return n * 2;\n}\n"
    )
    seen = await look(code, (5, 11), (), [1, 2])
    assert [snapshot.line for snapshot in seen.snapshots] == [11, 5, 11, 5]
    assert [frame.function for frame in seen.snapshots[0].stack] == ["double", "main"]  # also after an await
    assert seen.snapshots[1].locals == {"twice": 2, "n": 1, "out": [], "input": [1, 2]}
    assert seen.snapshots[1].arguments == [[1, 2]]


async def test_generators_methods_and_timers_can_be_looked_into(look: Look) -> None:
    code = (
        "class Counter {\n  constructor(n) { this.n = n; }\n  next() {\n    return (this.n += 1);\n  }\n}\n"
        "module.exports = {\n  async main() {\n    const counter = new Counter(1);\n    counter.next();\n"
        "    function* two() {\n      yield 1;\n    }\n    const all = [...two()];\n"
        "    await new Promise((resolve) => {\n      setTimeout(() => {\n        resolve(all);\n      }, 1);\n    });\n    return all;\n  },\n};\n"
    )
    seen = await look(code, (4, 12, 17))
    assert [(snapshot.line, snapshot.function) for snapshot in seen.snapshots] == [(4, "next"), (12, "two"), (17, "<anonymous>")]
    assert seen.snapshots[0].locals["this"] == {"<class>": "Counter", "n": 1}
    assert "module" not in seen.snapshots[2].outer


@pytest.mark.parametrize(
    ("code", "line", "column"),
    [
        ("(input) => input.a + 1", 1, 12),
        ("export default (input) => input.a + 1", 1, 27),
        ("exports.main = (input) => input.a + 1", 1, 27),
        ("function main(input) { return input.a + 1 }", 1, 24),
        ("const f = (input) => input.a + 1;\nf", 1, 22),
    ],
)
async def test_every_form_of_a_task_has_its_lines_and_columns(code: str, line: int, column: int, look: Look) -> None:
    seen = await look(code, (1,), ("input.a",), {"a": 2})
    last = seen.snapshots[-1]
    assert (last.line, last.column) == (line, column)
    assert last.expressions[0].value == 2
    assert seen.coverage is not None and seen.coverage[1] >= 1


async def test_code_at_the_top_level_can_be_looked_into(look: Look) -> None:
    seen = await look("const LIMIT = 5;\nconst twice = LIMIT * 2;\nfunction main() {\n  return twice;\n}\n", (2, 4))
    assert [(snapshot.function, snapshot.line) for snapshot in seen.snapshots] == [("<top level>", 2), ("main", 4)]
    assert seen.snapshots[0].locals["LIMIT"] == 5
    assert seen.snapshots[1].outer == {"LIMIT": 5, "twice": 10}


async def test_code_that_the_task_makes_up_is_not_taken_for_its_own(look: Look) -> None:
    code = "() => {\n  const made = (0, eval)('(() => {\\n\\n\\nreturn 1 })\\n//# sourceURL=main.js');\n  made();\n  return 1;\n}"
    seen = await look(code, (4,))
    assert [snapshot.hit for snapshot in seen.snapshots] == [1]
    assert seen.coverage == {2: 1, 3: 1, 4: 1}


# ---------------------------------------------------------------- values
async def test_what_json_cannot_say_is_said_in_words(look: Look) -> None:
    code = (
        "() => {\n  const values = { nothing: undefined, nan: NaN, big: 12n, minus: -0, symbol: Symbol('s'), when: new Date(0), match: /a+/gi,\n"
        "    sparse: [1, , 3], bytes: new Uint8Array(2), done: Promise.resolve(1), named: function add() {}, error: new TypeError('no'),\n"
        "    map: new Map([['k', { deep: 1 }]]), set: new Set([1, 'two']), own: new (class Point { x = 1 })() };\n"
        "  values.self = values;\n  return 1;\n}"
    )
    seen = await look(code, (6,))
    assert seen.snapshots[0].locals["values"] == {
        "nothing": "<undefined>",
        "nan": "<NaN>",
        "big": "<12n>",
        "minus": "<-0>",
        "symbol": "<symbol s>",
        "when": "<Date 1970-01-01T00:00:00.000Z>",
        "match": "</a+/gi>",
        "sparse": [1, "<empty>", 3],
        "bytes": [0, 0],
        "done": "<promise fulfilled>",
        "named": "<function add>",
        "error": "<TypeError: no>",
        "map": {"<Map>": [["k", {"deep": 1}]]},
        "set": {"<Set>": [1, "two"]},
        "own": {"<class>": "Point", "x": 1},
        "self": "<circular>",
    }


async def test_looking_calls_nothing_of_the_task(look: Look, host: RecordingHost) -> None:
    code = (
        "() => {\n  const called = (name) => { console.log(name); throw new Error(name); };\n"
        "  const all = ['get', 'has', 'ownKeys', 'getOwnPropertyDescriptor', 'getPrototypeOf', 'apply'];\n"
        "  const traps = Object.fromEntries(all.map((name) => [name, () => called(name)]));\n"
        "  const proxy = new Proxy(function () {}, traps);\n"
        "  const getter = { get x() { return called('x') }, toString() { return called('toString') }, toJSON() { return called('toJSON') } };\n"
        "  const child = Object.create(proxy), date = new Date(0), error = new Error('fine'), map = new Map([[1, proxy]]), list = [1];\n"
        "  for (const value of [date, error, map, list]) Object.setPrototypeOf(value, proxy);\n"
        "  Object.defineProperty(error, 'message', { get() { return called('message') } });\n"
        "  const pattern = /x/; Object.defineProperty(pattern, 'flags', { get() { return called('flags') } });\n"
        "  return 1;\n}"
    )
    seen = await look(code, (11,))
    values = seen.snapshots[0].locals
    assert values["proxy"] == "<proxy>"
    assert values["getter"]["x"] == "<getter>"
    assert values["map"] == {"<Map>": [[1, "<proxy>"]]}
    assert values["pattern"] == "</x/>"
    assert values["date"] == "<Date 1970-01-01T00:00:00.000Z>"
    assert host.text == []


async def test_large_values_are_cut(look: Look) -> None:
    code = (
        "() => {\n  const long = new Array(1e6).fill(0), text = 'é'.repeat(1e6), keys = {};\n  for (let i = 0; i < 1e5; i++) keys['k' + i] = i;\n"
        "  const map = new Map(long.slice(0, 1e5).map((_, i) => [i, i]));\n  const deep = JSON.parse('['.repeat(90) + ']'.repeat(90));\n"
        "  return 1;\n}"
    )
    seen = await look(code, (6,))
    values = seen.snapshots[0].locals
    assert len(values["long"]) == 51 and values["long"][-1] == "<999950 more>"
    assert values["text"].endswith("(1000000 characters)")
    assert values["keys"] == {"<more>": 100_000}
    assert values["map"]["<more>"] == 100_000 - 50
    assert values["deep"] == [[[["<Array(1)>"]]]]


async def test_there_are_no_more_snapshots_than_asked_for_and_each_breakpoint_has_one(look: Look) -> None:
    seen = await look(LOOP, (6, 12), (), {"n": 100_000}, watch={"max_snapshots": 4})
    assert [snapshot.line for snapshot in seen.snapshots] == [6, 6, 6, 12]
    assert seen.truncated
    assert seen.coverage is not None and seen.coverage[6] == 100_000


# ---------------------------------------------------------------- what is thrown
async def test_the_place_that_threw_is_shown_with_its_variables(observe: Observe) -> None:
    code = "function main(input) {\n  return check(input.n);\n}\nfunction check(n) {\n  const limit = 2;\n  if (n > limit) throw new RangeError(`${n} is too much`);\n}\n"
    outcome = await observe(code, (), (), {"n": 3})
    assert outcome.error is not None and outcome.error.code == "task_error"
    assert outcome.observed is not None
    thrown = outcome.observed.at_throw
    assert thrown is not None
    assert (thrown.line, thrown.function, thrown.error) == (6, "check", "RangeError: 3 is too much")
    assert thrown.locals == {"limit": 2, "n": 3}
    assert [frame.function for frame in thrown.stack] == ["check", "main"]


@pytest.mark.parametrize(
    ("code", "line", "error"),
    [
        ("async () => {\n  await null;\n  const x = null;\n  return x.y;\n}", 4, "TypeError: can't access property"),
        ("async () => {\n  try {\n    throw new Error('first');\n  } finally {\n    await null;\n  }\n}", 3, "Error: first"),
        ("() => {\n  try { throw new Error('caught'); } catch {}\n  throw 'text';\n}", 3, '"text"'),
        (
            "() => {\n  for (let i = 0; i < 5000; i++) try { throw new Error('caught'); } catch {}\n  throw new Error('last');\n}",
            3,
            "Error: last",
        ),
        ("() => {\n  JSON.parse('{');\n}", 2, "SyntaxError: JSON.parse"),
        (
            "async () => {\n  setTimeout(() => {\n    throw new Error('later');\n  }, 1);\n  await new Promise(() => {});\n}",
            3,
            "Error: later",
        ),
        (
            "() => {\n  (async () => {\n    throw new Error('lost');\n  })();\n  return new Promise((r) => setTimeout(r, 1));\n}",
            3,
            "Error: lost",
        ),
        ("async () => {\n  await tasks.call('nobody');\n}", 2, "TaskCallError: There is no task"),
    ],
)
async def test_only_the_error_that_ended_the_run_is_shown(code: str, line: int, error: str, observe: Observe) -> None:
    outcome = await observe(code)
    assert outcome.error is not None
    assert outcome.observed is not None
    thrown = outcome.observed.at_throw
    assert thrown is not None
    assert thrown.line == line
    assert str(thrown.error).startswith(error)


async def test_a_run_that_catches_its_errors_shows_none(look: Look) -> None:
    assert (await look("() => { try { null.x } catch { return 1 } }")).at_throw is None


# ---------------------------------------------------------------- coverage
async def test_coverage_counts_lines_that_ran_and_names_those_that_did_not(look: Look) -> None:
    code = LOOP + "function never(x) {\n  return () => {\n    return x;\n  };\n}\n"
    seen = await look(code, (), (), {"n": 3})
    assert seen.coverage == {3: 1, 4: 1, 5: 3, 6: 3, 9: 1, 10: 0, 12: 1, 15: 0, 16: 0}


async def test_coverage_stays_right_in_hot_code(look: Look) -> None:
    seen = await look(LOOP, (), (), {"n": 2_000_000})
    assert seen.coverage is not None
    assert (seen.coverage[6], seen.coverage[10], seen.coverage[12]) == (2_000_000, 1, 1)


@pytest.mark.parametrize("throws", [True, False])
async def test_errors_that_are_thrown_where_the_stack_ends_can_be_looked_into(throws: bool, observe: Observe) -> None:
    code = "() => {\n  const f = (n) => {\n    try { return f(n + 1); } catch { throw new Error('own'); }\n  };\n  return f(0);\n}"
    outcome = await observe(code, watch={"throws": throws})
    assert outcome.error is not None and outcome.error.message.startswith("Error: own")
    assert outcome.observed is not None and outcome.observed.coverage is not None
    assert (outcome.observed.at_throw is not None) is throws


async def test_coverage_is_left_out_unless_it_is_asked_for(look: Look) -> None:
    assert (await look(LOOP, (3,), (), {"n": 1}, watch={"coverage": False})).coverage is None


# ---------------------------------------------------------------- limits and other ends
async def test_a_run_that_is_killed_keeps_what_was_seen(observe: Observe) -> None:
    outcome = await observe("() => {\n  let n = 0;\n  for (;;) {\n    n++;\n  }\n}", (4,), watch={"max_snapshots": 3}, timeout_seconds=0.5)
    assert outcome.error is not None and outcome.error.code == "timeout"
    assert outcome.observed is not None
    assert [snapshot.locals["n"] for snapshot in outcome.observed.snapshots] == [0, 1, 2]
    assert outcome.observed.truncated and outcome.observed.coverage is None


async def test_an_expression_that_never_ends_is_killed_with_its_run(observe: Observe) -> None:
    outcome = await observe("() => {\n  return 1;\n}", (2,), ("(() => { for (;;); })()",), timeout_seconds=0.5)
    assert outcome.error is not None and outcome.error.code == "timeout"


@pytest.mark.parametrize(
    "code",
    ["() => {\n  const a = []; for (;;)\n    a.push(new Array(1e5).fill(1.5));\n}", "() => {\n  let s = 'x'; for (;;)\n    s += s;\n}"],
)
async def test_the_memory_limit_holds_while_debugging(code: str, observe: Observe) -> None:
    outcome = await observe(code, (3,), watch={"max_snapshots": 2})
    assert outcome.error is not None
    assert outcome.error.code in ("memory_limit", "task_error")
    assert outcome.observed is not None and len(outcome.observed.snapshots) == 2


@pytest.mark.parametrize(
    "step",
    [
        "f(n + 1) + 1",
        "[1].map(() => [2, 1].sort(() => f(n))[0])[0]",
        "'a'.replace(/a/, () => f(n))",
        "JSON.stringify({ toJSON: () => f(n) })",
    ],
)
async def test_endless_recursion_through_a_breakpoint_is_told_as_such(step: str, observe: Observe) -> None:
    outcome = await observe(
        f"() => {{\n  const f = (n) => {{\n    return {step};\n  }};\n  return f(0);\n}}", (3,), watch={"max_snapshots": 3}
    )
    assert outcome.error is not None and outcome.error.code == "stack_overflow"
    assert outcome.observed is not None
    assert len(outcome.observed.snapshots) == 3
    assert outcome.observed.truncated
    assert outcome.observed.at_throw is not None and outcome.observed.at_throw.line == 3


async def test_console_lines_host_calls_and_output_are_as_in_any_run(observe: Observe, host: RecordingHost) -> None:
    async def double(value: Any) -> Any:
        return value * 2

    host.answers["double"] = double
    outcome = await observe("async (input) => {\n  console.log('begun');\n  return await tasks.call('double', input);\n}", (3,), (), 4)
    assert outcome.output_json == "8"
    assert host.text == ["begun"]


async def test_lines_end_as_javascript_says(look: Look) -> None:
    seen = await look("function main() {\r\n  const a = 1;\u2028  const b = 2;\n  return a + b;\r}", (3, 4))
    assert [(snapshot.line, snapshot.locals["a"]) for snapshot in seen.snapshots] == [(3, 1), (4, 1)]
