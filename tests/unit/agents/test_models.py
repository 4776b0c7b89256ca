"""Model, effort and permissions: what a task says, what its agent says, and what neither says."""

from __future__ import annotations

import pytest

from gitfleet.agents.registry import effort_of, model_of
from gitfleet.app.load import load_config, load_plan
from gitfleet.errors import GitfleetError
from gitfleet.model.agent_config import BUILT_IN, AgentConfig, AgentKind, Effort, Permissions
from gitfleet.model.config import Config
from gitfleet.model.plan import Plan, Task, TaskKind
from gitfleet.planner.lint_config import lint_config
from gitfleet.store.documents.plans import write_plan

CODER = AgentConfig(kind=AgentKind.CLAUDE, model="large", effort=Effort.LOW, permissions=Permissions.BYPASS)


def parsed(text: str) -> Plan:
    config = load_config(b"agents: {mine: {argv: [x]}}", "config.yaml")
    return load_plan(text.encode(), "plan.yaml", config)


def test_a_task_outranks_its_agent_and_that_its_kind() -> None:
    plain, said = Task(id="t"), Task(id="t", model="small", effort=Effort.MEDIUM)
    assert (model_of(plain, CODER), effort_of(plain, CODER)) == ("large", Effort.LOW)
    assert (model_of(said, CODER), effort_of(said, CODER)) == ("small", Effort.MEDIUM)
    assert model_of(plain, BUILT_IN["claude"]) == ""
    efforts = {kind: effort_of(Task(id="t", kind=kind), BUILT_IN["codex"]) for kind in TaskKind}
    assert efforts == {
        TaskKind.RESEARCH: Effort.MEDIUM,
        TaskKind.BUILD: Effort.HIGH,
        TaskKind.VERIFY: Effort.LOW,
        TaskKind.SKILL: Effort.LOW,
    }


def test_what_means_nothing_for_an_agents_kind_is_refused() -> None:
    command = AgentConfig(argv=("x",), model="m", effort=Effort.LOW, permissions=Permissions.BYPASS)
    found = lint_config(Config(agents={"a": command, "b": AgentConfig(kind=AgentKind.CODEX, argv=("x",), stdin=True)}))
    assert [finding.trail for finding in found] == [
        ("agents", "a", "model"),
        ("agents", "a", "effort"),
        ("agents", "a", "permissions"),
        ("agents", "b", "argv"),
        ("agents", "b", "stdin"),
    ]


def test_plans_say_model_and_effort_for_all_tasks_or_for_one() -> None:
    text = "defaults: {model: m, effort: low, agent: claude}\ntasks:\n- {id: a, instructions: x, scope: [a]}\n"
    text += "- {id: b, instructions: x, scope: [b], model: n, effort: high}\n- {id: c, command: x, scope: [c]}\n"
    plan = parsed(text)
    assert [(task.model, task.effort) for task in plan.tasks] == [("m", Effort.LOW), ("n", Effort.HIGH), ("", None)]
    assert parsed(write_plan(plan).decode()) == plan


@pytest.mark.parametrize("does", ["instructions: x, agent: mine", "command: x"])
def test_a_command_has_no_model(does: str) -> None:
    with pytest.raises(GitfleetError, match="2 problems") as caught:
        parsed(f"tasks:\n- {{id: a, {does}, scope: [a], model: m, effort: low}}\n")
    assert all("means nothing for a command" in problem.message for problem in caught.value.problems)
