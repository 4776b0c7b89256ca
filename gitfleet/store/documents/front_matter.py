"""Front matter: ``key: <json>`` lines between two ``---`` lines, then the body.

Every value is JSON on one line, so that a reader needs neither a YAML parser nor a guess, and YAML tools still read it.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

T = TypeVar("T")

_FENCE = b"---"
# YAML ends a line at these, and some editors hide them; JSON may escape them anywhere in a string.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")


def render(document: msgspec.Struct, body: str) -> bytes:
    """Write the struct's fields, in declared order, and the body exactly as given (UTF-8)."""
    fields: dict[str, object] = msgspec.to_builtins(document)
    lines = [f"{key}: {_json(value)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---", body]).encode()


def parse(data: bytes, kind: type[T]) -> tuple[T, str]:
    """Read back what ``render`` wrote.

    Raises ``ValueError`` (or a ``msgspec.MsgspecError``) with a clause that says what is wrong, such as
    ``line 3 is not `key: value```.
    """
    lines = data.split(b"\n")
    if lines[0].rstrip(b"\r") != _FENCE:
        msg = "the first line is not `---`"
        raise ValueError(msg)
    fields: dict[str, object] = {}
    for index, line in enumerate(lines[1:], start=1):
        text = line.rstrip(b"\r")
        if text == _FENCE:
            return msgspec.convert(fields, kind), b"\n".join(lines[index + 1 :]).decode()
        key, colon, value = text.partition(b": ")
        if not colon:
            msg = f"line {index + 1} is not `key: value`"
            raise ValueError(msg)
        name = key.decode()
        if name in fields:
            msg = f"line {index + 1} repeats `{name}`"
            raise ValueError(msg)
        fields[name] = msgspec.json.decode(value)
    msg = "the line `---` that ends the front matter is missing"
    raise ValueError(msg)


def _json(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
