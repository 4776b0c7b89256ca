"""Front matter of the files that gitfleet renders: facts between two ``---`` lines, then text for people.

Each fact is one line, ``key: <compact JSON>``. That is valid YAML, so that every tool reads it, and it can be read here without
a YAML parser, so that ``status`` stays cheap.
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
        """Say what is wrong in which line."""
        super().__init__(message)
        self.line = line


def render(facts: msgspec.Struct | Mapping[str, object], body: str) -> bytes:
    """Write facts and text. Keys of a mapping must be words; the text begins right behind the closing line."""
    built: dict[str, Any] = msgspec.to_builtins(facts)
    lines = [_FENCE, *(f"{key}: {quoted(value)}" for key, value in built.items()), _FENCE, ""]
    return "\n".join(lines).encode() + body.encode()


def parse(data: bytes, kind: type[T]) -> tuple[T, str]:
    """Read facts as a struct, and the text behind them.

    Raises ``FrontMatterError`` (a ``ValueError``), or ``msgspec.ValidationError`` when the facts are not such a document.
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
        raise FrontMatterError("not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
    facts: dict[str, Any] = {}
    at = 0
    number = 0
    while True:
        number += 1
        end = text.find("\n", at)
        line = (text[at:] if end < 0 else text[at:end]).removesuffix("\r")
        if number == 1 and line != _FENCE:
            raise FrontMatterError("does not begin with a `---` line", 1)
        if number > 1 and line == _FENCE:
            return facts, "" if end < 0 else text[end + 1 :]
        if end < 0:
            raise FrontMatterError("the front matter is not closed by a `---` line", number)
        if number > 1:
            key, value = _fact(line, number)
            if key in facts:
                raise FrontMatterError(f"`{key}` is given twice", number)
            facts[key] = value
        at = end + 1


def _fact(line: str, number: int) -> tuple[str, Any]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise FrontMatterError("not a `key: value` line", number)
    try:
        return match[1], json.loads(match[2])
    except (ValueError, RecursionError):
        raise FrontMatterError(f"the value of `{match[1]}` is not JSON", number) from None
