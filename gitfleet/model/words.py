"""Words that the terminal, the events and the answers share, so that a count reads the same everywhere."""

from __future__ import annotations

import math


def plural(count: int, noun: str, many: str = "") -> str:
    """Write a count with its noun, such as ``1 run`` or ``3 runs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {many or noun + 's'}"


def dollars(value: float) -> str:
    """Write a sum of US dollars, such as ``$1,234.50``, with more digits where it is small."""
    places = 4 if value == 0 else min(6, max(4, 1 - math.floor(math.log10(abs(value)))))
    whole, _, cents = f"{value:,.{places}f}".partition(".")
    if value and not whole.strip("0-") and not cents.strip("0"):
        return "under $0.000001"
    return f"${whole}.{cents.rstrip('0').ljust(2, '0')}"


def roughly(minutes: float) -> str:
    """Write a time that is only foreseen, as roughly as it is known, such as ``about 25 min``."""
    if minutes < 1:
        return "under a minute"
    if minutes < 20:
        return f"about {minutes:.0f} min"
    if minutes < 120:
        return f"about {5 * round(minutes / 5)} min"
    hours = minutes / 60
    return f"about {hours:.0f} h" if hours >= 10 else f"about {round(2 * hours) / 2:g} h"
