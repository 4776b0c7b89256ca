"""The judgement over an attempt: working, quiet, silent, stuck or dead, whatever the clocks do."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitfleet.runtime import attempt
from gitfleet.runtime.hosts.base import Pulse
from gitfleet.runtime.pulse import Pulse as Writer
from gitfleet.runtime.supervisor import Judgement, Reading, Supervisor, Vitality, judge, newest_change, overdue
from gitfleet.runtime.tables import open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fleet import FleetEnv

NOW, WALL, STALL = 10_000.0, 1_700_000_000.0, 300.0


def reading(
    output: float = 1000, cpu: float | None = None, children: float | None = None, beat: float = 1, **more: object
) -> Reading:
    """A reading with the ages of its signs in seconds."""
    ages = {"output": output, "beat": beat}
    signs = {name: NOW - age for name, age in ages.items()}
    pulse = Pulse(
        at=WALL - output,
        size=10,
        cpu=0 if cpu is None else NOW - cpu,
        children=0 if children is None else NOW - children,
        stepped=float(str(more.pop("stepped", 0))),
        kin=3,
        stopped=bool(more.pop("stopped", False)),
        **signs,
    )
    facts: dict[str, object] = {"held": True, "pulse": pulse, "stall": STALL, "awake": NOW, "wall": WALL}
    return Reading(**(facts | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "vitality", "note"),
    [
        (reading(output=5), Vitality.WORKING, ""),
        (reading(output=59, cpu=1), Vitality.WORKING, ""),
        (reading(output=61, cpu=1), Vitality.QUIET, "quiet: no output for 1 min, CPU 1 s ago"),
        (reading(output=900, children=299), Vitality.QUIET, "quiet: no output for 15 min, children 4 min ago"),
        (reading(output=299), Vitality.QUIET, "quiet: no output for 4 min"),
        (reading(output=300), Vitality.SILENT, "no sign of life for 5 min"),
        (reading(output=9000, cpu=300, children=301), Vitality.SILENT, "no sign of life for 5 min"),
        (reading(stopped=True), Vitality.SILENT, "no sign of life for 16 min, stopped by a signal"),
        (reading(changed=WALL - 10), Vitality.QUIET, "quiet: no output for 16 min, files 10 s ago"),
        (reading(changed=WALL - 400), Vitality.SILENT, "no sign of life for 6 min"),
        (reading(changed=0.0), Vitality.SILENT, "no sign of life for 16 min"),
        (reading(output=5, beat=31), Vitality.STUCK, "its warden does not move"),
        (reading(output=5, held=False), Vitality.DEAD, ""),
        (reading(beat=500, held=False), Vitality.DEAD, ""),
        (reading(output=5, stall=4.0), Vitality.SILENT, "no sign of life for 5 s"),
    ],
)
def test_the_judgement(found: Reading, vitality: Vitality, note: str) -> None:
    judgement = judge(found)
    assert (judgement.vitality, judgement.note) == (vitality, note)
    assert judgement.activity == {"quiet": "working"}.get(vitality, vitality)


def test_what_is_silent_for_two_periods_or_stuck_is_for_a_person() -> None:
    assert not judge(reading(output=599)).lasting
    assert judge(reading(output=600)).lasting
    assert judge(reading(output=5, beat=100)).lasting
    assert not judge(reading(output=5)).lasting


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_clock_that_jumps_changes_no_judgement_by_output_cpu_or_children(jump: float) -> None:
    for before in (reading(output=5), reading(cpu=10), reading(children=10), reading()):
        assert judge(replace(before, wall=before.wall + jump)) == judge(before)


def test_files_from_before_the_clock_was_set_give_the_benefit_of_the_doubt_for_one_period() -> None:
    # Set forward 100 s ago: a file of that moment looks an hour old, and might be.
    assert judge(reading(changed=0.0, stepped=NOW - 100)).vitality is Vitality.QUIET
    assert judge(reading(changed=0.0, stepped=NOW - 300)).vitality is Vitality.SILENT
    # Set back: a file from the future is alive for no longer than that.
    assert judge(reading(changed=WALL + 3000, stepped=NOW - 100)).vitality is Vitality.QUIET
    assert judge(reading(changed=WALL + 3000, stepped=NOW - 300)).vitality is Vitality.SILENT


# -- reading -----------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(fleet: FleetEnv) -> Path:
    return fleet.repo()


@pytest.fixture
def directory(fleet: FleetEnv, repository: Path, tmp_path: Path) -> Path:
    """An attempt's directory, its worktree a linked one of the repository, all of it old."""
    tree = tmp_path / "tree"
    fleet.git("worktree", "add", "-q", "-b", "fleet/s/a", tree)
    made = tmp_path / "attempt"
    made.mkdir()
    attempt.write_json(str(made), attempt.SPEC, {"worktree": str(tree), "deadline_seconds": 100})
    facts = {"pid": 1, "start": 1, "boot": open_table().boot(), "since": 1, "awake": NOW - 90, "stall": STALL}
    attempt.write_json(str(made), attempt.WARDEN, facts)
    private = repository / ".git" / "worktrees" / "tree"
    (tree / "sub" / ".git").mkdir(parents=True)
    (tree / "sub" / "file").touch()
    paths = [*tree.rglob("*"), tree, private / "logs" / "HEAD", repository / ".git" / "refs/heads/fleet/s/a"]
    for path in paths:
        os.utime(path, (WALL - 9000, WALL - 9000), follow_symlinks=False)
    return made


