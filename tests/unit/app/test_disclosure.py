"""What is told before anything starts: agents whose program refuses nothing, and the programs that a plan can use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.app.sessions.disclosure import disclose, permissions
from gitfleet.app.sessions.target import Target
from gitfleet.model.agent_config import AgentConfig, AgentKind, Permissions, PlannerConfig
from gitfleet.model.config import Config
from gitfleet.model.plan import Plan, Task
from gitfleet.model.session import Reversibility
from gitfleet.planner.waves import schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

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


SAFE = AgentConfig(kind=AgentKind.CODEX)
WILD = AgentConfig(kind=AgentKind.CLAUDE, permissions=Permissions.BYPASS)
STEPS_IN = AgentConfig(kind=AgentKind.CODEX, fallback=("wild",))
BYPASS = "wild may do anything unasked: "
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


PROGRAMS = {
    "mine": AgentConfig(argv=("mine", "{prompt_file}"), fallback=("instead",)),
    "instead": AgentConfig(argv=("instead",)),
    "thinker": AgentConfig(argv=("thinker",)),
    "never": AgentConfig(argv=("never",)),
}


@pytest.mark.parametrize(
    ("task", "fixture", "told"),
    [
        (Task(id="a", instructions="x", agent="mine"), False, ("mine {prompt_file}", "instead")),
        (Task(id="a", instructions="x"), False, ("instead",)),
        (Task(id="a", command="make", agent="mine"), False, ("make",)),
        (Task(id="a", instructions="x", agent="claude"), False, ()),
        (Task(id="a", instructions="x", agent="mine"), True, ()),
    ],
)
def test_only_programs_that_the_plan_can_use_are_told(
    task: Task,
    fixture: bool,  # noqa: FBT001 - a column
    told: tuple[str, ...],
) -> None:
    config = Config(agent="instead", agents=PROGRAMS, planner=PlannerConfig(agent="thinker"), fixture=fixture)
    plan = Plan(name="x", direction="better", tasks=(task,))
    target = Target(ref="refs/heads/main", base="0" * 40, new=False, notes=())
    found = disclose(plan, config, schedule(plan, config), target, (Reversibility.GREEN, ""), (), "pool")
    assert found.commands == told
