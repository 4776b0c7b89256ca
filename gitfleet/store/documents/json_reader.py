"""JSON with positions.

The standard parser decides what is JSON and says where it is not; a second walk over text that is known to be valid
finds the places, and keys that are given twice, which the standard parser drops silently.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

from gitfleet.store.documents.source import MAX_DEPTH, BrokenError, Place, Source, Trail, show

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(r"[^\s,\]}]+")


def read_json(text: str, name: str) -> Source:
    """Read JSON text; raises ``BrokenError`` where it is not JSON."""
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        msg = f"not valid JSON: {error.msg}"
        raise BrokenError(msg, Place(error.lineno, error.colno)) from None
    except RecursionError:
        raise BrokenError("nested too deeply", expected=f"at most {MAX_DEPTH} levels") from None
    except ValueError as error:  # a number of thousands of digits, or a constant that JSON does not have
        msg = f"not valid JSON: {error}"
        raise BrokenError(msg) from None
    source = Source(name, data)
    _Walk(text, source).value(0, ())
    return source


def _refuse_constant(constant: str) -> NoReturn:
    msg = f"{constant} is not a number in JSON"
    raise ValueError(msg)


class _Walk:
    """One pass over valid JSON that records places."""

    def __init__(self, text: str, source: Source) -> None:
        self._text = text
        self._source = source
        self._line = 1
        self._line_start = 0
        self._counted = 0

    def value(self, at: int, trail: Trail) -> int:
        """Record the value that begins at or after ``at``; returns the offset behind it."""
        if len(trail) > MAX_DEPTH:
            raise BrokenError("nested too deeply", self._place(at), expected=f"at most {MAX_DEPTH} levels")
        at = self._skip(at)
        self._source.values[trail] = self._place(at)
        char = self._text[at]
        if char == "{":
            return self._members(at + 1, trail)
        if char == "[":
            return self._items(at + 1, trail)
        if char == '"':
            return _DECODER.raw_decode(self._text, at)[1]
        match = _ATOM.match(self._text, at)
        return at if match is None else match.end()

    def _members(self, at: int, trail: Trail) -> int:
        seen: dict[str, int] = {}
        at = self._skip(at)
        while self._text[at] != "}":
            place = self._place(at)
            key, end = _DECODER.raw_decode(self._text, at)
            member = (*trail, key)
            if key in seen:
                first = seen[key]
                self._source.keys[member] = place
                self._source.problems.append(
                    self._source.problem(
                        member, f"`{show(key)}` is given twice, first in line {first}", hint="keep one", key=True
                    )
                )
            seen.setdefault(key, place.line)
            self._source.keys[member] = place
            at = self._skip(self.value(self._skip(end) + 1, member))
            if self._text[at] == ",":
                at = self._skip(at + 1)
        return at + 1

    def _items(self, at: int, trail: Trail) -> int:
        index = 0
        at = self._skip(at)
        while self._text[at] != "]":
            at = self._skip(self.value(at, (*trail, index)))
            index += 1
            if self._text[at] == ",":
                at = self._skip(at + 1)
        return at + 1

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return at if match is None else match.end()

    def _place(self, at: int) -> Place:
        # Offsets only grow, so lines are counted once over the whole text.
        newlines = self._text.count("\n", self._counted, at)
        if newlines:
            self._line += newlines
            self._line_start = self._text.rindex("\n", self._counted, at) + 1
        self._counted = at
        return Place(self._line, at - self._line_start + 1)
