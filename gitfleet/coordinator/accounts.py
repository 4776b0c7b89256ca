"""Accounts of one session: each attempt of a real agent gets one before it starts, and gives it back with its end.

A lease is written before the books say that the attempt begins, and taken back after they say that it is over, so a
kill in between leaves one whose attempt has ended or whose coordinator is gone: everybody can see that it is dead. What
the books do not know of it, a coordinator that takes over takes back first.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.accounts.keys import connect_again, secrets_of
from gitfleet.agents.accounts.leasing import Leased, Wanted, ended, recover, release, take, wait
from gitfleet.agents.accounts.limits import ending
from gitfleet.agents.accounts.programs import needs_account
from gitfleet.agents.accounts.readiness import PASSING, USABLE, Condition
from gitfleet.agents.accounts.store import Accounts
from gitfleet.agents.base import Access
from gitfleet.agents.registry import agent_name
from gitfleet.coordinator.scrubbing import secrecy
from gitfleet.model.account import AccountLease
from gitfleet.model.base import instant
from gitfleet.model.event import EventKind
from gitfleet.model.paths import quote_path
from gitfleet.model.run import UNDER_WAY, RunState
from gitfleet.planner.retries import AUTH, LIMITED
from gitfleet.runtime.attempt import EXIT, LOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitfleet.agents.accounts.readiness import Standing
    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.books import Books
    from gitfleet.model.config import Config
    from gitfleet.model.evidence import Attempt
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Failure, Run
    from gitfleet.parts import Parts


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


@dataclass(frozen=True, slots=True)
class Met:
    """What an attempt met with its account: a sentence, and how the account stands now."""

    sentence: str
    condition: Condition


@dataclass(slots=True)
class Lending:
    """Gives accounts to the attempts of one session; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    _held: dict[str, str] = field(default_factory=dict)
    _waiting: dict[str, str] = field(default_factory=dict)

    def take(self, task: str, instance: str, number: int, *, prefer: str = "") -> Chosen | NoneReady:
        """Find who does the next attempt of a task; ``prefer`` is the account that it would best go on with."""
        document, run = self.books.plan.task(task), self.books.runs[task]
        session = self.books.session.id
        # The instance of a task that did not start is not its own yet: another one may get it meanwhile.
        waits_as = f"{session}-{task}"
        found = lend(self.parts, document, session, instance, number, prefer=prefer, waits_as=waits_as)
        if isinstance(found, NoneReady):
            self._waiting[task] = waits_as
            return found
        if self._waiting.pop(task, None):
            give_back(self.parts, waits_as)
        if found.account:
            self._held[task] = instance
            self.books.secrecy = secrecy(self.parts)
        meant = agent_name(document, self.parts.config) or found.agent
        if found.agent not in self.parts.config.stages(meant)[0]:
            message = f"{found.agent} steps in for {meant} in {task}: no account of {meant} is ready"
            self.books.event(EventKind.ACCOUNT, message, run=run, status="stepped-in")
        return found

    def look(self, *, over: bool = False) -> None:
        """Take back the accounts of attempts that are over; all, and what says that a task waits, at the end."""
        states = {run.task: run.state for run in self.books.runs.values()}
        gone = {task for task in self._held if states[task] not in UNDER_WAY}
        gone |= {task for task in self._waiting if over or states[task] is not RunState.QUEUED}
        for task in gone:
            instance = self._held.pop(task, None) or self._waiting.pop(task)
            give_back(self.parts, instance)

    def recover(self) -> None:
        """Take back what the books know nothing of: a coordinator was killed between the two."""
        runs = [run for run in self.books.runs.values() if run.state in UNDER_WAY]
        self._held = {run.task: run.instance for run in runs if run.attempts[-1].account}
        if any(wishes_of(task, self.parts.config) for task in self.books.plan.tasks):
            self.books.secrecy = secrecy(self.parts)
            keep = frozenset(self._held.values())
            recover(accounts_of(self.parts), self.books.session.id, _repository(self.parts), keep)


