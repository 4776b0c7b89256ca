"""Two coordinators and one session: the second is refused, or proves the first to be what it kills."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from gitfleet.model.base import encode
from gitfleet.store import holders
from gitfleet.store.layout import Layout
from tests.support.sessions import (
    assert_nothing_remains,
    common_dir,
    held_locks,
    merge_commits,
    plan_of,
    session_ids,
    states,
    task,
    tree_without_planning,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.fleet import FleetEnv, SyncPoint

BLOBS = {"README.md": "A project.\n", "one.txt": "one\n", "two.txt": "one\ntwo\n"}

pytestmark = [pytest.mark.slow, pytest.mark.share(2)]


def two_waves(fleet: FleetEnv, point: SyncPoint) -> Path:
    """A plan whose first agent waits at the point."""
    first = task("one", f"echo one > one.txt; {point.shell}", ["one.txt"])
    return fleet.plan(plan_of(first, task("two", "cat one.txt > two.txt; echo two >> two.txt", ["two.txt"], "one")))


def assert_landed_once(fleet: FleetEnv, repo: Path) -> None:
    assert {name: (repo / name).read_text() for name in BLOBS} == BLOBS
    assert set(tree_without_planning(fleet, repo, "main")) == set(BLOBS)
    assert states(fleet, repo) == {"one": "landed", "two": "landed"}
    assert len(merge_commits(fleet, repo)) == 2
    fleet.run("check").ok()


def assert_as_undisturbed(fleet: FleetEnv, repo: Path) -> None:
    assert_landed_once(fleet, repo)
    assert_nothing_remains(fleet, repo)


def test_a_coordinator_stopped_in_a_wave_cannot_write_after_another_took_over(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    stopped = fleet.start("wave", two_waves(fleet, point), "--yes")
    point.wait()
    stopped.send_signal(signal.SIGSTOP)
    (session,) = session_ids(fleet, repo)

    refused = fleet.run("continue", "--json").ok(5).json["error"]
    assert refused["code"] == "locked"
    for words in (f"process {stopped.pid} on {socket.gethostname()} (gitfleet wave), since 20", session):
        assert words in refused["message"]
    assert f"gitfleet continue {session} --take-over" in refused["hint"]
    asked = fleet.run("continue", "--take-over").ok(3)
    assert f"process {stopped.pid} on" in asked.out
    assert "nothing was changed" in asked.err
    assert psutil.pid_exists(stopped.pid)

    point.release()
    fleet.run("continue", "--take-over", "--yes").ok()

    before = fleet.git("rev-parse", "HEAD")
    stopped.send_signal(signal.SIGCONT)
    assert fleet.finish(stopped).code == -signal.SIGKILL
    assert fleet.git("rev-parse", "HEAD") == before
    assert_as_undisturbed(fleet, repo)
    journal = fleet.run("events", session, "--json").json["events"]
    assert any(f"took the session over from process {stopped.pid}" in event["message"] for event in journal)


def slow_git(fleet: FleetEnv, point: SyncPoint, pattern: str) -> None:
    """A git on the PATH that waits at the point, once, when its arguments hold the pattern."""
    real = shutil.which("git")
    assert real is not None
    directory = fleet.root / "bin"
    directory.mkdir()
    mark = fleet.root / "git.passed"
    wrapper = directory / "git"
    wait = f"if mkdir '{mark}' 2>/dev/null; then echo $$ > '{fleet.root}/git.pid'; {point.shell}; fi"
    wrapper.write_text(f'#!/bin/sh\ncase " $* " in *"{pattern}"*) {wait};; esac\nexec \'{real}\' "$@"\n')
    wrapper.chmod(0o755)
    fleet.variables["PATH"] = f"{directory}:{os.environ['PATH']}"


@pytest.mark.slow
@pytest.mark.parametrize("pattern", [" read-tree -m -u ", " update-ref "])
@pytest.mark.parametrize("whole", [False, True], ids=["coordinator", "group"])
def test_a_coordinator_stopped_in_a_git_call_of_its_landing(pattern: str, fleet: FleetEnv, *, whole: bool) -> None:
    repo = fleet.repo()
    point = fleet.point("git")
    first = task("one", "echo one > one.txt", ["one.txt"])
    second = task("two", "cat one.txt > two.txt; echo two >> two.txt", ["two.txt"], "one")
    slow_git(fleet, point, pattern)
    stopped = fleet.start("wave", fleet.plan(plan_of(first, second)), "--yes")
    point.wait()
    child = int((fleet.root / "git.pid").read_text())
    stopped.send_signal(signal.SIGSTOP)
    if whole:
        os.kill(child, signal.SIGSTOP)
        point.release()  # it hears of it once somebody wakes it up

    if not whole:
        taking = fleet.start("continue", "--take-over", "--yes")
        os.waitid(os.P_PID, stopped.pid, os.WEXITED | os.WNOWAIT)  # killed, while its git call goes on
        point.release()
        fleet.finish(taking).ok()
    else:
        fleet.run("continue", "--take-over", "--yes").ok()

    stopped.send_signal(signal.SIGCONT)
    assert fleet.finish(stopped).code == -signal.SIGKILL
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert_as_undisturbed(fleet, repo)


@contextlib.contextmanager
def somebody() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any session."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        assert process.poll() is None, "a stranger was killed"
        process.kill()


HOLD = """
import fcntl, sys
lock = open(sys.argv[1], "r+b")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def held_by_facts(path: Path, **facts: Any) -> Iterator[subprocess.Popen[bytes]]:  # noqa: ANN401
    """Hold a lock, from a process that says of itself whatever the test likes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(facts).encode() if facts else b"")
    argv = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def cut_off(fleet: FleetEnv, point: SyncPoint) -> Path:
    """A session without a coordinator, whose agent waits at the point; gives its lock."""
    repo = fleet.repo()
    dead = fleet.start("wave", two_waves(fleet, point), "--yes")
    point.wait()
    dead.kill()
    fleet.finish(dead)
    (session,) = session_ids(fleet, repo)
    return Layout(common_dir(fleet, repo)).session_lock(session)


def facts_of(pid: int, **other: str) -> dict[str, Any]:
    boot, started = holders.process_identity(pid)
    told = holders.Holder(
        pid=pid, host=socket.gethostname(), boot=boot, started=started, namespace=holders.pid_namespace()
    )
    facts: dict[str, Any] = json.loads(encode(told))
    return facts | other


@pytest.mark.slow
def test_a_recycled_pid_is_not_killed_and_who_else_holds_the_lock_is_named(fleet: FleetEnv) -> None:
    point = fleet.point("here")
    lock = cut_off(fleet, point)
    point.release()
    with somebody() as stranger, held_by_facts(lock, **facts_of(stranger.pid, started="1")) as other:
        refused = fleet.run("continue", "--take-over", "--yes").ok(5).text
        assert f"({other.pid}), which gitfleet did not start" in refused
        assert other.poll() is None
    fleet.run("continue").ok()
    assert_as_undisturbed(fleet, fleet.root / "repo")


UNKNOWN = {
    "another host": ({"host": "elsewhere"}, "it runs on elsewhere"),
    "another boot": ({"boot": "0"}, "another boot"),
    "another container": ({"namespace": "pid:[1]"}, "another container"),
    "no facts": (None, "it did not say who it is"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_unknown_owner_is_refused_and_only_a_person_says_that_it_is_gone(kind: str, fleet: FleetEnv) -> None:
    point = fleet.point("here")
    lock = cut_off(fleet, point)
    point.release()
    changed, why = UNKNOWN[kind]
    with somebody() as stranger:
        facts = {} if changed is None else facts_of(stranger.pid, **changed)
        with held_by_facts(lock, **facts) as other:
            refused = fleet.run("continue", "--take-over", "--yes", "--json").ok(5).json["error"]
            assert refused["code"] == "owner-unknown"
            assert why in refused["message"]
            assert "--owner-is-gone" in refused["hint"]
            seen = fleet.run("continue", "--take-over", "--owner-is-gone", "--yes", "--json").ok(5).json["error"]
            assert seen["code"] == "owner-lives"
            assert f"({other.pid})" in seen["message"]
    fleet.run("continue").ok()
    assert_as_undisturbed(fleet, fleet.root / "repo")


def test_a_lock_whose_holder_nobody_sees_is_set_aside_for_a_person_who_says_that_it_is_gone(fleet: FleetEnv) -> None:
    point = fleet.point("here")
    lock = cut_off(fleet, point)
    point.release()
    # An open file description that no process has open any more but in flight over a socket: seen by nobody.
    left, right = socket.socketpair()
    with lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(json.dumps(facts_of(1, host="elsewhere")).encode())
        file.flush()
        socket.send_fds(left, [b"x"], [file.fileno()])
    assert fleet.run("continue", "--take-over", "--yes").ok(5).err.count("elsewhere")

    fleet.run("continue", "--take-over", "--owner-is-gone", "--yes").ok()

    assert_as_undisturbed(fleet, fleet.root / "repo")
    left.close()
    right.close()


@pytest.mark.slow
def test_what_nobody_holds_is_just_continued(fleet: FleetEnv) -> None:
    point = fleet.point("here")
    cut_off(fleet, point)
    point.release()
    fleet.run("continue", "--take-over").ok()
    assert_as_undisturbed(fleet, fleet.root / "repo")
    assert "Nothing needs you" in fleet.run("continue", "--take-over").ok().out


@pytest.mark.slow
@pytest.mark.leaves_worktrees("the tree of an attempt that was lost stays for people")
def test_after_a_reboot_the_session_goes_on_and_no_recycled_pid_is_touched(fleet: FleetEnv) -> None:
    point = fleet.point("here")
    repo = fleet.repo()
    dead = fleet.start("wave", two_waves(fleet, point), "--yes")
    point.wait()
    (session,) = session_ids(fleet, repo)
    layout = Layout(common_dir(fleet, repo))
    # The power goes: everything dies at once, and nothing is written any more.
    (warden_file,) = layout.root.glob("attempts/*/1/warden.json")
    attempt = warden_file.parent
    warden = psutil.Process(json.loads(warden_file.read_text())["pid"])
    victims = [*warden.children(recursive=True), warden, psutil.Process(dead.pid)]
    for victim in victims:
        victim.suspend()
    for victim in reversed(victims):
        victim.kill()
    fleet.finish(dead)
    psutil.wait_procs(victims, 20)
    temporary = json.loads((attempt / "spec.json").read_text())["temporary"]
    if temporary:
        shutil.rmtree(temporary)

    with somebody() as stranger:
        # The same pids are strangers' now, in another boot.
        told = json.loads(warden_file.read_text())
        warden_file.write_text(json.dumps(told | {"pid": stranger.pid, "boot": "before"}))
        layout.session_lock(session).write_text(json.dumps(facts_of(stranger.pid, boot="before")))
        status = fleet.run("status").ok().out
        assert status.startswith("1 session waits to be continued.\n")
        assert f"  gitfleet continue {session}  # its coordinator is gone\n" in status
        point.release()
        fleet.run("continue").ok()
    assert_landed_once(fleet, repo)
    assert held_locks(layout.root) == []
    assert not list(layout.claims.glob("*"))
    assert fleet.run("status").ok().out.startswith("Nothing needs you")
