"""From gated runs to a landing: the bridge between a session's books and the train.

``Integration`` is made from a snapshot of the books and runs in a worker thread. It decides what every run will be once
the landing happened (``seal``), writes that down durably (``PendingLanding``), and moves the target. The
coordinator's own thread then writes the books, or recovery does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.coordinator.verdicts import receipt
from gitfleet.integrate import landing
from gitfleet.integrate.landing import LandingRequest, land
from gitfleet.integrate.train import Candidate, Entry, Landed, Sealed, Stopped, Train, TrainOutcome
from gitfleet.model.base import encode, instant
from gitfleet.model.config import Publish
from gitfleet.model.paths import quote_path
from gitfleet.model.run import (
    Failure,
    FailureSource,
    MergeRecord,
    Run,
    RunState,
    Verdict,
    Verification,
    advance,
)
from gitfleet.model.session import Landing, PendingLanding, Session, SessionState
from gitfleet.planner.dispatch import doomed
from gitfleet.recovery import pending_landing_file
from gitfleet.relay.momentum import share
from gitfleet.relay.report import render_session, render_wave
from gitfleet.store import records
from gitfleet.store.files import remove_durable, write_durable
from gitfleet.store.locks import hold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.parts import Parts
    from gitfleet.git.command import Git
    from gitfleet.integrate.landing import LandingOutcome
    from gitfleet.integrate.train import Clash
    from gitfleet.model.plan import Plan
    from gitfleet.planner.scopes import Scope

TARGET_LOCK_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Decided:
    """The books as they are once a landing happened: the session and every run that it changes."""

    session: Session
    runs: dict[str, Run]
    wave_text: str


@dataclass(slots=True)
class Integration:
    """One batch on its way to the target; ``decided`` is there once a candidate was sealed."""

    parts: Parts
    session: Session
    plan: Plan
    runs: Mapping[str, Run]
    scopes: Mapping[str, Scope]
    checks: CheckRunner
    git: Git
    say: Callable[[str], None]
    decided: Decided | None = field(default=None)

    @property
    def number(self) -> int:
        """Number of the landing in its session."""
        return len(self.session.landings) + 1

    def run(self, batch: Sequence[str]) -> TrainOutcome:
        """Take the batch, in order, to the target; waits for other sessions' trains on the same target."""
        entries = [self._entry(self.runs[task]) for task in batch]
        train = Train(
            objects=self.parts.objects,
            refs=self.parts.refs,
            git=self.git,
            runner=self.checks.one,
            checks=self.parts.config.verify.commands,
            target=self.session.target,
            session=self.session.id,
            label=f"fleet-{self.session.id}-verify",
            seal=self._seal,
            before_landing=self._before_landing,
            lander=self._land,
            say=self.say,
        )
        lock = self.parts.layout.lock(target_lock(self.session.target))
        with hold(lock, timeout=TARGET_LOCK_SECONDS, what=f"the train of {self.session.target}"):
            return train.run(entries)

    def land_again(self, pending: PendingLanding) -> TrainOutcome | None:
        """Move the target to a candidate that was verified and decided before; None when the target moved on."""
        candidate = Candidate(pending.previous, pending.candidate, (), ())
        lock = self.parts.layout.lock(target_lock(pending.target))
        with hold(lock, timeout=TARGET_LOCK_SECONDS, what=f"the train of {pending.target}"):
            outcome = land_pending(
                self.parts, self.session, pending.number, pending.previous, pending.commit, self.say
            )
        match outcome:
            case landing.Landed():
                verdict = Verdict.VERIFIED if pending.verified else Verdict.UNVERIFIED
                return Landed(candidate, Verification(verdict=verdict), pending.commit)
            case landing.TargetMoved():
                return None
            case landing.InTheWay():
                paths = tuple(quote_path(path) for path in outcome.paths)
                return Stopped(candidate, "in-the-way", outcome.why, paths)
            case landing.Busy():
                return Stopped(candidate, "target-busy", outcome.why)
            case _:
                assert_never(outcome)

    def _entry(self, run: Run) -> Entry:
        return Entry(run.task, run.name, run.instance, run.tip, self.scopes[run.task])

    def _seal(self, candidate: Candidate, verification: Verification) -> Sealed:
        """Decide what every run and the session will be once ``candidate`` landed, and which records go with it."""
        at = instant(self.parts.now())
        target = self.session.target
        runs = dict(self.runs)
        for entry, commit in candidate.merged:
            runs[entry.task] = landed_run(
                runs[entry.task], verification, MergeRecord(commit=commit, landing=self.number, target=target), at
            )
        for clash in candidate.clashes:
            runs[clash.entry.task] = conflicted_run(runs[clash.entry.task], clash, at)
        for task, reason in doomed(self.plan, {task: run.state for task, run in runs.items()}):
            runs[task] = skipped_run(runs[task], reason)
        move = Landing(
            number=self.number,
            candidate=candidate.commit,
            previous=candidate.base,
            verified=verification.verdict is Verdict.VERIFIED,
            tasks=tuple(entry.task for entry, _ in candidate.merged),
            at=at,
        )
        session = msgspec.structs.replace(self.session, landings=(*self.session.landings, move))
        if all(run.sealed for run in runs.values()):
            session = msgspec.structs.replace(session, state=SessionState.COMPLETED, ended=at, reason="")
        self.decided = Decided(session, runs, render_wave(session, self.number, runs))
        return Sealed(self._records(candidate), self._subject(candidate))

    def _records(self, candidate: Candidate) -> dict[str, bytes]:
        decided = self.decided
        if decided is None or self.parts.config.planning.publish is Publish.OFF:
            return {}
        return record_files(self.parts, decided, self.plan, candidate.commit)

    def _subject(self, candidate: Candidate) -> str:
        decided = self.decided
        if decided is None:
            raise AssertionError
        fresh = [run for task, run in decided.runs.items() if run.sealed and not self.runs[task].sealed]
        told = {RunState.LANDED: 0, RunState.REJECTED: 0, RunState.FAILED: 0}
        earlier = [
            run
            for run in self.runs.values()
            if run.sealed and run.merge is None and run.wave in {self.runs[e.task].wave for e, _ in candidate.merged}
        ]
        for run in fresh + earlier:
            told[run.state] = told.get(run.state, 0) + 1
        words = ", ".join(f"{count} {state}" for state, count in told.items() if count)
        return (
            f"gitfleet: {self.session.id} wave {self.number} ({words})\n\n"
            f"Gitfleet-Session: {self.session.id}\nGitfleet-Wave: {self.number}\n"
        )

    def _before_landing(self, candidate: Candidate, verification: Verification, top: str) -> None:
        """Write down what will be true once the target moved; recovery reads it after a crash."""
        decided = self.decided
        if decided is None:
            raise AssertionError
        landings = (*decided.session.landings[:-1], msgspec.structs.replace(decided.session.landings[-1], commit=top))
        session = msgspec.structs.replace(decided.session, landings=landings)
        self.decided = Decided(session, decided.runs, decided.wave_text)
        changed = tuple(run for task, run in decided.runs.items() if run != self.runs[task])
        pending = PendingLanding(
            number=self.number,
            target=self.session.target,
            previous=candidate.base,
            commit=top,
            candidate=candidate.commit,
            verified=verification.verdict is Verdict.VERIFIED,
            session=session,
            runs=changed,
        )
        write_durable(pending_landing_file(self.parts, self.session.id), encode(pending))

    def _land(self, old: str, new: str) -> LandingOutcome:
        return land_pending(self.parts, self.session, self.number, old, new, self.say)


