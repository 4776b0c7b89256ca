"""A landing that is killed at any step is finished by a fresh process, and nothing of a person is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitfleet.git.command import Git
from gitfleet.integrate.landing import Busy, InTheWay, Landed, NotLanded, Reason, land, pending, recover
from gitfleet.integrate.landing.intent import Workspace
from tests.support.landings import TARGET, Place, files, new_place, person_env, transplant

ROOT = Path(__file__).parents[2]
CHANGES = {
    "a.txt": "a2\n" * 100,
    "gone.txt": None,
    "new/deep/n.txt": "n\n",
    "tool.sh": "x:#!/bin/sh\n",
    "turn": None,
    "turn/inner": "i\n",
    "flat/c.txt": None,
    "flat": "now a file\n",
    "link": "-> a.txt",
}
BASE = {
    "a.txt": "a1\n",
    "b.txt": "b1\n",
    "dir/c.txt": "c1\n",
    "gone.txt": "g1\n",
    "turn": "t1\n",
    "flat/c.txt": "f1\n",
    ".gitignore": "*.log\n",
}
EXPECTED = "M  b.txt\0 M dir/c.txt\0A  staged.txt\0?? mine.txt\0!! noise.log\0"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A person's checkout with work of every sort in it."""
    place = new_place(tmp_path, BASE)
    place.write("b.txt", "staged\n")
    place.write("staged.txt", "s\n")
    place.git("add", "b.txt", "staged.txt")
    place.write("dir/c.txt", "unstaged\n")
    place.write("mine.txt", "untracked\n")
    place.write("noise.log", "ignored\n")
    assert place.status() == EXPECTED
    return place


