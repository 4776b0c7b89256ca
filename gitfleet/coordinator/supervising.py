"""Agents that show no life: told once a stall, and dealt with as ``stall`` in the config says.

Whether an attempt works, ``runtime.supervisor`` judges; here it becomes events and, by policy, an interrupt or an
end. ``warn`` ends nobody. ``interrupt`` sends what Ctrl-C sends, once a stall, and asks a person when that changed
nothing in another period. ``restart`` ends the attempt as ``stalled``; whether there is another one is decided where
every other failure is. A warden that somebody stopped is let go on; one that does not move long past its deadline is
killed, so that the attempt can be found lost.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from gitfleet.coordinator.control.ending import end
from gitfleet.coordinator.rounds import Rounds
from gitfleet.model.config import StallPolicy
from gitfleet.model.event import EventKind
from gitfleet.runtime import attempt
from gitfleet.runtime.supervisor import (
    STUCK_SECONDS,
    Reading,
    Supervisor,
    Vitality,
    judge,
    newest_change,
    overdue,
    spell,
)
from gitfleet.store import journal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.coordinator.books import Books
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle
    from gitfleet.runtime.supervisor import Judgement

LOOK_SECONDS = 0.5
FILES_SECONDS = 2.0
"""How long a look at a worktree is good for at least; a look that takes long is good for twenty times as long."""

GRACE_SECONDS = 60.0
"""How far past its deadline a warden that does not move is waited for."""


@dataclass(slots=True)
class _Watched:
    """What is known of one attempt: ``changed`` is the newest change in its worktree, as far as somebody looked."""

    handle: Handle
    judgement: Judgement | None = None
    silent: bool = False
    acted: float | None = None
    asked: bool = False
    stuck: bool = False
    nudged: float = float("-inf")
    changed: float | None = None
    look_again: float = float("-inf")
    looking: threading.Thread | None = None


@dataclass(slots=True)
class Supervising:
    """Watches the attempts of one session; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    _rounds: Rounds[_Watched] = field(init=False)
    _supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        """Build what lives as long as the coordinator."""
        self._rounds = Rounds(self.parts, self.books, LOOK_SECONDS, lambda _, handle: _Watched(handle))
        self._supervisor = Supervisor(wall=self.parts.now, awake=self.parts.monotonic)

    @property
    def judgements(self) -> Mapping[str, Judgement]:
        """How the running attempts stand, by task; one that has just started is missing."""
        return {task: watched.judgement for task, watched in self._rounds.kept.items() if watched.judgement is not None}

    def look(self) -> None:
        """Look at every running attempt, if it is time to; cheap, but for files, which another thread looks at."""
        now = self.parts.monotonic()
        for run, watched in self._rounds.due(now) or ():
            self._consider(run, watched, now)

    def _consider(self, run: Run, watched: _Watched, now: float) -> None:
        status = self.parts.host.status(watched.handle)
        # Without a warden there is a thread that waits for just that, and clears up.
        reading = self._supervisor.read(watched.handle.directory, held=True) if status.alive else None
        if reading is None:
            return
        found = self._judge(reading, watched, now)
        if found is None:
            return
        watched.judgement = found
        match found.vitality:
            case Vitality.SILENT:
                self._on_silent(run, watched, found, reading.stall)
            case Vitality.STUCK:
                self._on_stuck(run, watched)
            case Vitality.WORKING | Vitality.QUIET:
                self._on_life(run, watched)
            case Vitality.PAUSED | Vitality.DEAD:
                pass
            case _:
                assert_never(found.vitality)

    def _judge(self, reading: Reading, watched: _Watched, now: float) -> Judgement | None:
        """Judge with the files when nothing else shows life; none until they have been looked at."""
        found = judge(reading)
        if found.vitality is not Vitality.SILENT:
            return found
        if watched.looking is not None and watched.looking.is_alive():
            return None
        known = judge(reading.with_change(watched.changed or 0.0))
        if known.vitality is Vitality.SILENT and now >= watched.look_again:
            self._look_at_files(reading, watched)
            return None
        return known

    def _look_at_files(self, reading: Reading, watched: _Watched) -> None:
        def look() -> None:
            began = self.parts.monotonic()
            after = reading.wall - reading.stall
            watched.changed = newest_change(watched.handle.directory, after, reading.wall)
            ended = self.parts.monotonic()
            watched.look_again = ended + max(FILES_SECONDS, 20 * (ended - began))

        watched.looking = threading.Thread(target=look, daemon=True, name="gitfleet-files")
        watched.looking.start()

    # -- what becomes of it --------------------------------------------------------------------------------------

    def _on_life(self, run: Run, watched: _Watched) -> None:
        if watched.silent or watched.stuck:
            self._tell(run, f"{run.task} shows life again", "awake")
        watched.silent = watched.asked = watched.stuck = False
        watched.acted = None

    def _on_silent(self, run: Run, watched: _Watched, found: Judgement, stall: float) -> None:
        now = self.parts.monotonic()
        if watched.silent:
            if watched.acted is not None and now - watched.acted >= stall and not watched.asked:
                watched.asked = True
                message = f"{run.task} is still silent {spell(stall)} after an interrupt"
                self._tell(run, f"{message}: `gitfleet logs {run.instance}` shows what it said last", "needs-person")
            return
        watched.silent = True
        told = self._told_before(run)
        if not told:
            stopped = "; its process is stopped (SIGSTOP)" if found.stopped else ""
            signs = "no output, CPU, children or file changes"
            self._tell(run, f"{run.task} is silent: {signs} for {spell(found.seconds)}{stopped}", "silent")
        match self.parts.config.stall:
            case StallPolicy.WARN:
                return
            case StallPolicy.INTERRUPT:
                if told != "interrupted" and self.parts.host.interrupt(watched.handle):
                    self._tell(run, f"{run.task} is sent an interrupt", "interrupted")
                watched.acted = now
            case StallPolicy.RESTART:
                self._tell(run, f"{run.task} is stopped: it showed no life", "stalled")
                end(self.parts, run, attempt.STALLED, reason=attempt.STALLED)
            case _:
                assert_never(self.parts.config.stall)

    def _on_stuck(self, run: Run, watched: _Watched) -> None:
        now = self.parts.monotonic()
        if now - watched.nudged < STUCK_SECONDS:
            return
        if self.parts.host.revive(watched.handle):
            watched.nudged = now
            self._tell(run, f"the warden of {run.task} was stopped (SIGSTOP) and goes on", "revived")
            return
        if not watched.stuck:
            watched.stuck = True
            self._tell(run, f"the warden of {run.task} does not move: its deadline is not kept meanwhile", "stuck")
        late = overdue(watched.handle.directory, now)
        if late is not None and late > GRACE_SECONDS and self.parts.host.abandon(watched.handle):
            watched.nudged = now
            self._tell(run, f"the warden of {run.task} was ended: it did not move past its deadline", "abandoned")

    def _tell(self, run: Run, message: str, status: str) -> None:
        self.books.event(EventKind.STALL, message, run=run, status=status)

    def _told_before(self, run: Run) -> str:
        """What an earlier coordinator said last of this very stall; empty when it said nothing."""
        last = ""
        for event in journal.read(self.parts.layout, run.session):
            if event.instance != run.instance:
                continue
            if event.kind is EventKind.AGENT_START or (event.kind is EventKind.STALL and event.status == "awake"):
                last = ""
            elif event.kind is EventKind.STALL and event.status in {"silent", "interrupted"}:
                last = event.status
        return last
