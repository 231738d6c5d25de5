"""Templates of paths, URLs and bodies: a small part of Jinja2 that cannot hang, cannot grow without end, and calls nothing.

Only fields, a few filters, conditions and loops over data are there: no calls, macros, imports, assignments or arithmetic. Loops share a
count, and every step looks at the clock; so a template ends, whatever it says. What a template says wrongly is told before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.environment import Template
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ratchet_mcp.delivery.template_filters import FILTERS, Budget, Stopped, as_path_piece, as_text, as_url_piece, ready
from ratchet_mcp.delivery.template_undefined import FieldMissing
from ratchet_mcp.tasks.violations import did_you_mean

Use = Literal["path", "url", "body"]
"""What a text becomes: pieces of a path lose separators, pieces of a URL are percent-encoded, a body is taken as it is."""

MOST_CHARACTERS = 8 << 10
MOST_SECONDS = 5.0
MOST_STEPS = 200_000
FIELDS: dict[str, tuple[str, ...] | None] = {
    "task": ("name", "version", "uuid"),
    "execution": (
        "id", "status", "origin", "attempt", "created_at", "started_at", "finished_at", "run_ms", "total_ms", "error", "warnings",
    ),
    "job": ("id", "status", "attempts", "error", "schedule_id"),
    "date": ("year", "month", "day", "hour", "minute", "second", "time", "iso", "timestamp"),
    "event": (),
    "delivery": ("id", "key", "attempt"),
    "output": None,
}  # fmt: skip
"""What templates may name, with the members of each; those of None depend on the task."""
_LOOP = ("index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "previtem", "nextitem")
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.NSRef, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.Filter, nodes.Test, nodes.If, nodes.CondExpr, nodes.For, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Keyword, nodes.Neg, nodes.List, nodes.Tuple,
)  # fmt: skip
_TESTS = ("defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "true", "false", "in")
_BOUND = "__bounded"


class TemplateInvalid(ValueError):
    """The text is no template that can be used."""


class TemplateStopped(ValueError):
    """The template could not be rendered with this output."""


class Moment(str):
    """An instant that reads as its date (UTC); `fields` are what it is made of."""

    __slots__ = ("fields",)
    fields: dict[str, str]


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox of Jinja2, in which data has members and nothing has attributes."""

    intercepted_binops = frozenset()

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a member of an object, or what `loop` tells."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return a member or an item; nothing else of a value can be reached."""
        if isinstance(obj, LoopContext):
            return getattr(obj, argument) if argument in _LOOP else self.undefined(obj=obj, name=argument)
        try:
            if isinstance(obj, Moment) and isinstance(argument, str):
                return obj.fields[argument]
            if isinstance(obj, Mapping | list | tuple | str):
                return cast("Any", obj)[argument]
        except (LookupError, TypeError, ValueError):
            pass
        return self.undefined(obj=obj, name=argument)


def _make(use: Use) -> _Environment:
    finalize: dict[Use, Callable[[Any], Any]] = {"path": as_path_piece, "url": as_url_piece, "body": as_text}
    environment = _Environment(undefined=FieldMissing, finalize=finalize[use], keep_trailing_newline=True, cache_size=0, autoescape=False)
    environment.filters = dict(FILTERS)
    environment.filters[_BOUND] = ready
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    environment.globals = {}
    return environment


_environments: dict[Use, _Environment] = {}


@dataclass(frozen=True, slots=True)
class Text:
    """A checked template. `names` are the fields that it uses."""

    source: str
    use: Use
    names: frozenset[str]
    _template: Template

    @property
    def fixed(self) -> bool:
        """Tell whether it is the same whatever the run gave."""
        return not self.names

    def render(self, fields: Mapping[str, Any], *, most_bytes: int, seconds: float = MOST_SECONDS) -> str:
        """Return the text for some fields. Raises `TemplateStopped` when a field is not there, or it takes too much."""
        budget = Budget(most_bytes, seconds, MOST_STEPS)
        pieces: list[str] = []
        try:
            with budget:
                for piece in self._template.generate(**fields):
                    budget.take(piece)
                    pieces.append(piece)
        except Stopped as error:
            raise TemplateStopped(f"the template {error}") from None
        except UndefinedError as error:
            raise TemplateStopped(f"the template names what is not there: {error.message}") from None
        except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
            raise TemplateStopped(f"the template failed: {type(error).__name__}: {str(error)[:200]}") from None
        return "".join(pieces)


