"""How many runs ride together: one verification for as many as possible, unless runs keep breaking the checks.

A batch of b runs, each of which breaks the checks with probability p, costs one check of the whole; when any breaks
it, one of the base; and for each that does, the halvings that find it and a check of the rest (of a single run there
is neither). What is expected is

    cost(b) = 1 + (1 - (1 - p)^b) + b * p * (ceil(log2 b) + 1),    cost(1) = 1 + p

and the size with the least ``cost(b) / b`` is taken: the largest one at p = 0, a single run from about p = 0.3 on.
This is Dorfman's group testing with a binary search for the second stage. p is what the session's own books say,
weighed down as if ``TRUST`` more runs had been green: one early failure does not make a train of every run.
"""

from __future__ import annotations

from math import ceil, log2

MOST = 128
"""Runs in one batch at most: what waits for one verification, and is told by one landing, stays readable."""

TRUST = 8


def batch_size(landed: int, ejected: int, *, most: int = MOST) -> int:
    """How many runs to take, after so many that landed and so many that were ejected."""
    rate = ejected / (landed + ejected + TRUST)
    return min(range(1, most + 1), key=lambda size: (round(cost(size, rate) / size, 9), -size))


def cost(size: int, rate: float) -> float:
    """Checks that are expected for a batch of ``size`` runs of which each breaks them with probability ``rate``."""
    rounds = ceil(log2(size)) + 1 if size > 1 else 0
    return 1 + (1 - (1 - rate) ** size) + size * rate * rounds
