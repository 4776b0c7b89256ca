"""What becomes of a session's runs once their train is in: landed, conflicted, ejected, or kept for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.coordinator.sealing import conflicted_run
from gitfleet.coordinator.trains.ejecting import ejected_runs, stranded
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState
from gitfleet.planner.retries import CHECK_FAILED
from gitfleet.recovery.keeping import where_kept
from gitfleet.recovery.landings import forget_landing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.settling import Settling
    from gitfleet.coordinator.trains.integration import Integration
    from gitfleet.integrate import train
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts


@dataclass(slots=True)
class SettlingTrains:
    """Writes what trains came to into the books of one session."""

    parts: Parts
    books: Books
    settling: Settling

    def landed(self, work: Integration, commit: str, *, outcome_open: bool = False) -> None:
        """The target moved to ``commit``: the books say what was decided before it did.

        With ``outcome_open`` a checkout is still to be brought along: the landing stays written down for recovery.
        """
        decided = work.decided
        if decided is None:
            msg = "a landing that was not decided cannot have happened"
            raise AssertionError(msg)
        over = [run for task, run in decided.runs.items() if run != work.runs[task]]
        self.books.replace_all(over)
        landing = decided.session.landings[-1]
        self.parts.state.write_wave(self.parts.proof, landing.number, decided.wave_text)
        still_open = not all(run.sealed for run in self.books.runs.values())
        # Not its state: a session is completed once nothing is left to do, and this landing is not in the books yet.
        self.books.update(landings=decided.session.landings, ended=decided.session.ended)
        if not outcome_open:
            self.forget_landing()
        self._tell([run for run in over if run.state is not RunState.LANDED])
        self.settling.seal(*over)
        cached = " from the cache" if landing.cached else ""
        word = landing.verdict
        branch = decided.session.target.removeprefix("refs/heads/")
        self.books.event(
            EventKind.LAND,
            f"landed {', '.join(landing.tasks)} on {branch} as {commit[:12]}, {word}{cached}",
            status=word,
        )
        if still_open:
            self.books.checkpoint(f"landing {landing.number}")

    def nothing_lands(self, outcome: train.NothingLands) -> None:
        """Every run conflicts, was ejected or is held; what is over or queued again becomes so together."""
        books, at = self.books, self.books.now()
        changed = {
            clash.entry.task: conflicted_run(books.runs[clash.entry.task], clash) for clash in outcome.candidate.clashes
        }
        changed |= ejected_runs(self.parts, self.parts.objects, books.plan, books.runs, outcome.tally.ejected, at)
        changed |= stranded(books.plan, {**books.runs, **changed}, outcome.candidate.held, at)
        runs = list(changed.values())
        books.replace_all(runs)
        self._tell(runs)
        self.settling.seal(*runs)

    def _tell(self, runs: Sequence[Run]) -> None:
        """Tell what became of runs that do not land: who was ejected and for which check, and who is tried again."""
        for run in runs:
            last = run.attempts[-1] if run.attempts else None
            if last is not None and last.outcome == CHECK_FAILED:
                self.books.event(EventKind.VERIFY, f"{run.task} was ejected. {last.message}", run=run, status="red")
            if run.sealed or run.state is RunState.CONFLICTED:
                self.settling.tell_over(run)
            elif last is not None:
                kept = where_kept(run)
                words = f"{run.task} is {last.retry}{f'; {kept}' if kept else ''}"
                self.books.event(EventKind.RETRY, words, run=run, status=last.outcome)

    def stopped(self, work: Integration, outcome: train.Stopped) -> None:
        """The landing waits for a person; the candidate is kept and its runs stay verified."""
        for entry, _ in outcome.candidate.merged:
            if self.books.runs[entry.task].state is RunState.GATED and outcome.verification is not None:
                self.books.advance(entry.task, RunState.VERIFIED, verification=outcome.verification)
        names = ", ".join(entry.task for entry, _ in outcome.candidate.merged) or "a verified landing"
        # Why is said once, by the end of the session.
        self.books.event(EventKind.LAND, f"{names} waits to be landed ({outcome.code})", status=outcome.code)
        if outcome.landed and work.decided is not None:
            self.landed(work, outcome.landed, outcome_open=True)

    def forget_landing(self) -> None:
        """The books say what the pending landing said."""
        forget_landing(self.parts, self.books.session.id)
