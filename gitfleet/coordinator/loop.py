"""The coordinator's own thread: it alone decides, and it alone writes the books.

Worker threads prepare worktrees, wait for wardens, collect evidence and run the train; each puts one message into the
inbox when it is done. One dispatcher serves the wave barrier and ``--rolling``; the difference is when a task may start
and when gated runs are integrated. Nothing here promises progress of an agent: that is its warden's deadline.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from gitfleet.coordinator import attempts, integration
from gitfleet.coordinator.amendments import Amendments
from gitfleet.coordinator.checks import CheckRunner
from gitfleet.coordinator.claiming import Claiming, HeldElsewhere
from gitfleet.coordinator.context import prompt_for
from gitfleet.coordinator.tracking import Tracker
from gitfleet.coordinator.verdicts import receipt
from gitfleet.git import worktrees
from gitfleet.integrate import train
from gitfleet.integrate.verify import Interrupted, describe_red
from gitfleet.model.event import EventKind
from gitfleet.model.run import (
    Attempt,
    ClaimHeld,
    Exit,
    Failure,
    FailureSource,
    RunState,
    Verdict,
    Verification,
)
from gitfleet.model.session import SessionState
from gitfleet.planner.dispatch import decide, doomed
from gitfleet.recovery import keep_work
from gitfleet.relay.report import render_wave

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.parts import Parts
    from gitfleet.model.claim import Claim
    from gitfleet.model.run import Run
    from gitfleet.model.session import PendingLanding
    from gitfleet.planner.scopes import Scope
    from gitfleet.planner.waves import Schedule

TICK_SECONDS = 0.2
HELD_ELSEWHERE_SECONDS = 600.0
"""How long a wave waits for a claim of another session before a person is asked (DESIGN 7)."""

_OCCUPYING = (RunState.PREPARING, RunState.RUNNING, RunState.FINISHED)


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """An attempt's worktree stands, or does not."""

    task: str
    result: attempts.Prepared | attempts.Unprepared


@dataclass(frozen=True, slots=True)
class EndedMessage:
    """An attempt's process tree is gone."""

    task: str
    exit: Exit


@dataclass(frozen=True, slots=True)
class CollectedMessage:
    """An attempt's evidence is in."""

    task: str
    work: attempts.Collected


@dataclass(frozen=True, slots=True)
class IntegratedMessage:
    """The train came to its end."""

    batch: tuple[str, ...]
    work: integration.Integration
    outcome: train.TrainOutcome | None


@dataclass(frozen=True, slots=True)
class BrokenMessage:
    """A worker thread failed in a way that it did not expect."""

    error: BaseException


