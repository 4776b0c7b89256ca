"""Preparing an attempt: its worktree, and everything that its agent is started with. Runs in worker threads.

It writes no books: what comes of it is a value, and the coordinator's own thread decides what it means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.agents.base import Assignment
from gitfleet.agents.registry import agent_for, agent_name, as_done, effort_of, model_of, profile_of
from gitfleet.coordinator.accounts import access
from gitfleet.coordinator.attempt.attempts import worktree_of
from gitfleet.coordinator.attempt.continuing import could_not
from gitfleet.coordinator.attempt.granting import granted
from gitfleet.coordinator.attempt.guarding import guarded
from gitfleet.coordinator.attempt.needing import lacking, wanted
from gitfleet.coordinator.attempt.resolving import merge_target
from gitfleet.coordinator.attempt.setting_up import make_ready
from gitfleet.coordinator.machine import Refused, refused
from gitfleet.errors import GitfleetError
from gitfleet.git.command import GitFailed
from gitfleet.git.worktrees import BranchTaken
from gitfleet.model.agent_config import Permissions
from gitfleet.model.run import Failure, FailureSource
from gitfleet.recovery.slots import Stands, stand, stand_again
from gitfleet.runtime.environment import agent_environment
from gitfleet.runtime.hosts.base import LaunchSpec
from gitfleet.store.files import make_directory, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitfleet.agents.base import Access
    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.git.worktrees import Worktree
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

_ROLES = ("AUTHOR", "COMMITTER")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A worktree stands and the attempt can start; ``notes`` say what was set aside for it."""

    spec: LaunchSpec
    worktree: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unprepared:
    """There is no worktree to work in, and why."""

    failure: Failure
    notes: tuple[str, ...] = ()


def prepare(
    parts: Parts, task: Task, run: Run, prompt: bytes, port_base: int, checks: CheckRunner
) -> Prepared | Unprepared | Refused:
    """Make the worktree on the run's branch and write everything that the attempt needs."""
    tree = worktree_of(parts, run)
    try:
        make_directory(parts.layout.attempt(run.instance, len(run.attempts)))
        made = _stands_again(parts, run) if run.attempts[-1].continues else _stands(parts, run, checks)
        if isinstance(made, Unprepared):
            return made
        lacks = lacking(task, tree, parts.caller)
        if lacks is not None:
            return Unprepared(lacks, made.notes)
        spec = launch_of(parts, task, run, made.worktree, prompt, port_base)
    except (GitfleetError, GitFailed, OSError, ValueError) as error:
        return refused(parts, error) or _unprepared(str(error))
    return Prepared(spec, tree, made.notes)


def _stands_again(parts: Parts, run: Run) -> Stands | Unprepared:
    """The tree as the attempt before left it."""
    made = stand_again(parts, run)
    return Unprepared(could_not(made)) if isinstance(made, str) else made


def _stands(parts: Parts, run: Run, checks: CheckRunner) -> Stands | Unprepared:
    """The tree at its base, set up; for a resolver with the merge under way."""
    met = run.conflict_met if run.attempts[-1].resolver else None
    made = stand(parts, run, met.tip if met else "")
    if isinstance(made, BranchTaken):
        return _unprepared(made.why)
    failure = make_ready(parts, checks, made.worktree, run)
    if failure is not None:
        return Unprepared(failure, made.notes)
    if met is not None:
        merge_target(parts, made.worktree, run.base)
    return made


def _apart(env: Mapping[str, str], account: Access | None) -> tuple[dict[str, str], dict[str, str]]:
    """An agent's variables that hold a secret of its account, which are never written down, and the others."""
    values = frozenset(account.secrets.values()) if account else frozenset()
    secret = {name: value for name, value in env.items() if value in values}
    return secret, {name: value for name, value in env.items() if name not in secret}


def launch_of(parts: Parts, task: Task, run: Run, worktree: Worktree, prompt: bytes, port_base: int) -> LaunchSpec:
    """Write what the last attempt of a run is started with, and say how; its worktree stands already.

    Raises ``GitfleetError``, ``GitFailed``, ``OSError`` and ``ValueError``.
    """
    number = len(run.attempts)
    directory = parts.layout.attempt(run.instance, number)
    task = as_done(task, run.attempts[-1], parts.config)
    account = access(parts, run.attempts[-1].account)
    config = parts.config.agent_named(agent_name(task, parts.config) or "")
    prompt_file = directory / "prompt.md"
    # Not flushed: after a power cut nobody is left to read it, and the next attempt gets its own.
    prompt_file.write_bytes(prompt)
    assignment = Assignment(
        task=task,
        session=run.session,
        instance=run.instance,
        wave=run.wave,
        worktree=worktree.path,
        prompt_file=prompt_file,
        handoff_file=directory / "handoff.json",
        port_base=port_base,
        attempt=number,
        reduced=run.reduced,
        git_dirs=(worktree.git_dir, parts.repository.common_dir),
        model=model_of(task, config),
        effort=effort_of(task, config),
        bypass=config is not None and config.permissions is Permissions.BYPASS,
        profile=profile_of(task),
        tools=task.worker.tools if task.worker else (),
        grants=granted(parts, run, config),
        resume=run.attempts[-1].continues,
        access=account,
        budget=run.attempts[-1].budget,
        config_home=parts.caller.get("XDG_CONFIG_HOME", ""),
    )
    launch = agent_for(task, parts.config).launch(assignment)
    for made in launch.directories:
        made.mkdir(exist_ok=True)
    for file, content in launch.files.items():
        write_private(file, content)
    secret, open_ = _apart(launch.env, account)
    env = agent_environment(parts.caller, assignment, directory=directory, allow=(*launch.allow, *wanted(task)))
    return LaunchSpec(
        instance=run.instance,
        attempt=number,
        directory=directory,
        argv=launch.argv,
        cwd=worktree.path,
        env=guarded(parts, run, {**_identity(parts), **env, **open_}),
        secrets=secret,
        stdin=launch.stdin,
        deadline_seconds=_deadline(parts, task, run),
        stall_seconds=parts.config.timeouts.stall,
    )


def _identity(parts: Parts) -> dict[str, str]:
    """What decides who commits, and with which key, beyond what lies in HOME: agents commit as the user does."""
    names = ("XDG_CONFIG_HOME", "GNUPGHOME", *(f"GIT_{who}_{what}" for who in _ROLES for what in ("NAME", "EMAIL")))
    return {name: parts.caller[name] for name in names if name in parts.caller}


def _unprepared(why: str) -> Unprepared:
    message = f"Its worktree could not be prepared: {why}"
    return Unprepared(Failure(source=FailureSource.TRANSPORT, code="prepare-failed", message=message))


def _deadline(parts: Parts, task: Task, run: Run) -> int:
    """When an attempt is over at the latest: its deadline, or what its budget has left in seconds."""
    budget = run.attempts[-1].budget
    deadline = task.timeout_seconds or parts.config.timeouts.of(task.kind)
    return min(deadline, budget.max_seconds) if budget and budget.max_seconds else deadline
