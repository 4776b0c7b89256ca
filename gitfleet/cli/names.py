"""Completion of names: from file names of the state and of records, snapshots from refs. Never fails."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Iterable

    _Text = click.ParamType[str]
else:
    _Text = click.ParamType  # generic since click 8.2 only


class Name(_Text):
    """A text that completes to names of these kinds.

    They are ``session``, ``task``, ``instance``, ``planner``, ``snapshot``, ``record`` and ``account``.
    """

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
        if "account" in self.kinds:
            from gitfleet.agents.accounts.store import Accounts  # noqa: PLC0415

            yield from Accounts.of(os.environ, time.time).refs()
            return
        from gitfleet.git.repository import discover  # noqa: PLC0415
        from gitfleet.store.layout import Layout  # noqa: PLC0415
        from gitfleet.store.state import State  # noqa: PLC0415

        repository = discover(repo)
        layout = Layout(repository.common_dir)
        for session in State(layout).session_ids():
            if "session" in self.kinds:
                yield session
            if "task" in self.kinds:
                yield from (path.stem for path in layout.runs(session).glob("[!.]*.json"))
        if "snapshot" in self.kinds:
            from gitfleet.git.rescuing import kept  # noqa: PLC0415

            for snapshot in kept(repository):
                yield snapshot.instance
                yield f"{snapshot.instance}/{snapshot.number}"
        if "record" in self.kinds and repository.worktree is not None:
            yield from (path.name for path in (repository.worktree / ".planning" / "sessions").glob("[!.]*"))
        if "planner" in self.kinds:
            from gitfleet.app.planning.planners import planners  # noqa: PLC0415

            yield from planners(layout)
        if "instance" in self.kinds:
            yield from (path.name for path in (layout.root / "attempts").glob("fleet-*-w*-a*"))


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
PLAN = PlanFile()
PLAN_TEXT = PlanText()
