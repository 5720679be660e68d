"""Matches of a portable pattern, those of Python's `re`, by an automaton that can be interrupted and never goes back.

`re` cannot be interrupted, and takes exponential time for some patterns, such as (a+)+b.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

_MOST = 100_000  # instructions of one pattern, and states that are remembered
_EVERY = 4096  # characters between two looks at the clock
_QUANTIFIER = re.compile(r"[*+?]|\{(\d+)(,?)(\d*)\}")
_ATOM = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\[^1-9]|[^()|*+?\[\\^$]", re.DOTALL)
_MATCH = -1


class LinearMatcher:
    """An automaton over one character at a time, whose states are made when they are first met.

    A state is what may go on from here, the most preferred way first, as `re` prefers them.

    Args:
        pattern: as `kerasrnn.tokenizers.patterns` describes it.

    Raises:
        ValueError: it is no such pattern, or too large.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern, self._place = pattern, 0
        self._steps: list[tuple[Any, ...]] = []  # (matches a character, next), or (None, next, …) in order of preference
        self.is_simple = True  # whether `re` never goes back over more than a character
        tree = self._alternatives()
        if self._place < len(pattern):
            raise self._unknown()
        self._begin = self._closure([self._compiled(tree, _MATCH)])
        self._following: dict[tuple[int, ...], dict[str, tuple[int, ...]]] = {}

    def finditer(self, text: str, check: Callable[[], None]) -> Iterator[str]:
        """The successive matches; `check` is called again and again, and may raise."""
        start, count, length = 0, 0, len(text)
        while start < length:
            state, place, end = self._begin, start, start
            while True:
                if state and state[-1] == _MATCH:
                    end = place
                count += 1
                if count % _EVERY == 0:
                    check()
                if place == length or not state or state == (_MATCH,):
                    break
                state = self._next(state, text[place])
                place += 1
            if end > start:
                yield text[start:end]
            start = max(end, start + 1)

    def _next(self, state: tuple[int, ...], character: str) -> tuple[int, ...]:
        known = self._following.get(state)
        if known is None:
            if len(self._following) > _MOST:
                self._following.clear()
            known = self._following[state] = {}
        found = known.get(character)
        if found is None:
            steps = (self._steps[place] for place in state if place != _MATCH)
            if len(known) > _MOST:
                known.clear()
            found = known[character] = self._closure([following for matches, following in steps if matches(character)])
        return found

    def _closure(self, places: list[int]) -> tuple[int, ...]:
        found: list[int] = []
        seen: set[int] = set()
        waiting = places[::-1]
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            if place == _MATCH:
                return (*found, _MATCH)  # what comes after is less preferred
            matches, *following = self._steps[place]
            if matches is None:
                waiting.extend(following[::-1])
            else:
                found.append(place)
        return tuple(found)

    def _add(self, *step: Any) -> int:
        if len(self._steps) >= _MOST:
            raise ValueError(f"pattern: expected one of at most {_MOST:,} characters, repetitions counted; received {self._pattern!r}")
        self._steps.append(step)
        return len(self._steps) - 1

    def _compiled(self, tree: Any, following: int) -> int:
        kind, *parts = tree
        if kind == "atom":
            return self._add(parts[0], following)
        if kind == "sequence":
            for part in reversed(parts[0]):
                following = self._compiled(part, following)
            return following
        if kind == "alternatives":
            return self._add(None, *[self._compiled(part, following) for part in parts[0]])
        part, least, most = parts
        if most is None:
            loop = self._add(None)
            self._steps[loop] = (None, self._compiled(part, loop), following)
            following = loop
        else:
            end = following
            for _ in range(most - least):
                following = self._add(None, self._compiled(part, following), end)
        for _ in range(least):
            following = self._compiled(part, following)
        return following

    def _alternatives(self) -> Any:
        found = [self._sequence()]
        while self._pattern[self._place : self._place + 1] == "|":
            self._place += 1
            found.append(self._sequence())
        return found[0] if len(found) == 1 else ("alternatives", found)

    def _sequence(self) -> Any:
        found: list[Any] = []
        vary = 0
        while self._place < len(self._pattern) and self._pattern[self._place] not in "|)":
            part = self._group() if self._pattern[self._place] == "(" else self._atom()
            quantifier = _QUANTIFIER.match(self._pattern, self._place)
            endless_before = bool(found) and found[-1][0] == "repeated" and found[-1][-1] is None
            self.is_simple &= not endless_before and vary < 2
            if quantifier:
                self._place = quantifier.end()
                least, most = _bounds(quantifier)
                part, vary = ("repeated", part, least, most), vary + (least != most)
            found.append(part)
        return ("sequence", found)

    def _group(self) -> Any:
        self.is_simple = False
        self._place += 3 if self._pattern.startswith("(?:", self._place) else 1
        found = self._alternatives()
        if self._pattern[self._place : self._place + 1] != ")":
            raise self._unknown()
        self._place += 1
        return found

    def _atom(self) -> Any:
        atom = _ATOM.match(self._pattern, self._place)
        if atom is None:
            raise self._unknown()
        self._place = atom.end()
        return ("atom", re.compile("\\{" if atom.group() == "{" else atom.group(), re.ASCII).match)

    def _unknown(self) -> ValueError:
        return ValueError(
            f"pattern: expected characters, classes, groups, | and greedy repetitions; received {self._pattern!r}, of which "
            f"{self._pattern[self._place : self._place + 5]!r} is something else. Export the model again."
        )


def _bounds(quantifier: re.Match[str]) -> tuple[int, int | None]:
    sign = quantifier.group()
    if sign in ("*", "+", "?"):
        return int(sign == "+"), 1 if sign == "?" else None
    least = int(quantifier[1])
    return least, (int(quantifier[3]) if quantifier[3] else None) if quantifier[2] else least
