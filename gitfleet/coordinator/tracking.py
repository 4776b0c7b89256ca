"""Live figures of running attempts, for whoever watches; measured from outside, never reported by the agent.

Last activity is the age of the last output, in awake time. Files and lines come from one git call per agent, at most
every two seconds, and only when somebody watches. A figure that could not be measured is none.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.agents.transcript import standing
from gitfleet.coordinator.attempt.attempts import handle_of
from gitfleet.git.changes import Totals, totals
from gitfleet.git.command import GitFailed
from gitfleet.model.reports import Activity, AgentProgress, Progress
from gitfleet.model.run import RunState

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.observer import Observer
    from gitfleet.coordinator.spending.following import Following
    from gitfleet.coordinator.supervising import Supervising
    from gitfleet.model.reports import Prediction, WaitingRun
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

DIFF_SECONDS = 2.0
SHOW_SECONDS = 0.25


@dataclass(slots=True)
class _Watched:
    worktree: Path
    since: float
    looked: float = float("-inf")
    figures: Totals | None = None


@dataclass(slots=True)
class Tracker:
    """What is known of attempts in flight."""

    parts: Parts
    observer: Observer
    supervising: Supervising
    following: Following
    _watched: dict[str, _Watched] = field(default_factory=dict)
    _shown: float = float("-inf")

    def started(self, run: Run, worktree: Path) -> None:
        """An attempt of ``run`` starts."""
        self._watched[run.task] = _Watched(worktree, self.parts.monotonic())

    def ended(self, run: Run) -> None:
        """The attempt is over."""
        self._watched.pop(run.task, None)

    def show(
        self,
        books: Books,
        wave: int,
        activity: str,
        waiting: tuple[WaitingRun, ...] = (),
        predictions: tuple[Prediction, ...] = (),
    ) -> None:
        """Tell the observer how things stand, at most four times a second."""
        if not self.observer.wants_progress:
            return
        now = self.parts.monotonic()
        if now - self._shown < SHOW_SECONDS:
            return
        self._shown = now
        members = [run for run in books.runs.values() if run.wave == wave]
        over = [run for run in members if run.sealed or run.state in {RunState.GATED, RunState.VERIFIED}]
        agents = tuple(self._agent(books.runs[task], watched, now) for task, watched in self._watched.items())
        self.observer.progress(
            Progress(
                session=books.session.id,
                wave=wave,
                waves=max((run.wave for run in books.runs.values()), default=wave),
                done=len(over),
                total=len(members),
                activity=activity,
                agents=agents,
                waiting=waiting,
                predictions=predictions,
            )
        )

    def _agent(self, run: Run, watched: _Watched, now: float) -> AgentProgress:
        if now - watched.looked >= DIFF_SECONDS:
            watched.looked = now
            with contextlib.suppress(GitFailed, OSError):
                watched.figures = totals(self.parts.repository.git.at(watched.worktree), watched.worktree, run.base)
        pulse = self.parts.host.status(handle_of(self.parts, run)).pulse
        found = self.supervising.judgements.get(run.task)
        figures, stream = watched.figures, self.following.transcripts.get(run.task)
        return AgentProgress(
            instance=run.instance,
            task=run.task,
            state=str(run.state),
            elapsed_seconds=now - watched.since,
            activity=_activity(found.activity if found else None, stream),
            note=found.note if found else "",
            last_activity_seconds=max(0.0, now - pulse.output) if pulse else None,
            turns=stream.turns if stream else None,
            tokens=stream.tokens if stream and stream.used else None,
            tool_calls=stream.tool_calls if stream else None,
            files=figures.files if figures else None,
            added=figures.added if figures else None,
            removed=figures.removed if figures else None,
        )


def _activity(seen: Activity | None, stream: Transcript | None) -> Activity | None:
    """What is seen of an agent, unless it lives and says itself that it waits."""
    stands = standing(stream) if stream is not None else None
    return Activity(stands) if stands is not None and seen in {None, Activity.WORKING, Activity.SILENT} else seen
