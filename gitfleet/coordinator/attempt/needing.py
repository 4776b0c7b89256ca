"""What a task needs before it starts: files in its worktree, and variables of the caller's environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitfleet.model.run import Failure, FailureSource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitfleet.model.plan import Task

_NAMED = 5


def wanted(task: Task) -> tuple[str, ...]:
    """Variables of the caller that the task's agent sees."""
    environment = task.workspace.environment if task.workspace else None
    return (*environment.required, *environment.allowlist) if environment else ()


def lacking(task: Task, tree: Path, caller: Mapping[str, str]) -> Failure | None:
    """Why a task must not start in a tree; none where all is there that it needs."""
    files = (*(task.workspace.required_files if task.workspace else ()), *task.input_files)
    environment = task.workspace.environment if task.workspace else None
    gone = [path for path in dict.fromkeys(files) if not os.path.lexists(tree / path)]
    unset = [name for name in (environment.required if environment else ()) if not caller.get(name)]
    if gone:
        return _failure("missing-files", f"its worktree has no {_names(gone)}, which the task needs")
    if unset:
        return _failure("missing-variables", f"{_names(unset)} is not set where gitfleet was started")
    return None


def _failure(code: str, why: str) -> Failure:
    return Failure(source=FailureSource.TASK, code=code, message=f"It was not started: {why}.")


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
