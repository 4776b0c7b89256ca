"""A direction in words, before the planner is called and after: what is checked and told, and what a plan came from.

Everything that can be refused without a model is refused before one is called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from gitfleet.app.sessions.budgets import refuse_unpriced
from gitfleet.app.sessions.preflight import refuse_unready
from gitfleet.app.sessions.request import overridden
from gitfleet.app.sessions.target import bring_up_to_date, choose
from gitfleet.coordinator.planning.calling import planning_task
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.git.identity import identity
from gitfleet.model.agent_config import AgentKind, Permissions, ToolProfile
from gitfleet.model.plan import TaskId
from gitfleet.model.words import plural
from gitfleet.store.layout import PLANNER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gitfleet.app.sessions.request import WaveRequest
    from gitfleet.app.sessions.wave import Preparation
    from gitfleet.app.workspace import Workspace
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan, Task
    from gitfleet.model.worker import Worker

TRIES = 3
"""The first answer and two repairs."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a direction is planned on: checked, and nothing was started yet."""

    workspace: Workspace
    request: WaveRequest
    direction: str
    agent: str
    base: str
    target: str
    fold: bool

    @property
    def config(self) -> Config:
        """The config with the options of the command."""
        return overridden(self.workspace.config, self.request)


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was made of a direction, and is kept at ``path``; ``preparation`` is what it would do.

    ``origin`` says where it came from, ``notes`` what else a person should know of that. ``unread`` are clauses on what
    the planner wrote that reaches beyond the scopes of agents, which a person has to have seen before it runs.
    """

    preparation: Preparation
    request: WaveRequest
    path: Path
    origin: str
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def prepared(self) -> Preparation:
        """What it would do, with where it came from among what is told of it."""
        disclosure = self.preparation.disclosure
        wrote = (f"the planner wrote {clause}: read it before you agree" for clause in self.unread)
        notes = (*disclosure.notes, *self.notes, *wrote, self.origin, f"the plan is kept: {self.path}")
        return replace(self.preparation, disclosure=msgspec.structs.replace(disclosure, notes=notes))


def survey(workspace: Workspace, request: WaveRequest, direction: str) -> Ground:
    """Check what can be checked without a model.

    Raises ``GitfleetError`` as ``prepare`` does, and where no agent can plan: ``no-planner`` where the config names
    none and no account is connected, ``no-account`` and ``no-program`` for the one that it names; ``no-cost-told``
    where dollars bound one that cannot be held to them.
    """
    config = overridden(workspace.config, request)
    _refuse_choice(request)
    if config.fixture:
        raise GitfleetError(
            Kind.USAGE,
            "fixture-plans-nothing",
            "--fixture stands in for the agents of a plan, and makes none of a direction.",
            hint="Give it a plan.",
        )
    name = config.planner.agent or config.agent or AgentKind.AUTO
    if config.agent_named(name) is None:
        message = f"The config has no agent {name}, which is to plan."
        raise GitfleetError(Kind.DOCUMENT, "unknown-agent", message, hint="Set planner.agent in .planning/config.yaml.")
    planner = planning_task(name, config)
    refuse_unpriced(planner, config)
    _refuse_unready(planner, config, workspace.now, said=name != AgentKind.AUTO)
    repository = workspace.repository
    identity(repository.git)
    if request.fetch:
        bring_up_to_date(repository, workspace.layout, config.target)
    target = choose(repository, config.target, f"{PLANNER}aaaaaa")
    return Ground(
        workspace,
        replace(request, fetch=False),
        direction.strip(),
        name,
        target.base,
        target.ref,
        preflight.folds_case(repository.git),
    )


def _refuse_choice(request: WaveRequest) -> None:
    """Refuse to choose what no plan of a direction has: tags, of which the planner is told nothing, and bad ids."""
    if request.tags:
        message = f"--tag {', '.join(request.tags)}: a plan that is made of a direction has no tags."
        hint = "Have `gitfleet plan DIRECTION -o FILE` write it, give tags to its tasks there, and run FILE."
        raise GitfleetError(Kind.USAGE, "unknown-tag", message, hint=hint)
    impossible = [name for name in request.only if not _is_id(name)]
    if impossible:
        message = f"--only {', '.join(impossible)}: no task can have that id."
        hint = "An id is at most 64 of a-z, 0-9, `.`, `_` and `-`, a letter or digit first."
        raise GitfleetError(Kind.USAGE, "unknown-task", message, hint=hint)


def _is_id(name: str) -> bool:
    try:
        msgspec.convert(name, TaskId)
    except msgspec.ValidationError:
        return False
    return True


def _refuse_unready(task: Task, config: Config, now: Callable[[], float], *, said: bool) -> None:
    try:
        refuse_unready([task], config, now)
    except GitfleetError as error:
        if said:
            raise
        raise GitfleetError(
            error.kind,
            "no-planner",
            "A direction in words needs an agent that makes a plan of it: the config names none, no account is ready.",
            hint="Set planner.agent or agent in .planning/config.yaml, or: gitfleet accounts connect claude",
        ) from error


def announcement(ground: Ground) -> tuple[str, ...]:
    """Say what will happen when the planner is started: who is called, where, how often, and with which bounds."""
    config = ground.config
    agent = config.agent_named(ground.agent)
    who = f"agent {ground.agent}"
    if agent is None or agent.kind is AgentKind.COMMAND:
        who += f", which runs as you: {' '.join(agent.argv if agent else ())}"
    elif agent.kind is AgentKind.AUTO:
        who += ": the readiest account does it, and a model is called"
    else:
        account = f", account {agent.account}" if agent.account else ", its readiest account"
        who += f" ({agent.kind.value}{', model ' + agent.model if agent.model else ''}{account}), which calls a model"
    if agent is not None and agent.permissions is Permissions.BYPASS:
        who += "; its program asks for nothing and refuses nothing (permissions: bypass)"
    reserve = config.budgets.reserve.said()
    bounds = ", ".join(f"{name} {value}" for name, value in reserve.items())
    return (
        f"Planning needs {who}.",
        f"It reads a worktree of its own at {ground.base[:12]}; whatever it changes there reaches no branch.",
        f"At most {TRIES} calls of {config.planner.timeout_seconds} s each: the plan, and two repairs of it"
        + ("" if agent is None or agent.kind is AgentKind.COMMAND else "; one that meets a rate limit does not count")
        + (f"; in all at most {bounds} (budgets.reserve)." if bounds else "."),
    )


def reaching(plan: Plan, config: Config) -> tuple[str, ...]:
    """What of a plan reaches beyond agents with the config's rights in worktrees of their own, in clauses.

    Commands run as the person without an agent in between, unless the config runs them anyway.
    """
    own = {check.run for check in config.verify.commands}
    commands = [one for task in plan.tasks for one in (task.command, *(check.run for check in task.verify)) if one]
    count = len({one for one in commands if one not in own})
    tools = [task.id for task in plan.tasks if task.worker is not None and _widened(task.worker)]
    variables = [
        task.id for task in plan.tasks if task.workspace is not None and task.workspace.environment is not None
    ]
    clauses = [f"{plural(count, 'command')} that will run as you"] if count else []
    clauses += [f"further tools for {', '.join(tools)}"] if tools else []
    clauses += [f"variables of yours that {', '.join(variables)} will see"] if variables else []
    return tuple(clauses)


def _widened(worker: Worker) -> bool:
    return bool(worker.tools) or worker.tool_profile is ToolProfile.FULL


def kept(error: GitfleetError, path: Path) -> GitfleetError:
    """The same refusal, which says where the plan is that was made before it."""
    hint = f"{error.hint} The plan is kept: {path}".strip()
    return GitfleetError(error.kind, error.code, error.message, hint=hint, problems=error.problems)


def commented(plan: bytes, lines: Sequence[str]) -> bytes:
    """A plan in YAML under comments."""
    said = [f"# {part}".rstrip() for line in lines for part in line.splitlines() or [""]]
    return "\n".join([*said, ""]).encode() + plan