def drive(what: str, template: Path, out: Path, new: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.crash.landing_driver", what, str(template), str(out), new],
        cwd=ROOT,
        env={**person_env(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def crash_everywhere(what: str, template: Path, out: Path, new: str) -> list[Place]:
    out.mkdir()
    done = drive(what, template, out, new)
    assert done.returncode == 0, done.stderr
    count = int(done.stdout)
    return [Place(out / str(at), out / str(at) / ".git") for at in range(count + 1)]


def assert_as_landed(place: Place, new: str) -> None:
    assert place.git("rev-parse", TARGET) == new
    assert place.git("rev-parse", "refs/gitfleet/landed/s/w1") == new
    assert_untouched(place)
    present = files(place.path)
    assert present["a.txt"][1] == b"a2\n" * 100
    assert present["turn/inner"][1] == b"i\n"
    assert present["flat"][1] == b"now a file\n"
    assert "gone.txt" not in present


def assert_untouched(place: Place) -> None:
    assert place.status() == EXPECTED
    assert place.git("show", ":b.txt") == "staged"
    assert (place.path / "dir/c.txt").read_text() == "unstaged\n"
    assert (place.path / "mine.txt").read_text() == "untracked\n"
    assert place.locks() == []


@pytest.mark.slow
def test_killed_at_every_step(place: Place, tmp_path: Path) -> None:
    old, new = place.git("rev-parse", TARGET), place.build(CHANGES)
    crashed = crash_everywhere("land", place.path, tmp_path / "crashed", new)
    finished = crashed.pop()
    assert_as_landed(finished, new)
    outcomes = []
    for one in crashed:
        left = pending(one.common / "gitfleet" / "landings")
        # No step leaves a person's repository locked without an intent that tells why.
        assert left or not one.locks()
        outcome = one.recover() if left else None
        outcomes.append(type(outcome))
        if one.git("rev-parse", TARGET) == old:
            assert outcome in (NotLanded(), None)
            assert_untouched(one)
            assert one.git("for-each-ref", "refs/gitfleet") == ""
            assert one.land(new) == Landed((one.path,))
        assert_as_landed(one, new)
    assert len(crashed) > 60
    assert outcomes.count(NotLanded) > 20
    assert outcomes.count(Landed) > 15


def swapped(place: Place, new: str, out: Path) -> Place:
    """The same repository, killed right after the swap."""
    one = transplant(place.path, out)
    done = drive("swap", one.path, out, new)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert one.git("rev-parse", TARGET) == new
    return one


def test_killed_while_git_writes_the_files(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    place.git("config", "filter.bomb.smudge", "if test -e .git/armed; then rm .git/armed; kill -9 $PPID; fi; cat")
    place.git("config", "filter.bomb.clean", "cat")
    for name in ("a.txt", "flat", "new/deep/n.txt", "tool.sh", "turn/inner"):
        copy = tmp_path / f"c-{name.replace('/', '-')}"
        one = transplant(place.path, copy)
        (one.common / "info/attributes").write_text(f"{name} filter=bomb\n")
        (one.common / "armed").write_bytes(b"")
        # The landing itself lives on here and has to clear up after its killed git.
        assert one.land(new) == Landed((one.path,)), name
        assert not (one.common / "armed").exists()
        assert_as_landed(one, new)


def test_every_mixture_of_written_files_is_rolled_forward(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    dead = swapped(place, new, tmp_path / "out")
    for number in range(24):
        copy = tmp_path / f"m{number}"
        one = transplant(dead.path, copy)
        if number & 1:
            one.write("a.txt", "a2\n" * 100)
        elif number & 2:
            one.write("a.txt", "a2\n" * 7)  # git died in the middle of the file
        elif number & 4:
            (copy / "a.txt").unlink()
        if number & 8:
            (copy / "turn").unlink()
            one.write("turn/inner", "" if number & 4 else "i\n")
        if number & 16:
            (copy / "flat/c.txt").unlink()
            (copy / "flat").rmdir()
            (copy / "gone.txt").unlink()
        assert one.recover() == Landed((one.path,)), number
        assert_as_landed(one, new)


@pytest.mark.slow
def test_recovery_killed_at_every_step(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    dead = swapped(place, new, tmp_path / "out")
    dead.write("a.txt", "a2\n")
    (dead.path / "gone.txt").unlink()
    crashed = crash_everywhere("recover", dead.path, tmp_path / "again", new)
    assert len(crashed) > 60
    for one in crashed:
        if pending(one.common / "gitfleet" / "landings"):
            assert isinstance(one.recover(), Landed)
        assert_as_landed(one, new)


def test_a_person_went_on_after_the_crash(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    dead = swapped(place, new, tmp_path / "out")
    assert (dead.common / "index.lock").exists()
    dead.write("a.txt", "mine\n")
    dead.write("new/deep/n.txt", "mine too\n")
    outcome = dead.recover()
    assert isinstance(outcome, InTheWay)
    assert outcome.landed
    assert {(o.path, o.reason) for o in outcome.obstacles} == {
        (b"a.txt", Reason.MODIFIED),
        (b"new/deep/n.txt", Reason.UNTRACKED),
    }
    assert (dead.path / "a.txt").read_text() == "mine\n"
    assert (dead.path / "new/deep/n.txt").read_text() == "mine too\n"
    assert not (dead.common / "index.lock").exists()
    # A plain commit now does not take the landing back.
    assert dead.git("diff", "--cached", "--name-only", "HEAD") == "b.txt\nstaged.txt"
    assert dead.recover() == outcome
    (dead.path / "a.txt").rename(tmp_path / "a.txt")
    dead.git("checkout", "-q", "--", "new/deep/n.txt")
    assert dead.recover() == Landed((dead.path,))
    assert_as_landed(dead, new)


def test_a_person_removed_our_lock_and_staged(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    dead = swapped(place, new, tmp_path / "out")
    (dead.common / "index.lock").unlink()
    dead.write("a.txt", "mine\n")
    dead.git("add", "a.txt")
    outcome = dead.recover()
    assert isinstance(outcome, InTheWay)
    assert [(o.path, o.reason) for o in outcome.obstacles] == [(b"a.txt", Reason.STAGED)]
    assert dead.git("show", ":a.txt") == "mine"
    assert (dead.path / "a.txt").read_text() == "mine\n"
    dead.git("commit", "-qm", "mine", "--", "a.txt")
    assert dead.recover() == Landed((dead.path,)) or not dead.locks()
    assert dead.git("show", "HEAD:turn/inner") == "i"


def test_a_persons_own_lock_after_the_crash_is_kept(place: Place, tmp_path: Path) -> None:
    new = place.build(CHANGES)
    dead = swapped(place, new, tmp_path / "out")
    lock = dead.common / "index.lock"
    lock.unlink()
    lock.write_bytes(b"")
    outcome = dead.recover()
    assert not isinstance(outcome, Landed)
    assert lock.exists()
    lock.unlink()
    assert isinstance(dead.recover(), Landed)
    assert_as_landed(dead, new)


def test_failing_filter_lands_and_names_the_file(place: Place) -> None:
    new = place.build(CHANGES)
    place.git("config", "filter.broken.smudge", "false")
    place.git("config", "filter.broken.required", "true")
    (place.common / "info/attributes").write_text("tool.sh filter=broken\n")
    outcome = place.land(new)
    assert isinstance(outcome, InTheWay)
    assert outcome.landed
    assert b"tool.sh" in outcome.paths
    assert not (place.common / "index.lock").exists()
    place.git("config", "--unset", "filter.broken.required")
    place.git("config", "filter.broken.smudge", "cat")
    assert isinstance(place.recover(), Landed)
    assert_as_landed(place, new)


def test_finished_landings_leave_nothing(place: Place) -> None:
    intents = place.common / "gitfleet" / "landings"
    assert pending(intents) == ()
    assert isinstance(land(place.request(place.build(CHANGES), git=Git(place.path))), Landed)
    assert list(intents.iterdir()) == []


def test_landing_the_same_thing_again_finishes_the_dead_one(place: Place, tmp_path: Path) -> None:
    old, new = place.git("rev-parse", TARGET), place.build(CHANGES)
    dead = swapped(place, new, tmp_path / "out")
    request = dead.request(new, old=old)
    assert request.id == "s-w1"
    assert land(request) == Landed((dead.path,))
    assert_as_landed(dead, new)


def test_a_living_landing_is_not_recovered(place: Place) -> None:
    new = place.build(CHANGES)
    place.git("commit", "-q", "--allow-empty", "-m", "moved")
    request = place.request(new)
    with Workspace(request.intents / request.id).held():
        assert isinstance(land(request), Busy)
        intents = place.common / "gitfleet" / "landings"
        outcome = recover(
            intents / request.id, Git(place.path), place.common, clock=place.clock, sleep=place.clock.sleep
        )
        assert isinstance(outcome, Busy)
