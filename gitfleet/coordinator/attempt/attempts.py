"""One attempt: where it works, how its host knows it, and its execution.

``preparing`` comes before it and ``collecting`` after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.model.evidence import Exit
from gitfleet.recovery.keeping import tree_of

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle, LaunchSpec


def worktree_of(parts: Parts, run: Run) -> Path:
    """Where a run's last attempt works: the slot of the pool that the books name."""
    return tree_of(parts, run)


def handle_of(parts: Parts, run: Run) -> Handle:
    """A run's last attempt, as its host knows it."""
    number = len(run.attempts)
    return parts.host.adopt(run.instance, number, parts.layout.attempt(run.instance, number))


def execute(parts: Parts, spec: LaunchSpec) -> Exit:
    """Start the attempt's warden and wait for its end; what could not even be started ends at once."""
    try:
        handle = parts.host.start(spec)
    except GitfleetError as error:
        return Exit(reason="spawn-failed", message=f"{error.message} {error.hint}".strip())
    return parts.host.wait(handle)
