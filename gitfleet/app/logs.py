"""The output of an attempt: the end of it, or what comes as it comes. Read only.

The log is bounded by its warden, which may replace its middle by a mark; a reader that follows notices when the file
got shorter and goes on from its new end.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.secrecy import secret_values
from gitfleet.app import attempt_files
from gitfleet.app.find import find_run
from gitfleet.app.planning.planners import is_planner, run_of
from gitfleet.errors import GitfleetError, Kind
from gitfleet.store.files import open_regular
from gitfleet.store.locks import holder
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitfleet.agents.rendering import Rendering
    from gitfleet.app.workspace import Workspace

CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one attempt; ``owner`` is the lock of whoever starts it, where that is a planner's own."""

    instance: str
    attempt: int
    directory: Path
    owner: Path | None = None

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.directory / attempt_files.LOG

    @property
    def running(self) -> bool:
        """Whether more may come: the attempt has no end on disk, and its warden lives or is only starting."""
        lives = attempt_files.alive(self.directory)
        if lives is None and self.owner is not None:
            return holder(self.owner) is not None
        return lives is not False


def rendering(workspace: Workspace, log: Log) -> Rendering | None:
    """How to show the log of an agent that has a stream of its own; none for output that is text as it is."""
    from gitfleet.agents.registry import build  # noqa: PLC0415 - pulls in YAML, with the config
    from gitfleet.agents.rendering import Rendering  # noqa: PLC0415
    from gitfleet.app.load import load_config  # noqa: PLC0415

    state = State(workspace.layout)
    session, run = (None, run_of(workspace.layout, log.instance)) if log.owner else find_run(state, log.instance)
    if run is None or run.agent == "command" or len(run.attempts) < log.attempt:
        return None
    attempt = run.attempts[log.attempt - 1]
    name = attempt.agent or run.agent
    try:
        if session is None:
            config = workspace.config
        else:
            config = load_config(state.read_config_bytes(session.id), f"the config of {session.id}")
    except GitfleetError:
        return None
    agent = config.agent_named(name)
    reader = build(name, agent).reader(resumed=bool(attempt.continues)) if agent is not None else None
    return Rendering(reader) if reader is not None else None


def last(text: bytes, lines: int | None) -> bytes:
    """The last lines of a text; all of it where none are counted."""
    return text if lines is None else b"".join(text.splitlines(keepends=True)[-lines:] if lines else [])


def find_log(workspace: Workspace, word: str, session_id: str | None = None, number: int | None = None) -> Log:
    """Give the log of the newest attempt, or of attempt ``number``, of the run that an instance or a task names.

    A planner is found by its name too. Raises ``GitfleetError`` (``no-attempt``) when there is none, and as
    ``find_run`` does.
    """
    layout = workspace.layout
    if session_id is None and is_planner(layout, word):
        calls = dict(attempt_files.numbered(layout, word))
        if not calls or number not in {None, *calls}:
            what = f"call {number}" if calls else "call yet"
            hint = "It has " + ", ".join(map(str, calls)) + "." if calls else ""
            raise GitfleetError(Kind.USAGE, "no-attempt", f"The planner {word} has no {what}.", hint=hint)
        number = number or max(calls)
        return Log(word, number, calls[number], layout.session_lock(word))
    _, run = find_run(State(workspace.layout), word, session_id)
    found = dict(attempt_files.directories(workspace.layout, run))
    if not found:
        raise GitfleetError(
            Kind.USAGE, "no-attempt", f"The run of {run.task} has no log: it is {run.state.value}.", hint=""
        )
    if number is None:
        number = max(found)
    if number not in found:
        raise GitfleetError(
            Kind.USAGE,
            "no-attempt",
            f"The run of {run.task} has no attempt {number}.",
            hint="It has " + ", ".join(map(str, found)) + ".",
        )
    return Log(run.instance, number, found[number])


def secrets() -> dict[str, str]:
    """The secrets of the person's accounts, which are taken out of output, and what stands in their place."""
    return secret_values(os.environ, time.time)


def tail(log: Log, lines: int | None) -> tuple[bytes, int]:
    """Read the last ``lines`` lines, or all; gives the bytes and the size that was read up to."""
    try:
        with open(log.path, "rb", opener=open_regular) as file:
            end = os.fstat(file.fileno()).st_size
            if lines is None:
                return file.read(end), end
            start, data = end, b""
            while start > 0 and data.rstrip(b"\n").count(b"\n") < lines:
                step = min(CHUNK, start)
                start -= step
                file.seek(start)
                data = file.read(step) + data
    except FileNotFoundError:
        return b"", 0
    kept = data.splitlines(keepends=True)[-lines:] if lines else []
    return b"".join(kept), end


def follow(log: Log, position: int, wait: Callable[[], None]) -> Iterator[bytes]:
    """Give what is appended after ``position`` (bytes) until the attempt ended; ``wait`` pauses between looks."""
    while True:
        running = log.running
        try:
            with open(log.path, "rb", opener=open_regular) as file:
                end = os.fstat(file.fileno()).st_size
                position = min(position, end)
                file.seek(position)
                while data := file.read(CHUNK):
                    position += len(data)
                    yield data
        except FileNotFoundError:
            pass
        if not running:
            return
        wait()
