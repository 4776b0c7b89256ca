"""What a person is told of permissions before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.app.disclosure import permissions
from gitfleet.model.agent_config import AgentConfig, AgentKind, Permissions
from gitfleet.model.config import Config
from gitfleet.model.plan import Plan, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

SAFE = AgentConfig(kind=AgentKind.CODEX)
WILD = AgentConfig(kind=AgentKind.CLAUDE, permissions=Permissions.BYPASS)
STEPS_IN = AgentConfig(kind=AgentKind.CODEX, fallback=("wild",))
BYPASS = "bypass for wild: "
COMMANDS = "commands run as you"


@pytest.mark.parametrize(
    ("agents", "meant", "told"),
    [
        ({}, "claude", ["claude: what its program allows"]),
        ({"wild": WILD}, "wild", [BYPASS]),
        ({"mine": STEPS_IN, "wild": WILD}, "mine", [BYPASS, "mine: what its program allows"]),
        ({"wild": WILD, "tame": SAFE}, "auto", [BYPASS, "tame: what its program allows"]),
        ({"wild": WILD, "tame": SAFE}, "tame", ["tame: what its program allows"]),
        ({"script": AgentConfig(argv=("x",))}, "script", [COMMANDS]),
    ],
)
def test_a_bypass_is_told_by_name_wherever_it_may_come_to_work(
    agents: Mapping[str, AgentConfig], meant: str, told: list[str]
) -> None:
    plan = Plan(name="x", tasks=(Task(id="a", instructions="x", agent=meant),))
    said = permissions(plan, Config(agents=dict(agents)))
    assert [clause for clause in (BYPASS, "mine: what", "tame: what", "claude: what", COMMANDS) if clause in said] == [
        one.removesuffix(" its program allows") for one in told
    ]


def test_commands_are_told_of_beside_agents() -> None:
    plan = Plan(name="x", tasks=(Task(id="a", instructions="x", agent="claude"), Task(id="b", command="make")))
    said = permissions(plan, Config())
    assert said.startswith("claude: ")
    assert COMMANDS in said
