"""What agents need beyond the repository, looked at before anything starts: their programs, and accounts of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.accounts.programs import PROGRAMS, found
from gitfleet.agents.accounts.readiness import PASSING
from gitfleet.agents.accounts.secrecy import secret_values
from gitfleet.agents.accounts.store import Accounts
from gitfleet.coordinator.accounts import stages, wishes_of
from gitfleet.errors import GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gitfleet.agents.accounts.leasing import Wanted
    from gitfleet.agents.accounts.readiness import Standing
    from gitfleet.model.account import Account
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Task


@dataclass(frozen=True, slots=True)
class Unready:
    """A task that no agent could ever start on: why, as a clause, and the command that mends it."""

    task: str
    code: str
    clause: str
    mend: str


def refuse_told(documents: Iterable[msgspec.Struct], now: Callable[[], float], what: str) -> None:
    """Raise ``GitfleetError`` where a plan holds a secret of an account: it would be kept, and published as it is."""
    text = b"\n".join(msgspec.json.encode(document) for document in documents)
    values = secret_values(os.environ, now)
    told = sorted({name for value, name in values.items() if value.encode() in text})
    if told:
        raise GitfleetError(
            Kind.DOCUMENT,
            "secret-told",
            f"{what} holds {' and '.join(told)}, and plans are kept and published as they are.",
            hint="Take it out: an agent gets the key of its account by itself.",
        )


def refuse_unready(tasks: Iterable[Task], config: Config, now: Callable[[], float]) -> None:
    """Raise ``GitfleetError`` for what ``unready`` finds."""
    if first := unready(tasks, config, now):
        message = f"{first.task} cannot start: {first.clause}. Nothing was started."
        raise GitfleetError(Kind.ENVIRONMENT, first.code, message, hint=first.mend)


def unready(tasks: Iterable[Task], config: Config, now: Callable[[], float]) -> Unready | None:
    """The first task that no agent could ever start on: no program, or no account that is connected.

    One that is at capacity or rests is waited for, and is no reason to refuse.
    """
    wishes: dict[tuple[Wanted, ...], str] = {}
    for task in tasks:
        if not any(isinstance(stage, str) for stage in stages(task, config)):
            wishes.setdefault(tuple(wishes_of(task, config)), task.id)
    if not wishes:
        return None
    accounts = Accounts.of(os.environ, now)
    known = {account.ref: account for account in accounts.all()}
    standings = {one.ref: one for one in accounts.standings()}
    for wanted, first_task in wishes.items():
        problems = list(_problems(wanted, known, standings))
        if problems and len(problems) == len(wanted):
            code, clause, mend = problems[0]
            more = "".join(f"; {other}" for _, other, _ in problems[1:])
            return Unready(first_task, code, clause + more, mend)
    return None


def _problems(
    wanted: tuple[Wanted, ...], known: dict[str, Account], standings: dict[str, Standing]
) -> Iterator[tuple[str, str, str]]:
    """Code, clause and command for each agent that cannot work."""
    for wish in wanted:
        program = PROGRAMS[wish.kind]
        connect = f"gitfleet accounts connect {wish.kind}"
        fitting = [one for ref, one in standings.items() if ref in known and wish.fits(known[ref])]
        if not found(wish.kind, os.environ):
            mend = program.install if fitting else f"{program.install} && {connect}"
            yield "no-program", f"there is no program {program.name} on the PATH", mend
        elif not fitting:
            which = f"{wish.ref}, which agent {wish.agent} is pinned to," if wish.ref else f"of {wish.kind}"
            pin = f", and let agents.{wish.agent}.account be the name that it gets" if wish.ref else ""
            yield "no-account", f"no account {which} is connected", connect + pin
        elif not any(one.usable or one.condition in PASSING for one in fitting):
            first = fitting[0]
            clauses = "; ".join(f"{one.ref}: {one.clause}" for one in fitting)
            yield first.condition.value, f"no account of {wish.kind} can be used: {clauses}", first.mend
