"""Reads what an agent reports at its end: the JSON file first, or else the last block of its output.

Both are hostile input of any size. A handoff is the agent's word and never the verdict on its run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gitfleet.model.handoff import Fact, Handoff, HandoffSource
from gitfleet.model.run import Failure, FailureSource
from gitfleet.relay.blocks import last_block, parse_block
from gitfleet.relay.text import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FILE_LIMIT = 1 << 20
"""Bytes of a handoff file that are accepted; a longer one is refused and not cut, since cut JSON is broken JSON."""

ITEM_LIMIT = 1000
"""Characters of one item."""

LIST_LIMIT = 100
"""Items of one list."""

ItemT = TypeVar("ItemT")

BAD_HANDOFF = "bad-handoff"
_LISTS = ("built", "decisions", "remaining", "failures", "conflicts")
_FIELDS = (*_LISTS, "discoveries", "no_change")
_FACT_FIELDS = ("fact", "paths", "kind")


@dataclass(frozen=True, slots=True)
class ParsedHandoff:
    """A handoff, if there is one, and what is wrong with what was given.

    ``problem`` is a sentence about something that was left out or cut, or the reason why there is no handoff.
    ``failure`` is set when a file was given that is no handoff (``bad-handoff``).
    """

    handoff: Handoff | None
    source: HandoffSource
    problem: str | None = None
    failure: Failure | None = None


def read_handoff(file_bytes: bytes | None, output: bytes) -> ParsedHandoff:
    """Read a handoff from the file (``None`` or blank: there is none) or else from the output."""
    if file_bytes is not None and file_bytes.strip():
        return _from_file(file_bytes)
    lines = last_block(output)
    if lines is None:
        return ParsedHandoff(None, HandoffSource.NONE)
    fields, unknown = parse_block(lines)
    notes = [f"unknown fields {', '.join(unknown)} in the handoff block"] if unknown else []
    reader = _Reader(notes)
    return ParsedHandoff(reader.handoff(dict(fields)), HandoffSource.OUTPUT, reader.problem)


class _BadHandoffError(ValueError):
    """The file is not a handoff; the message is a clause."""


def _from_file(data: bytes) -> ParsedHandoff:
    reader = _Reader([])
    try:
        if len(data) > FILE_LIMIT:
            msg = f"it has {len(data)} bytes and at most {FILE_LIMIT} are read"
            raise _BadHandoffError(msg)
        content = msgspec.json.decode(data)
        if not isinstance(content, dict):
            msg = "it is not a JSON object"
            raise _BadHandoffError(msg)
        handoff = reader.handoff(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        problem = f"the handoff file is not a handoff: {one_line(str(error), 300)}"
        failure = Failure(source=FailureSource.TASK, code=BAD_HANDOFF, message=problem)
        return ParsedHandoff(None, HandoffSource.FILE, problem, failure)
    return ParsedHandoff(handoff, HandoffSource.FILE, reader.problem)


class _Reader:
    """Turns loose fields into a handoff and notes what it left out."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    @property
    def problem(self) -> str | None:
        return one_line("; ".join(self._notes), 600) if self._notes else None

    def handoff(self, content: dict[str, object]) -> Handoff:
        self._unknown(content, _FIELDS, "the handoff")
        lists = {name: self._items(content.get(name), name, self._text) for name in _LISTS}
        no_change = content.get("no_change", "")
        if no_change is None:
            no_change = ""
        if not isinstance(no_change, str):
            msg = "`no_change` is not a string with the reason"
            raise _BadHandoffError(msg)
        return Handoff(
            **lists,
            discoveries=self._items(content.get("discoveries"), "discoveries", self._fact),
            no_change=one_line(no_change, ITEM_LIMIT),
        )

    def _items(self, value: object, name: str, read: Callable[[object, str], ItemT | None]) -> tuple[ItemT, ...]:
        if value is None:
            return ()
        given = value if isinstance(value, list) else [value]
        if len(given) > LIST_LIMIT:
            self._notes.append(f"{len(given) - LIST_LIMIT} items of {name} were cut")
        items = (read(item, name) for item in given[:LIST_LIMIT])
        return tuple(item for item in items if item is not None)

    def _unknown(self, content: Iterable[str], known: tuple[str, ...], where: str) -> None:
        unknown = sorted(one_line(name, 40) for name in content if name not in known)
        if unknown:
            self._notes.append(f"unknown fields {', '.join(unknown[:10])} in {where} were left out")

    def _text(self, value: object, name: str) -> str | None:
        if not isinstance(value, str):
            msg = f"`{name}` is neither a string nor a list of strings"
            raise _BadHandoffError(msg)
        return self._cut(value, name) or None

    def _fact(self, value: object, name: str) -> Fact | None:
        if isinstance(value, str):
            text = self._cut(value, name)
            return Fact(fact=text) if text else None
        if not isinstance(value, dict) or not isinstance(value.get("fact"), str):
            msg = "a discovery is neither a string nor an object with a `fact`"
            raise _BadHandoffError(msg)
        self._unknown(value, _FACT_FIELDS, "a discovery")
        paths, kind = value.get("paths", []), value.get("kind", "")
        if isinstance(paths, str):
            paths = [paths]
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            msg = "`paths` of a discovery is neither a string nor a list of strings"
            raise _BadHandoffError(msg)
        text = self._cut(value["fact"], name)
        if not text:
            return None
        if len(paths) > LIST_LIMIT:
            self._notes.append(f"{len(paths) - LIST_LIMIT} paths of a discovery were cut")
        kept = tuple(path for path in map(plain, paths[:LIST_LIMIT]) if path and len(path) <= 4096)
        return Fact(fact=text, paths=kept, kind=one_line(kind, 40) if isinstance(kind, str) else "")

    def _cut(self, text: str, name: str) -> str:
        line = one_line(text, ITEM_LIMIT)
        if line.endswith("…") and len(line) >= ITEM_LIMIT - 1:
            self._notes.append(f"an item of {name} was cut at {ITEM_LIMIT} characters")
        return line
