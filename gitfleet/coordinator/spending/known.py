"""What files add up to on one day, remembered while they stay as they are.

A task that waits for room in the day has it added up twice a second, and of thousands of files hardly one changes in
between. Of one process, and of one thread; nothing is kept that is not in the files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from gitfleet.planner.budgets import Amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.store.stamps import Stamp

Sum: TypeAlias = tuple[Amount, Amount]
"""What counts of attempts that are over, and of those that are not."""


@dataclass(slots=True)
class Known:
    """What was read already; ``reads`` is how often a file was."""

    reads: int = 0
    _today: float = 0.0
    _sums: dict[str, tuple[Stamp, Sum]] = field(default_factory=dict)

    def begin(self, today: float) -> None:
        """Add up for the day that began then: what counted on another counts no more."""
        if today != self._today:
            self._today = today
            self._sums.clear()

    def of(self, path: str, stamp: Stamp, read: Callable[[], Sum]) -> Sum:
        """What a file adds up to; ``read`` is asked where it is not the one that was read before."""
        known = self._sums.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        self.reads += 1
        found = read()
        self._sums[path] = (stamp, found)
        return found
