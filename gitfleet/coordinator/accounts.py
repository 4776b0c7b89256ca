"""Accounts of one session: each attempt of a real agent gets one before it starts, and gives it back with its end.

A lease is written before the books say that the attempt begins, and taken back after they say that it is over, so a
kill in between leaves one whose attempt has ended or whose coordinator is gone: everybody can see that it is dead. What
the books do not know of it, a coordinator that takes over takes back first.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.keys import secrets_of
from gitfleet.agents.accounts.leasing import Leased, Wanted, ended, recover, release, take, wait
from gitfleet.agents.accounts.limits import AUTH, LIMITS, ending
from gitfleet.agents.accounts.programs import needs_account
from gitfleet.agents.accounts.readiness import PASSING, USABLE, Condition
from gitfleet.agents.accounts.store import Accounts
from gitfleet.agents.base import Access
from gitfleet.agents.registry import agent_name
from gitfleet.model.account import AccountLease
from gitfleet.model.base import instant
from gitfleet.model.event import EventKind
from gitfleet.model.paths import quote_path
from gitfleet.model.run import RunState
from gitfleet.runtime.attempt import EXIT, LOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gitfleet.agents.accounts.readiness import Standing
    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.books import Books
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Failure, Run
    from gitfleet.parts import Parts

UNDER_WAY = frozenset({RunState.PREPARING, RunState.RUNNING, RunState.FINISHED})


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who does an attempt: an agent by its name, and its account; none for an agent that needs none."""

    agent: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class NoneReady:
    """No account is ready: ``sentence`` says which condition failed and what mends it.

    ``final`` says that this does not change by itself; ``rests`` that it does at a time that is known.
    """

    sentence: str
    final: bool
    rests: bool = False


