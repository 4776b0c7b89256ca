"""What is told before anything starts names every agent whose program is told to refuse nothing."""

from __future__ import annotations

import pytest

from gitfleet.app.disclosure import permissions
from gitfleet.model.agent_config import AgentConfig, AgentKind, Permissions
from gitfleet.model.config import Config
from gitfleet.model.plan import Plan, Task

FREE = AgentConfig(kind=AgentKind.CODEX, permissions=Permissions.BYPASS)
AGENTS = {
    "free": FREE,
    "careful": AgentConfig(kind=AgentKind.CLAUDE),
    "helped": AgentConfig(kind=AgentKind.CLAUDE, fallback=("free",)),
    "any": AgentConfig(kind=AgentKind.AUTO),
}


@pytest.mark.parametrize(
    ("agent", "told"), [("free", True), ("careful", False), ("codex", False), ("helped", True), ("any", True)]
)
def test_the_bypass_is_never_silent(agent: str, told: bool) -> None:  # noqa: FBT001 - a column
    plan = Plan(name="p", tasks=(Task(id="a", agent=agent), Task(id="b", command="true")))

    said = permissions(plan, Config(agents=AGENTS))

    assert ("free may do anything unasked" in said) is told
    assert ("permissions: bypass" in said) is told


def test_a_default_agent_is_named_and_a_command_has_no_program_to_ask() -> None:
    config = Config(agent="free", agents=AGENTS)

    assert "bypass" in permissions(Plan(name="p", tasks=(Task(id="a"),)), config)
    assert "bypass" not in permissions(Plan(name="p", tasks=(Task(id="a", command="true"),)), config)
