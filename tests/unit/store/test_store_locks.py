from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from gitfleet.errors import ExitCode, GitfleetError
from gitfleet.store import holders, locks
from gitfleet.store.layout import Layout
from gitfleet.store.queues import target_lock

ROOT = Path(__file__).resolve().parents[3]


def start(code: str, *args: str | Path, fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=fds,
    )


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=20)


HOLD = """
    import sys
    from pathlib import Path
    from gitfleet.store.locks import hold
    with hold(Path(sys.argv[1]), timeout=5, what="x", command="gitfleet wave"):
        print("held", flush=True)
        sys.stdin.readline()
"""


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_refused_caller_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a.lock"
    process = start(HOLD, path)
    assert line(process) == "held"
    with pytest.raises(GitfleetError) as refused, locks.hold(path, timeout=0, what="session s"):
        pass
    assert refused.value.exit_code is ExitCode.BUSY
    assert f"session s is held by process {process.pid} on " in refused.value.message
    assert "(gitfleet wave), since 20" in refused.value.message
    facts = locks.holder(path)
    assert facts is not None
    assert facts.pid == process.pid
    assert (facts.boot, facts.started) == holders.process_identity(process.pid)
    finish(process)
    assert locks.holder(path) is None


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    process = start(HOLD, path)
    assert line(process) == "held"
    process.send_signal(signal.SIGKILL)
    finish(process)
    assert locks.holder(path) is None
    with locks.hold(path, timeout=0, what="x"):
        assert locks.holder(path) is not None


def test_the_lock_file_is_never_unlinked(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with locks.hold(path, timeout=0, what="x"):
        inode = path.stat().st_ino
    assert path.stat().st_ino == inode
    with locks.hold(path, timeout=0, what="x"):
        assert path.stat().st_ino == inode


def test_a_waiter_gets_it_when_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    process = start(HOLD, path)
    assert line(process) == "held"
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            finish(process)

    with locks.hold_as(locks.LockProof, path, timeout=20, what="x", sleep=sleep) as proof:
        proof.check()
    assert waits[:3] == [locks.POLL_SECONDS] * 3


def test_it_excludes_within_one_process_too(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with (
        locks.hold(path, timeout=0, what="x"),
        pytest.raises(GitfleetError),
        locks.hold(path, timeout=0, what="x"),
    ):
        pass


def test_a_child_inherits_it_only_when_told_and_then_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    wait = "import sys; print('up', flush=True); sys.stdin.readline()"
    with locks.hold(path, timeout=0, what="x") as proof:
        assert os.get_inheritable(proof.fd) is False
        stranger = start(wait)
        child = start(wait, fds=(proof.fd,))
        assert line(stranger) == line(child) == "up"
    # Released here, and still not free: the git child that was given the descriptor lives.
    assert locks.holder(path) is not None
    finish(child)
    assert locks.holder(path) is None
    finish(stranger)


def test_a_message_says_when_only_a_child_of_the_holder_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    code = """
        import subprocess, sys
        from pathlib import Path
        from gitfleet.store.locks import hold
        with hold(Path(sys.argv[1]), timeout=5, what="x") as proof:
            child = subprocess.Popen(["sleep", "60"], pass_fds=(proof.fd,), stdout=subprocess.DEVNULL)
            print(child.pid, flush=True)
            sys.stdin.readline()
    """
    process = start(code, path)
    child = int(line(process))
    process.kill()
    finish(process)
    try:
        with pytest.raises(GitfleetError, match="a process that was started by process") as refused:
            locks.hold(path, timeout=0, what="x").__enter__()
        assert "which itself has ended" in refused.value.message
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_proof_is_worth_nothing_after_the_release(tmp_path: Path) -> None:
    with locks.session_lock(Layout(tmp_path), "s") as proof:
        proof.check()
    with pytest.raises(AssertionError, match="released"):
        proof.check()


def test_a_symlink_in_place_of_the_lock_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to("elsewhere")
    with pytest.raises(OSError, match=r"a\.lock"), locks.hold(tmp_path / "a.lock", timeout=0, what="x"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_probe_never_makes_an_impatient_caller_fail(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    stop = threading.Event()

    def probe() -> None:
        while not stop.is_set():
            locks.holder(path)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        for _ in range(100):
            with locks.hold(path, timeout=0, what="x"):
                pass
    finally:
        stop.set()
        thread.join()


def test_a_target_is_given_in_the_order_of_asking(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    queue = layout.target_lock("refs/heads/main").with_suffix(".queue")
    order: list[int] = []

    def land(number: int) -> None:
        with target_lock(layout, "refs/heads/main", timeout=20):
            order.append(number)

    threads = [threading.Thread(target=land, args=(number,)) for number in range(5)]
    with target_lock(layout, "refs/heads/main", timeout=1):
        for number, thread in enumerate(threads, start=1):
            thread.start()
            while len(list(queue.iterdir())) < number:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    assert list(queue.iterdir()) == []


def test_a_dead_waiter_does_not_hold_up_the_queue(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    code = """
        import sys
        from pathlib import Path
        from gitfleet.store.layout import Layout
        from gitfleet.store.queues import target_lock
        def sleep(seconds):
            print("waits", flush=True)
            sys.stdin.readline()
        with target_lock(Layout(Path(sys.argv[1])), "refs/heads/main", timeout=20, sleep=sleep):
            pass
    """
    with target_lock(layout, "refs/heads/main", timeout=1):
        waiter = start(code, tmp_path)
        assert line(waiter) == "waits"
        waiter.kill()
        finish(waiter)
    with target_lock(layout, "refs/heads/main", timeout=1) as proof:
        proof.check()


def test_a_waiter_that_gives_up_leaves_the_queue_and_names_the_holder(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with target_lock(layout, "refs/heads/main", timeout=1, command="gitfleet wave"):
        with pytest.raises(GitfleetError, match=r"the target refs/heads/main is held by process .*gitfleet wave"):
            target_lock(layout, "refs/heads/main", timeout=0.01).__enter__()
        queue = layout.target_lock("refs/heads/main").with_suffix(".queue")
        assert list(queue.iterdir()) == []


def test_a_holder_whose_lock_was_set_aside_finds_out(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with locks.hold(path, timeout=0, what="x") as proof:
        proof.check()
        path.rename(tmp_path / "aside")
        with pytest.raises(GitfleetError, match="taken away") as refused:
            proof.check()
        assert refused.value.exit_code is ExitCode.BUSY
        with locks.hold(path, timeout=0, what="x") as other:
            other.check()
            with pytest.raises(GitfleetError, match="taken away"):
                proof.check()
