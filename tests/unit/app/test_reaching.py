"""What a planner wrote that a person has to have read before it runs."""

from __future__ import annotations

from typing import Any

import pytest

from gitfleet.app.planning.direction import reaching
from gitfleet.model.agent_config import ToolProfile
from gitfleet.model.config import Config
from gitfleet.model.plan import Check, Plan, Task
from gitfleet.model.verify_config import VerifyConfig
from gitfleet.model.worker import TaskEnvironment, TaskWorkspace, Worker

CONFIG = Config(verify=VerifyConfig(commands=(Check(run="make check"),)))


@pytest.mark.parametrize(
    ("fields", "clauses"),
    [
        ({"instructions": "rm -rf /"}, ()),
        ({"verify": (Check(run="make check"),)}, ()),
        ({"worker": Worker(role="judge", tool_profile=ToolProfile.READ_ONLY)}, ()),
        ({"workspace": TaskWorkspace(required_files=("a",))}, ()),
        ({"command": "make all", "verify": (Check(run="x"), Check(run="x"))}, ("2 commands that will run as you",)),
        ({"worker": Worker(tools=("Bash(curl *)",))}, ("further tools for a",)),
        ({"worker": Worker(tool_profile=ToolProfile.FULL)}, ("further tools for a",)),
        (
            {"workspace": TaskWorkspace(environment=TaskEnvironment(allowlist=("EDITOR",)))},
            ("variables of yours that a will see",),
        ),
    ],
)
def test_what_reaches_beyond_an_agent_in_its_worktree(fields: dict[str, Any], clauses: tuple[str, ...]) -> None:
    assert reaching(Plan(name="p", tasks=(Task(id="a", **fields),)), CONFIG) == clauses
