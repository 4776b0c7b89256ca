"""What an attempt's directory says about it: read only, and from the files alone.

Liveness is the lock that the warden holds, never a pid. The lock is probed only once there is a pulse, so that looking
can never be in the way of a warden that is just starting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.run import RunState
from gitfleet.runtime.pulse import read_pulse
from gitfleet.store.locks import holder

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.model.run import Run
    from gitfleet.runtime.supervisor import Judgement, Supervisor
    from gitfleet.store.layout import Layout

LOG = "out.log"
PROMPT = "prompt.md"
PULSE = "pulse"
EXIT = "exit.json"
LOCK = "lock"


def directories(layout: Layout, run: Run) -> list[tuple[int, Path]]:
    """List the attempts of a run that left a directory: number and path, oldest first."""
    return numbered(layout, run.instance) if run.instance else []


def numbered(layout: Layout, instance: str) -> list[tuple[int, Path]]:
    """The same for an instance, which may be a planner's."""
    parent = layout.attempt(instance, 1).parent
    try:
        names = [path.name for path in parent.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [(number, parent / str(number)) for number in sorted(int(name) for name in names if name.isdecimal())]


def last_output(directory: Path) -> float | None:
    """When the attempt last wrote output, in POSIX seconds; none before its warden started."""
    facts = read_pulse(str(directory / PULSE))
    return facts[0] if facts else None


def alive(directory: Path) -> bool | None:
    """Whether the attempt's warden lives; none while it has not said anything yet."""
    if (directory / EXIT).exists():
        return False
    if not (directory / PULSE).exists():
        return None
    return holder(directory / LOCK) is not None


def working(layout: Layout, run: Run) -> bool:
    """Whether a warden of any attempt of the run lives."""
    return any(alive(path) for _, path in directories(layout, run))


def judgement(supervisor: Supervisor, run: Run, directory: Path) -> Judgement | None:
    """How the agent of a run stands that has not ended; none before that is known."""
    held = alive(directory)
    if run.state is not RunState.RUNNING or held is None or (directory / EXIT).exists():
        return None
    return supervisor.look(directory, held=held)


def log_bytes(directory: Path) -> int | None:
    """Size of the attempt's log in bytes; none before there is one."""
    try:
        return (directory / LOG).stat().st_size
    except OSError:
        return None
