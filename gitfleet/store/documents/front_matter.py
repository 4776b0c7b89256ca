"""Front matter of the files that gitfleet renders: facts between two ``---`` lines, then text for people.

Each fact is one line, ``key: <compact JSON>``. That is valid YAML, so that every tool reads it, and it can be read here
without a YAML parser, so that ``status`` stays cheap.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from gitfleet.store.documents.emit import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*): (.*)")
_FENCE = "---"


class FrontMatterError(ValueError):
    """A file does not begin with front matter; ``line`` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        """Say what is wrong, as a clause, and in which line."""
        super().__init__(message)
        self.line = line


def render(facts: msgspec.Struct | Mapping[str, object], body: str) -> bytes:
    """Write facts and text. Keys of a mapping must be words; the text begins right behind the closing line."""
    built: dict[str, Any] = msgspec.to_builtins(facts)
    lines = [_FENCE, *(f"{key}: {quoted(value)}" for key, value in built.items()), _FENCE, ""]
    return "\n".join(lines).encode() + body.encode()


def parse(data: bytes, kind: type[T]) -> tuple[T, str]:
    """Read facts as a struct, and the text behind them.

    Raises ``FrontMatterError`` (a ``ValueError``), or ``msgspec.ValidationError`` when the facts are no such document.
    """
    facts, body = parse_facts(data)
    return msgspec.convert(facts, type=kind), body


def parse_facts(data: bytes) -> tuple[dict[str, Any], str]:
    """Read facts as plain data, and the text behind them; raises ``FrontMatterError``.

    Lines may end in CRLF, which a checkout with ``core.autocrlf`` makes of them.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise FrontMatterError("the file is not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
    facts: dict[str, Any] = {}
    at = 0
    number = 0
    while True:
        number += 1
        end = text.find("\n", at)
        line = (text[at:] if end < 0 else text[at:end]).removesuffix("\r")
        if number == 1 and line != _FENCE:
            raise FrontMatterError("the first line is not `---`", 1)
        if number > 1 and line == _FENCE:
            return facts, "" if end < 0 else text[end + 1 :]
        if end < 0:
            raise FrontMatterError("the line `---` that ends the front matter is missing", number)
        if number > 1:
            key, value = _fact(line, number)
            if key in facts:
                msg = f"line {number} repeats `{key}`"
                raise FrontMatterError(msg, number)
            facts[key] = value
        at = end + 1


def _fact(line: str, number: int) -> tuple[str, Any]:
    match = _LINE.fullmatch(line)
    if match is None:
        msg = f"line {number} is not `key: value`"
        raise FrontMatterError(msg, number)
    try:
        return match[1], json.loads(match[2])
    except (ValueError, RecursionError):
        msg = f"line {number} does not give `{match[1]}` as JSON"
        raise FrontMatterError(msg, number) from None