@dataclass(slots=True)
class Lending:
    """Gives accounts to the attempts of one session; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    _held: dict[str, str] = field(default_factory=dict)
    _waiting: dict[str, str] = field(default_factory=dict)

    def take(self, task: str, instance: str, number: int, *, prefer: str = "") -> Chosen | NoneReady:
        """Find who does the next attempt of a task; ``prefer`` is the account that it would best go on with."""
        document, config = self.books.plan.task(task), self.parts.config
        name = agent_name(document, config) or "command"
        lease = _lease(self.parts, self.books.session.id, instance, number)
        seen: list[Standing] = []
        for stage in stages(document, config):
            wishes = [one for one in stage if isinstance(one, Wanted)]
            if not wishes:
                return self._given(task, name, Chosen(next(one for one in stage if isinstance(one, str))))
            found = take(accounts_of(self.parts), wishes, lease, prefer=prefer)
            if isinstance(found, Leased):
                self._held[task] = instance
                self._waiting.pop(task, None)
                return self._given(task, name, Chosen(found.wanted.agent, found.account.ref))
            seen += found.standings
            if any(one.condition is Condition.AT_CAPACITY for one in found.standings):
                break
        if seen:
            self._waiting[task] = instance
            wait(accounts_of(self.parts), lease, [one.ref for one in seen])
        return none_ready(document, config, seen)

    def look(self, *, over: bool = False) -> None:
        """Take back the accounts of attempts that are over; all, and what says that a task waits, at the end."""
        states = {run.task: run.state for run in self.books.runs.values()}
        gone = {task for task in self._held if states[task] not in UNDER_WAY}
        gone |= {task for task in self._waiting if over or states[task] is not RunState.QUEUED}
        for task in gone:
            instance = self._held.pop(task, None) or self._waiting.pop(task)
            release(accounts_of(self.parts), instance, _repository(self.parts))

    def recover(self) -> None:
        """Take back what the books know nothing of: a coordinator was killed between the two."""
        runs = [run for run in self.books.runs.values() if run.state in UNDER_WAY]
        self._held = {run.task: run.instance for run in runs if run.attempts[-1].account}
        if any(needs_account(agent.kind) for agent in _agents(self.books.plan.tasks, self.parts.config)):
            keep = frozenset(self._held.values())
            recover(accounts_of(self.parts), self.books.session.id, _repository(self.parts), keep)

    def _given(self, task: str, meant: str, chosen: Chosen) -> Chosen:
        if chosen.agent not in self.parts.config.stages(meant)[0]:
            run = self.books.runs[task]
            message = f"{chosen.agent} steps in for {meant} in {task}: no account of {meant} is ready"
            self.books.event(EventKind.ACCOUNT, message, run=run, status="stepped-in")
        return chosen


def stages(task: Task, config: Config) -> list[list[Wanted | str]]:
    """Who may do a task, by stages: what account it needs, or the bare name of an agent that needs none."""
    name = agent_name(task, config)
    if task.command is not None or name is None:
        return [["command"]]
    return [[_wish(one, config) for one in stage] for stage in config.stages(name)]


def _wish(name: str, config: Config) -> Wanted | str:
    agent = config.agent_named(name)
    if agent is None or not needs_account(agent.kind):
        return name
    return Wanted(agent.kind, agent.account, name)


def _agents(tasks: Iterable[Task], config: Config) -> Iterator[AgentConfig]:
    for task in tasks:
        for stage in config.stages(agent_name(task, config) or "") if task.command is None else ():
            yield from (agent for name in stage if (agent := config.agent_named(name)) is not None)


def none_ready(task: Task, config: Config, seen: Sequence[Standing]) -> NoneReady:
    """Say why a task cannot start now, account by account, and what mends it."""
    name = agent_name(task, config) or ""
    clauses = [f"{one.ref}: {one.clause}" + (f" ({one.mend})" if one.mend else "") for one in seen]
    known = {one.kind for stage in stages(task, config) for one in stage if isinstance(one, Wanted)}
    if not seen:
        clauses = [f"none is connected (gitfleet accounts connect {kind})" for kind in sorted(known)]
    sentence = f"no account for {name} is ready: {'; '.join(clauses)}"
    passing = [one for one in seen if one.condition in PASSING]
    return NoneReady(sentence, final=not passing, rests=any(one.until is not None for one in passing))


def another_ready(parts: Parts, task: Task, run: Run) -> bool:
    """Whether an account is ready that could do a task in place of the one that its last attempt worked with."""
    wishes = [one for stage in stages(task, parts.config) for one in stage if isinstance(one, Wanted)]
    accounts, tried = accounts_of(parts), run.attempts[-1].account
    if not wishes or not tried:
        return False
    fitting = {account.ref for account in accounts.all() if any(wish.fits(account) for wish in wishes)}
    return any(one.condition in USABLE for one in accounts.standings() if one.ref in fitting - {tried})


def access(parts: Parts, ref: str) -> Access | None:
    """What an attempt gets of its account; none for an agent that needs none.

    Raises ``GitfleetError`` where the account is gone or its key is not to be had.
    """
    if not ref:
        return None
    accounts = accounts_of(parts)
    account = accounts.read(ref)
    return Access(
        ref=ref,
        home=accounts.home(ref),
        endpoint=account.endpoint,
        secrets=secrets_of(account, parts.caller),
        settings=account.settings,
    )


def ended_with(parts: Parts, books: Books, run: Run, told: Transcript | None, failure: Failure | None) -> None:
    """Write down what the end of a run's last attempt says of its account, before the books take the attempt in."""
    ref = run.attempts[-1].account
    if not ref:
        return
    what = ending(told, failure)
    now = ended(accounts_of(parts), ref, what)
    if now is not None and what.code in LIMITS | {AUTH}:
        message = f"account {ref}: {now.clause}" + (f" ({now.mend})" if now.mend else "")
        books.event(EventKind.ACCOUNT, message, run=run, status=now.condition)


def accounts_of(parts: Parts) -> Accounts:
    """The accounts of the user whose session this is."""
    return Accounts.of(parts.caller, parts.now)


def _repository(parts: Parts) -> str:
    return quote_path(os.fsencode(parts.repository.common_dir))


def _lease(parts: Parts, session: str, instance: str, number: int) -> AccountLease:
    directory = parts.layout.attempt(instance, number)
    places = (directory / EXIT, directory / LOCK, parts.layout.session_lock(session))
    over, *locks = (quote_path(os.fsencode(place)) for place in places)
    return AccountLease(
        instance=instance,
        attempt=number,
        session=session,
        repository=_repository(parts),
        over=over,
        locks=tuple(locks),
        since=instant(parts.now()),
    )
