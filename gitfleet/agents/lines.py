"""An agent's stream cut into lines, lines as documents, and what in them is what it should be.

A stream is written by somebody else's program, about what a model and a repository say: no shape of it may stop the one
who reads. So a value that is not what its place is for counts as missing, and what comes out of here can be added up,
shown and written as UTF-8.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitfleet.agents.events import LAST_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LINE_BYTES = 8 << 20
"""A line longer than this is not kept: no event has as much to say."""

MOST = (1 << 53) - 1
"""The most that counts as a count, which every reader of JSON can tell (RFC 8259, 6)."""

HALF_PAIRS = "\ufffd"
"""What stands for half of a surrogate pair, which JSON can escape and no document can hold."""

_NONE = json.JSONDecoder(parse_constant=lambda _: None)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(slots=True)
class Lines:
    """Cuts a stream into its lines, without their ends, in whatever pieces it comes.

    In place of a line that is too long stands how many bytes it has.
    """

    _pieces: list[bytes] = field(default_factory=list)
    _length: int = 0

    def feed(self, data: bytes) -> list[bytes | int]:
        """The lines that are whole now."""
        *lines, rest = data.split(b"\n")
        found = []
        for line in lines:
            self._keep(line)
            found.append(self.finish())
        self._keep(rest)
        return found

    def finish(self) -> bytes | int:
        """The line whose end is not there; empty where there is none."""
        found = b"".join(self._pieces) if self._length <= LINE_BYTES else self._length
        self._pieces, self._length = [], 0
        return found

    def _keep(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._length > LINE_BYTES:
            self._pieces = []
        elif piece:
            self._pieces.append(piece)


def leading(text: str) -> tuple[dict[str, Any] | None, int]:
    """The document at the start of a text and where it ends; none where none is, or where it is no object."""
    try:
        found, end = _NONE.raw_decode(text)
        if _HALF.search(text, 0, end):
            written = json.dumps(found, ensure_ascii=False).encode("utf-16", "surrogatepass")
            found = _NONE.decode(written.decode("utf-16", "replace"))
    except (ValueError, RecursionError):
        return None, 0
    return (found, end) if isinstance(found, dict) else (None, end)


def document(line: bytes) -> dict[str, Any] | None:
    """The document that a line is; none where it is anything else."""
    text = line.decode(errors="replace").strip()
    found, end = leading(text)
    return found if end == len(text) else None


def count(value: object) -> int | None:
    """A number of things; none for what is no such number."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else None


def counts(told: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether what is told by these names are counts, or is not told."""
    return all(told.get(name) is None or count(told[name]) is not None for name in names)


def amount(value: object) -> float | None:
    """A number that is not negative, such as of seconds or dollars; none for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MOST and math.isfinite(value) else None


def moment(value: object) -> float | None:
    """A moment in POSIX seconds that has a date; none for what is none."""
    found = amount(value)
    return found if found is not None and found < LAST_SECOND else None


def text_of(told: Mapping[str, Any], name: str) -> str:
    """A text by its name; empty for what is none."""
    value = told.get(name)
    return value if isinstance(value, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """An object; empty for what is none."""
    return value if isinstance(value, dict) else {}
