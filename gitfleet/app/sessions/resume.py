"""Continue a session that was stopped, interrupted or killed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from gitfleet.app.load import load_config, load_plan
from gitfleet.app.sessions.budgets import given, with_given
from gitfleet.app.sessions.composition import build
from gitfleet.app.sessions.outcome import Outcome, drive
from gitfleet.app.sessions.survey import resolved_scopes, survey_tree
from gitfleet.app.sessions.target import finish_cut_off_fetches
from gitfleet.app.which import choose
from gitfleet.coordinator.control.amendments import waves_of
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.git.refs import short
from gitfleet.model.session import SessionState, move
from gitfleet.planner.waves import Placement, Schedule
from gitfleet.recovery.damage import check_runs
from gitfleet.recovery.reconcile import reconcile
from gitfleet.store.damage import damaged
from gitfleet.store.holders import Life, judge
from gitfleet.store.locks import holder, session_lock
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitfleet.app.workspace import Workspace
    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope

LEFT_SECONDS = 8.0


def resume(
    workspace: Workspace,
    wanted: str | None,
    observer: Observer,
    interrupts: Interrupts,
    *,
    taken_over: str = "",
    budgets: Sequence[str] = (),
) -> Outcome | None:
    """Bring the books up to date and run on; none when there is nothing to continue.

    ``taken_over`` says from whom the session was taken, for its journal; ``budgets`` what it may use from now on, as in
    ``session.max_tokens=2000000``. Raises ``GitfleetError``: busy when another coordinator holds the session,
    needs-person when files are in the way, usage where there are ``budgets`` and nothing to continue.
    """
    more = given(budgets)
    session = choose(State(workspace.layout), wanted)
    if session is None and budgets:
        raise GitfleetError(
            Kind.USAGE,
            "no-open-session",
            f"The session {wanted} is closed: it uses nothing any more, and {' '.join(budgets)} was not taken."
            if wanted
            else f"There is no open session that could be given {' '.join(budgets)}.",
            hint="Budgets of new sessions are in .planning/config.yaml.",
        )
    if session is None:
        return None
    session = msgspec.structs.replace(session, budgets=more.over(session.budgets))
    finish_cut_off_fetches(workspace.repository, workspace.layout)
    with opened(workspace, session, command="gitfleet continue", patience=_patience(workspace, session.id)) as here:
        busy = preflight.operation_on(workspace.repository, session.target)
        if busy is not None:
            raise GitfleetError(
                Kind.NEEDS_PERSON,
                "target-busy",
                f"{short(session.target)} is in {busy}.",
                hint="Finish or abort it, then run `gitfleet continue`.",
            )
        return take_up(here, session, observer, interrupts, taken_over=taken_over)


def take_up(
    here: Opened, session: Session, observer: Observer, interrupts: Interrupts, *, taken_over: str = ""
) -> Outcome:
    """Bring the books of a held session up to date and coordinate it, to its end or until ``interrupts`` say stop."""
    parts, plan = here.parts, here.plan
    once = {task.id for task in plan.tasks if not task.retry_safe}
    found = reconcile(parts, session.id, once=once)
    check_runs(parts, session.id, plan, found.runs)
    if taken_over:
        found = replace(found, notes=(taken_over, *found.notes))
    scopes = scopes_of(here, session)
    runs = {task.id: found.runs[task.id] for task in plan.tasks}
    schedule = schedule_of(found.session, runs)
    session = _going_on(msgspec.structs.replace(found.session, waves=schedule.waves, budgets=session.budgets))
    return drive(parts, session, plan, runs, schedule, scopes, observer, interrupts, found=found)


def _going_on(session: Session) -> Session:
    """The session as a coordinator takes it up: active, but for one that is paused, whose pause goes on."""
    if session.state in {SessionState.ACTIVE, SessionState.PAUSED}:
        return msgspec.structs.replace(session, reason="")
    return move(session, SessionState.ACTIVE, reason="")


@dataclass(frozen=True, slots=True)
class Opened:
    """A session whose lock is held: its parts and its plan as last amended."""

    parts: Parts
    plan: Plan


@contextmanager
def opened(workspace: Workspace, session: Session, *, command: str, patience: float = 0.0) -> Iterator[Opened]:
    """Hold a session, after at most ``patience`` seconds; ``command`` is what others are told.

    Raises ``GitfleetError`` (busy) when somebody else holds it.
    """
    with session_lock(workspace.layout, session.id, timeout=patience, command=command) as proof:
        state = State(workspace.layout)
        fold = preflight.folds_case(workspace.repository.git)
        config, plan = with_given(*documents(state, session.id, fold=fold), session.budgets)
        yield Opened(build(workspace, config, session.id, proof, fold=fold), plan)


def documents(state: State, session: str, *, fold: bool) -> tuple[Config, Plan]:
    """The config that the session was started with, and its plan; they were valid then, so what is not is damaged."""
    number = max(state.amendments(session), default=1)
    path = state.layout.config(session)
    try:
        config = load_config(state.read_config_bytes(session), f"the config of {session}")
        path = state.layout.plan(session, number)
        return config, load_plan(state.read_plan_bytes(session, number), f"the plan of {session}", config, fold=fold)
    except GitfleetError as error:
        if error.kind is not Kind.DOCUMENT:
            raise
        why = str(error.problems[0]) if error.problems else error.message
        raise damaged(state.layout, path, session, why) from error


def scopes_of(here: Opened, session: Session) -> dict[str, Scope]:
    """What each task may write, through the symlinks that the target tracks now."""
    parts = here.parts
    base = parts.refs.read(session.target) or session.base
    survey = survey_tree(parts.objects, parts.objects.commit(base).tree)
    return resolved_scopes(here.plan, survey.links, fold=parts.fold)[0]


def _patience(workspace: Workspace, session: str) -> float:
    """How long to wait for the lock, in seconds: git calls of a coordinator that was killed may hold it a little on."""
    owner = holder(workspace.layout.session_lock(session))
    return LEFT_SECONDS if owner is not None and judge(owner).life is Life.DEAD else 0.0


def schedule_of(session: Session, runs: dict[str, Run]) -> Schedule:
    """The schedule as the runs record it; a crash may have come between them and what the session says of it."""
    placements = {task: Placement(task=task, wave=run.wave, reason="", tokens=0) for task, run in runs.items()}
    order = [task for wave in session.waves for task in wave]
    return Schedule(waves=waves_of(runs, order), placements=placements)