Message = PreparedMessage | EndedMessage | CollectedMessage | IntegratedMessage | BrokenMessage


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
    inbox: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    halt: Halt | None = None
    _working: int = 0
    _training: bool = False
    _wave_said: int = 0
    _activity: str = ""
    _held: dict[str, HeldElsewhere] = field(default_factory=dict)
    _held_since: float | None = None
    _integration_git: object = None

    def __post_init__(self) -> None:
        """Build what lives as long as the coordinator."""
        self._checks = CheckRunner(self.parts, self.books.session.id)
        self._claiming = Claiming(self.parts, self.books.session)
        self._amendments = Amendments(self.parts, self.books.session.id)
        self._tracker = Tracker(self.parts, self.observer)
        self._cleaners: list[threading.Thread] = []

    def run(self, adopted: Mapping[str, Callable[[], Exit]]) -> Halt | None:
        """Run to the end; ``adopted`` are attempts that run or ended already, by task, with how to wait for each."""
        for task, wait in adopted.items():
            self._submit(lambda task=task, wait=wait: EndedMessage(task, wait()))
        while self._step():
            pass
        for cleaner in self._cleaners:
            cleaner.join()
        return self.halt

    def land_again(self, pending: PendingLanding) -> None:
        """Try a landing once more that was decided, verified, and kept from happening."""
        work = self._work()
        runs = {**work.runs, **{run.task: run for run in pending.runs}}
        work.decided = integration.Decided(pending.session, runs, render_wave(pending.session, pending.number, runs))
        self._training = True
        self._submit(lambda: IntegratedMessage((), work, work.land_again(pending)))

    def _step(self) -> bool:
        """One round: react to the person, start what can start, take one message. False when all is over."""
        if self.interrupts.requested and not (self.halt and self.halt.interrupted):
            self._interrupt()
        if self.halt is None:
            self._amend()
            self._skip_doomed()
            self._integrate()
            self._dispatch()
        if self._over():
            return False
        self._tracker.show(self.books, self._current_wave(), self._activity)
        try:
            message = self.inbox.get(timeout=TICK_SECONDS)
        except queue.Empty:
            return True
        self._working -= 1
        self._react(message)
        return True

    def _over(self) -> bool:
        if self._working:
            return False
        if self.halt is not None:
            return True
        return all(run.sealed for run in self.books.runs.values())

    # -- starting ------------------------------------------------------------------------------------------------

    def _current_wave(self) -> int:
        """The first wave that is not over; the last one when all are."""
        waves = [run.wave for run in self.books.runs.values() if not run.sealed]
        return min(waves, default=len(self.schedule.waves))

    def _dispatch(self) -> None:
        if self._training and not self.books.session.rolling:
            return
        wave = self._current_wave()
        decision = decide(
            self.books.plan,
            self.schedule,
            {task: run.state for task, run in self.books.runs.items()},
            rolling=self.books.session.rolling,
            max_agents=self.books.session.max_agents,
            scopes=self.scopes,
            fold=self.parts.fold,
            current_wave=wave,
        )
        for task in decision.start:
            self._start(task, wave)

    def _start(self, task: str, wave: int) -> None:
        run = self.books.runs[task]
        held = self._held.get(task)
        if held is not None and not held.worth_trying(self.parts.monotonic()):
            return
        instance = run.instance or self._new_instance(run)
        claimed = self._claiming.take(instance, task, self.scopes[task], self.parts.monotonic())
        if isinstance(claimed, HeldElsewhere):
            if held is None:
                self.books.event(EventKind.WAITING, f"{task} waits: {claimed.sentence}", run=run, status="held")
            self._held[task] = claimed
            return
        self._held.pop(task, None)
        self._held_since = None
        base = self.parts.refs.read(self.books.session.target)
        if base is None:
            self._claiming.release([instance])
            self._halt(f"The target {self.books.session.target} does not exist any more.")
            return
        if self._wave_said < wave:
            self._wave_said = wave
            names = ", ".join(t for t in self.schedule.waves[wave - 1]) if wave <= len(self.schedule.waves) else task
            self.books.event(EventKind.WAVE_START, f"wave {wave} of {len(self.schedule.waves)}: {names}", wave=wave)
            self.books.checkpoint(f"wave {wave} started")
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
        prompt = prompt_for(self.parts, self.books, task, run, self.scopes)
        plan = self.books.plan
        self._submit(
            lambda: PreparedMessage(
                task.id, attempts.prepare(self.parts, plan, task, run, prompt, claim.port_base)
            )
        )

    def _new_instance(self, run: Run) -> str:
        prefix = f"fleet-{run.session}-w{run.wave}-a"
        taken = sum(1 for other in self.books.runs.values() if other.instance.startswith(prefix))
        return f"{prefix}{taken + 1}"

    # -- messages ------------------------------------------------------------------------------------------------

    def _submit(self, work: Callable[[], Message]) -> None:
        def guarded() -> None:
            try:
                self.inbox.put(work())
            except BaseException as error:  # noqa: BLE001 - it is raised again in the coordinator's own thread
                self.inbox.put(BrokenMessage(error))

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

    def _on_prepared(self, message: PreparedMessage) -> None:
        task, result = message.task, message.result
        if isinstance(result, attempts.Unprepared):
            self._fail(task, RunState.FAILED, result.failure)
            return
        if self.halt is not None:
            self._requeue(task, "it had not started yet")
            return
        run = self.books.advance(task, RunState.RUNNING)
        self.books.event(EventKind.AGENT_START, f"{task} started ({run.instance})", run=run)
        self._tracker.started(run, result.worktree)
        spec = result.spec
        self._submit(lambda: EndedMessage(task, attempts.execute(self.parts, spec)))

    def _on_ended(self, message: EndedMessage) -> None:
        task = message.task
        run = self.books.runs[task]
        self._tracker.ended(run)
        last = _with(run.attempts[-1], exit=message.exit, ended=self.books.now())
        if run.state is not RunState.FINISHED:
            run = self.books.advance(task, RunState.FINISHED, attempts=(*run.attempts[:-1], last))
        if message.exit.reason == "deadline":
            self.books.event(EventKind.TIMEOUT, f"{task} was stopped at its deadline", run=run, status="timed-out")
        document = self.books.plan.task(task)
        scope = self.scopes[task]
        self._submit(
            lambda: CollectedMessage(
                task, attempts.collect(self.parts, document, run, scope, message.exit, self._checks)
            )
        )

    def _on_collected(self, message: CollectedMessage) -> None:
        task, work = message.task, message.work
        run = self.books.runs[task]
        facts = {
            "tip": work.tip,
            "files": work.files,
            "handoff": work.handoff,
            "handoff_source": work.source,
            "gate": work.gate,
            "checks": work.checks,
        }
        judgement = work.judgement
        outcome = "success" if judgement.failure is None else judgement.failure.code
        if self.halt is not None and self.halt.interrupted and work.exit.reason == "stopped":
            outcome = "interrupted"
        attempt = _with(run.attempts[-1], outcome=outcome, log_bytes=work.log_bytes)
        run = self.books.record(task, attempts=(*run.attempts[:-1], attempt), **facts)
        self.books.event(
            EventKind.AGENT_COMPLETE, f"{task} ended: {outcome}, {len(work.files)} files", run=run, status=outcome
        )
        if outcome == "interrupted":
            self._requeue(task, "it was interrupted")
            return
        self._relay(run, work)
        if judgement.failure is not None:
            self._fail(task, judgement.state, judgement.failure)
            return
        run = self.books.advance(task, RunState.GATED)
        self.books.event(EventKind.GATE, f"{task} passed the gate: {len(work.files)} files in scope", run=run, status="passed")
        if not work.files:
            reason = work.handoff.no_change if work.handoff else ""
            verdict = Verification(verdict=Verdict.UNVERIFIED, tree="")
            why = f"no change: {reason}" if reason else "read-only: nothing to land"
            done = integration.landed_run(run, verdict, None, self.books.now(), why)
            self._seal(self.books.replace(done))

    def _relay(self, run: Run, work: attempts.Collected) -> None:
        """Write the run's brief and its discoveries, for the next wave."""
        from gitfleet.relay.briefs import brief  # noqa: PLC0415 - keeps the loop's imports to what it decides with
        from gitfleet.relay.discoveries import pin  # noqa: PLC0415

        session = self.books.session.id
        text = brief(run)
        self.parts.state.write_text(self.parts.proof, session, f"briefs/{session}/{run.task}.md", text.encode("utf-8"))
        if work.handoff and work.handoff.discoveries:
            tree = self.parts.objects.commit(run.tip).tree

            def blob(path: bytes) -> str | None:
                entry = self.parts.objects.entry(tree, path)
                return entry.oid if entry else None

            found = pin(session, run, blob)
            from gitfleet.model.base import encode  # noqa: PLC0415

            self.parts.state.write_text(
                self.parts.proof, session, f"discoveries/{session}/{run.task}.json", encode(found)
            )

    # -- ends of runs --------------------------------------------------------------------------------------------

    def _fail(self, task: str, state: RunState, failure: Failure) -> None:
        run = self.books.runs[task]
        run = self.books.advance(
            task,
            state,
            failure=failure,
            receipt=receipt(state, failure),
            claim=integration.released(run, self.books.now()),
        )
        kind = EventKind.GATE if state is RunState.REJECTED else EventKind.ERROR
        self.books.event(kind, f"{task} {state}: {failure.message}", run=run, status=str(state))
        self._seal(run)

    def _seal(self, run: Run) -> None:
        """A run is over: its claim goes, and a tree that holds nothing of its own goes too."""
        if run.instance:
            self._claiming.release([run.instance])
        if run.state is RunState.LANDED and run.instance:
            self._drop_worktree(run)

    def _drop_worktree(self, run: Run) -> None:
        tree = attempts.worktree_of(self.parts, run.instance)
        cleaner = threading.Thread(target=_drop, args=(self.parts, tree), daemon=True, name="gitfleet-cleaner")
        cleaner.start()
        self._cleaners = [thread for thread in self._cleaners if thread.is_alive()] + [cleaner]

    def _requeue(self, task: str, why: str) -> None:
        """Put a run back: its work is kept under a wip ref, its branch and claim go, its tree stays."""
        run = self.books.runs[task]
        keep_work(self.parts, run)
        run = self.books.advance(task, RunState.QUEUED, claim=None, tip="", gate=None, files=(), checks=())
        self._claiming.release([run.instance])
        self.books.event(EventKind.REQUEUE, f"{task} is queued again: {why}", run=run)

    def _skip_doomed(self) -> None:
        states = {task: run.state for task, run in self.books.runs.items()}
        for task, reason in doomed(self.books.plan, states):
            run = self.books.replace(integration.skipped_run(self.books.runs[task], reason))
            self.books.event(EventKind.SKIP, f"{task} skipped: {reason}", run=run, status="skipped")

    # -- integration ---------------------------------------------------------------------------------------------

    def _integrate(self) -> None:
        """Give gated runs to the train: all that are ready when rolling, else a whole wave at its end."""
        if self._training:
            return
        runs = self.books.runs
        ready = [task.id for task in self.books.plan.tasks if runs[task.id].state in {RunState.GATED, RunState.VERIFIED}]
        wave = self._current_wave()
        if not self.books.session.rolling:
            members = [run for run in runs.values() if run.wave == wave and not run.sealed]
            waiting = [run for run in members if run.task not in ready]
            if any(run.task not in self._held for run in waiting):
                return
            if waiting and not ready:
                self._wait_for_claims(waiting)
                return
            if waiting:
                self._postpone(waiting)
            ready = [task for task in ready if runs[task].wave <= wave]
        if not ready:
            self._wait_for_claims([runs[task] for task in self._held if not runs[task].sealed])
            return
        self._train(tuple(ready))

    def _train(self, batch: tuple[str, ...]) -> None:
        for task in batch:
            if self.books.runs[task].state is RunState.VERIFIED:
                self.books.advance(task, RunState.GATED)
        work = self._work()
        self._training = True
        self._submit(lambda: IntegratedMessage(batch, work, work.run(batch)))

    def _work(self) -> integration.Integration:
        return integration.Integration(
            parts=self.parts,
            session=self.books.session,
            plan=self.books.plan,
            runs=dict(self.books.runs),
            scopes=dict(self.scopes),
            checks=self._checks,
            git=self._integration_worktree(),
            say=self._say,
        )

    def _integration_worktree(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
        from gitfleet.store.locks import hold  # noqa: PLC0415

        tree = self.parts.pool / f"fleet-{self.books.session.id}-integration"
        git = self.parts.repository.git.at(tree)
        if not (tree / ".git").exists():
            worktrees.add(
                self.parts.repository,
                tree,
                self.books.session.base,
                branch=None,
                instance=tree.name,
                lock=hold(self.parts.layout.lock("worktrees"), timeout=600.0, what="the worktrees"),
                checkout=False,
            )
        return git

    def _say(self, activity: str) -> None:
        self._activity = activity
        if activity.startswith("verify"):
            self.books.event(EventKind.VERIFY, activity, status="running")

    def _on_integrated(self, message: IntegratedMessage) -> None:
        self._training = False
        self._activity = ""
        outcome, batch = message.outcome, message.batch
        match outcome:
            case None:
                integration.forget_pending(self.parts, self.books.session.id)
            case train.Landed():
                self._on_landed(message.work, outcome)
            case train.NothingMerged():
                self._on_clashes(outcome.candidate)
            case train.Red():
                self._on_red(outcome)
            case train.BaseRed():
                red = outcome.verification.checks[-1]
                self.books.event(EventKind.VERIFY, f"the target is red: {describe_red(red)}", status="base-red")
                branch = self.books.session.target.removeprefix("refs/heads/")
                self._halt(f"{branch} itself fails: {red.run}")
            case train.Stopped():
                self._on_stopped(outcome)
            case Interrupted():
                self.books.event(EventKind.VERIFY, f"the checks of {', '.join(batch)} were interrupted", status="interrupted")
            case _:
                assert_never(outcome)

    def _on_landed(self, work: integration.Integration, outcome: train.Landed) -> None:
        decided = work.decided
        if decided is None:
            raise AssertionError
        apply_landing(self.parts, self.books, decided)
        for clash in outcome.candidate.clashes:
            run = self.books.runs[clash.entry.task]
            self.books.event(EventKind.CONFLICT, f"{run.task} conflicted: {clash.why}", run=run, status="conflicted")
        landing = self.books.session.landings[-1]
        word = "verified" if landing.verified else "unverified"
        self.books.event(
            EventKind.LAND,
            f"landed {', '.join(landing.tasks)} on {self.books.session.target.removeprefix('refs/heads/')} "
            f"as {landing.commit[:12]}, {word}",
            status=word,
        )
        for task in (*landing.tasks, *(clash.entry.task for clash in outcome.candidate.clashes)):
            self._seal(self.books.runs[task])
        self.books.checkpoint(f"landing {landing.number}")

    def _on_clashes(self, candidate: train.Candidate) -> None:
        for clash in candidate.clashes:
            run = integration.conflicted_run(self.books.runs[clash.entry.task], clash, self.books.now())
            self.books.replace(run)
            self.books.event(EventKind.CONFLICT, f"{run.task} conflicted: {clash.why}", run=run, status="conflicted")
            self._seal(run)

    def _on_red(self, outcome: train.Red) -> None:
        red = outcome.verification.checks[-1]
        message = f"The candidate fails {describe_red(red)}"
        self.books.event(EventKind.VERIFY, message, status="red")
        self._on_clashes(outcome.candidate)
        for entry, _ in outcome.candidate.merged:
            self.books.record(entry.task, verification=outcome.verification)
            failure = Failure(source=FailureSource.VERIFIER, code="check-failed", message=message)
            self._fail(entry.task, RunState.FAILED, failure)

    def _on_stopped(self, outcome: train.Stopped) -> None:
        names = f" In the way: {', '.join(outcome.paths)}." if outcome.paths else ""
        for entry, _ in outcome.candidate.merged:
            if self.books.runs[entry.task].state is RunState.GATED:
                self.books.advance(entry.task, RunState.VERIFIED, verification=outcome.verification)
        self.books.event(EventKind.LAND, f"{outcome.message}{names}", status=outcome.code)
        self._halt(f"{outcome.message}{names}")

    # -- waiting, amending, stopping -----------------------------------------------------------------------------

    def _wait_for_claims(self, waiting: list[Run]) -> None:
        if not waiting or self._working:
            return
        now = self.parts.monotonic()
        if self._held_since is None:
            self._held_since = now
        elif now - self._held_since > HELD_ELSEWHERE_SECONDS:
            sentences = "; ".join(f"{run.task}: {self._held[run.task].sentence}" for run in waiting)
            self._halt(f"Scopes that this session needs are held elsewhere for ten minutes: {sentences}")

    def _postpone(self, waiting: list[Run]) -> None:
        """Move tasks whose scope another session holds to later waves, so that this wave can land."""
        for run in waiting:
            self._held.pop(run.task, None)
        self.schedule = self._amendments.reschedule(self.books, self.schedule, self.scopes, after=waiting[0].wave)

    def _amend(self) -> None:
        changed = self._amendments.take(self.books, self.schedule, self.scopes, self._current_wave())
        if changed is not None:
            self.schedule = changed

    def _halt(self, reason: str) -> None:
        if self.halt is None:
            self.halt = Halt(reason)

    def _interrupt(self) -> None:
        self.halt = Halt("It was interrupted.", interrupted=True)
        self.books.event(EventKind.SESSION_END, "interrupted: agents are being stopped, their work is kept", status="interrupted")
        self._checks.stop()
        for run in self.books.runs.values():
            if run.state is RunState.RUNNING:
                handle = self.parts.host.adopt(
                    run.instance, len(run.attempts), self.parts.layout.attempts(run.instance, len(run.attempts))
                )
                threading.Thread(target=self.parts.host.stop, args=(handle,), daemon=True).start()


def apply_landing(parts: Parts, books: Books, decided: integration.Decided) -> None:
    """Write what a landing made true: runs first, then the session, then forget that it was pending."""
    for task, run in decided.runs.items():
        if run != books.runs[task] and run.sealed and not books.runs[task].sealed:
            books.replace(run)
    number = len(decided.session.landings)
    books.session = decided.session
    parts.state.write_text(
        parts.proof,
        books.session.id,
        f"sessions/{books.session.id}/waves/w{number}.md",
        decided.wave_text.encode("utf-8"),
    )
    if all(run.sealed for run in books.runs.values()):
        books.session = decided.session
    else:
        books.update(state=SessionState.ACTIVE)
    books.write_session()
    integration.forget_pending(parts, books.session.id)


def _drop(parts: Parts, tree) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with contextlib.suppress(OSError):
        trash = worktrees.remove(parts.repository, tree)
        if trash is not None:
            shutil.rmtree(trash, ignore_errors=True)


def _with(attempt: Attempt, **facts: object) -> Attempt:
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(attempt, **facts)