def _touch(path: Path) -> None:
    path.touch()
    os.utime(path, (WALL - 7, WALL - 7))


CHANGES: dict[str, Callable[[Path, Path], None]] = {
    "a new file": lambda tree, _: _touch(tree / "sub" / "new"),
    "an edit": lambda tree, _: _touch(tree / "sub" / "file"),
    "a directory": lambda tree, _: os.utime(tree / "sub", (WALL - 7, WALL - 7)),
    "a commit": lambda _, git: _touch(git / "worktrees/tree/logs/HEAD"),
    "its branch": lambda _, git: _touch(git / "refs/heads/fleet/s/a"),
    "an event": lambda tree, _: _touch(tree.parent / "attempt" / "events.jsonl"),
    "a handoff": lambda tree, _: _touch(tree.parent / "attempt" / "handoff.json"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found(change: str, directory: Path, repository: Path) -> None:
    tree = directory.parent / "tree"
    assert newest_change(directory, WALL - STALL, WALL) is None
    CHANGES[change](tree, repository / ".git")
    if change == "a new file":
        os.utime(tree / "sub", (WALL - 9000, WALL - 9000))
    assert newest_change(directory, WALL - STALL, WALL) == WALL - 7
    assert newest_change(directory, WALL - 5, WALL) is None
    assert newest_change(directory, WALL - STALL, WALL - 3600) is None, "from the future, after the clock was set back"


def test_inside_of_git_is_no_change_and_a_link_is_not_followed(directory: Path, tmp_path: Path) -> None:
    tree = directory.parent / "tree"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _touch(elsewhere / "new")
    (tree / "link").symlink_to(elsewhere)
    _touch(tree / "sub" / ".git" / "index")
    for path in (tree / "link", tree, tree / "sub", tree / "sub" / ".git"):
        os.utime(path, (WALL - 9000, WALL - 9000), follow_symlinks=False)
    assert newest_change(directory, WALL - STALL, WALL) is None


def _look(directory: Path, *, age: float = 0, held: bool = True, files: bool = True) -> Judgement | None:
    Writer(str(directory / attempt.PULSE), wall=lambda: WALL - age, awake=lambda: NOW - age)
    return Supervisor(wall=lambda: WALL, awake=lambda: NOW, files=files).look(directory, held=held)


def test_files_are_looked_at_only_when_all_else_is_silent(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitfleet.runtime.supervisor.STUCK_SECONDS", 1e6)
    found = _look(directory, age=400)
    assert found is not None
    assert found.vitality is Vitality.SILENT
    _touch(directory.parent / "tree" / "sub" / "file")
    found = _look(directory, age=400)
    assert found is not None
    assert (found.vitality, found.sign) == (Vitality.QUIET, "files")

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("gitfleet.runtime.supervisor.newest_change", never)
    found = _look(directory, age=299)
    assert found is not None
    assert found.vitality is Vitality.QUIET
    assert _look(directory, age=400, files=False) is not None


def test_what_cannot_be_known_is_not_said(directory: Path) -> None:
    facts = attempt.read_json(str(directory), attempt.WARDEN) or {}
    attempt.write_json(str(directory), attempt.WARDEN, facts | {"boot": "another"})
    assert _look(directory) is None, "its awake time is another machine's"
    found = _look(directory, held=False)
    assert found is not None
    assert found.vitality is Vitality.DEAD, "a machine that was started anew holds nothing of before"
    attempt.write_json(str(directory), attempt.WARDEN, facts | {"stall": None})
    assert _look(directory) is None
    (directory / attempt.WARDEN).unlink()
    assert _look(directory) is None


def test_a_deadline_is_told_in_awake_time(directory: Path) -> None:
    assert overdue(directory, NOW) == pytest.approx(-10)
    (directory / attempt.DEADLINE).write_text("50.000\n")
    assert overdue(directory, NOW) == pytest.approx(40)
    (directory / attempt.DEADLINE).write_text("junk")
    assert overdue(directory, NOW) == pytest.approx(-10)
    attempt.write_json(str(directory), attempt.SPEC, {"worktree": ""})
    (directory / attempt.DEADLINE).unlink()
    assert overdue(directory, NOW) is None
