"""Lines that ran, in every form of code: those marked `// never` never do, all other lines with code do."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.settings import RegistrySettings, Settings, StoreSettings
from ratchet_mcp.tasks.loading import make_unsaved
from ratchet_mcp.tasks.testcase import TestCase

FORMS = {
    "if": "if (input.no) {\n  input.a();  // never\n  input.b();  // never\n}",
    "else": "if (input.yes) {\n  input.x = 1;\n} else {\n  input.x = 2;  // never\n}\ninput.y = 3;",
    "throw": "if (input.no) {\n  throw new DataError('no');  // never\n}",
    "early return": "if (input.yes) {\n  return 1;\n}\ninput.x = 2;  // never",
    "loop": "for (const item of input.items) {\n  if (item > 2) {\n    input.x = item;  // never\n  }\n}",
    "empty loop": "for (const item of []) {\n  input.x = item;  // never\n}",
    "while": "let n = 0;\nwhile (n < 3) {\n  n += 1;\n  if (n > 5) break;\n}\nwhile (n > 9) {\n  n -= 1;  // never\n}",
    "switch": "switch (input.items[0]) {\n  case 1:\n    input.x = 1;\n    break;\n  case 2:\n    input.x = 2;  // never\n    break;  // never\n  default:\n    input.x = 3;  // never\n}",
    "catch": "try {\n  input.x = 1;\n} catch (error) {\n  input.x = 2;  // never\n}",
    "caught": "try {\n  input.nothing.at.all;\n  input.x = 1;  // never\n} catch (error) {\n  input.x = 2;\n} finally {\n  input.y = 3;\n}",
    "function": "const unused = (n) => {\n  return n * 2;  // never\n};\nfunction used(n) {\n  return n + 1;\n}\nused(1);",
    "closure": "input.items.map((item) => {\n  if (item === 3) {\n    return 0;  // never\n  }\n  return item;\n});",
    "await": "await new Promise((resolve) => setTimeout(resolve, 1));\ninput.x = 1;\nif (input.no) {\n  await input.z;  // never\n}",
    "generator": "function* numbers() {\n  yield 1;\n  yield 2;\n  yield 3;  // never\n}\nconst all = numbers();\nall.next();\nall.next();",
    "class": "class Box {\n  get size() {\n    return 1;\n  }\n  grow() {\n    return 2;  // never\n  }\n}\nnew Box().size;",
    "long call": "Object.assign(\n  input,\n  { x: 1 },\n);\nif (input.no) {\n  Object.assign(  // never\n    input,\n  );\n}",
}


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    async with Ratchet.open(Settings(store=StoreSettings(url="sqlite://"), registry=RegistrySettings(bundled=False))) as opened:
        yield opened


@pytest.mark.parametrize("form", FORMS)
async def test_a_line_counts_as_run_exactly_when_it_ran(form: str, ratchet: Ratchet) -> None:
    code = "async function main(input) {\n" + textwrap.indent(FORMS[form], "  ") + "\n}\n"
    lines = code.splitlines()
    task = replace(make_unsaved(code), name="forms", version="1.0.0", origin="folder")
    report = await ratchet.testing.run(task, tests=[TestCase("t", {"items": [1, 2], "yes": True, "a": None})], coverage=True)
    assert report.ok, report.to_dict()
    assert report.coverage is not None
    never = [number for number, line in enumerate(lines, 1) if "// never" in line]
    assert report.coverage.missed == never, f"{form}: {report.coverage.hits}"
