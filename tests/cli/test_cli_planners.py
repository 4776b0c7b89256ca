"""What is shown of a planner: while it works, once its gitfleet was killed, and when it is over."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from gitfleet.model.base import encode
from gitfleet.model.evidence import Attempt
from gitfleet.model.reports import StatusReport
from gitfleet.model.run import Run, RunState
from gitfleet.store.layout import Layout
from gitfleet.store.locks import hold
from tests.cli.test_cli_usage import validate
from tests.support.commands import STARTED, attempt_files, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

NAME = "plan-abcdef"


def planner(repo: Path, *logs: bytes, agent: str = "command", ended: bool = False) -> Layout:
    """A planner with these calls, the last of which goes on unless it ``ended``."""
    layout = Layout(repo / ".git")
    attempts = tuple(Attempt(number=number, base="0" * 40, started=STARTED) for number in range(1, len(logs) + 1))
    made = Run(
        session=NAME,
        task="plan",
        name="Make it fast",
        instance=NAME,
        wave=1,
        state=RunState.RUNNING,
        agent=agent,
        attempts=attempts,
    )
    for number, log in enumerate(logs, 1):
        attempt_files(layout, made, log, ended=ended or number < len(logs), number=number)
    layout.planning(NAME).parent.mkdir(parents=True, exist_ok=True)
    layout.planning(NAME).write_bytes(encode(made))
    return layout


@pytest.mark.parametrize("lives", [True, False])
def test_a_planner_whose_gitfleet_was_killed_is_named_with_what_ends_it(repo: Repo, *, lives: bool) -> None:
    layout = planner(repo.path, b"looking\n")
    with ExitStack() as held:
        if lives:
            held.enter_context(hold(layout.attempt(NAME, 1) / "lock", timeout=1, what="the attempt"))
        told = run("status", "--repo", repo.path).out
        report = run("status", "--repo", repo.path, "--json").json
        doctor = run("doctor", "--repo", repo.path).out
    on = ", and its agent runs on" if lives else ""
    assert told.startswith(
        f"1 thing needs you.\n  {NAME}: the gitfleet of this planner was killed{on}\n    gitfleet stop {NAME}\n"
    )
    validate(report, StatusReport)
    assert [need["next"] for need in report["needs"]] == [f"gitfleet stop {NAME}"]
    assert f"the planner {NAME} was left behind by a gitfleet that was killed{on}." in doctor
    assert "`gitfleet doctor --fix` ends it" in doctor
    assert doctor.count(NAME) == 1
