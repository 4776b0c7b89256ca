"""What becomes of a run once its evidence or its train is in: books, claims, briefs, worktrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.coordinator.accounts import ended_with
from gitfleet.coordinator.attempt.granting import granted_since
from gitfleet.coordinator.attempt.tampering import status, told
from gitfleet.coordinator.attempt.verdicts import gate_words
from gitfleet.coordinator.parked import MOST_KEPT, denials, goes_on, parked, parks, without
from gitfleet.coordinator.parked import sentence as sentence_of
from gitfleet.coordinator.retrying import is_gap, sentence
from gitfleet.coordinator.scrubbing import Scrubber
from gitfleet.coordinator.sealing import extended_by, failed_run, held_again, landed_run, skipped_run
from gitfleet.coordinator.spending.rows import session_of, take_in
from gitfleet.model.event import EventKind
from gitfleet.model.evidence import Verdict, Verification
from gitfleet.model.run import Failure, FailureSource, RunState, advance
from gitfleet.planner.retries import DENIED, Final, Retry, worth_telling
from gitfleet.recovery.keeping import noted, where_kept
from gitfleet.recovery.runs import queued_again
from gitfleet.recovery.slots import release
from gitfleet.relay.briefs import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.attempt.collecting import Evidence
    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.claiming import Claiming
    from gitfleet.coordinator.control.shutdown import Shutdown
    from gitfleet.coordinator.retrying import Retrying
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts


_TOLD_AS = {
    RunState.REJECTED: EventKind.GATE,
    RunState.CONFLICTED: EventKind.CONFLICT,
    RunState.SKIPPED: EventKind.SKIP,
}
"""The kind of event by which the end of a run is told, where it is no mere error."""


@dataclass(slots=True)
class Settling:
    """Writes ends into the books of one session."""

    parts: Parts
    books: Books
    claiming: Claiming
    retrying: Retrying
    shutdown: Shutdown | None = None

    def collected(self, task: str, work: Evidence, *, again: str = "") -> None:
        """Take in the evidence of an attempt: gated, over, or queued again where ``again`` says it was so ended."""
        run = self.books.runs[task]
        judgement = work.judgement
        outcome = judgement.failure.code if judgement.failure else "success"
        if again:
            outcome = again
        if work.kept is not None:
            run = noted(run, work.kept)
        last = msgspec.structs.replace(
            run.attempts[-1], outcome=outcome, log_bytes=work.log_bytes, tampered=work.tampered, **self._told(run, work)
        )
        run = self.books.record(
            task,
            attempts=(*run.attempts[:-1], last),
            tip=work.tip,
            files=work.files,
            handoff=work.handoff,
            handoff_source=work.source,
            gate=work.gate,
            checks=work.checks,
            **extended_by(run, work.extended, work.claimed),
        )
        words = (
            f"{task} ended: {outcome}, {_files(len(work.files))}{without(last.denied) if outcome == 'success' else ''}"
        )
        self.books.event(EventKind.AGENT_COMPLETE, words, run=run, status=outcome)
        if work.tampered:
            self.books.event(EventKind.GUARD, told(task, work.tampered), run=run, status=status(work.tampered))
        if again:
            self.requeue(task, f"it was {again}", going_on=again == "interrupted")
            return
        if judgement.failure is not None:
            self.fail(task, judgement.state, judgement.failure, work)
        else:
            self._gated(task, work)

    def _told(self, run: Run, work: Evidence) -> dict[str, object]:
        """What the stream of its agent's program says, for the attempt's record; the rows of it are written first."""
        met = ended_with(self.parts, run.attempts[-1], work.told, work.judgement.failure)
        if met is not None:
            self.books.event(EventKind.ACCOUNT, met.sentence, run=run, status=met.condition)
        usage = take_in(self.parts, run, self.books.plan.task(run.task), work.told, work.exit)
        return {
            **session_of(work.told),
            "usage": usage,
            "denied": denials(work.told, Scrubber(self.parts).clean)[:MOST_KEPT],
        }

    def _gated(self, task: str, work: Evidence) -> None:
        # What is relayed is written first: once the books say that the attempt was taken in, nobody looks at it again.
        self._relay(advance(self.books.runs[task], RunState.GATED), work)
        run = self.books.advance(task, RunState.GATED, resolving=False)
        self.books.event(
            EventKind.GATE,
            f"{task} passed the gate: {_files(len(work.files))}{gate_words(run)}",
            run=run,
            status="passed",
        )
        if not work.files:
            self.nothing_to_land(run)

    def nothing_to_land(self, run: Run) -> None:
        """A run that rightly changed nothing is over once it passed the gate."""
        reason = run.handoff.no_change if run.handoff else ""
        why = f"no change: {reason}" if reason else "read-only: nothing to land"
        if run.resolution is not None:
            why = "what a person made of its conflict is what the target has"
        nothing = Verification(verdict=Verdict.UNVERIFIED)
        over = landed_run(run, nothing, None, self.books.now(), why)
        self.parts.state.write_brief(self.parts.proof, run.task, brief(over))
        self.seal(self.books.replace(over))

    def fail(self, task: str, state: RunState, failure: Failure, work: Evidence | None = None) -> None:
        """An attempt failed: there is another one, or the run is over and its branch and worktree stay for people.

        ``work`` is what the attempt leaves to tell the next wave, if it came that far.
        """
        told = work.told if work else None
        if parks(failure):
            self._park(task, failure, told)
            return
        run, decision = self.retrying.judge(self.books.runs[task], failure, told)
        again = isinstance(decision, Retry) and failure.source is FailureSource.TRANSPORT
        if run.attempts[-1].resolver and not again:
            self.unresolved(task, failure)
            return
        match decision:
            case Final():
                over = failed_run(run, state, failure, self.books.now())
                if work is not None:
                    self._relay(over, work)
                self.over([self.books.replace(over)])
            case Retry():
                self._again(run, failure, decision)
            case _:
                assert_never(decision)

    def _park(self, task: str, failure: Failure, told: Transcript | None) -> None:
        """Its agent was denied something, or interrupted: a person is asked, and the run keeps what it has."""
        denied = denials(told, Scrubber(self.parts).clean)
        before = self.books.runs[task]
        # What was granted for good while it worked came too late for this attempt, and is in time for the next.
        known = failure.code == DENIED and granted_since(self.parts, before, denied)
        run = self.books.replace(parked(before, failure, denied, self.books.now(), approved=known))
        if run.parked is not None and known:
            self.books.event(EventKind.CONTROL, goes_on(task, run.parked), run=run, status="approved")
        else:
            self.books.event(EventKind.WAITING, sentence_of(run), run=run, status="needs-person")

    def unresolved(self, task: str, failure: Failure) -> None:
        """The agent that was to resolve a conflict did not: the conflict is a person's, as it was before."""
        run = held_again(self.books.runs[task], failure, self.books.now())
        self.tell_over(self.books.replace(run))

    def _again(self, run: Run, failure: Failure, decision: Retry) -> None:
        """Queue a run for another attempt; its work so far is kept, and its claim goes while it waits."""
        run, _ = queued_again(self.parts, run, decision.why, **self.retrying.facts(decision))
        self.books.replace(run)
        self.claiming.release([run.instance])
        if is_gap(failure):
            self.books.event(EventKind.GAP, f"wave {run.wave} goes on without {run.task}", run=run, status=failure.code)
        kept = where_kept(run)
        words = f"{sentence(run, decision)}{f'; {kept}' if kept else ''}"
        self.books.event(EventKind.RETRY, words, run=run, status=failure.code)

    def skip(self, task: str, reason: str) -> None:
        """A queued run can never start."""
        self.tell_over(self.books.replace(skipped_run(self.books.runs[task], reason)))

    def tell_over(self, run: Run) -> None:
        """Tell in the journal how a run ended, and why."""
        kind = _TOLD_AS.get(run.state, EventKind.ERROR)
        why = run.failure.message if run.failure else ""
        if run.attempts and worth_telling(run.attempts[-1]):
            why += f" ({run.attempts[-1].retry})"
        self.books.event(kind, f"{run.task} {run.state}: {why}", run=run, status=str(run.state))

    def requeue(self, task: str, why: str, **facts: object) -> None:
        """Put a run back: its work is kept under a wip ref, its claim goes, its tree stays."""
        run = self.books.runs[task]
        run, sentence = queued_again(self.parts, run, why, **facts)
        self.books.replace(run)
        if self.shutdown is not None and self.shutdown.begun:
            self.shutdown.release_later(run.instance)
        else:
            self.claiming.release([run.instance])
        self.books.event(EventKind.REQUEUE, sentence, run=run, status="queued")

    def _relay(self, run: Run, work: Evidence) -> None:
        """Write the run's brief and its discoveries, for the next wave."""
        self.parts.state.write_brief(self.parts.proof, run.task, brief(run))
        if work.discoveries is not None:
            self.parts.state.write_discoveries(self.parts.proof, work.discoveries)

    def seal(self, *runs: Run) -> None:
        """Claims of runs that need them no longer go. The tree of one that landed is free from now on."""
        started = [run for run in runs if run.instance and not run.holding]
        if started:
            self.claiming.release([run.instance for run in started])

    def over(self, runs: Sequence[Run]) -> None:
        """Tell of runs that ended without a landing, and let their claims go."""
        for run in runs:
            self.tell_over(run)
            self.seal(run)

    def set_aside(self, notes: Sequence[str]) -> None:
        """Tell of trees that nobody may use before a person looked."""
        for note in notes:
            self.books.event(EventKind.QUARANTINE, note, status="quarantined")

    def finish(self) -> None:
        """Empty and free the trees that no run of the session needs any more."""
        self.set_aside(release(self.parts))


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
