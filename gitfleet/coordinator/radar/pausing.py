"""``radar.policy: pause-later``: the later agent of a pair that would conflict stands until the earlier one ended.

The order is that of the starts, so somebody always goes on. Under the wave barrier a run has ended with its attempt,
since it cannot land before the other one is done; when rolling, once it landed or is over. A pause is asked for again
every few seconds and runs out by itself, so no agent stands because its coordinator died. One that a person took back
(``gitfleet interrupt``) is not asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.attempts import handle_of
from gitfleet.model.event import EventKind
from gitfleet.model.run import UNDER_WAY, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.coordinator.books import Books
    from gitfleet.model.reports import Prediction
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

LEASE_SECONDS = 30.0
"""How long a pause lasts that nobody asks for again: a coordinator that is busy landing must not let it go."""

RENEW_SECONDS = 5.0

_ON_ITS_WAY = frozenset({RunState.GATED, RunState.VERIFIED})


@dataclass(slots=True)
class Pausing:
    """The pauses of one session; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    _asked: dict[str, float] = field(default_factory=dict)
    _freed: set[tuple[str, int]] = field(default_factory=set)
    _begun: bool = False

    def apply(self, predictions: Iterable[Prediction]) -> None:
        """Pause who has to wait for somebody, and let everybody else go on."""
        self._begin()
        wanted: dict[str, str] = {}
        for prediction in predictions:
            run = self.books.runs[prediction.task]
            other = self.books.runs.get(prediction.other) if prediction.other_instance else None
            if other is not None and run.state is RunState.RUNNING and self._is_under_way(other):
                where = ", ".join(prediction.paths[:3]) or "files"
                wanted.setdefault(run.task, f"predicted conflict with {other.task} in {where}")
        for task in self._asked.keys() - wanted.keys():
            self._let_go(self.books.runs[task])
        for task, why in wanted.items():
            self._pause(self.books.runs[task], why)

    def stand_down(self) -> None:
        """Let everybody go on: the session ends, and nobody would take the pauses back."""
        for task in list(self._asked):
            self._let_go(self.books.runs[task])

    def _begin(self) -> None:
        """Take back what a coordinator before this one asked for."""
        if not self._begun:
            self._begun = True
            for run in self.books.runs.values():
                if run.state is RunState.RUNNING:
                    self.parts.host.proceed(handle_of(self.parts, run))

    def _is_under_way(self, run: Run) -> bool:
        return run.state in UNDER_WAY or (self.books.session.rolling and run.state in _ON_ITS_WAY)

    def _pause(self, run: Run, why: str) -> None:
        attempt = (run.task, len(run.attempts))
        if attempt in self._freed:
            return
        now, handle = self.parts.monotonic(), handle_of(self.parts, run)
        asked = self._asked.get(run.task)
        if asked is not None and now - asked < RENEW_SECONDS:
            return
        if not self.parts.host.pause(handle, LEASE_SECONDS, why, again=asked is not None):
            self._freed.add(attempt)
            self._asked.pop(run.task)
            self.books.event(EventKind.PAUSE, f"{run.task} was let go on and is not paused again", run=run)
            return
        self._asked[run.task] = now
        if asked is None:
            self.books.event(EventKind.PAUSE, f"{run.task} is paused: {why}", run=run, status="paused")

    def _let_go(self, run: Run) -> None:
        self._asked.pop(run.task, None)
        self.parts.host.proceed(handle_of(self.parts, run))
        if run.state is RunState.RUNNING:
            self.books.event(EventKind.PAUSE, f"{run.task} goes on", run=run, status="resumed")
