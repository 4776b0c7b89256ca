"""Output into a pipe that nobody reads, as a pager that is not read on is: the session does not wait for it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.support.sessions import plan_of, session_ids, states, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv


def fill(pipe: int) -> int:
    """Write until not one more byte fits; gives how many did."""
    os.set_blocking(pipe, False)
    size = 0
    for piece in (b"." * 4096, b"."):
        try:
            while True:
                size += os.write(pipe, piece)
        except BlockingIOError:
            continue
    os.set_blocking(pipe, True)
    return size


def test_a_session_ends_though_nobody_reads_what_it_says(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    first, second = fleet.point("first-wave"), fleet.point("second-wave")
    plan = fleet.plan(
        plan_of(
            task("first", f"{first.shell}; echo 1 > first.txt", ["first.txt"]),
            task("second", f"{second.shell}; echo 2 > second.txt", ["second.txt"], "first"),
        )
    )
    reader, writer = os.pipe()
    line = fleet.argv("wave", plan, "--yes")
    with subprocess.Popen(line, cwd=repo, env=fleet.environ, stdin=subprocess.DEVNULL, stdout=writer) as wave:
        first.wait()
        fill(writer)
        os.close(writer)
        first.release()
        # The first wave has landed by now, and not a word of it was read.
        second.wait()
        second.release()
        with os.fdopen(reader, "rb") as stream:
            told = stream.read().replace(b".", b"").decode()
    assert wave.returncode == 0
    assert set(states(fleet, repo).values()) == {"landed"}
    (session,) = session_ids(fleet, repo)
    lines = told.splitlines()
    # The end of it all comes last, though what was before it was written by another thread.
    completed = next(at for at, said in enumerate(lines) if f"session {session} completed" in said)
    assert any(said.startswith("Nothing needs you") for said in lines[completed:])
