"""Run a plan: ``prepare`` says what would happen and writes nothing; ``run`` makes the session and drives it."""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.app.load import load_plan_with_notes
from gitfleet.app.sessions.base import applying, known_red, recheck_base, refuse_red, sentence
from gitfleet.app.sessions.budgets import refuse_unfit
from gitfleet.app.sessions.composition import build
from gitfleet.app.sessions.disclosure import disclose
from gitfleet.app.sessions.foresight import foretell
from gitfleet.app.sessions.outcome import Outcome, drive
from gitfleet.app.sessions.preflight import refuse_told, refuse_unready, unready
from gitfleet.app.sessions.request import WaveRequest, only_tasks, overridden
from gitfleet.app.sessions.survey import check_records, resolved_scopes, survey_tree, to_be_named
from gitfleet.app.sessions.target import Target, bring_up_to_date, choose, finish_cut_off_fetches
from gitfleet.coordinator.control.amendments import queued_run
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.git.engines import open_objects
from gitfleet.git.identity import identity, probe_signing, signs
from gitfleet.git.pool_root import pool_root
from gitfleet.git.refs import Refs
from gitfleet.integrate.gate.spilling import spill_prefix
from gitfleet.model.base import instant
from gitfleet.model.config import Publish, ViolationPolicy
from gitfleet.model.session import Session, SessionState
from gitfleet.planner.reversibility import reversibility
from gitfleet.planner.waves import OverlapRefused, Schedule, schedule
from gitfleet.relay.report import render_session
from gitfleet.store.documents.configs import write_config
from gitfleet.store.documents.plans import write_plan
from gitfleet.store.live import link_live
from gitfleet.store.locks import session_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.app.workspace import Workspace
    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.git.repository import Repository
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Check, Plan
    from gitfleet.model.reports import Disclosure
    from gitfleet.planner.scopes import Scope
    from gitfleet.store.verify_cache import RedTarget

SUFFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
SLUG_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Preparation:
    """A plan that was checked against the repository as it is now; nothing has been written yet."""

    workspace: Workspace
    config: Config
    plan: Plan
    schedule: Schedule
    scopes: dict[str, Scope]
    target: Target
    fold: bool
    disclosure: Disclosure
    session: str
    recheck: tuple[Check, ...] = ()
    red: RedTarget | None = None

    def refuse(self) -> None:
        """Raise ``GitfleetError`` where nothing should be started.

        ``base-red``: the target is known to fail, and is not checked again first. Else an agent could never start, or
        the plan holds a secret of an account.
        """
        refuse_told([self.plan], self.workspace.now, "The plan")
        refuse_red(self.target, None if self.recheck else self.red)
        refuse_unready(self.plan.tasks, self.config, self.workspace.now)


def prepare(
    workspace: Workspace, request: WaveRequest, *, random: Callable[[int], bytes] = secrets.token_bytes
) -> Preparation:
    """Check everything that can be checked before anything is written or spawned.

    Raises ``GitfleetError`` for a document that is wrong, a repository that cannot be landed on, or a missing identity.
    """
    repository = workspace.repository
    refs = Refs(repository.git)
    config, unpublished = _publishing(repository, overridden(workspace.config, request))
    fold = preflight.folds_case(repository.git)
    loaded = load_plan_with_notes(request.plan_bytes, request.plan_name, config, fold=fold)
    plan, brought = only_tasks(loaded.plan, request.only, request.tags)
    session = session_id(plan.name, random)
    if request.fetch:
        bring_up_to_date(repository, workspace.layout, config.target)
    target = choose(repository, config.target, session)
    identity(repository.git)
    with open_objects(repository, now=workspace.now) as objects:
        base_tree = objects.commit(target.base).tree
        if signs(repository.git):
            probe_signing(repository.git, base_tree)
        survey = survey_tree(objects, base_tree)
        if config.planning.publish is not Publish.OFF:
            here = repository.worktree if refs.head().branch == target.ref else None
            check_records(objects, base_tree, here)
        scopes, rewritten = resolved_scopes(plan, survey.links, fold=fold)
        named = to_be_named(objects, target.base, plan, config, scopes, fold=fold)
        checks = applying(config, scopes.values(), fold=fold)
        red = known_red(workspace, objects, config, target, checks)
    _check_branches(refs, config)
    try:
        placed = schedule(plan, config, fold=fold, scopes=scopes)
    except OverlapRefused as refused:
        raise GitfleetError(
            Kind.DOCUMENT,
            "overlap",
            f"The plan has overlapping scopes, and waves.overlap is error: {refused}",
            hint="Narrow the scopes, order the tasks with depends_on, or set waves.overlap: sequence.",
        ) from refused
    refuse_unfit(plan, config)
    level, why = reversibility(placed, plan.tasks, survey.shared, scopes=scopes, fold=fold)
    pool = pool_root(repository, config.worktrees.root)
    known = (sentence(target, red),) if red else ()
    if lacking := unready(plan.tasks, config, workspace.now):
        known = (*known, f"{lacking.task} cannot start: {lacking.clause}; {lacking.mend}")
    proof = (
        ("a proof: a script that spends nothing stands in for every agent, and nothing lands",)
        if config.fixture
        else ()
    )
    notes = (*proof, *loaded.notes, *brought, *target.notes, *rewritten, *unpublished, *named, *known)
    disclosure = disclose(plan, config, placed, target, (level, why), notes, str(pool))
    disclosure = foretell(disclosure, workspace, survey, plan, placed, config, scopes, fold=fold)
    return Preparation(
        workspace,
        config,
        plan,
        placed,
        scopes,
        target,
        fold,
        disclosure,
        session,
        recheck=checks if request.recheck else (),
        red=red,
    )