def target_lock(target: str) -> str:
    """Name of the lock that a target's train holds."""
    import hashlib  # noqa: PLC0415 - only an integration pays

    return "target-" + hashlib.sha256(target.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def forget_pending(parts: Parts, session: str) -> None:
    """The books say what the pending landing said."""
    remove_durable(pending_landing_file(parts, session))


def land_pending(
    parts: Parts, session: Session, number: int, old: str, new: str, say: Callable[[str], None]
) -> LandingOutcome:
    """Move the session's target from ``old`` to ``new``, and mark the landing with its ref."""
    request = LandingRequest(
        git=parts.repository.git,
        common_dir=parts.repository.common_dir,
        target=session.target,
        old=old,
        new=new,
        id=f"{session.id}-w{number}",
        intents=parts.layout.root / "landings",
        extra_refs=((f"refs/gitfleet/landed/{session.id}/w{number}", new),),
        say=say,
    )
    return land(request)


def record_files(parts: Parts, decided: Decided, plan: Plan, commit: str) -> dict[str, bytes]:
    """Every record that is sealed once ``decided`` is true and that the tree of ``commit`` does not hold yet."""
    state = parts.state
    session = decided.session
    files = dict(state.files(session.id))
    base = f"sessions/{session.id}"
    for task, run in decided.runs.items():
        files[f"{base}/runs/{task}.json"] = encode(run)
    files[f"{base}/waves/w{len(session.landings)}.md"] = decided.wave_text.encode("utf-8")
    if session.state is SessionState.COMPLETED:
        files[f"{base}/session.md"] = state.render_session_file(session, render_session(session, plan, decided.runs))
        files[f"momentum/{session.id}.json"] = encode(share(session, plan, decided.runs))
    tree = parts.objects.commit(commit).tree
    published = {path.decode("utf-8", "surrogateescape") for path, _ in parts.objects.entries(tree, b".planning")}
    return records.pending(parts.state, session, decided.runs, files, published)


def landed_run(run: Run, verification: Verification, merge: MergeRecord | None, at: str, reason: str = "") -> Run:
    """A gated run as it is once its landing happened."""
    if run.state is RunState.GATED:
        run = advance(run, RunState.VERIFIED, verification=verification)
    word = "verified" if verification.verdict is Verdict.VERIFIED else "unverified"
    where = reason or (f"landed as {merge.commit[:12]}, {word}" if merge else word)
    return advance(
        run,
        RunState.LANDED,
        verification=verification,
        merge=merge,
        failure=None,
        claim=released(run, at),
        receipt=receipt(RunState.LANDED, None, where),
    )


def conflicted_run(run: Run, clash: Clash, at: str) -> Run:
    """A gated run that cannot be merged; its branch is kept."""
    message = f"{clash.why[0].upper()}{clash.why[1:]}. Its branch {run.branch} is kept."
    failure = Failure(source=FailureSource.NEEDS_PERSON, code="conflict", message=message)
    return advance(
        run,
        RunState.CONFLICTED,
        conflicts=clash.paths,
        failure=failure,
        claim=released(run, at),
        receipt=receipt(RunState.CONFLICTED, failure),
    )


def skipped_run(run: Run, reason: str) -> Run:
    """A queued run that can never start."""
    failure = Failure(source=FailureSource.TASK, code="dependency", message=reason)
    return advance(run, RunState.SKIPPED, failure=failure, receipt=receipt(RunState.SKIPPED, failure))


def released(run: Run, at: str) -> object:
    """The run's claim with the moment it was let go."""
    return msgspec.structs.replace(run.claim, released=at) if run.claim else None
