"""The ``---HANDOFF---`` block in an agent's output: finding the last one and reading its lines.

A block begins at a line that holds nothing but the marker and ends at a line ``---`` or with the output. Reading is
generous about bullets, bold keys and continuation lines, since models are.
"""

from __future__ import annotations

import re

from gitfleet.relay.text import plain

MARKER = "---HANDOFF---"
BLOCK_LIMIT = 1 << 18
"""Bytes after the marker that are read."""

_TRIES = 1000
_LINE_LIMIT = 200
# A key of one to four words, with or without bullet and bold, then a colon.
_KEY = re.compile(
    r"^(?:[-*•]\s+)?(?:\*\*)?([A-Za-z][A-Za-z_]*(?:[ -][A-Za-z]+){0,3})(?:\*\*)?\s*:(?:\*\*)?(?:\s+(.*))?$"
)
_BULLET = re.compile(r"^(?:[-*•]|\d{1,3}[.)])\s+")
_NOTHING = frozenset({"", "none", "n/a", "na", "nothing", "-"})
_NAMES = {
    "built": "built",
    "decisions": "decisions",
    "decision": "decisions",
    "discoveries": "discoveries",
    "discovery": "discoveries",
    "discovered": "discoveries",
    "remaining": "remaining",
    "next": "remaining",
    "next steps": "remaining",
    "failures": "failures",
    "failure": "failures",
    "failed": "failures",
    "blockers": "failures",
    "merge conflicts": "conflicts",
    "conflicts": "conflicts",
    "no change": "no_change",
    "no changes": "no_change",
}


def last_block(output: bytes) -> list[str] | None:
    """Lines of the last handoff block in an output, cleaned; ``None`` when there is none."""
    marker, end = MARKER.encode(), len(output)
    for _ in range(_TRIES):
        at = output.rfind(marker, 0, end)
        if at < 0:
            return None
        begin = max(output.rfind(b"\n", 0, at), output.rfind(b"\r", 0, at)) + 1
        # The marker's own line, colours and spaces aside, must hold nothing else: prompts and prose quote it.
        if at - begin <= _LINE_LIMIT:
            line = plain(output[begin : at + _LINE_LIMIT]).split("\n", 1)[0]
            if line.strip() == MARKER:
                return _until_end(plain(output[begin : at + BLOCK_LIMIT]).split("\n")[1:])
        end = at
    return None


def parse_block(lines: list[str]) -> tuple[dict[str, object], list[str]]:
    """Fields of a block by name (``no_change`` a string, the others lists) and the unknown keys that were left out.

    Text before the first key counts as built.
    """
    items: dict[str, list[str]] = {}
    unknown: list[str] = []
    current: list[str] | None = items.setdefault("built", [])
    for line in lines:
        text = line.strip()
        if not text or text.startswith("```"):
            continue
        key = _KEY.match(text) if not line.startswith((" ", "\t")) else None
        name = _NAMES.get(re.sub(r"[_-]", " ", key.group(1)).lower()) if key else None
        if key and name:
            current = items.setdefault(name, [])
            _add(current, key.group(2) or "")
        elif key and _looks_like_a_field(key.group(1)):
            unknown.append(key.group(1))
            current = None
        elif current is None:
            continue
        elif _BULLET.match(text) or not current:
            _add(current, _BULLET.sub("", text))
        else:
            current[-1] += " " + text
    fields: dict[str, object] = {name: found for name, found in items.items() if found and name != "no_change"}
    if items.get("no_change"):
        fields["no_change"] = " ".join(items["no_change"])
    return fields, unknown


def _looks_like_a_field(key: str) -> bool:
    """Whether an unknown key is a field: one or two words with a capital, and not a sentence with a colon in it."""
    return key[0].isupper() and key.count(" ") <= 1


def _add(items: list[str], text: str) -> None:
    if text.strip().rstrip(".").lower() not in _NOTHING:
        items.append(text.strip())


def _until_end(lines: list[str]) -> list[str]:
    for index, line in enumerate(lines):
        if line.strip() == "---":
            return lines[:index]
    return lines
