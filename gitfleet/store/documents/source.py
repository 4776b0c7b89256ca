"""Plain data that remembers where it stood in its document, so that every error can say where it is.

Positions are best effort by design: a place that is not known is answered with that of its nearest known parent.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
"""Plain data; what every format is read into."""

Trail = tuple[str | int, ...]
"""A place in the data: keys and indices from the top."""

MAX_DEPTH = 40
"""Levels of nesting; the deepest document of ours has eight."""

MAX_MESSAGE = 500
"""Characters of one message; a document may hold an entry of a megabyte."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a document; both count from 1, and the column is ``None`` where only the line is known."""

    line: int
    column: int | None = None


@dataclass(slots=True)
class Source:
    """A document that could be read: its data, the places of values and keys, and what is already wrong with it.

    ``trails`` remembers which place of the data each problem is about, for those that were made by ``problem``.
    """

    name: str
    data: Json
    values: dict[Trail, Place] = field(default_factory=dict)
    keys: dict[Trail, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trails: dict[Problem, Trail] = field(default_factory=dict)

    def place(self, trail: Trail, *, key: bool = False) -> Place | None:
        """Where the value at ``trail`` stands, or its key; the nearest known parent where that is not known."""
        if key and trail in self.keys:
            return self.keys[trail]
        for length in range(len(trail), -1, -1):
            found = self.values.get(trail[:length]) or self.keys.get(trail[:length])
            if found is not None:
                return found
        return None

    def problem(self, trail: Trail, message: str, *, expected: str = "", hint: str = "", key: bool = False) -> Problem:
        """Say that something is wrong at ``trail``."""
        place = self.place(trail, key=key)
        problem = Problem(
            document=self.name,
            path=trail_text(trail),
            message=show(message, MAX_MESSAGE),
            expected=expected,
            hint=show(hint, MAX_MESSAGE),
            line=None if place is None else place.line,
            column=None if place is None else place.column,
        )
        self.trails[problem] = trail
        return problem


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document of which nothing can be used, with the reasons."""

    problems: tuple[Problem, ...]


class BrokenError(Exception):
    """A document cannot be read any further; internal to the readers, which turn it into ``Unreadable``."""

    def __init__(self, message: str, place: Place | None = None, *, expected: str = "", hint: str = "") -> None:
        """Say what is wrong, where, and what to do."""
        super().__init__(message)
        self.message = message
        self.place = place
        self.expected = expected
        self.hint = hint

    def problem(self, name: str) -> Problem:
        """Return the problem to show for the document called ``name``."""
        return Problem(
            document=name,
            path="",
            message=self.message,
            expected=self.expected,
            hint=self.hint,
            line=None if self.place is None else self.place.line,
            column=None if self.place is None else self.place.column,
        )


def trail_text(trail: Trail) -> str:
    """Write a place for people: ``tasks[2].scope[0]``, with a key in quotes where it is not a plain word."""
    text = ""
    for step in trail:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f'["{show(step)}"]'
    return text


def related(one: Trail, other: Trail) -> bool:
    """Whether one place is inside the other, or is the same."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def pruned(data: Json, broken: Iterable[Trail]) -> Json:
    """Copy data without the values at the broken places; of a list with a broken item nothing is kept but tables."""
    copy = _copy(data)
    for trail in broken:
        parent: Json = copy
        last: tuple[dict[str, Json], str] | None = None
        for step in trail:
            if isinstance(parent, dict) and isinstance(step, str) and step in parent:
                last = (parent, step)
                parent = parent[step]
            elif isinstance(parent, list) and isinstance(step, int) and step < len(parent):
                if not isinstance(parent[step], dict):
                    break
                parent = parent[step]
            else:
                last = None
                break
        if last is not None:
            last[0].pop(last[1], None)
    return copy


def _copy(data: Json) -> Json:
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data


def show(text: str, limit: int = 60) -> str:
    """Make somebody else's text safe and short enough for a message: no control characters, no lone surrogates."""
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def walk(data: Json, trail: Trail = ()) -> Iterator[tuple[Trail, Json]]:
    """Yield every value of the data with its place, parents first."""
    yield trail, data
    if isinstance(data, dict):
        for key, value in data.items():
            yield from walk(value, (*trail, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from walk(value, (*trail, index))


def unusable(source: Source) -> Iterator[Problem]:
    """Find what no document may hold anywhere: text that no file or process can take, numbers that are none."""
    for trail, value in walk(source.data):
        for text in (value, trail[-1] if trail else ""):
            if not isinstance(text, str):
                continue
            if "\0" in text:
                yield source.problem(trail, "holds a NUL character", hint="remove it")
            elif any("\ud800" <= char <= "\udfff" for char in text):
                yield source.problem(trail, "holds half of a surrogate pair, which is not text", hint="remove it")
        if isinstance(value, float) and not math.isfinite(value):
            yield source.problem(trail, f"{value} is not a number that can be used", expected="a finite number")
        if isinstance(value, int) and abs(value) >= 1 << 63:
            yield source.problem(trail, "the number is too large", expected="a number below 2^63")
