"""The coordinator's own thread: it alone decides, and it alone writes the books.

Worker threads prepare worktrees, wait for wardens, collect evidence and run the train; each puts one message into the
inbox when it is done. One dispatcher serves the wave barrier and ``--rolling``; the difference is when a task may start
and when gated runs are integrated. Nothing here promises progress of an agent: that is its warden's deadline.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.coordinator import attempts
from gitfleet.coordinator.amendments import Amendments
from gitfleet.coordinator.checks import CheckRunner
from gitfleet.coordinator.claiming import Claiming, HeldElsewhere
from gitfleet.coordinator.collecting import Unchecked, collect
from gitfleet.coordinator.context import Context
from gitfleet.coordinator.deciding import Decided
from gitfleet.coordinator.integration import Integration
from gitfleet.coordinator.messages import (
    BrokenMessage,
    CollectedMessage,
    EndedMessage,
    IntegratedMessage,
    Message,
    PreparedMessage,
)
from gitfleet.coordinator.preparing import Unprepared, prepare
from gitfleet.coordinator.settling import Settling
from gitfleet.coordinator.tracking import Tracker
from gitfleet.git import worktrees
from gitfleet.integrate import landing, train
from gitfleet.integrate.verify import Interrupted, describe_red
from gitfleet.model.event import EventKind
from gitfleet.model.run import SEALED, Attempt, ClaimHeld, FailureSource, RunState
from gitfleet.planner.dispatch import decide, doomed
from gitfleet.store.locks import worktrees_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.git.command import Git
    from gitfleet.model.claim import Claim
    from gitfleet.model.run import Run
    from gitfleet.model.session import PendingLanding, Session
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope
    from gitfleet.planner.waves import Schedule
    from gitfleet.runtime.hosts.base import Handle

TICK_SECONDS = 0.2


@dataclass(slots=True)
class Halt:
    """Why the session stops before its plan is done; ``interrupted`` when a person pressed Ctrl-C."""

    reason: str
    interrupted: bool = False


@dataclass(slots=True)
class Coordinator:
    """Runs one session from where its books stand to its end, or to the point where a person is needed."""

    parts: Parts
    books: Books
    schedule: Schedule
    scopes: dict[str, Scope]
    observer: Observer
    interrupts: Interrupts
    halt: Halt | None = None
    _inbox: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    _working: int = 0
    _training: bool = False
    _wave_said: int = 0
    _waves_over: set[int] = field(default_factory=set)
    _activity: str = ""
    _held: dict[str, HeldElsewhere] = field(default_factory=dict)
    _held_since: float | None = None
    _checks: CheckRunner = field(init=False)
    _claiming: Claiming = field(init=False)
    _amendments: Amendments = field(init=False)
    _context: Context = field(init=False)
    _tracker: Tracker = field(init=False)
    _settling: Settling = field(init=False)

    def __post_init__(self) -> None:
        """Build what lives as long as the coordinator."""
        self._checks = CheckRunner(self.parts, self.books.session.id)
        self._claiming = Claiming(self.parts, self.books.session)
        self._amendments = Amendments(self.parts, self.books.session.id)
        self._context = Context(self.parts)
        self._tracker = Tracker(self.parts, self.observer)
        self._settling = Settling(self.parts, self.books, self._claiming)

    def run(self, adopted: Mapping[str, Handle]) -> Halt | None:
        """Run to the end; ``adopted`` are attempts that run or ended already, by task."""
        self._settling.tidy()
        for task, handle in adopted.items():
            run = self.books.runs[task]
            self._tracker.started(run, attempts.worktree_of(self.parts, run))
            self._wait_for(task, handle)
        while self._step():
            pass
        self._settling.finish()
        return self.halt

    def land_again(self, pending: PendingLanding) -> None:
        """Try a landing once more that was decided, verified, and kept from happening."""
        work = self._integration()
        runs = {**work.runs, **{run.task: run for run in pending.runs}}
        work.decided = Decided(pending.session, runs, pending.wave_text)
        self._training = True
        self._submit(lambda: IntegratedMessage(work, work.land_again(pending)))

    def publish_records(self, closed: Session) -> None:
        """Land the records alone, for a session that closes without a landing that could carry them."""
        base = self.parts.refs.read(closed.target)
        outcome = self._integration().publish(base, closed) if base is not None else None
        if outcome is not None and not isinstance(outcome, landing.Landed):
            self.books.event(EventKind.ERROR, "the records were not published now; the next landing carries them")

    def _step(self) -> bool:
        """One round: react to the person, start what can start, take one message. False when all is over."""
        if self.interrupts.requested and not (self.halt and self.halt.interrupted):
            self._interrupt()
        if self.halt is None:
            if not self._training:
                self._amend()
            self._skip_doomed()
            self._say_waves_over()
            self._integrate()
            self._dispatch()
        if not self._working and (self.halt or all(run.sealed for run in self.books.runs.values())):
            return False
        self._tracker.show(self.books, self._current_wave(), self._activity)
        try:
            message = self._inbox.get(timeout=TICK_SECONDS)
        except queue.Empty:
            return True
        self._working -= 1
        self._react(message)
        return True

    def _submit(self, work: Callable[[], Message]) -> None:
        def guarded() -> None:
            try:
                self._inbox.put(work())
            except BaseException as error:  # noqa: BLE001 - it is raised again in the coordinator's own thread
                self._inbox.put(BrokenMessage(error))

        self._working += 1
        threading.Thread(target=guarded, daemon=True, name="gitfleet-worker").start()

    def _react(self, message: Message) -> None:
        match message:
            case PreparedMessage():
                self._on_prepared(message)
            case EndedMessage():
                self._on_ended(message)
            case CollectedMessage():
                self._on_collected(message)
            case IntegratedMessage():
                self._on_integrated(message)
            case BrokenMessage():
                raise message.error
            case _:
                assert_never(message)

    # -- starting ------------------------------------------------------------------------------------------------

    def _current_wave(self) -> int:
        """The first wave that is not over; the last one when all are."""
        waves = [run.wave for run in self.books.runs.values() if not run.sealed]
        return min(waves, default=len(self.schedule.waves))

    def _dispatch(self) -> None:
        rolling = self.books.session.rolling
        if self.halt or (self._training and not rolling):
            return
        wave = self._current_wave()
        decision = decide(
            self.books.plan,
            self.schedule,
            {task: run.state for task, run in self.books.runs.items()},
            rolling=rolling,
            max_agents=self.books.session.max_agents,
            scopes=self.scopes,
            fold=self.parts.fold,
            current_wave=wave,
        )
        for task in decision.start:
            held = self._held.get(task)
            if held is None or held.worth_trying(self.parts.monotonic()):
                self._start(task)

    def _start(self, task: str) -> None:
        run = self.books.runs[task]
        instance = run.instance or self._new_instance(run)
        claimed = self._claiming.take(instance, task, self.scopes[task])
        if isinstance(claimed, HeldElsewhere):
            if task not in self._held:
                self.books.event(EventKind.WAITING, f"{task} waits: {claimed.sentence}", run=run, status="held")
            self._held[task] = claimed
            return
        self._held.pop(task, None)
        self._held_since = None
        base = self.parts.objects.resolve(self.books.session.target)
        if base is None:
            self._claiming.release([instance])
            self.halt = Halt(f"The target {self.books.session.target} does not exist any more.")
            return
        self._say_wave(run.wave)
        number = len(run.attempts) + 1
        run = self.books.advance(
            task,
            RunState.PREPARING,
            instance=instance,
            branch=f"{self.parts.config.branch_prefix}/{run.session}/{task}",
            base=base,
            claim=ClaimHeld(scope=claimed.scope, acquired=claimed.acquired),
            attempts=(*run.attempts, Attempt(number=number, base=base, started=self.books.now())),
            failure=None,
        )
        self._prepare(run, claimed)

    def _prepare(self, run: Run, claim: Claim) -> None:
        task = self.books.plan.task(run.task)
        prompt = self._context.prompt(self.books, task, run)
        self._submit(lambda: PreparedMessage(run.task, prepare(self.parts, task, run, prompt, claim.port_base)))

    def _new_instance(self, run: Run) -> str:
        prefix = f"fleet-{run.session}-w{run.wave}-a"
        taken = sum(1 for other in self.books.runs.values() if other.instance.startswith(prefix))
        return f"{prefix}{taken + 1}"

    def _say_wave(self, wave: int) -> None:
        if wave <= self._wave_said:
            return
        self._wave_said = wave
        names = ", ".join(self.schedule.waves[wave - 1])
        self.books.event(EventKind.WAVE_START, f"wave {wave} of {len(self.schedule.waves)}: {names}", wave=wave)
        self.books.checkpoint(f"wave {wave} started")

    def _say_waves_over(self) -> None:
        """Tell of each wave that was begun here and is over."""
        by_wave: dict[int, list[RunState]] = {}
        for run in self.books.runs.values():
            by_wave.setdefault(run.wave, []).append(run.state)
        for wave, states in sorted(by_wave.items()):
            if wave <= self._wave_said and wave not in self._waves_over and all(state in SEALED for state in states):
                self._waves_over.add(wave)
                counts = {state: states.count(state) for state in RunState if state in states}
                words = ", ".join(f"{count} {state}" for state, count in counts.items())
                self.books.event(
                    EventKind.WAVE_COMPLETE, f"wave {wave} complete: {words}", wave=wave, status="complete"
                )

    # -- attempts ------------------------------------------------------------------------------------------------

    def _on_prepared(self, message: PreparedMessage) -> None:
        task, result = message.task, message.result
        if isinstance(result, Unprepared):
            self._settling.fail(task, RunState.FAILED, result.failure)
            self._halt_if_nothing_runs(self.books.runs[task])
            return
        if self.halt is not None:
            self._settling.requeue(task, "it had not started yet")
            return
        run = self.books.advance(task, RunState.RUNNING)
        self.books.event(EventKind.AGENT_START, f"{task} started ({run.instance})", run=run, status="running")
        self._tracker.started(run, result.worktree)
        spec = result.spec
        self._submit(lambda: EndedMessage(task, attempts.execute(self.parts, spec)))

    def _wait_for(self, task: str, handle: Handle) -> None:
        self._submit(lambda: EndedMessage(task, self.parts.host.wait(handle)))

    def _on_ended(self, message: EndedMessage) -> None:
        task = message.task
        run = self.books.runs[task]
        self._tracker.ended(run)
        last = msgspec.structs.replace(run.attempts[-1], exit=message.exit, ended=self.books.now())
        if run.state is not RunState.FINISHED:
            run = self.books.advance(task, RunState.FINISHED, attempts=(*run.attempts[:-1], last))
        if message.exit.reason == "deadline":
            self.books.event(EventKind.TIMEOUT, f"{task} was stopped at its deadline", run=run, status="timed-out")
        document, scope, checks = self.books.plan.task(task), self.scopes[task], self._checks
        target = self.books.session.target
        self._submit(
            lambda: CollectedMessage(
                task, collect(self.parts, document, run, scope, message.exit, checks, target=target)
            )
        )

    def _on_collected(self, message: CollectedMessage) -> None:
        if isinstance(message.work, Unchecked):
            # It stays finished: `continue` collects it again and runs its checks from the first one on.
            return
        # Only an interrupt stops an attempt, if not of this coordinator then of one that left before it could say so.
        interrupted = message.work.exit.reason == "stopped"
        self._settling.collected(message.task, message.work, interrupted=interrupted)
        self._halt_if_nothing_runs(self.books.runs[message.task])

    def _halt_if_nothing_runs(self, run: Run) -> None:
        """A wave whose every agent failed by transport says that the machine is to blame, not the tasks (DESIGN 8)."""
        members = [other for other in self.books.runs.values() if other.wave == run.wave]
        if self.halt is None and all(
            other.sealed and other.failure is not None and other.failure.source is FailureSource.TRANSPORT
            for other in members
        ):
            self.halt = Halt(f"No agent of wave {run.wave} could run: {run.failure.message if run.failure else ''}")

    def _skip_doomed(self) -> None:
        states = {task: run.state for task, run in self.books.runs.items()}
        for task, reason in doomed(self.books.plan, states).items():
            self._settling.skip(task, reason)

    # -- integration ---------------------------------------------------------------------------------------------

    def _integrate(self) -> None:
        """Give gated runs to the train: all that are ready when rolling, else a whole wave at its end."""
        if self._training:
            return
        runs = self.books.runs
        for run in [run for run in runs.values() if run.state is RunState.GATED and not run.files]:
            # A crash came between its gate and its end.
            self._settling.nothing_to_land(run)
        ready = [
            task.id for task in self.books.plan.tasks if runs[task.id].state in {RunState.GATED, RunState.VERIFIED}
        ]
        if not self.books.session.rolling:
            wave = self._current_wave()
            unsealed = [run for run in runs.values() if run.wave == wave and not run.sealed and run.task not in ready]
            if any(run.task not in self._held for run in unsealed):
                return
            if unsealed and ready:
                self.schedule = self._amendments.postpone(self.books, self.schedule, self.scopes, wave)
                self._held.clear()
        if ready:
            self._train(tuple(ready))
        else:
            self._wait_for_claims()

    def _train(self, batch: tuple[str, ...]) -> None:
        for task in batch:
            if self.books.runs[task].state is RunState.VERIFIED:
                self.books.advance(task, RunState.GATED)
        work = self._integration()
        self._training = True
        self._submit(lambda: IntegratedMessage(work, work.run(batch)))

    def _integration(self) -> Integration:
        return Integration(
            parts=self.parts,
            session=self.books.session,
            plan=self.books.plan,
            runs=dict(self.books.runs),
            scopes=dict(self.scopes),
            checks=self._checks,
            git=self._integration_worktree(),
            say=self._say,
            leaving=lambda: self.interrupts.requested,
        )

    def _integration_worktree(self) -> Git:
        tree = self.parts.pool / f"fleet-{self.books.session.id}-integration"
        found = worktrees.locate(self.parts.repository, tree)
        if found is not None and not tree.exists():
            worktrees.retire(self.parts.repository, found, tree, worktrees_lock(self.parts.layout))
            found = None
        if found is None:
            lock = worktrees_lock(self.parts.layout)
            base = self.books.session.base
            made = worktrees.add(self.parts.repository, tree, base, None, lock, instance=tree.name, checkout=False)
            if isinstance(made, worktrees.BranchTaken):
                raise AssertionError(made.why)
            found = made
        # It is this session's alone: a lock in it was left by a git that a check or a crash killed, and guards nobody.
        (found.git_dir / "index.lock").unlink(missing_ok=True)
        return found.git(self.parts.repository.git)

    def _say(self, activity: str) -> None:
        self._activity = activity

    def _on_integrated(self, message: IntegratedMessage) -> None:
        self._training = False
        self._activity = ""
        outcome = message.outcome
        match outcome:
            case None:
                self._settling.forget_landing()
            case train.Landed():
                self._settling.landed(message.work, outcome.commit)
            case train.NothingMerged():
                self._settling.clashed(outcome.candidate)
            case train.Red():
                self._settling.red(outcome)
            case train.BaseRed():
                red = outcome.verification.checks[-1]
                self.books.event(EventKind.VERIFY, f"the target is red: {describe_red(red)}", status="base-red")
                branch = self.books.session.target.removeprefix("refs/heads/")
                self.halt = self.halt or Halt(f"{branch} itself fails: {red.run}")
            case train.Stopped():
                self._settling.stopped(message.work, outcome)
                self.halt = self.halt or Halt(outcome.message)
            case Interrupted():
                self.books.event(EventKind.VERIFY, "integration was interrupted", status="interrupted")
            case _:
                assert_never(outcome)

    # -- waiting, amending, stopping -----------------------------------------------------------------------------

    def _wait_for_claims(self) -> None:
        """Nothing of ours is under way and what is left is held by another session: wait, but not for ever."""
        self._held = {task: held for task, held in self._held.items() if not self.books.runs[task].sealed}
        if self._working or not self._held:
            return
        now = self.parts.monotonic()
        if self._held_since is None:
            self._held_since = now
        elif now - self._held_since > self.parts.claim_patience:
            waited = f"{self.parts.claim_patience / 60:.0f} minutes"
            sentences = "; ".join(f"{task}: {held.sentence}" for task, held in self._held.items())
            self.halt = Halt(f"Scopes that this session needs are held by others for {waited}: {sentences}")

    def _amend(self) -> None:
        changed = self._amendments.take(self.books, self.schedule, self.scopes, self._current_wave())
        if changed is not None:
            self.schedule = changed

    def _interrupt(self) -> None:
        """Stop everything with the ladder; what the agents have is collected as their wardens end."""
        self.halt = Halt("it was interrupted", interrupted=True)
        self.books.event(
            EventKind.SESSION_END,
            "interrupted: stopping agents, keeping their work; another Ctrl-C leaves at once",
            status="interrupted",
        )
        self._checks.stop()
        for run in self.books.runs.values():
            if run.state is RunState.RUNNING:
                self.parts.host.stop(attempts.handle_of(self.parts, run))
