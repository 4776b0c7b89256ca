"""Run a plan: ``prepare`` says what would happen and writes nothing; ``run`` makes the session and drives it."""

from __future__ import annotations

import os
import secrets
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.registry import agent_name
from gitfleet.app.composition import build
from gitfleet.app.load import load_plan_with_notes
from gitfleet.app.outcome import Outcome, drive
from gitfleet.app.target import Target, bring_up_to_date, choose, finish_cut_off_fetches
from gitfleet.coordinator.amendments import queued_run
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.git.engines import open_objects
from gitfleet.git.identity import identity, probe_signing, signs
from gitfleet.git.pool import pool_root
from gitfleet.git.refs import Refs
from gitfleet.git.trees import SYMLINK
from gitfleet.model.base import instant
from gitfleet.model.config import Publish
from gitfleet.model.reports import Disclosure, PlacedTask, PlacedWave
from gitfleet.model.session import Session, SessionState
from gitfleet.planner.reversibility import reversibility, shared_kind
from gitfleet.planner.scopes import Scope, ScopeError, resolve_links
from gitfleet.planner.waves import OverlapRefused, Schedule, schedule
from gitfleet.relay.report import render_session
from gitfleet.store.documents.configs import write_config
from gitfleet.store.documents.plans import write_plan
from gitfleet.store.live import link_live
from gitfleet.store.locks import session_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitfleet.app.workspace import Workspace
    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.git.objects import Objects
    from gitfleet.git.repository import Repository
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan, Task
    from gitfleet.model.session import Reversibility

SUFFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
SLUG_LENGTH = 40
RECORD_PLACES = (
    b".planning",
    *(b".planning/" + name for name in (b"sessions", b"briefs", b"discoveries", b"momentum")),
)
"""Directories that hold records."""


@dataclass(frozen=True, slots=True)
class WaveRequest:
    """What a person asked for; none means "as the config says". ``plan_bytes`` came from ``plan_name``."""

    plan_bytes: bytes
    plan_name: str
    target: str | None = None
    max_agents: int | None = None
    rolling: bool | None = None
    only: tuple[str, ...] = ()
    agent: str | None = None
    fetch: bool = False


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


def prepare(
    workspace: Workspace, request: WaveRequest, *, random: Callable[[int], bytes] = secrets.token_bytes
) -> Preparation:
    """Check everything that can be checked before anything is written or spawned.

    Raises ``GitfleetError`` for a document that is wrong, a repository that cannot be landed on, or a missing identity.
    """
    repository = workspace.repository
    refs = Refs(repository.git)
    config, unpublished = _publishing(repository, _overridden(workspace.config, request))
    fold = preflight.folds_case(repository.git)
    loaded = load_plan_with_notes(request.plan_bytes, request.plan_name, config, fold=fold)
    plan, brought = _only(loaded.plan, request.only)
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
            _check_records(objects, base_tree, here)
    scopes, rewritten = resolved_scopes(plan, survey.links, fold=fold)
    _check_branches(refs, config.branch_prefix)
    try:
        placed = schedule(plan, config, fold=fold, scopes=scopes)
    except OverlapRefused as refused:
        raise GitfleetError(
            Kind.DOCUMENT,
            "overlap",
            f"The plan has overlapping scopes, and waves.overlap is error: {refused}",
            hint="Narrow the scopes, order the tasks with depends_on, or set waves.overlap: sequence.",
        ) from refused
    level, why = reversibility(placed, plan.tasks, survey.shared, scopes=scopes, fold=fold)
    pool = pool_root(repository, config.worktrees.root)
    notes = (*loaded.notes, *brought, *target.notes, *rewritten, *unpublished)
    disclosure = _disclose(plan, config, placed, target, (level, why), notes, str(pool))
    return Preparation(workspace, config, plan, placed, scopes, target, fold, disclosure, session)


def run(preparation: Preparation, observer: Observer, interrupts: Interrupts) -> Outcome:
    """Make the session and run it; returns when it is over or needs a person."""
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
        worktree = workspace.repository.worktree
        if worktree is not None:
            link_live(workspace.layout.state, worktree, workspace.repository.common_dir / "info" / "exclude")
        return drive(parts, session, plan, runs, placed, preparation.scopes, observer, interrupts)


@dataclass(frozen=True, slots=True)
class Survey:
    """What the base's tree holds that matters before anything runs: symlinks, and shared infrastructure."""

    links: dict[bytes, bytes]
    shared: tuple[bytes, ...]


def survey_tree(objects: Objects, tree: str) -> Survey:
    """Walk a tree once."""
    links: dict[bytes, bytes] = {}
    shared: list[bytes] = []
    for path, entry in objects.entries(tree):
        if entry.mode == SYMLINK:
            links[path] = objects.blob(entry.oid)
        if shared_kind(path) is not None:
            shared.append(path)
    return Survey(links, tuple(shared))


def session_id(name: str, random: Callable[[int], bytes]) -> str:
    """Slug of the plan's name plus six random base32 characters, such as ``auth-refactor-k3f9qm``."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    bare = (char for char in plain if not unicodedata.combining(char))
    kept = "".join(char if char.isascii() and char.isalnum() else "-" for char in bare)
    slug = "-".join(part for part in kept.split("-") if part)[:SLUG_LENGTH].strip("-") or "session"
    suffix = "".join(SUFFIX_ALPHABET[byte % 32] for byte in random(6))
    return f"{slug}-{suffix}"


def resolved_scopes(plan: Plan, links: dict[bytes, bytes], *, fold: bool) -> tuple[dict[str, Scope], tuple[str, ...]]:
    """Every task's scope with tracked symlinks of the base resolved, and what was rewritten, for people."""
    scopes: dict[str, Scope] = {}
    notes: list[str] = []
    for task in plan.tasks:
        try:
            scopes[task.id], rewritten = resolve_links(Scope.parse(task.scope), links, fold=fold)
        except ScopeError as error:
            raise GitfleetError(
                Kind.DOCUMENT, "invalid-scope", f"The scope of {task.id} cannot be used: {error}."
            ) from error
        notes.extend(f"{task.id}: {note}" for note in rewritten)
    return scopes, tuple(notes)


