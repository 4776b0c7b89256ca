"""What of the options beside a direction is refused before its planner is called, and so paid for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gitfleet.app.planning.direction import survey
from gitfleet.app.sessions.request import WaveRequest
from gitfleet.errors import ExitCode, GitfleetError
from gitfleet.model.config import Config


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"tags": ("docs",)}, "unknown-tag", "--tag docs: a plan that is made of a direction has no tags."),
        ({"only": ("good-id", "Bad Id", "")}, "unknown-task", "--only Bad Id, : no task can have that id."),
        ({"recheck": True}, "no-checks", "--recheck has nothing to run"),
        ({"only": ("good-id",), "fixture": True}, "fixture-plans-nothing", "--fixture stands in"),
    ],
)
def test_options_that_no_plan_can_meet(options: dict[str, Any], code: str, words: str) -> None:
    workspace: Any = SimpleNamespace(config=Config())
    with pytest.raises(GitfleetError) as refused:
        survey(workspace, WaveRequest(plan_bytes=b"", plan_name="", **options), "Make it fast")
    assert (refused.value.code, refused.value.exit_code) == (code, ExitCode.USAGE)
    assert words in refused.value.message
