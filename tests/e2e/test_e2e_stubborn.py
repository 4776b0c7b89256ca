"""An agent that will not stop: it goes all the same, with everybody it started, and its work comes back byte for byte.

It ignores INT and TERM. It has descendants in sessions of their own whose parents are gone: one with nothing open, one
that holds the agent's output open, and one that cleared its environment and stays in the worktree. The ladder is the
real one.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitfleet.runtime.ladder import LEFTOVER_LADDER, STOP_LADDER
from tests.support.agents import carrying, python, running
from tests.support.sessions import common_dir, config_of, plan_of, state_runs, task

if TYPE_CHECKING:
    import subprocess

    from tests.support.fleet import FleetEnv, SyncPoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.leaves_worktrees("the tree of an attempt that was stopped stays for people"),
    pytest.mark.skipif(sys.platform != "linux", reason="names that are no text cannot be made elsewhere"),
]

DEADLINE = 5
BUSY_SECONDS = 15.0
"""What a busy machine may add to the time of a ladder, snapshot and all."""

AGENT = r"""
import json, subprocess
told, arrived = sys.argv[1:]
ignore("INT", "TERM")
# Work of every sort: changed, staged, removed, new, ignored; of any bytes, with any name.
every = bytes(range(256)) * 300
def put(name, data, mode=0o644):
    os.makedirs(os.path.dirname(name) or b".", exist_ok=True)
    with open(name, "wb") as file:
        file.write(data)
    os.chmod(name, mode)
put(b"work/tracked.bin", every[::-1])
os.unlink(b"work/gone.txt")
put(b"work/staged.txt", b"in the index\n")
subprocess.run(["git", "add", "work/staged.txt"], check=True)
put(b"work/staged.txt", b"in the tree\r\n")
put(b"work/run me", b"#!/bin/sh\nexit 3\n", 0o755)
put(b"work/new\nline \"quoted\" \xff\xfe", every)
put(b"work/ -n", b"")
put("work/\u00e9t\u00e9/\u65e5\u672c".encode(), b"\r\n\0\n")
os.symlink(b"nowhere/\xff", b"work/link")
put(b"work/made.log", b"ignored, in scope\n" + every)
put(b"work/build/deep/cache.o", every)
put(b"other.log", b"ignored, not in scope\n")
pids = []
def child(name, keep_output=False, bare=False):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 2) if keep_output else (0, 1, 2):
            os.dup2(null, descriptor)
        if bare:
            os.dup2(theirs, 7)
            os.set_inheritable(7, True)
            again('ignore("INT", "TERM"); os.write(7, b"%d" % os.getpid()); os.close(7); rest()', environment={})
        os.write(theirs, b"%d" % os.getpid())
        os.close(theirs)
        rest()
    os.wait()
    os.close(theirs)
    pids.append(int(os.read(ours, 20)))
child("apart")
child("holds the output", keep_output=True)
child("bare", bare=True)
with open(told, "w") as file:
    json.dump({"nonce": os.environ["GITFLEET_NONCE"].split("/")[-1], "pids": [os.getpid(), *pids]}, file)
tell(arrived)
rest()
"""

Listing = dict[bytes, tuple[int, bytes]]


@dataclass(slots=True)
class Stubborn:
    """A session whose first attempt will not stop; the second one does its work at once."""

    fleet: FleetEnv
    repo: Path
    session: subprocess.Popen[str]
    instance: str
    tree: Path
    nonce: str
    pids: list[int]
    work: Listing

    @property
    def attempt(self) -> Path:
        """The directory of the attempt."""
        return common_dir(self.fleet, self.repo) / "gitfleet/attempts" / self.instance / "1"

    @property
    def warden(self) -> int:
        """The process that owns the attempt."""
        return int(json.loads((self.attempt / "warden.json").read_text())["pid"])

    def assert_gone(self) -> None:
        """Nobody of the attempt is there, by pid or by nonce."""
        assert [pid for pid in self.pids if running(pid)] == []
        assert carrying(self.nonce) == []

    def assert_brought_back(self) -> None:
        """What the tree held comes back with one command."""
        back = self.fleet.root / "back"
        self.fleet.run("rescue", "apply", self.instance, "--into", back).ok()
        found = listing(back)
        assert found == self.work


def listing(root: Path) -> Listing:
    """Every file below a directory but git's own and those out of scope, with its right to be run and its bytes."""
    found: Listing = {}
    top = os.fsencode(root)
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)  # noqa: PTH118 - names of any bytes
            place = os.path.relpath(path, top)
            if place in {b".git", b".fleet-instance-id", b"other.log"}:
                continue
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                found[place] = (stat.S_IFLNK, os.readlink(path))  # noqa: PTH115 - as above
            else:
                found[place] = (mode & 0o111, Path(os.fsdecode(path)).read_bytes())
    return found


