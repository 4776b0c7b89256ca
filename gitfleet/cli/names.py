"""Completion of names: from the state, records, refs, the config and what is granted. Never fails."""

from __future__ import annotations

import os
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitfleet.app.workspace import Workspace

    _Text = click.ParamType[str]
else:
    _Text = click.ParamType  # generic since click 8.2 only


class Name(_Text):
    """A text that completes to names of these kinds: keys of ``_NAMES``, or ``account``, which no repository has."""

    name = "text"

    def __init__(self, *kinds: str) -> None:
        """Complete to these kinds of names."""
        self.kinds = kinds

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Take the text as it is; whether it names something is the use case's question."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """List the names that begin with what was typed."""
        try:
            repo = ctx.params.get("repo")
            names = sorted(set(self._names(repo if isinstance(repo, Path) else Path())))
        except Exception:  # noqa: BLE001 - a completion that fails completes nothing; it must not print
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    def _names(self, repo: Path) -> Iterable[str]:
        if self.kinds == ("account",):
            from gitfleet.agents.accounts.store import Accounts  # noqa: PLC0415

            return Accounts.of(os.environ, time.time).refs()
        from gitfleet.app.workspace import open_workspace  # noqa: PLC0415

        workspace = open_workspace(repo)
        return chain.from_iterable(_NAMES[kind](workspace) for kind in self.kinds)


def _sessions(here: Workspace) -> Iterable[str]:
    from gitfleet.store.state import State  # noqa: PLC0415

    return State(here.layout).session_ids()


def _tasks(here: Workspace) -> Iterable[str]:
    return (path.stem for session in _sessions(here) for path in here.layout.runs(session).glob("[!.]*.json"))


def _instances(here: Workspace) -> Iterable[str]:
    return (path.name for path in (here.layout.root / "attempts").glob("fleet-*-w*-a*"))


def _planners(here: Workspace) -> Iterable[str]:
    from gitfleet.app.planning.planners import planners  # noqa: PLC0415

    return planners(here.layout)


def _begun(here: Workspace) -> Iterable[str]:
    from gitfleet.app.planning.planners import begun  # noqa: PLC0415

    return begun(here.layout)


def _snapshots(here: Workspace) -> Iterable[str]:
    from gitfleet.git.rescuing import kept  # noqa: PLC0415

    for snapshot in kept(here.repository):
        yield snapshot.instance
        yield f"{snapshot.instance}/{snapshot.number}"


def _records(here: Workspace) -> Iterable[str]:
    root = here.repository.worktree
    return () if root is None else (path.name for path in (root / ".planning" / "sessions").glob("[!.]*"))


def _branches(here: Workspace) -> Iterable[str]:
    from gitfleet.git.refs import Refs, short  # noqa: PLC0415

    return map(short, Refs(here.repository.git).under("refs/heads/"))


def _agents(here: Workspace) -> Iterable[str]:
    from gitfleet.model.agent_config import BUILT_IN  # noqa: PLC0415

    return (*BUILT_IN, *here.config.agents)


def _grants(here: Workspace) -> Iterable[str]:
    from gitfleet.store.grants import Grants  # noqa: PLC0415

    for grant in Grants.of(here.layout, os.environ).all():
        yield grant.tool
        yield grant.permission.full


_NAMES: dict[str, Callable[[Workspace], Iterable[str]]] = {
    "session": _sessions,
    "task": _tasks,
    "instance": _instances,
    "planner": _planners,
    "begun planner": _begun,
    "snapshot": _snapshots,
    "record": _records,
    "branch": _branches,
    "agent": _agents,
    "grant": _grants,
}


class PlanFile(click.Path):
    """A plan file, or ``-`` for standard input."""

    def __init__(self) -> None:
        """Accept what can be read; that it exists is checked by the use case, with a better sentence."""
        super().__init__(path_type=Path, dir_okay=False, allow_dash=True)


class PlanText(click.Path):
    """A plan file, ``-`` for standard input, or a direction in words, which is kept as it was typed."""

    name = "text"

    def __init__(self) -> None:
        """Complete to files."""
        super().__init__(path_type=str, allow_dash=True)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Take the text as it is; what it stands for is said with better sentences later."""
        return str(value)


SESSION = Name("session")
ACCOUNT = Name("account")
RUN = Name("instance", "task")
LOG = Name("instance", "task", "planner")
CLOSEOUT = Name("instance", "session", "record")
TASK = Name("task")
SNAPSHOT = Name("snapshot")
STOPPABLE = Name("session", "begun planner")
BRANCH = Name("branch")
AGENT = Name("agent")
GRANT = Name("grant")
PLAN = PlanFile()
PLAN_TEXT = PlanText()
