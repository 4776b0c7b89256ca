"""Looking at all running attempts now and then: what is known of an attempt is kept while it runs, and no longer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from gitfleet.coordinator.attempt.attempts import handle_of
from gitfleet.model.run import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.coordinator.books import Books
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle


class OfAttempt(Protocol):
    """Whatever is kept of one attempt."""

    handle: Handle


K = TypeVar("K", bound=OfAttempt)


@dataclass(slots=True)
class Rounds(Generic[K]):
    """Rounds that are at least so many ``seconds`` apart; ``begin`` makes what is kept of an attempt that is new."""

    parts: Parts
    books: Books
    seconds: float
    begin: Callable[[Run, Handle], K]
    kept: dict[str, K] = field(default_factory=dict)
    """What is kept of the attempts that ran in the last round, by task."""
    _last: float = float("-inf")

    def due(self, now: float) -> list[tuple[Run, K]] | None:
        """The running attempts with what is kept of each; none while it is not time for another round."""
        if now - self._last < self.seconds:
            return None
        self._last = now
        running = [run for run in self.books.runs.values() if run.state is RunState.RUNNING]
        self.kept = {run.task: self._of(run, handle_of(self.parts, run)) for run in running}
        return [(run, self.kept[run.task]) for run in running]

    def _of(self, run: Run, handle: Handle) -> K:
        known = self.kept.get(run.task)
        return known if known is not None and known.handle == handle else self.begin(run, handle)
