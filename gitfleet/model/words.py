"""Words that the terminal, the events and the answers share, so that a count reads the same everywhere."""

from __future__ import annotations


def plural(count: int, noun: str, many: str = "") -> str:
    """Write a count with its noun, such as ``1 run`` or ``3 runs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {many or noun + 's'}"
