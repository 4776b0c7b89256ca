"""The traps that ordinary git commands fall into when a branch moves under a person's hands."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitfleet.git.command import Completed, Git
from gitfleet.integrate.landing import Busy, InTheWay, Landed, TargetMoved, land
from tests.support.landings import TARGET, Place, files, new_place, person_env

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

CHANGES = {"a.txt": "a2\n", "gone.txt": None, "new/n.txt": "n\n"}


class Meddling(Git):
    """A door that lets a person act right before or after one git call."""

    def run(
        self,
        *args: str | bytes,
        stdin: bytes | None = None,
        ok: Sequence[int] = (0,),
        timeout: float | None = None,
    ) -> Completed:
        before, after = ACTS.pop((args[0], *(word for word in args if word in {"-n", "-u"})), (None, None))
        if before is not None:
            before()
        done = super().run(*args, stdin=stdin, ok=ok, timeout=timeout)
        if after is not None:
            after()
        return done


ACTS: dict[tuple[str | bytes, ...], tuple[Callable[[], object] | None, Callable[[], object] | None]] = {}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield new_place(tmp_path)
    assert ACTS == {}


@contextmanager
def editor(place: Place, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A person's command with its editor open; closing happens at the end of the block."""
    opened, close = place.common / "opened", place.common / "close"
    os.mkfifo(opened)
    os.mkfifo(close)
    script = place.common / "editor.sh"
    script.write_text(f'#!/bin/sh\necho "a message" > "$1"\necho > "{opened}"\ncat "{close}" > /dev/null\n')
    script.chmod(0o755)
    with (place.common / "errors").open("wb") as errors:
        process = subprocess.Popen(
            ["git", *command],
            cwd=place.path,
            env=person_env({"GIT_EDITOR": str(script)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    opened.read_bytes()
    try:
        yield process
    finally:
        if process.poll() is None:
            close.write_bytes(b"")
            process.wait(20)
        opened.unlink()
        close.unlink()


def test_commit_with_the_editor_open_fails_and_neither_side_is_lost(place: Place) -> None:
    new = place.build(CHANGES)
    place.write("b.txt", "mine\n")
    place.git("add", "b.txt")
    with editor(place, "commit") as commit:
        assert isinstance(place.land(new), Landed)
    # Git compares HEAD with where it was when the editor opened.
    assert commit.returncode == 128
    assert b"cannot lock ref 'HEAD'" in (place.common / "errors").read_bytes()
    assert place.git("rev-parse", TARGET) == new
    assert place.status() == "M  b.txt\0"
    place.git("commit", "-qm", "again")
    assert place.git("diff", "--name-only", new, "HEAD") == "b.txt"
    assert place.status() == ""


def test_commit_all_with_the_editor_open_is_waited_for(place: Place) -> None:
    new = place.build(CHANGES)
    old = place.git("rev-parse", TARGET)
    place.write("b.txt", "mine\n")
    with editor(place, "commit", "-a") as commit:
        closing = threading.Event()

        def close() -> None:
            if place.clock.now > 3 and not closing.is_set():
                closing.set()
                (place.common / "close").write_bytes(b"")
                commit.wait(20)

        place.clock.on_sleep = close
        outcome = place.land(new)
    assert commit.returncode == 0
    assert outcome == TargetMoved(place.git("rev-parse", "HEAD"))
    assert place.git("rev-parse", "HEAD^") == old
    assert place.status() == ""
    assert place.locks() == []
    (line,) = place.said
    assert "index.lock is held" in line
    assert "git commit" in line


def test_commit_all_with_the_editor_open_for_too_long(place: Place) -> None:
    new = place.build(CHANGES)
    place.write("b.txt", "mine\n")
    with editor(place, "commit", "-a") as commit:
        outcome = place.land(new)
        assert isinstance(outcome, Busy)
        assert not outcome.landed
        assert place.clock.now == pytest.approx(60, abs=1)
        assert (place.common / "index.lock").exists()
    assert commit.returncode == 0
    assert place.locks() == []
    assert place.git("show", "--name-only", "--format=", "HEAD") == "b.txt"


def test_partial_commit_with_the_editor_open(place: Place) -> None:
    new = place.build(CHANGES)
    place.write("b.txt", "mine\n")
    with editor(place, "commit", "b.txt") as commit:
        assert isinstance(place.land(new), Busy)
    assert commit.returncode == 0


def test_amend_with_the_editor_open_does_not_drop_the_landing(place: Place) -> None:
    new = place.build(CHANGES)
    with editor(place, "commit", "--amend") as commit:
        assert isinstance(place.land(new), Landed)
    assert commit.returncode == 128
    assert place.git("rev-parse", TARGET) == new
    assert place.status() == ""


def test_switch_to_a_new_branch_before_the_swap(place: Place) -> None:
    new = place.build(CHANGES)
    old = place.git("rev-parse", TARGET)
    ACTS["update-ref",] = (lambda: place.git("switch", "-qc", "mine"), None)
    before = files(place.path)
    assert land(replace(place.request(new), git=Meddling(place.path))) == Landed(())
    assert place.git("rev-parse", "mine") == old
    assert place.git("rev-parse", TARGET) == new
    assert place.git("symbolic-ref", "HEAD") == "refs/heads/mine"
    assert place.status() == ""
    assert files(place.path) == before
    assert place.locks() == []


def test_switch_to_a_new_branch_after_the_swap(place: Place) -> None:
    new = place.build(CHANGES)
    ACTS["update-ref",] = (None, lambda: place.git("switch", "-qc", "mine"))
    assert land(replace(place.request(new), git=Meddling(place.path))) == Landed((place.path,))
    assert place.git("rev-parse", "mine") == new
    assert place.status() == ""
    assert (place.path / "a.txt").read_text() == "a2\n"


def test_switch_is_refused_while_the_lock_is_held(place: Place) -> None:
    place.git("branch", "other", place.build({"b.txt": "other\n"}))
    new = place.build(CHANGES)
    ACTS["update-ref",] = (lambda: place.git("switch", "-q", "other", code=128), None)
    assert isinstance(land(replace(place.request(new), git=Meddling(place.path))), Landed)
    assert place.status() == ""


def test_file_changed_between_the_look_and_the_write(place: Place) -> None:
    new = place.build(CHANGES)
    old = place.git("rev-parse", TARGET)
    ACTS["read-tree", "-u"] = (lambda: place.write("a.txt", "mine\n"), None)
    outcome = land(replace(place.request(new), git=Meddling(place.path)))
    assert isinstance(outcome, InTheWay)
    assert not outcome.landed
    assert outcome.paths == (b"a.txt",)
    # Nothing was written, so the target went back; the reflog tells both.
    assert place.git("rev-parse", TARGET) == old
    assert place.status() == " M a.txt\0"
    assert place.locks() == []
    assert place.git("for-each-ref", "refs/gitfleet") == ""


def test_rebase_under_way_is_waited_for(place: Place) -> None:
    place.write("a.txt", "mine\n")
    place.commit("mine")
    new = place.build({"b.txt": "b2\n"})
    old = place.git("rev-parse", TARGET)
    sequence = f"{sys.executable} -c \"import sys; p=sys.argv[1]; s=open(p).read(); open(p,'w').write('break\\n'+s)\""
    place.git("rebase", "-q", "-i", "--root", GIT_SEQUENCE_EDITOR=sequence)
    outcome = place.land(new)
    assert isinstance(outcome, Busy)
    assert "refs/heads/main is being rebased" in outcome.why
    assert str(place.path) in outcome.who
    assert "is being rebased" in place.said[0]
    assert place.git("rev-parse", TARGET) == old
    assert place.locks() == []
    place.git("rebase", "--abort")
    assert isinstance(place.land(new), Landed)
    assert place.status() == ""


def test_bisect_under_way_is_waited_for(place: Place) -> None:
    first = place.git("rev-parse", "HEAD")
    for number in range(4):
        place.commit(f"c{number}")
    new = place.build(CHANGES)
    place.git("bisect", "start", "HEAD", first)

    def finish() -> None:
        if place.clock.now > 10:
            place.clock.on_sleep = None
            place.git("bisect", "reset")

    place.clock.on_sleep = finish
    assert isinstance(place.land(new), Landed)
    assert any("is being bisected" in line for line in place.said)
    assert place.status() == ""


def test_merge_under_way_is_waited_for(place: Place) -> None:
    place.git("branch", "side", place.build({"side.txt": "s\n"}))
    place.git("merge", "-q", "--no-commit", "--no-ff", "side")
    outcome = place.land(place.build(CHANGES))
    assert isinstance(outcome, Busy)
    assert "a merge is under way" in outcome.why
    place.git("merge", "--abort")


def test_rebase_of_another_branch_does_not_matter(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    place.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    other = Place(tmp_path / "other", place.common)
    other.git("rebase", "-q", "-i", "--root", GIT_SEQUENCE_EDITOR="sed -i.bak '1i break'")
    assert isinstance(place.land(new), Landed)
    assert place.status() == ""


def test_rebase_of_the_target_in_another_worktree(place: Place, tmp_path: Path) -> None:
    place.git("switch", "-qc", "elsewhere")
    new = place.build(CHANGES)
    place.git("worktree", "add", "-q", str(tmp_path / "other"), "main")
    other = Place(tmp_path / "other", place.common)
    other.git("rebase", "-q", "-i", "--root", GIT_SEQUENCE_EDITOR="sed -i.bak '1i break'")
    outcome = place.land(new)
    assert isinstance(outcome, Busy)
    assert str(other.path) in outcome.who
    other.git("rebase", "--abort")
    assert place.land(new) == Landed((other.path,))
    assert other.status() == ""


def test_a_persons_stale_lock_is_never_removed(place: Place) -> None:
    new = place.build(CHANGES)
    lock = place.common / "index.lock"
    lock.write_bytes(b"")
    assert isinstance(place.land(new), Busy)
    assert lock.exists()
    lock.unlink()
    assert isinstance(place.land(new), Landed)


@pytest.mark.slow
def test_held_ref_lock_is_waited_for(place: Place) -> None:
    new = place.build(CHANGES)
    lock = place.common / "refs/heads/main.lock"
    lock.write_bytes(b"")

    def free() -> None:
        if place.clock.now > 2:
            lock.unlink(missing_ok=True)
            place.clock.on_sleep = None

    place.clock.on_sleep = free
    assert isinstance(place.land(new), Landed)
    assert place.status() == ""


def test_switched_to_the_target_while_it_moved(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    place.git("switch", "-qc", "elsewhere")
    place.git("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    other = Place(tmp_path / "other", place.common)
    ACTS["update-ref",] = (lambda: other.git("switch", "-q", "main"), None)
    assert isinstance(land(replace(place.request(new), git=Meddling(place.path))), Landed)
    assert other.status() == ""
    assert (other.path / "a.txt").read_text() == "a2\n"
    assert place.locks() == []


def test_switch_to_the_target_that_is_still_running_when_it_moved(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    place.git("switch", "-qc", "elsewhere")
    place.git("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    other = Place(tmp_path / "other", place.common)
    lock = place.common / "worktrees/other/index.lock"

    def switch() -> None:
        other.git("switch", "-q", "main")
        lock.write_bytes(b"")

    ACTS["update-ref",] = (switch, None)
    outcome = land(replace(place.request(new), git=Meddling(place.path)))
    assert isinstance(outcome, Busy)
    assert outcome.landed
    lock.unlink()
    assert place.recover() == Landed((other.path,))
    assert other.status() == ""
    assert (other.path / "a.txt").read_text() == "a2\n"
    assert place.locks() == []
