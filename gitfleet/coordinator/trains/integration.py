"""From gated runs to a landing: the bridge between a session's books and the train.

``Integration`` is made from a snapshot of the books and runs in a worker thread. What every run
will be once the landing happened is decided (``deciding``) and written down durably before the target moves; the
coordinator's own thread then writes the books, or recovery does.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from gitfleet.coordinator.attempt.gating import bounds_of
from gitfleet.coordinator.trains.border import PolicyBorder
from gitfleet.coordinator.trains.deciding import Decided, decide
from gitfleet.coordinator.trains.ejecting import ejected_runs
from gitfleet.coordinator.trains.publishing import records
from gitfleet.git.refs import short
from gitfleet.git.trees import FILE, TreeEntry
from gitfleet.integrate import landing
from gitfleet.integrate.train import (
    BaseRed,
    Builder,
    Candidate,
    Entry,
    Judge,
    Landed,
    Sealed,
    Tally,
    Train,
    TrainOutcome,
    stopped_by,
)
from gitfleet.integrate.verify import Interrupted
from gitfleet.model.base import encode, instant
from gitfleet.model.evidence import Verification
from gitfleet.model.session import PendingLanding, Session, SessionState
from gitfleet.planner.retries import suffices
from gitfleet.relay.momentum import share
from gitfleet.store.files import remove_durable, write_durable
from gitfleet.store.layout import verify_label
from gitfleet.store.queues import target_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from gitfleet.coordinator.trains.remembering import Remembering
    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.integrate.landing import LandingOutcome
    from gitfleet.integrate.verify import Runner
    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope
    from gitfleet.store.locks import TargetLock

TARGET_LOCK_SECONDS = 86_400.0
"""A train waits for the one before it as long as that one's checks take; each of them has a deadline."""


class _LeftError(Exception):
    """The person asked to stop while this waited for somebody else."""


@dataclass(slots=True)
class Integration:
    """One batch on its way to the target; ``decided`` is there once a candidate was sealed."""

    parts: Parts
    session: Session
    plan: Plan
    runs: Mapping[str, Run]
    scopes: Mapping[str, Scope]
    runner: Runner
    git: Git
    say: Callable[[str], None]
    leaving: Callable[[], bool]
    memory: Remembering
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
        with self._train_lock(), self.parts.open_objects() as objects:
            entries = [self._entry(objects, self.runs[task]) for task in batch]
            border = PolicyBorder(self.parts, objects, self.runs)
            verify = self.parts.config.verify
            train = Train(
                objects=objects,
                refs=self.parts.refs,
                builder=Builder(objects, self.git, short(self.session.target), verify.commands, border, verify.keep),
                judge=Judge(
                    objects,
                    self.git,
                    self.runner,
                    verify,
                    verify_label(self.session.id),
                    self.parts.fold,
                    self.say,
                    self.memory,
                ),
                target=self.session.target,
                session=self.session.id,
                seal=lambda *found: self._seal(objects, border, *found),
                before_landing=self._before_landing,
                lander=self._land,
                say=self.say,
            )
            outcome = train.run(entries)
            if isinstance(outcome, BaseRed):
                self.memory.note_red(outcome.verification)
            return outcome

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
                return Landed(candidate, Verification(verdict=pending.verdict), pending.commit)
            case landing.TargetMoved():
                return None
            case landing.InTheWay() | landing.Busy():
                return stopped_by(outcome, candidate, None, pending.commit)
            case _:
                assert_never(outcome)

    def publish(self, base: str, closed: Session) -> LandingOutcome | None:
        """Land the records alone, for a session that closes without a landing that could carry them."""
        self.decided = decided = Decided(closed, self.runs, "")
        # Nothing is left to be saved, and the records may as well ride on another landing.
        with suppress(_LeftError), self._train_lock(), self.parts.open_objects() as objects:
            files = records(self.parts, objects, self.plan, decided, base)
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

    def _entry(self, objects: Objects, run: Run) -> Entry:
        bounds = bounds_of(self.parts, objects, self.plan.task(run.task), run, self.scopes[run.task])
        return Entry(run.task, run.name, run.instance, run.tip, bounds, self._needs(run), run.base)

    def _needs(self, run: Run) -> frozenset[str]:
        """Dependencies of a run that have not landed."""
        return frozenset(name for name in run.depends_on if not suffices(self.plan.task(name), self.runs[name].state))

    def _seal(
        self, objects: Objects, border: PolicyBorder, candidate: Candidate, verification: Verification, tally: Tally
    ) -> Sealed:
        """Decide what every run and the session will be once ``candidate`` landed, and which records go with it."""
        at = instant(self.parts.now())
        merged = [(entry.task, commit) for entry, commit in candidate.merged]
        # Before anything lands without it: what is spilled exists nowhere else.
        border.keep(merged)
        ejected = ejected_runs(self.parts, objects, self.plan, self.runs, tally.ejected, at)
        decided = decide(
            self.session,
            self.plan,
            border.told(merged),
            candidate,
            verification,
            at,
            ejected=ejected,
            checked=tally.checked,
        )
        if decided.session.state is SessionState.COMPLETED:
            found = self.parts.state.read_discoveries(self.session.id)
            self.parts.state.write_momentum(self.parts.proof, share(decided.session, decided.runs.values(), found))
        self.decided = decided
        return Sealed(records(self.parts, objects, self.plan, decided, candidate.commit), decided.message)

    def _before_landing(self, top: str) -> None:
        """Write down what will be true once the target moved; recovery reads it after a crash."""
        if self.decided is None:
            msg = "a landing is written down only once it was decided"
            raise AssertionError(msg)
        self.decided = self.decided.landing_as(top)
        path = self.parts.layout.pending_landing(self.session.id)
        write_durable(path, encode(self.decided.pending(self.runs)))

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
