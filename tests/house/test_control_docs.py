"""The page about steering says what the program says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitfleet.cli.root import COMMANDS
from gitfleet.model.control import CONSEQUENCES
from gitfleet.model.request import Control
from gitfleet.model.session import SessionState

PAGE = (Path(__file__).parents[2] / "docs" / "control.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("control", Control)
def test_the_table_is_the_programs_own(control: Control) -> None:
    said = CONSEQUENCES[control]
    assert f"| `{control}` | {said.processes} | {said.claims} | {said.worktrees} |\n" in PAGE
    assert control in COMMANDS


@pytest.mark.parametrize("state", SessionState)
def test_every_state_is_told(state: SessionState) -> None:
    assert f"\n| `{state}` |" in PAGE
