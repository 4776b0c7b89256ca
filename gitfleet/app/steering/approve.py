"""Approve or deny what a parked run asked for, and keep what a person always grants in this repository.

A session that somebody runs is asked, and takes it up at once; one at rest is changed here, under its lock, and goes on
with the next `continue`. What is always granted is the user's own state: nothing in a repository can grant anything.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from gitfleet.app.find import find_run
from gitfleet.app.load import load_config
from gitfleet.app.steering import unattended
from gitfleet.app.steering.asking import Nobody, Silence, ask, unanswered, withdraw
from gitfleet.app.which import open_sessions
from gitfleet.coordinator.parked import covered
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import instant
from gitfleet.model.parking import StandingGrant
from gitfleet.model.reports import ApproveReport, ParkedRun
from gitfleet.model.request import Permit, Reply, Request
from gitfleet.store.grants import Grants
from gitfleet.store.locks import holder
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.coordinator.observer import Observer
    from gitfleet.model.parking import Parked
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session

_TRIES = 3
_DONE = {Permit.APPROVE: "approved", Permit.DENY: "denied"}


def permit(
    workspace: Workspace, word: str, wanted: str | None, what: Permit, observer: Observer, *, always: bool = False
) -> ApproveReport:
    """Approve or deny what the run waits for that an instance or a task names.

    ``always`` grants it to every agent of that kind in this repository, too, and lets all go on that wait for nothing
    but what is always granted; then the run named may be one that went on already. Raises ``GitfleetError``: usage
    where nothing waits, busy where the run's coordinator does not answer.
    """
    state = State(workspace.layout)
    session, run = find_run(state, word, wanted)
    if run.parked is None:
        # Whoever granted it for good may have been killed before all went on that waited for the same.
        also = _others(workspace, observer) if always else ()
        if also:
            lets = f"What is always granted lets {', '.join(also)} go on; {run.task} waits for no permission."
            return _report(workspace, session, run, "approved", lets, always=True, also=also)
        raise GitfleetError(
            Kind.USAGE,
            "not-parked",
            f"{run.task} of {session.id} is {run.state} and waits for no permission.",
            hint="`gitfleet approve --list` shows what does.",
        )
    if always:
        _keep(workspace, session, run, run.parked)
    reply, running = _say(workspace, session, Request(id=secrets.token_hex(8), permit=what, task=run.task), observer)
    goes = "" if running or what is Permit.DENY else f" `gitfleet continue {session.id}` starts it."
    also = _others(workspace, observer) if always else ()
    others = f" So {'does' if len(also) == 1 else 'do'} {', '.join(also)}." if also else ""
    message = f"{reply.message}{others}{goes}"
    return _report(workspace, session, run, _DONE[what], message, always=always, also=also, coordinator=running)


def _report(
    workspace: Workspace,
    session: Session,
    run: Run,
    action: str,
    message: str,
    *,
    always: bool,
    also: tuple[str, ...],
    coordinator: bool = False,
) -> ApproveReport:
    return ApproveReport(
        action=action,
        message=message,
        also=also,
        session=session.id,
        task=run.task,
        instance=run.instance,
        permissions=run.parked.denied if run.parked else (),
        always=always,
        coordinator=coordinator,
        parked=_parked(workspace),
        grants=_grants(workspace).all(),
    )


def listed(workspace: Workspace) -> ApproveReport:
    """What waits for a permission, and what is always granted here."""
    return ApproveReport(action="listed", parked=_parked(workspace), grants=_grants(workspace).all())


def revoke(workspace: Workspace, words: str) -> ApproveReport:
    """Take back what was always granted: a tool with its argument, or all of a tool. Raises ``GitfleetError``."""
    grants = _grants(workspace)
    gone = grants.remove(
        lambda one: words in {one.tool, one.permission.words, one.permission.shown, one.permission.full}
    )
    if not gone:
        raise GitfleetError(
            Kind.USAGE, "not-granted", f"{words} is not granted here.", hint="`gitfleet approve --list` shows what is."
        )
    told = ", ".join(one.permission.shown for one in gone)
    return ApproveReport(
        action="revoked",
        message=f"{told} is not granted any more; what runs keeps it until its end.",
        permissions=tuple(one.permission for one in gone),
        parked=_parked(workspace),
        grants=grants.all(),
    )


def _grants(workspace: Workspace) -> Grants:
    return Grants.of(workspace.layout, os.environ)


def _keep(workspace: Workspace, session: Session, run: Run, parked: Parked) -> None:
    if parked.interrupted:
        raise GitfleetError(
            Kind.USAGE,
            "nothing-asked",
            f"{run.task} was interrupted and asks for nothing, so there is nothing to grant for good.",
            hint=f"`gitfleet approve {run.instance}` lets it go on.",
        )
    if not parked.denied or parked.permitted != parked.denied:
        raise GitfleetError(
            Kind.USAGE,
            "nothing-named",
            f"What the agent of {run.task} asked for is not known whole, so it cannot be granted for good.",
            hint=f"`gitfleet approve {run.instance}` lets it go on once.",
        )
    kind = _kind(workspace, session, run)
    at = instant(workspace.now())
    _grants(workspace).add(
        StandingGrant(agent=kind, tool=one.tool, argument=one.argument, allows=one.allows, since=at)
        for one in parked.denied
    )


def _kind(workspace: Workspace, session: Session, run: Run) -> str:
    config = load_config(State(workspace.layout).read_config_bytes(session.id), f"the config of {session.id}")
    agent = config.agent_named(run.agent)
    return str(agent.kind) if agent else run.agent


def _others(workspace: Workspace, observer: Observer) -> tuple[str, ...]:
    """Let go on what waits for nothing but what is always granted now; the instances that do.

    One whose coordinator does not answer stays parked, and is among those that the report lists.
    """
    granted, gone = _grants(workspace).all(), []
    for session in open_sessions(State(workspace.layout)):
        for run in State(workspace.layout).read_runs(session.id).values():
            if run.parked is None or run.parked.approved or run.parked.more:
                continue
            if covered(run.parked.denied, granted, kind=_kind(workspace, session, run)):
                request = Request(id=secrets.token_hex(8), permit=Permit.APPROVE, task=run.task)
                with suppress(GitfleetError):
                    _say(workspace, session, request, observer)
                    gone.append(run.instance)
    return tuple(gone)


def _parked(workspace: Workspace) -> tuple[ParkedRun, ...]:
    state = State(workspace.layout)
    return tuple(
        ParkedRun(
            session=session.id,
            task=run.task,
            instance=run.instance,
            agent=run.agent,
            since=run.parked.since,
            interrupted=run.parked.interrupted,
            denied=run.parked.denied,
            more=run.parked.more,
            approved=run.parked.approved,
        )
        for session in open_sessions(State(workspace.layout))
        for run in state.read_runs(session.id).values()
        if run.parked is not None
    )


def _say(workspace: Workspace, session: Session, request: Request, observer: Observer) -> tuple[Reply, bool]:
    """The answer, and whether a coordinator gave it."""
    for left in reversed(range(_TRIES)):
        if holder(workspace.layout.session_lock(session.id)) is not None:
            match ask(workspace.layout, session.id, request):
                case Reply() as reply:
                    return reply, True
                case Silence(facts):
                    withdraw(workspace.layout, session.id, request)
                    raise unanswered(session.id, facts)
                case Nobody():
                    withdraw(workspace.layout, session.id, request)
        try:
            return unattended.permit(workspace, session, request, observer), False
        except GitfleetError as error:
            # Somebody took the session up in this moment: they are asked.
            if error.code != "locked" or not left:
                raise
    msg = "the last try returns or raises"
    raise AssertionError(msg)
