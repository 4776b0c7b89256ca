"""What a landing will have made of a session: decided before the target moves, true once it did.

It is written down durably before the move; the coordinator's own thread then writes the books from it, or recovery
does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from gitfleet.coordinator.sealing import conflicted_run, landed_run, skipped_run
from gitfleet.coordinator.trains.ejecting import stranded
from gitfleet.model.run import MergeRecord, RunState
from gitfleet.model.session import Landing, PendingLanding, SessionState, TrainCounts, move
from gitfleet.planner.dispatch import doomed
from gitfleet.relay.report import render_wave

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.integrate.train import Candidate
    from gitfleet.model.evidence import Verification
    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session


@dataclass(frozen=True, slots=True)
class Decided:
    """The books as they are once a landing happened: the session, its runs, and the wave's text.

    ``told`` are the runs that the landing tells about.
    """

    session: Session
    runs: Mapping[str, Run]
    wave_text: str
    told: tuple[Run, ...] = ()

    @property
    def message(self) -> str:
        """Subject and trailers of the record commit (DESIGN 4)."""
        session, number = self.session.id, self.session.landings[-1].number
        counts = {state: sum(1 for run in self.told if run.state is state) for state in RunState}
        words = [f"{count} {state}" for state, count in sorted(counts.items(), key=_landed_first) if count]
        return (
            f"gitfleet: {session} wave {number} ({', '.join(words)})\n\n"
            f"Gitfleet-Session: {session}\nGitfleet-Wave: {number}\n"
        )

    def landing_as(self, commit: str) -> Decided:
        """The same, once the commit that is to land is known."""
        landings = (*self.session.landings[:-1], msgspec.structs.replace(self.session.landings[-1], commit=commit))
        return replace(self, session=msgspec.structs.replace(self.session, landings=landings))

    def pending(self, before: Mapping[str, Run]) -> PendingLanding:
        """What is to be found after a crash; ``before`` are the runs as the books have them until then."""
        move = self.session.landings[-1]
        return PendingLanding(
            number=move.number,
            target=self.session.target,
            previous=move.previous,
            commit=move.commit,
            candidate=move.candidate,
            verdict=move.verdict,
            session=self.session,
            runs=tuple(run for task, run in self.runs.items() if run != before[task]),
            wave_text=self.wave_text,
        )


def decide(
    session: Session,
    plan: Plan,
    runs: Mapping[str, Run],
    candidate: Candidate,
    verification: Verification,
    at: str,
    *,
    ejected: Mapping[str, Run] | None = None,
    checked: int = 0,
) -> Decided:
    """Say what ``session`` and every run will be once ``candidate`` landed; ``at`` is the instant that they name.

    ``ejected`` are runs that the train left behind, as they will be; the checks ran on ``checked`` trees.
    """
    number = len(session.landings) + 1
    after = {**runs, **(ejected or {})}
    for entry, commit in candidate.merged:
        merge = MergeRecord(commit=commit, landing=number, target=session.target)
        after[entry.task] = landed_run(after[entry.task], verification, merge, at)
    for clash in candidate.clashes:
        after[clash.entry.task] = conflicted_run(after[clash.entry.task], clash)
    after |= stranded(plan, after, candidate.held, at)
    for task, reason in doomed(plan, {task: run.state for task, run in after.items()}).items():
        after[task] = skipped_run(after[task], reason)
    about = told(session, candidate, after)
    landing = Landing(
        number=number,
        candidate=candidate.commit,
        previous=candidate.base,
        verdict=verification.verdict,
        cached=verification.cached,
        tasks=tuple(entry.task for entry, _ in candidate.merged),
        at=at,
        train=TrainCounts(
            checked=checked, ejected=tuple(ejected or ()), held=tuple(entry.task for entry in candidate.held)
        ),
    )
    session = msgspec.structs.replace(session, landings=(*session.landings, landing))
    if all(run.sealed for run in after.values()):
        session = move(session, SessionState.COMPLETED, ended=at, reason="")
    return Decided(session, after, render_wave(session, number, about), tuple(about.values()))


def told(session: Session, candidate: Candidate, runs: Mapping[str, Run]) -> dict[str, Run]:
    """The runs that the next landing of ``session`` tells about: those it lands, and what ended since the last one."""
    number = len(session.landings) + 1
    waves = {runs[entry.task].wave for entry, _ in candidate.merged}
    clashed = {clash.entry.task for clash in candidate.clashes}
    previous = session.landings[-1].at if session.landings else ""

    def belongs(run: Run) -> bool:
        if run.merge is not None:
            return run.merge.landing == number
        if not run.sealed:
            return run.task in clashed
        if run.claim is not None:
            return run.claim.released > previous
        if run.state is RunState.SKIPPED:
            return any(belongs(runs[name]) for name in run.depends_on if runs[name].state is not RunState.LANDED)
        return run.wave in waves

    return {task: run for task, run in runs.items() if belongs(run)}


def _landed_first(item: tuple[RunState, int]) -> bool:
    return item[0] is not RunState.LANDED
