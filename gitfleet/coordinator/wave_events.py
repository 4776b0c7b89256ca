"""What is told of waves: each beginning once, and each end of a wave that was begun here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.model.event import EventKind
from gitfleet.model.run import SEALED, RunState

if TYPE_CHECKING:
    from gitfleet.coordinator.books import Books
    from gitfleet.planner.waves import Schedule


@dataclass(slots=True)
class WaveEvents:
    """Events of one session's waves."""

    books: Books
    _begun: int = 0
    _over: set[int] = field(default_factory=set)

    def begin(self, wave: int, schedule: Schedule) -> None:
        """A task of ``wave`` starts."""
        if wave <= self._begun:
            return
        self._begun = wave
        names = ", ".join(schedule.waves[wave - 1])
        self.books.event(EventKind.WAVE_START, f"wave {wave} of {len(schedule.waves)}: {names}", wave=wave)
        self.books.checkpoint(f"wave {wave} started")

    def tell_over(self) -> None:
        """Tell of each wave that was begun here and is over."""
        by_wave: dict[int, list[RunState]] = {}
        for run in self.books.runs.values():
            by_wave.setdefault(run.wave, []).append(run.state)
        for wave, states in sorted(by_wave.items()):
            if wave <= self._begun and wave not in self._over and all(state in SEALED for state in states):
                self._over.add(wave)
                counts = {state: states.count(state) for state in RunState if state in states}
                words = ", ".join(f"{count} {state}" for state, count in counts.items())
                self.books.event(
                    EventKind.WAVE_COMPLETE, f"wave {wave} complete: {words}", wave=wave, status="complete"
                )
