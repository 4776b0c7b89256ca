"""A process killed at each system call of a write leaves the old or the new content, and nothing that readers see."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitfleet.model.run import RunState
from gitfleet.store import files
from gitfleet.store.claims import clone_id
from gitfleet.store.layout import Layout
from gitfleet.store.locks import holder, session_lock
from gitfleet.store.state import State
from tests.unit.store.samples import SESSION, every_name, make_run, make_session, make_state

ROOT = Path(__file__).resolve().parents[2]

# Counts the calls that change the disk and dies before the n-th; a write dies half way through.
FAULT = """
import os, signal, sys
from pathlib import Path
left = int(sys.argv[2])
def armed(module, name):
    real = getattr(module, name)
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            if name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(module, name, call)
for name in ("write", "fsync", "mkdir", "rename", "link", "unlink", "open"):
    armed(os, name)
from gitfleet.model.run import RunState
from gitfleet.store import files
from gitfleet.store.claims import clone_id
from gitfleet.store.layout import Layout
from gitfleet.store.locks import session_lock
from gitfleet.store.state import State
from tests.unit.store.samples import SESSION, make_run, make_session
root = Path(sys.argv[1])
state = State(Layout(root))
"""


def die_at(step: int, code: str, root: Path) -> bool:
    """Run ``code`` in a process that dies at that step; false when it ended before reaching it."""
    process = subprocess.run(
        [sys.executable, "-B", "-c", FAULT + code, str(root), str(step)], cwd=ROOT, capture_output=True, check=False
    )
    assert process.returncode in {0, -signal.SIGKILL}, process.stderr.decode()
    return process.returncode != 0


def each_step(code: str, root: Path, at_least: int) -> list[Path]:
    """One fresh directory for each step at which the process died."""
    for step in range(200):
        place = root / str(step)
        place.mkdir()
        yield_place = die_at(step, code, place)
        if not yield_place:
            assert step >= at_least, f"only {step} steps were tried"
            return [root / str(number) for number in range(step + 1)]
    pytest.fail("the write never ended")


def test_a_killed_write_leaves_old_or_new(tmp_path: Path) -> None:
    old, new = b"old" * 1000, b"new" * 5000
    for step in range(50):
        place = tmp_path / str(step)
        place.mkdir()
        (place / "a").write_bytes(old)
        died = die_at(step, f"files.write_durable(root / 'a', {new!r})", place)
        assert files.names(place) == ["a"]
        content = (place / "a").read_bytes()
        assert content in {old, new}
        if not died:
            assert content == new
            assert step >= 5
            return
    pytest.fail("the write never ended")


def test_a_killed_writer_of_the_clone_id_leaves_nothing_that_stays(tmp_path: Path) -> None:
    for place in each_step("clone_id(Layout(root), lambda: 'first')", tmp_path, 6):
        layout = Layout(place)
        assert clone_id(layout, lambda: "second") in {"first", "second"}
        assert {path.name for path in layout.root.iterdir()} == {"clone-id", "locks"}


def test_a_session_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    code = (
        "state.create_session(make_session(), plan=b'p', config=b'c', "
        "runs=[make_run('api'), make_run('ui')], report='r')"
    )
    seen = set()
    for place in each_step(code, tmp_path, 30):
        state = State(Layout(place))
        seen.add(state.session_ids())
        if state.session_ids():
            assert state.read_session(SESSION) == make_session()
            assert list(state.read_runs(SESSION)) == ["api", "ui"]
            assert state.read_plan_bytes(SESSION) == b"p"
        else:
            # The id is still free, and what was left is no hindrance.
            make_state(place)
            assert state.session_ids() == (SESSION,)
        assert every_name(state.layout.tmp) == []
    assert seen == {(), (SESSION,)}


def test_a_killed_coordinator_leaves_a_readable_run_and_a_free_lock(tmp_path: Path) -> None:
    code = (
        "with session_lock(state.layout, SESSION) as proof:\n"
        "    state.write_run(proof, make_run('api', RunState.PREPARING))\n"
    )
    for step in range(60):
        place = tmp_path / str(step)
        state = make_state(place)
        died = die_at(step, code, place)
        assert state.read_run(SESSION, "api").state in {RunState.QUEUED, RunState.PREPARING}
        assert list(state.read_runs(SESSION)) == ["api"]
        assert holder(state.layout.session_lock(SESSION)) is None
        with session_lock(state.layout, SESSION) as proof:
            state.sweep(proof)
            state.write_run(proof, make_run("api", RunState.CANCELLED))
        assert every_name(state.layout.runs(SESSION)) == ["api.json"]
        if not died:
            assert step >= 6
            return
    pytest.fail("the write never ended")


def test_a_killed_write_of_momentum_is_swept_by_its_own_session(tmp_path: Path) -> None:
    code = (
        "from gitfleet.model.momentum import SessionMomentum\n"
        "with session_lock(state.layout, SESSION) as proof:\n"
        "    state.write_momentum(proof, SessionMomentum(session=SESSION, ended='2026-01-02T03:04:05.000Z'))\n"
    )
    for step in range(60):
        place = tmp_path / str(step)
        state = make_state(place)
        died = die_at(step, code, place)
        with session_lock(state.layout, SESSION) as proof:
            state.sweep(proof)
        assert not list(place.rglob(".tmp-*"))
        if not died:
            assert state.read_momentum(SESSION) is not None
            assert step >= 8
            return
    pytest.fail("the write never ended")


def test_a_half_removed_session_can_be_removed_again(tmp_path: Path) -> None:
    code = "with session_lock(state.layout, SESSION) as proof: state.remove_session(proof)"
    for step in range(60):
        place = tmp_path / str(step)
        state = make_state(place)
        with session_lock(state.layout, SESSION) as proof:
            state.write_brief(proof, "api", "brief")
        died = die_at(step, code, place)
        if state.session_ids():
            assert state.read_session(SESSION) == make_session()
            with session_lock(state.layout, SESSION) as proof:
                assert state.remove_session(proof) is not None
        assert state.session_ids() == ()
        assert not state.layout.briefs(SESSION).exists()
        if not died:
            assert step >= 8
            return
    pytest.fail("the removal never ended")
