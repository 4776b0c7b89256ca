"""The planner agent at work: a detached worktree of its own, and calls in it that each run under a warden.

Nothing that it does there reaches a branch: what it changed is kept in a snapshot, and the tree is thrown away. While
it works, ``run.json`` says so beside its attempts. Whoever finds that file without anybody holding the planner's lock
has found a call whose gitfleet was killed, and ends it with ``ending.finish``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.registry import agent_for, as_done
from gitfleet.agents.transcript import Follower
from gitfleet.coordinator.accounts import Chosen, NoneReady, ended_with, give_back
from gitfleet.coordinator.attempt.attempts import handle_of, worktree_of
from gitfleet.coordinator.attempt.collecting import OUTPUT_BYTES, handoff_bytes
from gitfleet.coordinator.attempt.preparing import launch_of
from gitfleet.coordinator.attempt.streams import amount, read_on, reader_of, transcript, used_up
from gitfleet.coordinator.planning.ending import finish, tampering
from gitfleet.coordinator.planning.waiting import Doing, account_for, asked_to_end, its_turn
from gitfleet.coordinator.spending.day import day
from gitfleet.coordinator.spending.rows import take_in
from gitfleet.errors import GitfleetError
from gitfleet.git import worktrees
from gitfleet.model.agent_config import Effort
from gitfleet.model.base import encode, instant
from gitfleet.model.budget import RUNAWAY, Budget
from gitfleet.model.evidence import Attempt, Exit
from gitfleet.model.plan import Task, TaskKind
from gitfleet.model.run import Failure, FailureSource, Run, RunState
from gitfleet.planner.budgets import UsedUp, held_to, left, measured, overrun, tightest, total
from gitfleet.planner.retries import LIMITED, LIMITS_IN_A_ROW
from gitfleet.relay.text import one_line
from gitfleet.runtime.attempt import BUDGET
from gitfleet.store.files import make_directory, write_durable
from gitfleet.store.locks import LOCKED, worktrees_lock

if TYPE_CHECKING:
    from gitfleet.agents.base import Agent
    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.observer import Interrupts
    from gitfleet.coordinator.planning.waiting import Watch
    from gitfleet.git.worktrees import Worktree
    from gitfleet.model.config import Config
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle

_LOOK_SECONDS = 0.2
_NAME = 100


@dataclass(frozen=True, slots=True)
class Answered:
    """A call is over: ``texts`` is what it said, best first; ``failure`` says why that is no answer."""

    texts: tuple[str, ...]
    failure: Failure | None = None


@dataclass(slots=True)
class Planner:
    """One planner and its calls so far; used by one thread."""

    parts: Parts
    task: Task
    run: Run
    watch: Watch
    interrupts: Interrupts
    _tree: Worktree | None = field(default=None)
    _notes: list[str] = field(default_factory=list)
    _asked: int = 0

    def ask(self, prompt: bytes) -> Answered:
        """Ask it once and wait for its answer; a call that meets a limit is made again once an account is ready.

        Raises ``GitfleetError``, ``GitFailed`` and ``OSError`` of the machine.
        """
        self._asked += 1
        answered = self._call(prompt)
        for _ in range(LIMITS_IN_A_ROW - 1):
            if answered.failure is None or answered.failure.code not in LIMITED or not self.run.attempts[-1].account:
                break
            answered = self._call(prompt)
        return answered

    def _call(self, prompt: bytes) -> Answered:
        """Call it once, as soon as an account is ready for it, and wait for its end."""
        parts = self.parts
        if asked_to_end(parts, self.run.instance, self.interrupts):
            return Answered(())
        budget = self._budget()
        if isinstance(budget, UsedUp):
            return self._not_called(FailureSource.TASK, "budget", budget.sentence)
        number = len(self.run.attempts) + 1
        make_directory(parts.layout.planning(self.run.instance).parent)
        self._note()
        given: Chosen | NoneReady | None = None
        try:
            given = account_for(parts, self.task, self.run, number, self.watch, self.interrupts)
            if isinstance(given, NoneReady):
                return self._not_called(FailureSource.NEEDS_PERSON, "no-account", given.sentence)
            attempt = self._let_in(number, budget, given)
            return attempt if isinstance(attempt, Answered) else self._work(prompt, attempt)
        finally:
            if not isinstance(given, Chosen) or given.account:
                give_back(parts, self.run.instance)

    def _let_in(self, number: int, budget: Budget, given: Chosen) -> Attempt | Answered:
        """Write the next call down, with as much of its ``budget`` as the day has left; or why it is not made."""
        parts = self.parts
        with its_turn(parts, self.run.instance, number, self.watch, self.interrupts, self._full) as busy:
            if busy:
                return self._not_called(FailureSource.NEEDS_PERSON, LOCKED, busy)
            allowed = self._today(budget)
            if isinstance(allowed, UsedUp):
                why = f"the budget of the day is used up, {allowed.sentence}"
                return self._not_called(FailureSource.TASK, "budget", why)
            attempt = Attempt(
                number=number,
                base=self.run.base,
                started=instant(parts.now()),
                budget=allowed,
                agent=given.agent,
                account=given.account,
            )
            self.run = msgspec.structs.replace(self.run, attempts=(*self.run.attempts, attempt))
            make_directory(parts.layout.attempt(self.run.instance, number))
            self._note()
            return attempt

    def _work(self, prompt: bytes, attempt: Attempt) -> Answered:
        """Start the call that was let in, wait for its end, and take in what it said and used."""
        parts = self.parts
        if self._tree is None:
            self.watch(Doing(attempt.number, 0, 0, repairs=self._asked > 1))  # a large tree takes its time
            self._tree = _stand(parts, self.run)
            if asked_to_end(parts, self.run.instance, self.interrupts):
                return Answered(())
        agent = agent_for(as_done(self.task, attempt, parts.config), parts.config)
        spec = launch_of(parts, self.task, self.run, self._tree, prompt, 0)
        try:
            handle = parts.host.start(spec)
        except GitfleetError as error:
            ended = Exit(reason="spawn-failed", message=f"{error.message} {error.hint}".strip())
        else:
            ended = self._wait(handle, agent, attempt.budget or Budget())
        told = transcript(parts, handle_of(parts, self.run), agent, self.run.attempts)
        used = take_in(parts, self.run, self.task, told, ended)
        attempt = msgspec.structs.replace(attempt, exit=ended, ended=instant(parts.now()), usage=used)
        self.run = msgspec.structs.replace(self.run, attempts=(*self.run.attempts[:-1], attempt))
        self._note()
        self._notes += tampering(parts, self.run)
        failure = used_up(self.run, agent.name, ended, told) or agent.outcome(ended, told)
        ended_with(parts, attempt, told, failure)
        return Answered(self._said(told), failure)

    def _not_called(self, source: FailureSource, code: str, why: str) -> Answered:
        message = f"The planner was not called{' again' if self.run.attempts else ''}: {why}."
        return Answered((), Failure(source=source, code=code, message=message))

    def finish(self) -> tuple[str, ...]:
        """It is not called any more: keep what it changed and take its tree away; gives notes for people."""
        return (*self._notes, *finish(self.parts, self.run, self.task))

    def _note(self) -> None:
        write_durable(self.parts.layout.planning(self.run.instance), encode(self.run))

    def _budget(self) -> Budget | UsedUp:
        """What the next call may use: the reserve, less what those before it used."""
        config = self.parts.config
        reserve = held_to(config.budgets.reserve.over(RUNAWAY), self.task, config)
        return left(reserve, total(map(measured, self.run.attempts)))

    def _full(self) -> str:
        """Why the day has no room for a call while others are at work, as a clause; nothing where that stays so."""
        most = self._of_day()
        if not most.said():
            return ""
        found = day(self.parts)
        taken = left(most, found.all)
        if not isinstance(taken, UsedUp) or isinstance(left(most, found.over), UsedUp):
            return ""
        return f"the budget of the day has no room: {taken.words} are used or reserved"

    def _of_day(self) -> Budget:
        """What of the day's budget holds it."""
        return held_to(self.parts.config.budgets.day, self.task, self.parts.config)

    def _today(self, budget: Budget) -> Budget | UsedUp:
        """The same, as far as the day allows it, too."""
        most = self._of_day()
        if not most.said():
            return budget
        rest = left(most, day(self.parts).all)
        return rest if isinstance(rest, UsedUp) else tightest(budget, rest)

    def _wait(self, handle: Handle, agent: Agent, budget: Budget) -> Exit:
        host, began = self.parts.host, self.parts.monotonic()
        reader = reader_of(agent, self.run.attempts)
        follower = Follower(reader) if reader is not None else None
        stopped = False
        while (ended := host.wait_for(handle, _LOOK_SECONDS)) is None:
            if not stopped and asked_to_end(self.parts, self.run.instance, self.interrupts):
                stopped = True
                host.stop(handle)
            if follower is not None:
                read_on(self.parts, handle, follower)
                stream = follower.transcript
                if not stopped and stream.ended is None and overrun(budget, amount(stream)) is not None:
                    stopped = True
                    host.stop(handle, reason=BUDGET)
            doing = self._doing(handle, began, follower.transcript if follower else None)
            self.watch(replace(doing, stopping=stopped, repairs=self._asked > 1))
        host.clean_up(handle)
        return ended

    def _doing(self, handle: Handle, began: float, stream: Transcript | None) -> Doing:
        now = self.parts.monotonic()
        pulse = self.parts.host.status(handle).pulse
        silent = now - pulse.output if pulse is not None and pulse.size else now - began
        if stream is None:
            return Doing(handle.attempt, now - began, silent)
        tokens = stream.tokens if stream.used else None
        return Doing(handle.attempt, now - began, silent, stream.turns, stream.tool_calls, tokens)

    def _said(self, told: Transcript | None) -> tuple[str, ...]:
        """What it said: in the handoff file, else in its stream or output."""
        directory = self.parts.layout.attempt(self.run.instance, len(self.run.attempts))
        texts = [(handoff_bytes(directory / "handoff.json") or b"").decode("utf-8", "replace")]
        if told is not None:
            texts += [told.last_said, told.said]
        else:
            with suppress(OSError):
                output = self.parts.host.log(handle_of(self.parts, self.run), -OUTPUT_BYTES, OUTPUT_BYTES)
                texts.append(output.data.decode("utf-8", "replace"))
        return tuple(text for text in texts if text.strip())


def _stand(parts: Parts, run: Run) -> Worktree:
    lock = worktrees_lock(parts.layout)
    made = worktrees.add(parts.repository, worktree_of(parts, run), run.base, None, lock, instance=run.instance)
    assert isinstance(made, worktrees.Worktree)  # noqa: S101 - it is on no branch that could be taken
    return made


def planning_task(agent: str, config: Config, direction: str = "") -> Task:
    """The task of a planner: read only, with as much effort as its agent is to make, or else a high one."""
    known = config.agent_named(agent)
    return Task(
        id="plan",
        name="make a plan",
        instructions=direction,
        kind=TaskKind.RESEARCH,
        agent=agent,
        effort=known.effort if known and known.effort else Effort.HIGH,
        timeout_seconds=config.planner.timeout_seconds,
    )


def begun(instance: str, task: Task, base: str, agent: str) -> Run:
    """The run of a planner before its first call; its name is what it is to plan."""
    return Run(
        session=instance,
        task=task.id,
        name=one_line(task.instructions, _NAME),
        instance=instance,
        wave=1,
        state=RunState.RUNNING,
        agent=agent,
        kind=task.kind,
        base=base,
    )
