"""Canonical YAML for plans: one spelling for one value, readable in a review, no library needed to write it.

Text is plain where no reader could take it for anything else, a literal block where it has lines, and in JSON's quotes
otherwise.
"""

from __future__ import annotations

import json
import re
from typing import Any

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_/. ()+-]*(?<! )")
_RESERVED = re.compile(r"(?:true|false|yes|no|on|off|null|y|n|inf|nan)$", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]|[^\x00-\uffff]")
_ESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def emit(data: dict[str, Any]) -> bytes:
    """Write a mapping of plain data as a YAML document."""
    return ("\n".join(_members(data, "")) + "\n").encode()


def quoted(value: Any) -> str:  # noqa: ANN401 - any plain data
    """Write a value as compact JSON that is valid YAML as well: what YAML does not take raw is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _members(data: dict[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in data.items():
        name = key if _plain(key) else quoted(key)
        lines.extend(_entry(f"{indent}{name}:", value, indent))
    return lines


def _entry(head: str, value: Any, indent: str) -> list[str]:  # noqa: ANN401 - any plain data
    inner = indent + "  "
    if isinstance(value, dict) and value:
        return [head, *_members(value, inner)]
    if isinstance(value, list | tuple) and any(isinstance(item, dict | list | tuple) for item in value):
        return [head, *(line for item in value for line in _item(item, inner))]
    if isinstance(value, list | tuple):
        texts = [_scalar(item, flow=True) for item in value]
        line = f"{head} [{', '.join(texts)}]"
        return [line] if len(line) <= 100 else [head, *(f"{inner}- {_scalar(item)}" for item in value)]
    if isinstance(value, str) and _block(value):
        return _literal(head, value, inner)
    return [f"{head} {_scalar(value)}"]


def _item(item: Any, indent: str) -> list[str]:  # noqa: ANN401 - any plain data
    if isinstance(item, dict) and item:
        lines = _members(item, indent + "  ")
        return [f"{indent}- {lines[0][len(indent) + 2 :]}", *lines[1:]]
    return [f"{indent}- {quoted(item)}"]


def _scalar(value: Any, *, flow: bool = False) -> str:  # noqa: ANN401 - any plain data
    if isinstance(value, str) and _plain(value) and not (flow and "," in value):
        return value
    return quoted(value)


def _plain(text: str) -> bool:
    return bool(_WORD.fullmatch(text)) and not _RESERVED.match(text)


def _block(text: str) -> bool:
    """Whether a literal block holds the text exactly: some lines, no odd characters, no doubt about its indentation."""
    return (
        "\n" in text.rstrip("\n")
        and not _UNSAFE.search(text)
        and not text.startswith((" ", "\n", "\t"))
        and not any(line.strip() == "" and line for line in text.split("\n"))
    )


def _literal(head: str, text: str, indent: str) -> list[str]:
    body = text.rstrip("\n")
    trailing = len(text) - len(body)
    chomp = {0: "-", 1: ""}.get(trailing, "+")
    blank = [""] * (trailing - 1) if trailing > 1 else []
    return [f"{head} |{chomp}", *(indent + line if line else "" for line in body.split("\n")), *blank]