def stubborn(fleet: FleetEnv, point: SyncPoint, **more: object) -> Stubborn:
    """Start a session and wait until its agent did its work and has its descendants."""
    files: dict[str, str | bytes] = {
        "README.md": "A project.\n",
        ".gitignore": "*.log\nbuild/\n",
        "work/tracked.bin": bytes(range(256)),
        "work/gone.txt": "soon\n",
    }
    repo = fleet.repo(files)
    fleet.config(repo, config_of(retry={"initial_backoff_seconds": 0}))
    told = fleet.root / "told.json"
    agent = shlex.join(python(AGENT, told, fleet.root / f"{point.name}.arrived"))
    command = f"if mkdir {shlex.quote(str(fleet.root / 'once'))}; then exec {agent}; fi; echo done > work/done.txt"
    plan = fleet.plan(plan_of(task("one", command, ["work/"], **more)))
    session = fleet.start("wave", plan, "--yes")
    point.wait()
    facts = json.loads(told.read_text())
    run = state_runs(fleet, repo)["one"]
    tree = repo.with_name("repo.fleet") / run.attempts[-1].worktree
    assert len(facts["pids"]) == 4
    assert all(running(pid) for pid in facts["pids"])
    return Stubborn(fleet, repo, session, run.instance, tree, facts["nonce"], facts["pids"], listing(tree))


def seconds_of(ladder: tuple[tuple[str, float], ...]) -> float:
    return sum(seconds for _, seconds in ladder)


def test_at_its_deadline(fleet: FleetEnv) -> None:
    found = stubborn(fleet, fleet.point("here"), timeout_seconds=DEADLINE)
    began = time.monotonic()
    fleet.finish(found.session).ok(1)
    assert time.monotonic() - began < DEADLINE + seconds_of(STOP_LADDER) + BUSY_SECONDS
    found.assert_gone()
    run = state_runs(fleet, found.repo)["one"]
    assert run.state == "timed-out"
    assert run.attempts[-1].exit is not None
    assert run.attempts[-1].exit.remaining == ()
    found.assert_brought_back()


def test_at_ctrl_c(fleet: FleetEnv) -> None:
    found = stubborn(fleet, fleet.point("here"))
    began = time.monotonic()
    found.session.send_signal(signal.SIGINT)
    fleet.finish(found.session).ok(130)
    assert time.monotonic() - began < seconds_of(STOP_LADDER) + BUSY_SECONDS
    found.assert_gone()
    found.assert_brought_back()
    fleet.run("continue").ok()
    assert (found.repo / "work/done.txt").read_text() == "done\n"


def test_after_kill_9_of_its_warden(fleet: FleetEnv) -> None:
    found = stubborn(fleet, fleet.point("here"))
    began = time.monotonic()
    os.kill(found.warden, signal.SIGKILL)
    fleet.finish(found.session).ok()
    assert time.monotonic() - began < seconds_of(LEFTOVER_LADDER) + BUSY_SECONDS
    found.assert_gone()
    first = state_runs(fleet, found.repo)["one"].attempts[0]
    assert first.exit is not None
    assert (first.exit.reason, first.outcome) == ("lost", "lost")
    found.assert_brought_back()
    assert (found.repo / "work/done.txt").read_text() == "done\n"


def test_after_kill_9_of_warden_and_coordinator(fleet: FleetEnv) -> None:
    found = stubborn(fleet, fleet.point("here"))
    warden = found.warden
    found.session.kill()
    os.kill(warden, signal.SIGKILL)
    fleet.finish(found.session).ok(-signal.SIGKILL)
    began = time.monotonic()
    fleet.run("continue").ok()
    assert time.monotonic() - began < seconds_of(LEFTOVER_LADDER) + BUSY_SECONDS
    found.assert_gone()
    found.assert_brought_back()
    assert (found.repo / "work/done.txt").read_text() == "done\n"
