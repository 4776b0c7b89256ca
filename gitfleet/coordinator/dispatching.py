"""Dispatching: what may start is claimed, written into the books, and prepared by a worker.

One dispatcher serves the wave barrier and ``--rolling``; what the difference is, ``planner.dispatch`` decides. A task
whose scope another session holds is tried again, but not for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitfleet.coordinator.accounts import NoneReady
from gitfleet.coordinator.attempt.context import Context
from gitfleet.coordinator.attempt.continuing import session_to_go_on
from gitfleet.coordinator.attempt.preparing import prepare
from gitfleet.coordinator.claiming import HeldElsewhere
from gitfleet.coordinator.closing import Halt
from gitfleet.coordinator.messages import PreparedMessage
from gitfleet.coordinator.spending.day import PATIENCE_SECONDS, deciding
from gitfleet.coordinator.spending.waiting import nothing_left, rests
from gitfleet.model.budget import Budget
from gitfleet.model.event import EventKind
from gitfleet.model.evidence import Attempt
from gitfleet.model.run import ClaimHeld, RunState
from gitfleet.planner.dispatch import decide
from gitfleet.pool.leasing import AllBusy, lease

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gitfleet.coordinator.accounts import Lending
    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.coordinator.claiming import Claiming
    from gitfleet.coordinator.retrying import Retrying
    from gitfleet.coordinator.spending.budgets import Budgets
    from gitfleet.coordinator.wave_events import WaveEvents
    from gitfleet.coordinator.workers import Workers
    from gitfleet.model.claim import Claim
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope
    from gitfleet.planner.waves import Schedule


@dataclass(slots=True)
class Dispatching:
    """Starts the tasks of one session; ``held`` are those whose scope somebody else holds."""

    parts: Parts
    books: Books
    scopes: Mapping[str, Scope]
    claiming: Claiming
    workers: Workers
    waves: WaveEvents
    retrying: Retrying
    checks: CheckRunner
    budgets: Budgets
    lending: Lending
    held: dict[str, HeldElsewhere] = field(default_factory=dict)
    _held_since: float | None = None
    _context: Context = field(init=False)

    def __post_init__(self) -> None:
        """Build what lives as long as the dispatcher."""
        self._context = Context(self.parts)

    def start_ready(self, schedule: Schedule, current_wave: int) -> Halt | None:
        """Start what may start now; gives why the session must stop, if it must."""
        decision = decide(
            self.books.plan,
            _without(schedule, self.retrying.resting()),
            # What waits for a person has not ended, and its scope is not free.
            {task: RunState.CONFLICTED if run.waiting else run.state for task, run in self.books.runs.items()},
            rolling=self.books.session.rolling,
            max_agents=self.books.session.max_agents,
            scopes=self.scopes,
            fold=self.parts.fold,
            current_wave=current_wave,
        )
        for task in decision.start:
            held = self.held.get(task)
            if held is None or held.worth_trying(self.parts.monotonic()):
                # Who was waited for once is only asked for again, so that the rest of the session goes on.
                patience = 0.0 if any(one.undecided for one in self.held.values()) else PATIENCE_SECONDS
                with deciding(self.parts, patience) as busy:
                    halt = None if busy else self._start(task, schedule)
                if busy:
                    self._hold(task, HeldElsewhere(busy, self.parts.monotonic(), undecided=True), "budget")
                if halt is not None:
                    return halt
        return None

    def wait_for_claims(self) -> Halt | None:
        """Nothing of ours is ready and what is left is held by another session: wait, but not for ever."""
        self.held = {task: held for task, held in self.held.items() if not self.books.runs[task].sealed}
        if self.workers.busy or not self.held:
            return None
        spent = nothing_left(self.held)
        if spent is not None:
            return spent
        now = self.parts.monotonic()
        if self._held_since is None or rests(self.held):
            self._held_since = now
        if now - self._held_since <= self.parts.claim_patience:
            return None
        waited = f"{self.parts.claim_patience / 60:.0f} minutes"
        sentences = "; ".join(f"{task}: {held.sentence}" for task, held in self.held.items())
        return Halt(f"What this session waits for is held by others for {waited}: {sentences}")

    def _start(self, task: str, schedule: Schedule) -> Halt | None:
        run = self.books.runs[task]
        allowed = self.budgets.allowance(task)
        if not isinstance(allowed, Budget):
            self._hold(task, HeldElsewhere(allowed.sentence, self.parts.monotonic(), allowed), "budget")
            return None
        instance = run.instance or self._new_instance(run)
        took = self.claiming.take(instance, task, self.scopes[task])
        if isinstance(took, HeldElsewhere):
            self._hold(task, took)
            return None
        claimed = took.claim
        base = self.parts.objects.resolve(self.books.session.target)
        if base is None:
            self.claiming.release([instance])
            return Halt(f"The target {self.books.session.target} does not exist any more.")
        number = len(run.attempts) + 1
        prefer = run.attempts[-1].account if run.attempts else ""
        chosen = self.lending.take(task, instance, number, prefer=prefer)
        if isinstance(chosen, NoneReady):
            self._let_go(task, instance)
            self._hold(task, HeldElsewhere(chosen.sentence, self.parts.monotonic(), chosen), "account")
            return None
        slot = self._slot(task, instance, number, claimed.port_base)
        if slot is None:
            return None
        self.waves.begin(run.wave, schedule)
        goes_on = session_to_go_on(self.parts, run, slot=slot, chosen=chosen)
        base = run.base if goes_on else base
        attempt = Attempt(
            number=number,
            base=base,
            started=self.books.now(),
            worktree=slot,
            wave=run.wave,
            reduced=run.reduced,
            resolver=run.resolving,
            budget=allowed if allowed.said() else None,
            agent=chosen.agent,
            account=chosen.account,
            continues=goes_on,
        )
        run = self.books.advance(
            task,
            RunState.PREPARING,
            instance=instance,
            branch=f"{self.parts.config.branch_prefix}/{run.session}/{task}",
            base=base,
            agent=chosen.agent,
            claim=ClaimHeld(scope=claimed.scope, acquired=claimed.acquired),
            attempts=(*run.attempts, attempt),
            failure=None,
        )
        for warning in took.warnings:
            self.books.event(EventKind.CLAIM, warning, run=run, status="other-clone")
        self._prepare(run, claimed)
        return None

    def _slot(self, task: str, instance: str, number: int, port_base: int) -> str | None:
        """A tree of the pool for an attempt; none when it must wait for one, and then it holds no claim either."""
        taken = lease(self.parts.trees, instance=instance, task=task, attempt=number, port_base=port_base)
        if not isinstance(taken, AllBusy):
            self.held.pop(task, None)
            self._held_since = None
            return taken.slot
        self._let_go(task, instance)
        most = f"all {taken.most} worktrees are in use (worktrees.max)"
        self._hold(task, HeldElsewhere(most, self.parts.monotonic()))
        return None

    def _let_go(self, task: str, instance: str) -> None:
        """It cannot start now: its claim goes, unless it held that before, as what was parked does."""
        if not self.books.runs[task].holding:
            self.claiming.release([instance])

    def _hold(self, task: str, why: HeldElsewhere, status: str = "held") -> None:
        """It cannot start now; said once, and again once it is known what else it waits for, or if in vain."""
        before = self.held.get(task)
        if before is None or (before.undecided, before.final) != (why.undecided, why.final):
            run = self.books.runs[task]
            self.books.event(EventKind.WAITING, f"{task} waits: {why.sentence}", run=run, status=status)
        self.held[task] = why

    def _prepare(self, run: Run, claim: Claim) -> None:
        task = self.books.plan.task(run.task)
        prompt = self._context.prompt(self.books, task, run)
        self.workers.submit(
            lambda: PreparedMessage(run.task, prepare(self.parts, task, run, prompt, claim.port_base, self.checks))
        )

    def _new_instance(self, run: Run) -> str:
        prefix = f"fleet-{run.session}-w{run.wave}-a"
        taken = sum(1 for other in self.books.runs.values() if other.instance.startswith(prefix))
        return f"{prefix}{taken + 1}"


def _without(schedule: Schedule, resting: Collection[str]) -> Schedule:
    """The schedule without tasks that must not start now: they take neither a slot nor their scope from others."""
    if not resting:
        return schedule
    waves = tuple(tuple(task for task in wave if task not in resting) for wave in schedule.waves)
    return replace(schedule, waves=waves)
