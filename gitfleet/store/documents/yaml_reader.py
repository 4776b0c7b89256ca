"""YAML with positions, read from parser events by the 1.2 core rules.

Plain words are what they look like: ``yes`` and ``2026-01-01`` are text, ``true`` is a boolean, ``010`` is ten. Tags
are refused. Aliases are read, but what a document expands to is bounded, so that a few lines cannot fill the memory.
Mapping keys are text, ``<<`` included.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitfleet.store.documents.source import MAX_DEPTH, BrokenError, Json, Place, Source, Trail, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml.events import Event

MAX_NODES = 100_000
"""Values of a document after its aliases are expanded; each 64 characters of text count as one more."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?[0-9]{1,25}")
_BASED = re.compile(r"0o[0-7]{1,25}|0x[0-9a-fA-F]{1,25}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,4})?")


def read_yaml(text: str, name: str) -> Source:
    """Read one YAML document; raises ``BrokenError`` where it is not YAML or not a bounded document."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - 40 ms that only readers of YAML pay
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    source = Source(name, None)
    try:
        _Build(YAML(typ="safe", pure=True).parse(text), source).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = None if mark is None else Place(mark.line + 1, mark.column + 1)
        said = "; ".join(part for part in (error.problem, error.context) if part)
        msg = f"not valid YAML: {show(said or 'it cannot be read', 200)}"
        raise BrokenError(
            msg,
            place,
            hint="text with special characters needs quotes",
        ) from None
    except YAMLError as error:
        msg = f"not valid YAML: {show(str(error), 200)}"
        raise BrokenError(msg) from None
    except (ValueError, IndexError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        # ruamel's scanner leaks these on some malformed directives and escapes.
        msg = f"not valid YAML: {show(str(error), 200)}"
        raise BrokenError(msg) from None
    return source


def resolve(text: str) -> Json:
    """Say what a plain scalar is by the YAML 1.2 core schema; text where it is nothing else."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


class _Build:
    """Builds plain data from events, with a budget for what aliases expand to."""

    def __init__(self, events: Iterator[Event], source: Source) -> None:
        from ruamel.yaml import events as kinds  # noqa: PLC0415

        self._kinds = kinds
        self._events = events
        self._source = source
        self._anchors: dict[str, tuple[Json, int]] = {}
        self._open: set[str] = set()

    def document(self) -> None:
        """Read the one document of the stream into the source."""
        kinds = self._kinds
        seen = False
        for event in self._events:
            if isinstance(event, kinds.DocumentStartEvent):
                if seen:
                    raise BrokenError("a second document begins here", _place(event), expected="one document")
                seen = True
                self._source.data, _ = self._node(next(self._events), ())

    def _node(self, event: Event, trail: Trail) -> tuple[Json, int]:
        kinds = self._kinds
        place = _place(event)
        self._source.values[trail] = place
        if isinstance(event, kinds.AliasEvent):
            return self._alias(str(event.anchor), place)
        if not isinstance(event, kinds.ScalarEvent | kinds.SequenceStartEvent | kinds.MappingStartEvent):
            raise BrokenError("something that is not a value stands here", place)
        if event.tag is not None:
            self._source.problems.append(
                self._source.problem(trail, f"the tag `{show(str(event.tag))}` is not read", hint="remove the tag")
            )
        if len(trail) > MAX_DEPTH:
            raise BrokenError("nested too deeply", place, expected=f"at most {MAX_DEPTH} levels")
        anchor = None if event.anchor is None else str(event.anchor)
        if anchor is not None:
            self._open.add(anchor)
        value: Json
        if isinstance(event, kinds.ScalarEvent):
            plain = event.style in {None, ""} and event.implicit[0]
            value, size = (resolve(event.value) if plain else _joined(event.value)), 1 + len(event.value) // 64
        elif isinstance(event, kinds.SequenceStartEvent):
            value, size = self._items(trail)
        else:
            value, size = self._members(trail)
        if size > MAX_NODES:
            raise BrokenError("its aliases expand to too much", place, expected=f"at most {MAX_NODES} values")
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = (value, size)
        return value, size

    def _alias(self, anchor: str, place: Place) -> tuple[Json, int]:
        if anchor in self._open:
            msg = f"`*{show(anchor)}` contains itself"
            raise BrokenError(msg, place)
        if anchor not in self._anchors:
            msg = f"`*{show(anchor)}` has no anchor before it"
            raise BrokenError(msg, place, hint="put text in quotes")
        return self._anchors[anchor]

    def _items(self, trail: Trail) -> tuple[Json, int]:
        items: list[Json] = []
        size = 1
        for event in self._events:
            if isinstance(event, self._kinds.SequenceEndEvent):
                break
            value, grown = self._node(event, (*trail, len(items)))
            items.append(value)
            size += grown
        return items, size

    def _members(self, trail: Trail) -> tuple[Json, int]:
        members: dict[str, Json] = {}
        size = 1
        for event in self._events:
            if isinstance(event, self._kinds.MappingEndEvent):
                break
            if not isinstance(event, self._kinds.ScalarEvent):
                raise BrokenError("a key must be text", _place(event))
            key = str(event.value)
            member = (*trail, key)
            if event.tag is not None or event.anchor is not None:
                raise BrokenError("a key carries no tag or anchor", _place(event))
            first = self._source.keys.get(member) if key in members else None
            self._source.keys[member] = _place(event)
            if first is not None:
                self._source.problems.append(
                    self._source.problem(
                        member, f"`{show(key)}` is given twice, first in line {first.line}", hint="keep one", key=True
                    )
                )
            value, grown = self._node(next(self._events), member)
            members[key] = value
            size += grown
        return members, size


def _place(event: Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1)


def _joined(text: str) -> str:
    """Join surrogate pairs, which JSON writes as two escapes and YAML reads as two characters; halves stay halves."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