@lru_cache(maxsize=256)
def read(source: str, use: Use) -> Text:
    """Check a template. Raises `TemplateInvalid` that says what is wrong, and in which line."""
    if len(source) > MOST_CHARACTERS:
        raise TemplateInvalid(f"the template has {len(source)} characters; at most {MOST_CHARACTERS} are taken")
    environment = _environments.get(use) or _environments.setdefault(use, _make(use))
    try:
        tree = environment.parse(source)
        _check(tree)
        names = _names(tree)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, _BOUND, [], [], None, None, lineno=loop.lineno)
        code = environment.compile(tree)
    except TemplateSyntaxError as error:
        raise TemplateInvalid(f"{(error.message or 'it cannot be read').rstrip('.')} (line {error.lineno})") from None
    except (RecursionError, SyntaxError, MemoryError):
        raise TemplateInvalid("the template is nested too deeply") from None
    return Text(source, use, names, Template.from_code(environment, code, {}))


def _names(tree: nodes.Template) -> frozenset[str]:
    names = meta.find_undeclared_variables(tree)
    for name in sorted(names):
        if name not in FIELDS:
            raise TemplateInvalid(f"there is no field {name}{did_you_mean(name, FIELDS)}; fields are {', '.join(FIELDS)}")
    return frozenset(names)


def _check(tree: nodes.Template) -> None:
    """Refuse what is not allowed, and members that the known fields do not have."""
    waiting: list[nodes.Node] = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, _ALLOWED):
            raise TemplateInvalid(f"{_called(node)} cannot be used in templates of deliveries (line {node.lineno})")
        if isinstance(node, nodes.For):
            _check_loop(node)
        elif isinstance(node, nodes.Name) and node.name == "self":
            raise TemplateInvalid(f"there is no field self; fields are {', '.join(FIELDS)}")
        elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise TemplateInvalid(f"there is no filter {node.name}{did_you_mean(node.name, FILTERS)}; filters are {', '.join(FILTERS)}")
        elif isinstance(node, nodes.Filter) and node.node is None:
            raise TemplateInvalid(f"a filter block cannot be used in templates of deliveries (line {node.lineno})")
        elif isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise TemplateInvalid(f"there is no test {node.name}{did_you_mean(node.name, _TESTS)}; tests are {', '.join(_TESTS)}")
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            _check_member(node)
        waiting += node.iter_child_nodes()


def _check_loop(loop: nodes.For) -> None:
    if loop.recursive:
        raise TemplateInvalid(f"a recursive loop cannot be used in templates of deliveries (line {loop.lineno})")
    for name in loop.target.find_all(nodes.Name) if not isinstance(loop.target, nodes.Name) else [loop.target]:
        if name.name in FIELDS:
            raise TemplateInvalid(f"a loop cannot give the name {name.name} a new meaning (line {loop.lineno})")


def _check_member(node: nodes.Getattr | nodes.Getitem) -> None:
    held = node.node
    if isinstance(node, nodes.Getattr):
        member: Any = node.attr
    else:
        member = node.arg.value if isinstance(node.arg, nodes.Const) else None
    if not isinstance(held, nodes.Name) or not isinstance(member, str):
        return
    known = FIELDS.get(held.name)
    if known is not None and member not in known:
        has = f"it has {', '.join(known)}" if known else "it is a text"
        raise TemplateInvalid(f"{held.name} has no member {member}{did_you_mean(member, known)}; {has}")


def _called(node: nodes.Node) -> str:
    names = {"Call": "a call", "Assign": "set", "AssignBlock": "set", "Concat": "~", "Import": "import", "FromImport": "import"}
    names |= {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "FloorDiv": "//", "Mod": "%", "Pow": "**", "Dict": "{ }", "Macro": "macro"}
    kind = type(node).__name__
    return names.get(kind, kind.lower())