def run(preparation: Preparation, observer: Observer, interrupts: Interrupts) -> Outcome:
    """Make the session and run it; returns when it is over or needs a person.

    Raises ``GitfleetError`` (``base-red``) where the target itself fails: then nothing was started.
    """
    preparation.refuse()
    workspace, plan, placed = preparation.workspace, preparation.plan, preparation.schedule
    finish_cut_off_fetches(workspace.repository, workspace.layout)
    with session_lock(workspace.layout, preparation.session, command="gitfleet wave") as proof:
        parts = build(workspace, preparation.config, preparation.session, proof, fold=preparation.fold)
        preparation.target.create(parts.refs)
        session = _session(preparation, parts.claims.clone)
        config, places = preparation.config, placed.placements
        runs = {task.id: queued_run(session.id, task, places[task.id].wave, config) for task in plan.tasks}
        parts.state.create_session(
            session,
            plan=write_plan(plan),
            config=write_config(preparation.config),
            runs=runs.values(),
            report=render_session(session, plan, runs),
        )
        if preparation.recheck:
            recheck_base(parts, session, preparation.target, preparation.recheck, observer, interrupts)
        worktree = workspace.repository.worktree
        if worktree is not None:
            link_live(workspace.layout.state, worktree, workspace.repository.common_dir / "info" / "exclude")
        return drive(parts, session, plan, runs, placed, preparation.scopes, observer, interrupts)


def session_id(name: str, random: Callable[[int], bytes]) -> str:
    """Slug of the plan's name plus six random base32 characters, such as ``auth-refactor-k3f9qm``."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    bare = (char for char in plain if not unicodedata.combining(char))
    kept = "".join(char if char.isascii() and char.isalnum() else "-" for char in bare)
    slug = "-".join(part for part in kept.split("-") if part)[:SLUG_LENGTH].strip("-") or "session"
    suffix = "".join(SUFFIX_ALPHABET[byte % 32] for byte in random(6))
    return f"{slug}-{suffix}"


def _publishing(repository: Repository, config: Config) -> tuple[Config, tuple[str, ...]]:
    """Nothing is published to a branch whose people ignore ``.planning`` (DESIGN 4)."""
    if repository.worktree is None or config.planning.publish is Publish.OFF:
        return config, ()
    # 128: a link stands where records belong, which is refused by its name a step later.
    record = ".planning/sessions/any/session.md"
    answer = repository.git.at(repository.worktree).run("check-ignore", "-q", "--", record, ok=(0, 1, 128))
    if answer.code:
        return config, ()
    planning = msgspec.structs.replace(config.planning, publish=Publish.OFF)
    note = ".planning is ignored here: records stay in the state, and none is published"
    return msgspec.structs.replace(config, planning=planning), (note,)


def _check_branches(refs: Refs, config: Config) -> None:
    """A branch named like the prefix itself would make every task branch impossible (a file where a folder must be)."""
    prefixes = [config.branch_prefix]
    if config.scope.on_violation is ViolationPolicy.SPILL:
        prefixes.append(spill_prefix(config.branch_prefix))
    for prefix in prefixes:
        if refs.read(f"refs/heads/{prefix}") is not None:
            raise GitfleetError(
                Kind.NEEDS_PERSON,
                "branch-clash",
                f"There is a branch named {prefix}, so no branch {prefix}/<session>/<task> can be made.",
                hint="Rename it, or set another branch_prefix in .planning/config.yaml.",
            )


def _session(preparation: Preparation, clone: str) -> Session:
    workspace = preparation.workspace
    return Session(
        id=preparation.session,
        name=preparation.plan.name,
        state=SessionState.ACTIVE,
        direction=preparation.plan.direction,
        labels=preparation.plan.labels,
        target=preparation.target.ref,
        base=preparation.target.base,
        started=instant(workspace.now()),
        waves=preparation.schedule.waves,
        rolling=preparation.config.waves.rolling,
        max_agents=preparation.config.waves.max_agents,
        reversibility=preparation.disclosure.reversibility,
        clone=clone,
    )
