"""The order of a shutdown, in one place, whoever asked for it: a signal, a closed terminal, or `gitfleet stop`.

Nothing is started any more; every agent and every check is told to stop at the same time; once all have ended it is
looked whether anything of them is left; only then is their work kept; only then do their claims go; and last the
session is saved, which ``closing`` does. A kill in between leaves what recovery knows how to go on with: an attempt
that ended and was not collected, or a queued run whose claim is still there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.attempts import handle_of
from gitfleet.coordinator.control.ending import end_all
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.coordinator.claiming import Claiming
    from gitfleet.parts import Parts


class Step(Enum):
    """How far a shutdown is."""

    NOT_BEGUN = auto()
    STOPPING = auto()
    KEEPING = auto()
    DONE = auto()


@dataclass(slots=True)
class Shutdown:
    """One session's shutdown; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    claiming: Claiming
    checks: CheckRunner
    step: Step = Step.NOT_BEGUN
    _ended: dict[str, Callable[[], None]] = field(default_factory=dict)
    _keeping: set[str] = field(default_factory=set)
    _released: list[str] = field(default_factory=list)

    @property
    def begun(self) -> bool:
        """Whether nothing may be started any more."""
        return self.step is not Step.NOT_BEGUN

    def begin(self, why: str) -> None:
        """Start nothing any more, and tell every agent and every check to stop."""
        self.step = Step.STOPPING
        running = [run for run in self.books.runs.values() if run.state is RunState.RUNNING]
        self._tell("no-dispatch", f"{why}: nothing new is started")
        self.checks.stop()
        # Each is only told here, and has its own warden's ladder: together they take as long as the slowest.
        end_all(self.parts, running, "before it was stopped")
        # Said once it is so: whoever leaves at once now leaves agents that end by themselves.
        self._tell("stopping", f"stopping agents ({len(running)}), keeping their work")

    def hold(self, task: str, collect: Callable[[], None]) -> bool:
        """Put the collection of an attempt that ended off until all have; false where there is no shutdown."""
        if self.step is not Step.STOPPING:
            return False
        self._ended[task] = collect
        return True

    def kept(self, task: str) -> None:
        """What an attempt left is in the books and on a ref."""
        self._keeping.discard(task)

    def release_later(self, instance: str) -> None:
        """Let a claim go once the work of every agent is kept."""
        if self.step is Step.DONE:
            self.claiming.release([instance])
        else:
            self._released.append(instance)

    def advance(self) -> None:
        """Go as far as what has ended allows."""
        at_work = {RunState.PREPARING, RunState.RUNNING}
        if self.step is Step.STOPPING and not any(run.state in at_work for run in self.books.runs.values()):
            self._verify()
            self.step = Step.KEEPING
            self._keeping = set(self._ended)
            for collect in self._ended.values():
                collect()
        if self.step is Step.KEEPING and not self._keeping:
            self.claiming.release(self._released)
            self._tell("released", f"claims of stopped agents are released ({len(self._released)})")
            self.step = Step.DONE

    def _verify(self) -> None:
        """Look once more for what should be gone, and name what is not."""
        left: list[str] = []
        for task in self._ended:
            run = self.books.runs[task]
            ended = run.attempts[-1].exit
            if ended is not None and ended.remaining:
                left.append(f"{task}: {', '.join(ended.remaining)}")
            elif self.parts.host.status(handle_of(self.parts, run)).alive:
                left.append(f"{task}: its warden")
        if left:
            self._tell("left", f"could not be stopped, so their worktrees are kept: {'; '.join(left)}")
        else:
            self._tell("none-left", "no process of a stopped agent is left")

    def _tell(self, status: str, message: str) -> None:
        self.books.event(EventKind.SHUTDOWN, message, status=status)
