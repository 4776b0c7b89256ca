"""From gated runs to a landing: the bridge between a session's books and the train.

``Integration`` is made from a snapshot of the books and runs in a worker thread. It decides what every run will be once
the landing happened (``_seal``), writes that down durably (``PendingLanding``), and moves the target. The
coordinator's own thread then writes the books, or recovery does.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.coordinator.sealing import conflicted_run, landed_run, skipped_run
from gitfleet.git.trees import FILE, TreeEntry
from gitfleet.integrate import landing
from gitfleet.integrate.train import Candidate, Entry, Landed, Sealed, Train, TrainOutcome, stopped_by
from gitfleet.integrate.verify import Interrupted
from gitfleet.model.base import encode, instant
from gitfleet.model.config import Publish
from gitfleet.model.run import MergeRecord, Run, RunState, Verdict, Verification
from gitfleet.model.session import Landing, PendingLanding, Session, SessionState
from gitfleet.planner.dispatch import doomed
from gitfleet.relay.momentum import share
from gitfleet.relay.report import render_session, render_wave
from gitfleet.store.files import remove_durable, write_durable
from gitfleet.store.layout import verify_label
from gitfleet.store.queues import target_lock
from gitfleet.store.records import Preview, with_landing
from gitfleet.store.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.integrate.landing import LandingOutcome
    from gitfleet.model.momentum import SessionMomentum
    from gitfleet.model.plan import Plan
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope
    from gitfleet.store.locks import TargetLock

TARGET_LOCK_SECONDS = 86_400.0
"""A train waits for the one before it as long as that one's checks take; each of them has a deadline."""