def _overridden(config: Config, request: WaveRequest) -> Config:
    waves = config.waves
    if request.max_agents is not None:
        waves = msgspec.structs.replace(waves, max_agents=request.max_agents)
    if request.rolling is not None:
        waves = msgspec.structs.replace(waves, rolling=request.rolling)
    if request.agent is not None and request.agent not in config.agents:
        known = ", ".join(sorted(config.agents)) or "none"
        raise GitfleetError(
            Kind.USAGE, "unknown-agent", f"--agent {request.agent}: the config has no such agent (it has: {known})."
        )
    # An empty option is somebody's unset variable, and no wish for what the config says.
    return msgspec.structs.replace(
        config,
        waves=waves,
        agent=config.agent if request.agent is None else request.agent,
        target=config.target if request.target is None else request.target,
    )


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


def _only(plan: Plan, only: tuple[str, ...]) -> tuple[Plan, tuple[str, ...]]:
    """The tasks that were asked for and everything that they depend on."""
    if not only:
        return plan, ()
    known = {task.id: task for task in plan.tasks}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise GitfleetError(Kind.USAGE, "unknown-task", f"--only {', '.join(unknown)}: the plan has no such task.")
    wanted: set[str] = set()
    stack = list(only)
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(known[name].depends_on)
    brought = sorted(wanted - set(only))
    notes = (f"--only brings in dependencies: {', '.join(brought)}",) if brought else ()
    tasks = tuple(task for task in plan.tasks if task.id in wanted)
    return msgspec.structs.replace(plan, tasks=tasks), notes


def _check_records(objects: Objects, tree: str, worktree: Path | None) -> None:
    """A file or link of the project's where records belong would be replaced by the first landing, or stop it."""
    taken = [place for place in RECORD_PLACES if (entry := objects.entry(tree, place)) and not entry.is_tree]
    if not taken and worktree is not None:
        on_disk = ((place, worktree / os.fsdecode(place)) for place in RECORD_PLACES)
        taken = [place for place, path in on_disk if os.path.lexists(path) and (path.is_symlink() or not path.is_dir())]
    if taken:
        place = os.fsdecode(taken[0])
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "records-in-the-way",
            f"{place} is a file or a symlink here, and landings keep their records in a directory of that name.",
            hint=f"Move {place} away, or set planning.publish: off in .planning/config.yaml.",
        )


def _check_branches(refs: Refs, prefix: str) -> None:
    """A branch named like the prefix itself would make every task branch impossible (a file where a folder must be)."""
    if refs.read(f"refs/heads/{prefix}") is not None:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "branch-clash",
            f"There is a branch named {prefix}, so no branch {prefix}/<session>/<task> can be made.",
            hint=f"Rename it, or set branch_prefix in .planning/config.yaml to something other than {prefix}.",
        )


def _session(preparation: Preparation, clone: str) -> Session:
    workspace = preparation.workspace
    return Session(
        id=preparation.session,
        name=preparation.plan.name,
        state=SessionState.ACTIVE,
        direction=preparation.plan.direction,
        target=preparation.target.ref,
        base=preparation.target.base,
        started=instant(workspace.now()),
        waves=preparation.schedule.waves,
        rolling=preparation.config.waves.rolling,
        max_agents=preparation.config.waves.max_agents,
        reversibility=preparation.disclosure.reversibility,
        clone=clone,
    )


def _disclose(
    plan: Plan,
    config: Config,
    placed: Schedule,
    target: Target,
    graded: tuple[Reversibility, str],
    notes: tuple[str, ...],
    pool: str,
) -> Disclosure:
    def row(task: Task) -> PlacedTask:
        placement = placed.placements[task.id]
        return PlacedTask(
            task=task.id,
            name=task.title,
            agent=agent_name(task, config) or "command",
            scope=task.scope,
            depends_on=task.depends_on,
            command=task.command or "",
            tokens=placement.tokens,
            reason=placement.reason,
        )

    waves = tuple(
        PlacedWave(number=number, tasks=tuple(row(plan.task(task)) for task in wave))
        for number, wave in enumerate(placed.waves, start=1)
    )
    commands = tuple(task.command for task in plan.tasks if task.command)
    argvs = tuple(" ".join(agent.argv) for agent in config.agents.values() if agent.argv)
    own = tuple(check.run for task in plan.tasks for check in task.verify)
    return Disclosure(
        plan=plan.name,
        direction=plan.direction,
        agents=len(plan.tasks),
        max_agents=config.waves.max_agents,
        waves=waves,
        rolling=config.waves.rolling,
        target=target.ref,
        creates_target=target.new,
        base=target.base,
        checks=tuple(check.run for check in config.verify.commands),
        commands=tuple(dict.fromkeys((*commands, *argvs, *own))),
        budget_tokens=sum(placement.tokens for placement in placed.placements.values()),
        permissions="commands run as you, each in a worktree of its own; nothing confines them to it",
        reversibility=graded[0],
        reversibility_reason=graded[1],
        worktrees=pool,
        notes=notes,
    )
