"""A disk that is full at the worst moment: the session stops with a sentence, and goes on once there is room.

The disk is real and small. It holds the repository's own directory, or the pool, or the temporary files; it is filled
before the session, while agents work, while a candidate is checked (so that the landing meets it), or before a
``continue``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults.disks import IN_A_NAMESPACE, Disk, disk, mounts
from tests.support.fleet import ROOT, write
from tests.support.sessions import (
    assert_nothing_remains,
    config_of,
    merge_commits,
    plan_of,
    session_ids,
    state_runs,
    states,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.fleet import FleetEnv, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("an attempt that met a full disk keeps its tree")]

needs_disk = pytest.mark.skipif(
    bool(os.geteuid()) or not mounts(), reason="mounting a small disk needs to be root; see the test at the end"
)


@pytest.fixture
def small(fleet: FleetEnv) -> Iterator[Disk]:
    """A disk of 16 MiB, gone after the test with everything that the test started on it."""
    with disk(fleet.root / "disk") as mounted:
        yield mounted
        fleet.close()
        fleet.__init__(fleet.root)  # type: ignore[misc]  # closed: the fixture of the fleet has nothing left to close


def repository(fleet: FleetEnv, small: Disk, where: str, check: str) -> Path:
    if where == "git":
        repo = fleet.root / "repo"
        repo.mkdir()
        fleet.git("init", "-q", "-b", "main", "--separate-git-dir", small.path / "repo.git", cwd=repo)
        fleet.identify(repo)
        write(repo, {"README.md": "A project.\n"})
        fleet.git("add", "-A", cwd=repo)
        fleet.git("commit", "-qm", "Begin", cwd=repo)
    else:
        repo = fleet.repo()
    pool = (small.path if where == "pool" else fleet.root) / "pool"
    fleet.config(repo, config_of([check], worktrees={"root": str(pool)}))
    if where == "tmp":
        fleet.variables["TMPDIR"] = str(small.path)
    return repo


def clear(outcome: Outcome) -> None:
    """A full disk is told as what it is."""
    assert outcome.code in {0, 3, 4}, outcome.text
    assert "defect" not in outcome.text, outcome.text
    assert "Traceback" not in outcome.text, outcome.text
    if outcome.code == 4:
        assert "gitfleet continue" in outcome.err or "space" in outcome.err, outcome.err


def hold(fleet: FleetEnv, small: Disk, where: str, moment: str, leave: int) -> None:
    point, other = fleet.point("middle"), fleet.point("other")
    repo = repository(fleet, small, where, point.shell if moment in {"landing", "continue"} else "true")
    # Both have done their work by then: what an agent cannot write is its own failure.
    wait, wait_too = (point.shell, other.shell) if moment == "agents" else ("true", "true")
    plan = plan_of(
        task("a", f"head -c 20000 /dev/zero > a.bin; echo a > a.txt; {wait}", ["a.txt", "a.bin"]),
        task("b", f"echo b > b.txt; git add -A; git commit -qm b; {wait_too}", ["b.txt"]),
        task("c", "cat a.txt > c.txt", ["c.txt"], "a"),
    )
    fleet.plan(plan)
    if moment == "before":
        small.fill(leave=leave)
    session = fleet.start("wave", fleet.root / "plan.yaml", "--yes", cwd=repo)
    if moment != "before":
        point.wait()
        if moment == "agents":
            other.wait()
        if moment == "continue":
            session.kill()
        small.fill(leave=leave)
        for _ in range(6):
            point.release()
            other.release()
    outcome = fleet.finish(session)
    if moment == "continue":
        outcome = fleet.run("continue", cwd=repo)
    clear(outcome)
    for command in (["status"], ["claims"], ["check"], ["clean", "--dry-run"]):
        looked = fleet.run(*command, cwd=repo)
        clear(looked)
    small.free()
    if not session_ids(fleet, repo):
        fleet.run("wave", fleet.root / "plan.yaml", "--yes", cwd=repo).ok()
    for _ in range(6):
        point.release()
        other.release()
    fleet.run("continue", cwd=repo).ok()
    assert states(fleet, repo) == {"a": "landed", "b": "landed", "c": "landed"}
    landed = {run.instance for run in state_runs(fleet, repo).values()}
    assert len(merge_commits(fleet, repo)) == len(landed) == 3
    assert (repo / "c.txt").read_text() == "a\n"
    assert (repo / "a.bin").stat().st_size == 20000
    assert_nothing_remains(fleet, repo)


@needs_disk
def test_a_disk_that_fills_up_while_agents_work_stops_the_session_and_loses_nothing(
    fleet: FleetEnv, small: Disk
) -> None:
    hold(fleet, small, "git", "agents", 20_000)


@needs_disk
@pytest.mark.slow
@pytest.mark.share(3)
@pytest.mark.parametrize(("moment", "leave"), [("before", 0), ("agents", 0), ("landing", 60_000), ("continue", 60_000)])
@pytest.mark.parametrize("where", ["git", "pool", "tmp"])
def test_a_full_disk_stops_the_session_and_loses_nothing(
    fleet: FleetEnv, small: Disk, where: str, moment: str, leave: int
) -> None:
    hold(fleet, small, where, moment, leave)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not os.geteuid(), reason="root runs the tests above as they are")
@pytest.mark.skipif(not mounts(*IN_A_NAMESPACE), reason="this user may not mount a disk, not even in a namespace")
def test_all_of_this_in_a_namespace() -> None:  # pragma: no cover - depends on who runs the suite
    line = [*IN_A_NAMESPACE, sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", __file__, "-m", "slow or not slow"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