class _LeftError(Exception):
    """The person asked to stop while this waited for somebody else."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The books as they are once a landing happened: the session, its runs, and the wave's text."""

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
    leaving: Callable[[], bool]
    decided: Decided | None = field(default=None)

    @property
    def number(self) -> int:
        """Number of the landing in its session."""
        return len(self.session.landings) + 1

    def run(self, batch: Sequence[str]) -> TrainOutcome:
        """Take the batch, in order, to the target; waits for other sessions' trains on the same target."""
        try:
            return self._run(batch)
        except _LeftError:
            return Interrupted()

    def _run(self, batch: Sequence[str]) -> TrainOutcome:
        entries = [self._entry(self.runs[task]) for task in batch]
        with self._train_lock(), self.parts.open_objects() as objects:
            train = Train(
                objects=objects,
                refs=self.parts.refs,
                git=self.git,
                runner=self.checks.one,
                checks=self.parts.config.verify.commands,
                target=self.session.target,
                session=self.session.id,
                label=verify_label(self.session.id),
                fold=self.parts.fold,
                seal=lambda candidate, verification: self._seal(objects, candidate, verification),
                before_landing=self._before_landing,
                lander=self._land,
                say=self.say,
            )
            return train.run(entries)

    def land_again(self, pending: PendingLanding) -> TrainOutcome | None:
        """Move the target to a candidate that was verified and decided before; None when the target moved on."""
        candidate = Candidate(pending.previous, pending.candidate, (), ())
        try:
            with self._train_lock():
                outcome = self._land(pending.previous, pending.commit)
        except _LeftError:
            return Interrupted()
        match outcome:
            case landing.Landed():
                verdict = Verdict.VERIFIED if pending.verified else Verdict.UNVERIFIED
                return Landed(candidate, Verification(verdict=verdict), pending.commit)
            case landing.TargetMoved():
                return None
            case landing.InTheWay() | landing.Busy():
                return stopped_by(outcome, candidate, None, pending.commit)
            case _:
                assert_never(outcome)

    def publish(self, base: str, closed: Session) -> LandingOutcome | None:
        """Land the records alone, for a session that closes without a landing that could carry them."""
        self.decided = Decided(closed, dict(self.runs), "")
        # Nothing is left to be saved, and the records may as well ride on another landing.
        with suppress(_LeftError), self._train_lock(), self.parts.open_objects() as objects:
            files = self._records(objects, base)
            if not files:
                return None
            changes = {path.encode(): TreeEntry(FILE, objects.write_blob(data)) for path, data in files.items()}
            tree = objects.edit_tree(objects.commit(base).tree, changes)
            message = f"gitfleet: {self.session.id} records\n\nGitfleet-Session: {self.session.id}\n"
            return self._land(base, objects.create_commit(tree, [base], message))
        return None

    def _train_lock(self) -> AbstractContextManager[TargetLock]:
        return target_lock(
            self.parts.layout,
            self.session.target,
            timeout=TARGET_LOCK_SECONDS,
            command=f"session {self.session.id}",
            sleep=self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        """Wait for another train, or for what is in a landing's way, until the person asks to stop."""
        if self.leaving():
            raise _LeftError
        self.parts.sleep(seconds)

    def _entry(self, run: Run) -> Entry:
        return Entry(run.task, run.name, run.instance, run.tip, self.scopes[run.task])

    def _seal(self, objects: Objects, candidate: Candidate, verification: Verification) -> Sealed:
        """Decide what every run and the session will be once ``candidate`` landed, and which records go with it."""
        at = instant(self.parts.now())
        runs = dict(self.runs)
        for entry, commit in candidate.merged:
            merge = MergeRecord(commit=commit, landing=self.number, target=self.session.target)
            runs[entry.task] = landed_run(runs[entry.task], verification, merge, at)
        for clash in candidate.clashes:
            runs[clash.entry.task] = conflicted_run(runs[clash.entry.task], clash, at)
        for task, reason in doomed(self.plan, {task: run.state for task, run in runs.items()}).items():
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
            self.parts.state.write_momentum(self.parts.proof, self._share(session, runs))
        self.decided = Decided(session, runs, render_wave(session, self.number, self.told(candidate, runs)))
        return Sealed(self._records(objects, candidate.commit), self._message(candidate))

    def told(self, candidate: Candidate, runs: Mapping[str, Run]) -> dict[str, Run]:
        """The runs that this landing tells about: those it lands, and what else ended since the one before."""
        waves = {runs[entry.task].wave for entry, _ in candidate.merged}
        previous = self.session.landings[-1].at if self.session.landings else ""

        def belongs(run: Run) -> bool:
            if run.merge is not None:
                return run.merge.landing == self.number
            if not run.sealed:
                return False
            if run.claim is not None:
                return run.claim.released > previous
            if run.state is RunState.SKIPPED:
                return any(belongs(runs[name]) for name in run.depends_on if runs[name].state is not RunState.LANDED)
            return run.wave in waves

        return {task: run for task, run in runs.items() if belongs(run)}

    def _share(self, session: Session, runs: Mapping[str, Run]) -> SessionMomentum:
        return share(session, runs.values(), self.parts.state.read_discoveries(session.id))

    def _records(self, objects: Objects, commit: str) -> dict[str, bytes]:
        """Record files by path from the root of the tree: sealed, and not held by the tree of ``commit`` yet."""
        decided = self.decided
        if decided is None or self.parts.config.planning.publish is Publish.OFF:
            return {}
        tree = objects.commit(commit).tree
        prefix = b".planning/"
        published = {
            path.removeprefix(prefix).decode("utf-8", "surrogateescape")
            for path, _ in objects.entries(tree, b".planning")
        }
        preview = Preview(
            session=decided.session,
            report=render_session(decided.session, self.plan, decided.runs),
            runs=decided.runs,
            waves={self.number: decided.wave_text} if decided.wave_text else {},
        )
        files = with_landing(
            self.parts.state, self.session.id, published, preview=preview, redaction=local_names(self.parts)
        )
        return {f".planning/{path}": data for path, data in files.items()}

    def _message(self, candidate: Candidate) -> str:
        """Subject and trailers of the record commit (DESIGN 4)."""
        decided = self.decided
        if decided is None:
            msg = "a landing is described only once it was decided"
            raise AssertionError(msg)
        told = self.told(candidate, decided.runs).values()
        counts = {state: sum(1 for run in told if run.state is state) for state in RunState}
        words = [f"{count} {state}" for state, count in sorted(counts.items(), key=_landed_first) if count]
        session = self.session.id
        return (
            f"gitfleet: {session} wave {self.number} ({', '.join(words)})\n\n"
            f"Gitfleet-Session: {session}\nGitfleet-Wave: {self.number}\n"
        )

    def _before_landing(self, candidate: Candidate, verification: Verification, top: str) -> None:
        """Write down what will be true once the target moved; recovery reads it after a crash."""
        decided = self.decided
        if decided is None:
            msg = "a landing is written down only once it was decided"
            raise AssertionError(msg)
        landings = (*decided.session.landings[:-1], msgspec.structs.replace(decided.session.landings[-1], commit=top))
        session = msgspec.structs.replace(decided.session, landings=landings)
        self.decided = Decided(session, decided.runs, decided.wave_text)
        pending = PendingLanding(
            number=self.number,
            target=self.session.target,
            previous=candidate.base,
            commit=top,
            candidate=candidate.commit,
            verified=verification.verdict is Verdict.VERIFIED,
            session=session,
            runs=tuple(run for task, run in decided.runs.items() if run != self.runs[task]),
            wave_text=decided.wave_text,
        )
        write_durable(self.parts.layout.pending_landing(self.session.id), encode(pending))

    def _land(self, old: str, new: str) -> LandingOutcome:
        outcome = self._move(old, new)
        if isinstance(outcome, landing.TargetMoved):
            # What was decided for this base is void, and must not be found should the target ever come back to it.
            remove_durable(self.parts.layout.pending_landing(self.session.id))
        return outcome

    def _move(self, old: str, new: str) -> LandingOutcome:
        repository = self.parts.repository
        landed = f"refs/gitfleet/landed/{self.session.id}/w{self.number}"
        return landing.land(
            landing.LandingRequest(
                git=repository.git,
                common_dir=repository.common_dir,
                target=self.session.target,
                old=old,
                new=new,
                intents=self.parts.layout.root / "landings",
                id=f"{self.session.id}-w{self.number}",
                clock=self.parts.monotonic,
                sleep=self._sleep,
                say=self.say,
                worktree=repository.worktree,
                git_dir=repository.git_dir,
                refs={landed: new},
            )
        )


def _landed_first(item: tuple[RunState, int]) -> bool:
    return item[0] is not RunState.LANDED


def local_names(parts: Parts) -> Redaction:
    """What records must not say of this machine, and what they say instead."""
    repository = parts.repository
    named = {
        str(repository.worktree or ""): "<repository>",
        str(repository.common_dir): "<git-dir>",
        str(parts.pool): "<worktrees>",
        str(parts.layout.root): "<gitfleet>",
        parts.caller.get("HOME", ""): "~",
        # Attempts have their TMPDIR there when their own directory has too long a name.
        tempfile.gettempdir(): "<tmp>",
        parts.caller.get("TMPDIR", ""): "<tmp>",
    }
    real = {os.path.realpath(place): name for place, name in named.items() if place}
    allowed = {name for agent in parts.config.agents.values() for name in agent.env.allow}
    values = {value: f"<${name}>" for name in sorted(allowed) if (value := parts.caller.get(name))}
    return Redaction({**real, **named}, values)
