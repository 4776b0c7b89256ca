"""What becomes of a session's runs once their train is in: landed, conflicted, red, or kept for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.coordinator.sealing import conflicted_run, failed_run
from gitfleet.integrate.verify import describe_red
from gitfleet.model.event import EventKind
from gitfleet.model.run import Failure, FailureSource, RunState, record
from gitfleet.recovery.landings import forget_landing

if TYPE_CHECKING:
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
        for run in over:
            if run.state is not RunState.LANDED:
                self.settling.tell_over(run)
        self.settling.seal(*over)
        word = "verified" if landing.verified else "unverified"
        cached = " from the cache" if landing.cached else ""
        branch = decided.session.target.removeprefix("refs/heads/")
        self.books.event(
            EventKind.LAND,
            f"landed {', '.join(landing.tasks)} on {branch} as {commit[:12]}, {word}{cached}",
            status=word,
        )
        if still_open:
            self.books.checkpoint(f"landing {landing.number}")

    def clashed(self, candidate: train.Candidate) -> None:
        """Runs that cannot be merged: their branches are kept."""
        runs = self._conflicted(candidate)
        self.books.replace_all(runs)
        self.settling.over(runs)

    def red(self, outcome: train.Red) -> None:
        """The candidate is red on a green base: its runs fail, with the check's own words."""
        message = f"The candidate fails: {describe_red(outcome.verification.checks[-1])}"
        failure = Failure(source=FailureSource.VERIFIER, code="check-failed", message=message)
        at = self.books.now()
        failed = [
            failed_run(
                record(self.books.runs[entry.task], verification=outcome.verification), RunState.FAILED, failure, at
            )
            for entry, _ in outcome.candidate.merged
        ]
        runs = [*self._conflicted(outcome.candidate), *failed]
        self.books.replace_all(runs)
        self.books.event(EventKind.VERIFY, message, status="red")
        self.settling.over(runs)

    def _conflicted(self, candidate: train.Candidate) -> list[Run]:
        at = self.books.now()
        return [conflicted_run(self.books.runs[clash.entry.task], clash, at) for clash in candidate.clashes]

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
