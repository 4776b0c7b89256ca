"""An attempt's ordinary life under the local host: what it gets, what is recorded, who may start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import seconds_of
from gitfleet.runtime import attempt
from gitfleet.runtime.environment import temporary_directory
from gitfleet.runtime.hosts.local import INTERPRETER, LocalHost
from gitfleet.runtime.warden import __file__ as warden_package
from gitfleet.store.locks import holder
from tests.support import agents

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.agents import Stage

WARDEN = os.path.join(os.path.dirname(warden_package), "__main__.py")  # noqa: PTH118, PTH120
ROOT = WARDEN.rsplit("/", 4)[0]


def test_an_attempt_is_run_and_recorded(stage: Stage) -> None:
    before = time.time()
    ended, output = stage.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (ended.code, ended.signal, ended.reason) == (3, None, "exited")
    assert (ended.leftovers, ended.remaining, ended.message) == ((), (), "")
    assert output == b"out\nerr\n"
    assert before - 0.01 <= seconds_of(ended.started) <= seconds_of(ended.ended) <= time.time()
    assert ended.seconds is not None
    assert 0 <= ended.seconds < 10
    assert ended.cpu_seconds is not None
    assert ended.max_rss_kib is not None
    assert ended.max_rss_kib > 100


def test_a_signal_is_recorded_as_one(stage: Stage) -> None:
    ended, _ = stage.run(*agents.crashes(signal.SIGSEGV))
    assert (ended.code, ended.signal, ended.reason) == (None, signal.SIGSEGV, "exited")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("no-such-program",), "there is no program no-such-program (or its interpreter)"),
        (("/etc/passwd",), "/etc/passwd cannot be run: Permission denied"),
    ],
)
def test_what_cannot_start_says_why(stage: Stage, argv: tuple[str, ...], message: str) -> None:
    ended, output = stage.run(*argv)
    assert (ended.reason, ended.code, ended.message, output) == ("spawn-failed", None, message, b"")


def test_a_missing_worktree_or_input_says_so(stage: Stage) -> None:
    ended, _ = stage.run("true", cwd=stage.root / "nowhere")
    assert ended.message == f"its directory {stage.root / 'nowhere'} cannot be entered: No such file or directory"
    ended, _ = stage.run("true", stdin=stage.root / "nothing")
    assert ended.message == f"its input {stage.root / 'nothing'} cannot be read: No such file or directory"


def test_the_environment_is_what_the_spec_says_and_nothing_else(stage: Stage) -> None:
    env = {"PATH": os.environ["PATH"], "ODD": "a b\n'\"\udcff"}
    _, output = stage.run("env", "-0", env=env)
    expected = env | {"GITFLEET_NONCE": stage.nonce}
    assert sorted(output.split(b"\0")[:-1]) == sorted(
        os.fsencode(f"{name}={value}") for name, value in expected.items()
    )


def test_an_agent_can_commit(stage: Stage) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(stage.root)}
    names = [
        (f"GIT_{who}_{what}", f"{what.lower()}@x") for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    ]
    assert stage.run("git", "init", "-q", env=env)[0].code == 0
    ended, output = stage.run(*agents.commits("-a b", "text"), env=env | dict(names))
    assert (ended.code, output) == (0, b"")
    assert stage.run("git", "log", "--format=%an %s", env=env)[1] == b"name@x Add -a b\n"


def test_input_is_a_file_or_nothing(stage: Stage) -> None:
    prompt = _file(stage.root / "prompt", "do it\n" * 50_000)
    assert stage.run("sh", "-c", "cat | wc -c", stdin=prompt)[1].split() == [b"300000"]
    assert stage.run("wc", "-c")[1].split() == [b"0"]


def test_names_that_are_not_text_arrive_as_they_are(stage: Stage) -> None:
    worktree = stage.root / os.fsdecode(b"odd \xff\n'tree")
    worktree.mkdir()
    _, output = stage.run("sh", "-c", 'printf %s "$1"; pwd', "sh", os.fsdecode(b"-\xfe $HOME"), cwd=worktree)
    assert output == b"-\xfe $HOME" + os.fsencode(worktree) + b"\n"


def test_no_descriptor_of_the_coordinator_is_inherited(stage: Stage) -> None:
    secret = os.open(_file(stage.root / "secret", ""), os.O_RDONLY)
    os.set_inheritable(secret, True)
    ready = stage.fifo()
    try:
        handle = stage.start(*agents.hangs(ready))
        agent = agents.hear(ready)
        warden = _warden(handle.directory)
        if os.path.isdir("/proc/self/fd"):  # noqa: PTH112
            home = str(handle.directory)
            files = {os.readlink(entry) for entry in os.scandir(f"/proc/{warden}/fd")}  # noqa: PTH115
            files = {name.removeprefix(home + "/") for name in files if not name.startswith("pipe:")}
            assert files == {"/dev/null", "lock", "warden.log", "out.log", "pulse"}
            files = {os.readlink(entry).split(":")[0] for entry in os.scandir(f"/proc/{agent}/fd")}  # noqa: PTH115
            assert files == {"/dev/null", "pipe"}
        assert os.getsid(warden) == warden
        assert os.getsid(agent) == agent
    finally:
        os.close(secret)
        stage.host.stop(handle)
        stage.host.wait(handle)


def test_an_agent_of_a_background_coordinator_can_be_interrupted(stage: Stage) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _, output = stage.run("grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status")
    finally:
        signal.signal(signal.SIGINT, before)
    if os.path.exists("/proc/self/status"):  # noqa: PTH110
        assert {int(line.split()[1], 16) for line in output.splitlines()} == {0}


def test_an_attempt_that_is_held_or_over_is_not_started_again(stage: Stage) -> None:
    ready = stage.fifo()
    spec = stage.spec(*agents.hangs(ready))
    handle = stage.host.start(spec)
    agents.hear(ready)
    with pytest.raises(GitfleetError) as held:
        LocalHost().start(spec)
    assert (held.value.kind, held.value.code) == (Kind.BUSY, "attempt-held")
    # A late warden for the same attempt finds the lock held, and afterwards the end on record.
    assert subprocess.run([*INTERPRETER, WARDEN, spec.directory], check=False).returncode == 0
    stage.host.stop(handle)
    ended = stage.host.wait(handle)
    with pytest.raises(GitfleetError):
        LocalHost().start(spec)
    before = (spec.directory / attempt.LOG).stat()
    assert subprocess.run([*INTERPRETER, WARDEN, spec.directory], check=False).returncode == 0
    assert (spec.directory / attempt.LOG).stat() == before
    assert stage.host.wait(handle) == ended


def test_status_follows_an_attempt(stage: Stage) -> None:
    ready = stage.fifo()
    handle = stage.start(*agents.python("print('hello', flush=True); tell(sys.argv[1]); rest()", ready))
    agents.hear(ready)
    adopted = LocalHost().adopt(handle.instance, handle.attempt, handle.directory)
    while (pulse := LocalHost().status(adopted).pulse) is None or pulse.size == 0:
        os.sched_yield()
    status = LocalHost().status(adopted)
    assert status.alive
    assert status.exit is None
    assert status.pulse is not None
    assert status.pulse.size == 6
    assert abs(status.pulse.at - time.time()) < 60
    assert LocalHost().wait_for(adopted, 0.05) is None
    assert stage.host.wait_for(handle, 0.05) is None
    stage.host.stop(adopted)
    ended = LocalHost().wait(adopted)
    assert ended.reason == "stopped"
    assert stage.host.wait_for(handle, 60) == ended
    status = stage.host.status(handle)
    assert (status.alive, status.exit) == (False, ended)


def test_what_was_never_started_is_neither_alive_nor_over_until_it_is_declared_lost(stage: Stage) -> None:
    handle = stage.host.adopt("fleet-test-w1-a1", 1, stage.root / "never")
    assert stage.host.status(handle).alive is False
    assert stage.host.status(handle).exit is None
    ended = stage.host.declare_lost(handle)
    assert ended is not None
    assert ended.reason == "lost"
    assert stage.host.declare_lost(handle) == ended
    with pytest.raises(GitfleetError):
        stage.host.start(stage.spec("true", directory=handle.directory))


@pytest.mark.parametrize("left", ["", attempt.LOG, attempt.WARDEN])
def test_one_whose_warden_died_before_it_said_that_it_is_there_never_ran(stage: Stage, left: str) -> None:
    """Its coordinator lives and waits for it: what never began must not be taken for what used nobody knows what."""
    host = LocalHost(interpreter=(INTERPRETER[0], "-c", "pass"))
    handle = host.start(stage.spec("true"))
    if left:
        (handle.directory / left).write_bytes(b"")
    ended = host.wait(handle)
    assert (ended.reason, ended.seconds, ended.never_ran) == ("lost", None if left else 0, not left)


def test_a_held_attempt_is_not_declared_lost(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()))
    agents.hear(ready)
    assert LocalHost().declare_lost(handle) is None
    stage.host.stop(handle)
    assert stage.host.wait(handle).reason == "stopped"


def test_an_end_that_cannot_be_read_is_no_end(stage: Stage) -> None:
    handle = stage.start(
        *agents.python("open(sys.argv[1], 'w').write('{\"code\": \"zero\"}')", stage.root / "attempts/1/exit.json")
    )
    ended = stage.host.wait(handle)
    assert (ended.reason, ended.code) == ("lost", None)


def test_interrupt_reaches_the_agent_and_not_its_attempt(stage: Stage) -> None:
    ready, heard = stage.fifo(), stage.fifo()
    script = "signal.signal(signal.SIGINT, lambda *_: tell(sys.argv[2])); tell(sys.argv[1]); rest()"
    handle = stage.start(*agents.python(script, ready, heard))
    agents.hear(ready)
    assert stage.host.interrupt(handle)
    agents.hear(heard)
    assert stage.host.status(handle).alive
    stage.host.stop(handle)
    stage.host.wait(handle)
    assert not stage.host.interrupt(handle)


def test_the_temporary_directory_is_the_attempts_own_and_goes_at_the_end(stage: Stage) -> None:
    directory = stage.root / "attempts" / "own"
    temporary = temporary_directory(directory)
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(temporary)}
    handle = stage.start("sh", "-c", 'echo x >"$TMPDIR/file"; ls -ld "$TMPDIR"', directory=directory, env=env)
    stage.host.wait(handle)
    assert stage.host.log(handle).data.startswith(b"drwx------")
    assert temporary.is_dir()
    stage.host.clean_up(handle)
    assert not temporary.exists()
    assert (directory / attempt.LOG).exists()


def test_a_temporary_directory_whose_host_died_before_the_spec_goes_too(stage: Stage) -> None:
    handle = stage.host.adopt("fleet-test-w1-a1", 1, stage.root / "attempts" / "cut")
    temporary = temporary_directory(handle.directory)
    temporary.mkdir(mode=0o700, parents=True)
    stage.host.clean_up(handle)
    assert temporary.is_dir()  # somebody may be about to start it
    stage.host.declare_lost(handle)
    stage.host.clean_up(handle)
    assert not temporary.exists()


def test_the_wardens_files_are_for_its_owner_alone(stage: Stage) -> None:
    handle = stage.start("true")
    stage.host.wait(handle)
    for path in handle.directory.iterdir():
        if path.name != attempt.TROUBLE:
            assert path.stat().st_mode & 0o077 == 0, path
    assert (handle.directory / attempt.TROUBLE).read_bytes() == b""
    assert json.loads((handle.directory / attempt.SPEC).read_bytes())["argv"] == ["true"]


def test_a_warden_needs_the_standard_library_alone(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()))
    agents.hear(ready)
    maps = f"/proc/{_warden(handle.directory)}/maps"
    if os.path.exists(maps):  # noqa: PTH110
        with open(maps, encoding="utf-8") as file:  # noqa: PTH123
            assert "site-packages" not in file.read()
    assert psutil.Process(_warden(handle.directory)).cwd() == "/"
    stage.host.stop(handle)
    stage.host.wait(handle)


def test_a_trivial_attempt_costs_little(stage: Stage) -> None:
    stage.run("true")
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        stage.run("true")
        times.append(time.perf_counter() - begin)
    print(f"a trivial attempt: {sorted(times)[3] * 1000:.0f} ms, best {min(times) * 1000:.0f} ms")  # noqa: T201
    assert min(times) < 0.3


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _warden(directory: Path) -> int:
    return int(json.loads((directory / attempt.WARDEN).read_bytes())["pid"])


def test_the_lock_reads_as_held_from_outside(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()))
    agents.hear(ready)
    assert holder(handle.directory / attempt.LOCK) is not None
    stage.host.stop(handle)
    stage.host.wait(handle)
    assert holder(handle.directory / attempt.LOCK) is None


def test_a_warden_starts_without_what_it_does_not_need() -> None:
    needless = ("typing", "dataclasses", "subprocess", "datetime", "ctypes", "hashlib", "pathlib")
    code = f"import sys; sys.path.append({ROOT!r}); import gitfleet.runtime.warden.owner; print(*sys.modules)"
    done = subprocess.run([*INTERPRETER, "-c", code], check=True, capture_output=True, text=True)
    assert [name for name in needless if name in done.stdout.split()] == []
