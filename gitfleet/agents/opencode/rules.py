"""The permission rules of ``opencode``: what they can be about, and what one allows beyond a use that was asked for."""

from __future__ import annotations

WEB = ("webfetch", "websearch", "codesearch")
WHOLE = frozenset({"doom_loop", "question", "todowrite", *WEB})
"""What it allows, asks for or denies as a whole only."""


def allows(tool: str, pattern: str) -> str:
    """What a rule with this pattern allows, where that is more than the pattern says: a phrase for people, else empty.

    In a pattern a star stands for anything and a question mark for any character, and nothing can mean them themselves.
    """
    if tool in WHOLE or pattern in {"", "*"}:
        return f"every use of {tool}"
    if "*" in pattern or "?" in pattern:
        return f"every {tool} that fits {pattern}, where * and ? stand for anything"
    return ""