def lend(
    parts: Parts, task: Task, session: str, instance: str, number: int, *, prefer: str = "", waits_as: str = ""
) -> Chosen | NoneReady:
    """Find who does an attempt, stage by stage, and give it an account; it waits for one under a name of its own.

    One that is at capacity is waited for, since it is soon free: nobody steps in for it.
    """
    accounts, lease = accounts_of(parts), _lease(parts, session, instance, number)
    seen: list[Standing] = []
    for stage in stages(task, parts.config):
        if isinstance(stage, str):
            return Chosen(stage)
        found = take(accounts, stage, lease, prefer=prefer)
        if isinstance(found, Leased):
            return Chosen(found.wanted.agent, found.account.ref)
        seen += found.standings
        if any(one.condition is Condition.AT_CAPACITY for one in found.standings):
            break
    if seen:
        waiting = _lease(parts, session, waits_as, number) if waits_as else lease
        wait(accounts, waiting, [one.ref for one in seen])
    return none_ready(task, parts.config, seen)


def give_back(parts: Parts, instance: str) -> None:
    """Take back what an instance holds or waits for; nothing is no error."""
    release(accounts_of(parts), instance, _repository(parts))


def stages(task: Task, config: Config) -> list[str | tuple[Wanted, ...]]:
    """Who may do a task, by stages: an agent that needs no account, by its name, or agents that each need one."""
    name = agent_name(task, config)
    if task.command is not None or name is None:
        return ["command"]
    return [_wishes(names, config) or names[0] for names in config.stages(name)]


def _wishes(names: Iterable[str], config: Config) -> tuple[Wanted, ...]:
    agents = ((name, config.agent_named(name)) for name in names)
    return tuple(Wanted(of.kind, of.account, name) for name, of in agents if of is not None and needs_account(of.kind))


def wishes_of(task: Task, config: Config) -> list[Wanted]:
    """The agents that may do a task and that need an account, in the order in which they are tried."""
    return [wish for stage in stages(task, config) if not isinstance(stage, str) for wish in stage]


def none_ready(task: Task, config: Config, seen: Sequence[Standing]) -> NoneReady:
    """Say why a task cannot start now, account by account, and what mends it."""
    name = agent_name(task, config) or ""
    wishes = wishes_of(task, config)
    # Who is pinned to one account gets no other, unless somebody steps in who is not.
    loose = {one.kind for one in wishes if not one.ref}
    pinned = {one.ref for one in wishes if one.kind not in loose}
    clauses = [stands(one, pinned=one.ref in pinned) for one in seen]
    if not seen:
        kinds = sorted({one.kind for one in wishes})
        clauses = [f"none is connected (gitfleet accounts connect {kind})" for kind in kinds]
    sentence = f"no account for {name} is ready: {'; '.join(clauses)}"
    passing = [one for one in seen if one.condition in PASSING]
    return NoneReady(sentence, final=not passing, rests=any(one.until is not None for one in passing))


def stands(one: Standing, *, pinned: bool) -> str:
    """How an account stands, with the command that helps who may work with others, or who is ``pinned`` to it."""
    mend = one.own if pinned else one.mend
    return f"{one.ref}: {one.clause}" + (f" ({mend})" if mend else "")


def another_ready(parts: Parts, task: Task, run: Run) -> bool:
    """Whether an account is ready that could do a task in place of the one that its last attempt worked with."""
    wishes = wishes_of(task, parts.config)
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


def ended_with(parts: Parts, attempt: Attempt, told: Transcript | None, failure: Failure | None) -> Met | None:
    """Write down what the end of an attempt says of its account; gives what is worth telling of that."""
    if not attempt.account:
        return None
    over = attempt.exit.ended if attempt.exit else ""
    what = ending(told, failure, began=attempt.started, over=over)
    now = ended(accounts_of(parts), attempt.account, what)
    if now is None or what.code not in LIMITED | {AUTH}:
        return None
    agent = parts.config.agent_named(attempt.agent)
    return Met(f"account {stands(now, pinned=agent is not None and bool(agent.account))}", now.condition)


def mended(parts: Parts, attempt: Attempt, failure: Failure) -> Failure:
    """A failure; where credentials were refused, with the command that connects the account anew."""
    if failure.code != AUTH:
        return failure
    account = accounts_of(parts).find(attempt.account)
    if account is None:
        return failure
    return msgspec.structs.replace(failure, message=f"{failure.message} `{connect_again(account)}` connects it anew.")


def accounts_of(parts: Parts) -> Accounts:
    """The accounts of the user whose session this is."""
    return Accounts.of(parts.caller, parts.now)


def _repository(parts: Parts) -> str:
    return quote_path(os.fsencode(parts.repository.common_dir))


def _lease(parts: Parts, session: str, instance: str, number: int) -> AccountLease:
    directory = parts.layout.attempt(instance, number)
    places = (directory / EXIT, directory / LOCK, parts.proof.path)
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
