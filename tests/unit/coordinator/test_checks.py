"""Checks of a session: what a killed warden says of them, which is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.coordinator.checks import CheckRunner
from gitfleet.model.plan import Check
from gitfleet.store.layout import verify_label
from tests.support.stage import SESSION, session_on, task_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

KILLS_ITS_WARDEN = "echo x >>{0}; test $(wc -l <{0}) -gt {1} || kill -9 $PPID"


def green_after(repo: Repo, tmp_path: Path, killed: int) -> tuple[bool, int]:
    """Whether a check is green whose warden is killed so many times, and how often it ran."""
    count = tmp_path / "count"
    with session_on(repo, task_of("api")) as stage:
        check = Check(run=KILLS_ITS_WARDEN.format(count, killed))
        result = CheckRunner(stage.parts, SESSION).one(check, repo.path, verify_label(SESSION))
    assert result is not None
    return result.green, len(count.read_text().splitlines())


def test_a_check_whose_warden_was_killed_is_run_again(repo: Repo, tmp_path: Path) -> None:
    assert green_after(repo, tmp_path, 1) == (True, 2)


def test_a_check_that_kills_its_warden_each_time_is_red(repo: Repo, tmp_path: Path) -> None:
    assert green_after(repo, tmp_path, 9) == (False, 3)
