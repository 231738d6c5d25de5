"""Finds regular expressions whose search takes exponential time.

A backtracking engine tries every way in which a loop can take a text. When one and the same text leads from a state of the loop back to it
in two ways, n repetitions of that text have 2^n readings, all of which are tried if what follows the loop does not match. (Exponential
degree of ambiguity: Weideman and others, "Analyzing matching time behavior of backtracking regular expression matchers by using ambiguity
of NFA", 2016.) The states are the positions of Glushkov's automaton; edges are counted, so that `(a+)+` has two from `a` to `a`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from ratchet_mcp.authoring.lint.budget import tick
from ratchet_mcp.authoring.lint.expressions import Alternatives, Letters, Ranges, Repeat, Sequence, Tree, Unreadable, overlap, parse

MAX_STATES = 250
MAX_STEPS = 400_000
MAX_COPIES = 16


@lru_cache(maxsize=1024)
def is_explosive(pattern: str, *, ignore_case: bool = False, dot_all: bool = False) -> bool:
    """Tell whether a search may take exponential time. What is too large or cannot be read counts as harmless."""
    try:
        automaton = _Automaton()
        whole = automaton.add(parse(pattern, ignore_case=ignore_case, dot_all=dot_all))
    except (Unreadable, _TooLargeError):
        return False
    return any(_is_ambiguous(automaton, loop) and not loop <= whole.last for loop in _loops(automaton))


class _TooLargeError(Exception):
    """The automaton has more states than are looked at."""


@dataclass(slots=True)
class _Piece:
    """What a part of the expression begins and ends with; `empty`: it matches the empty text."""

    empty: bool
    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Automaton:
    letters: list[Ranges] = field(default_factory=list[Ranges])
    edges: dict[int, Counter[int]] = field(default_factory=dict[int, "Counter[int]"])

    def add(self, tree: Tree) -> _Piece:
        if isinstance(tree, Letters):
            return self._state(tree.ranges)
        if isinstance(tree, Sequence):
            whole = _Piece(True)
            for part in tree.parts:
                whole = self._join(whole, self.add(part))
            return whole
        if isinstance(tree, Alternatives):
            pieces = [self.add(part) for part in tree.parts]
            first = frozenset[int]().union(*(piece.first for piece in pieces))
            last = frozenset[int]().union(*(piece.last for piece in pieces))
            return _Piece(any(piece.empty for piece in pieces), first, last)
        return self._repeat(tree)

    def _state(self, ranges: Ranges) -> _Piece:
        state = len(self.letters)
        if state >= MAX_STATES:
            raise _TooLargeError
        self.letters.append(ranges)
        self.edges[state] = Counter()
        return _Piece(False, frozenset({state}), frozenset({state}))

    def _connect(self, sources: frozenset[int], targets: frozenset[int]) -> None:
        tick(len(sources) * len(targets))
        for source in sources:
            for target in targets:
                self.edges[source][target] += 1

    def _join(self, one: _Piece, other: _Piece) -> _Piece:
        self._connect(one.last, other.first)
        first = one.first | other.first if one.empty else one.first
        last = one.last | other.last if other.empty else other.last
        return _Piece(one.empty and other.empty, first, last)

    def _repeat(self, tree: Repeat) -> _Piece:
        """Write a small number of copies out; more than that counts as a loop."""
        if tree.most == 0:
            return _Piece(True)
        if tree.most is None or (tree.most > MAX_COPIES and tree.most > tree.least):
            piece = self.add(tree.part)
            self._connect(piece.last, piece.first)
            return _Piece(piece.empty or tree.least == 0, piece.first, piece.last)
        whole = _Piece(True)
        for copy in range(min(tree.most, MAX_COPIES)):
            piece = self.add(tree.part)
            piece.empty = piece.empty or copy >= tree.least
            whole = self._join(whole, piece)
        return whole


def _loops(automaton: _Automaton) -> list[frozenset[int]]:
    """Return the sets of states that reach each other (Kosaraju)."""
    backwards: dict[int, list[int]] = {state: [] for state in automaton.edges}
    for state, targets in automaton.edges.items():
        for target in targets:
            backwards[target].append(state)
    order: list[int] = []
    seen: set[int] = set()
    for start in automaton.edges:
        trail = [(start, iter(automaton.edges[start]))] if start not in seen else []
        seen.add(start)
        while trail:
            state, following = trail[-1]
            target = next((each for each in following if each not in seen), None)
            if target is None:
                order.append(state)
                trail.pop()
            else:
                seen.add(target)
                trail.append((target, iter(automaton.edges[target])))
    found: list[frozenset[int]] = []
    taken: set[int] = set()
    for start in reversed(order):
        if start in taken:
            continue
        group, waiting = {start}, [start]
        while waiting:
            fresh = [each for each in backwards[waiting.pop()] if each not in taken and each not in group]
            group.update(fresh)
            waiting += fresh
        taken |= group
        if len(group) > 1 or start in automaton.edges[start]:
            found.append(frozenset(group))
    return found


def _is_ambiguous(automaton: _Automaton, loop: frozenset[int]) -> bool:
    """Tell whether two different walks through the loop from one state to itself read the same text."""
    inside = {state: [target for target in automaton.edges[state] if target in loop] for state in loop}
    if any(automaton.edges[state][target] > 1 for state in loop for target in inside[state]):
        return True
    forwards: dict[tuple[int, int], list[tuple[int, int]]] = {}
    backwards: dict[tuple[int, int], list[tuple[int, int]]] = {}
    waiting = [(state, state) for state in loop]
    seen = set(waiting)
    steps = 0
    while waiting:
        pair = waiting.pop()
        tick(len(inside[pair[0]]) * len(inside[pair[1]]))
        steps += len(inside[pair[0]]) * len(inside[pair[1]])
        if steps > MAX_STEPS:
            return False
        for one in inside[pair[0]]:
            for other in inside[pair[1]]:
                if not overlap(automaton.letters[one], automaton.letters[other]):
                    continue
                following = (one, other)
                forwards.setdefault(pair, []).append(following)
                backwards.setdefault(following, []).append(pair)
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
    waiting = [(state, state) for state in loop]
    reaching = set(waiting)
    while waiting:
        for pair in backwards.get(waiting.pop(), ()):
            if pair not in reaching:
                if pair[0] != pair[1]:
                    return True
                reaching.add(pair)
                waiting.append(pair)
    return False
