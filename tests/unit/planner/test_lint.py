"""What a plan means, on plain data; how findings reach people is tested with documents."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.model.agent_config import AgentConfig, AgentKind, Effort
from gitfleet.model.budget import Budget
from gitfleet.model.config import Config
from gitfleet.model.plan import Plan, Task
from gitfleet.model.retry import RetryConfig, RetryPolicy
from gitfleet.planner.findings import is_branch_name
from gitfleet.planner.knots import around, knots
from gitfleet.planner.lint import lint_plan
from gitfleet.planner.lint_config import lint_config

CONFIG = Config(agents={"a": AgentConfig(argv=("x",))})


def test_a_sound_plan_has_no_finding() -> None:
    plan = Plan(
        name="x",
        tasks=(
            Task(id="a", command="x", scope=("src/",)),
            Task(id="b", instructions="y", agent="a", depends_on=("a",)),
        ),
    )
    assert lint_plan(plan, CONFIG) == ()
    assert lint_plan(plan, CONFIG, fold=True) == ()
    assert lint_config(CONFIG) == ()


NAME_ONE = (
    "name one with `agent:` (`claude`, `codex`, `opencode`, `auto`), or set `agent:` in .planning/config.yaml for all"
)


def test_agents_are_checked_against_a_config_only() -> None:
    plan = Plan(name="x", tasks=(Task(id="a", instructions="x", agent="gone"), Task(id="b", instructions="x")))
    assert lint_plan(plan, None) == ()
    assert [(found.trail, found.hint) for found in lint_plan(plan, Config())] == [
        (("tasks", 0, "agent"), "known: claude, codex, opencode, auto"),
        (
            ("tasks", 1),
            NAME_ONE,
        ),
    ]
    assert lint_plan(plan, CONFIG)[1].hint.startswith("name one with `agent:` (`a`, `claude`, ")
    slip = Plan(name="x", tasks=(Task(id="a", instructions="x", agent="cluade"),))
    assert [found.hint for found in lint_plan(slip, CONFIG)] == ["did you mean `claude`?"]


def test_what_only_a_model_could_use_up_is_refused_for_a_command() -> None:
    budget = Budget(max_tokens=1, max_tool_calls=1, max_seconds=1, max_usd=1, max_turns=1)
    tasks = (
        Task(id="t", command="x", budget=budget),
        Task(id="u", instructions="y", agent="a", budget=budget),
        Task(id="v", command="x", budget=Budget(max_seconds=1)),
        Task(id="w", instructions="y", agent="codex", budget=budget),
    )
    found = lint_plan(Plan(name="x", tasks=tasks), CONFIG)
    names = ("max_tokens", "max_tool_calls", "max_usd", "max_turns")
    assert [one.trail for one in found] == [("tasks", at, "budget", name) for at in (0, 1) for name in names]
    assert "`budget.max_tokens` cannot be held for a command" in found[0].message


GRAPHS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)).map(
    lambda graph: {task: [wanted for wanted in waits if wanted in graph] for task, waits in graph.items()}
)


def reachable(graph: dict[str, list[str]], start: str) -> set[str]:
    seen: set[str] = set()
    edge = [start]
    while edge:
        for wanted in graph[edge.pop()]:
            if wanted not in seen:
                seen.add(wanted)
                edge.append(wanted)
    return seen


@settings(max_examples=200, deadline=None)
@given(GRAPHS)
def test_knots_are_what_reaches_itself(graph: dict[str, list[str]]) -> None:
    found = knots(graph)
    assert sorted(task for knot in found for task in knot) == sorted(graph)
    for knot in found:
        for task in knot:
            mutual = {other for other in reachable(graph, task) if task in reachable(graph, other)} | {task}
            assert knot == mutual
            path = around(task, graph, knot)
            assert bool(path) == (task in reachable(graph, task))
            if path:
                assert path[0] == path[-1] == task
                assert all(after in graph[before] for before, after in pairwise(path))
                assert len(set(path)) == len(path) - 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "b", ".", "..", ".lock", "/", "@", "@{", "-", "~", "HEAD", " ", "é"]), max_size=5
    ).map("".join)
)
def test_branch_names_are_those_that_git_takes(name: str) -> None:
    git = shutil.which("git")
    assert git is not None
    taken = subprocess.run([git, "check-ref-format", f"refs/heads/{name}"], check=False).returncode == 0
    # git branch itself refuses these, which check-ref-format takes below refs/heads.
    refused = name in {"@", "HEAD"} or name.startswith("-")
    assert is_branch_name(name) == (taken and not refused)


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x7f", "a b", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a//b", "/a", "a/", "@"]
)
def test_what_git_refuses_is_no_branch_name(name: str) -> None:
    assert not is_branch_name(name)


def test_two_spellings_of_one_path_are_found_once_where_case_is_ignored() -> None:
    plan = Plan(
        name="x",
        tasks=(
            Task(id="one", command="x", scope=("src/API/", "docs/")),
            Task(id="two", command="x", scope=("src/api/auth", "../up"), reads=("Docs/x", "src/api/other")),
        ),
    )
    folded = [found for found in lint_plan(plan, None, fold=True) if "one path here" in found.message]
    assert [(found.trail, found.message.partition(" are ")[0]) for found in folded] == [
        (("tasks", 1, "scope", 0), "`src/api` and `src/API`"),
        (("tasks", 1, "reads", 0), "`Docs` and `docs`"),
    ]
    assert not [found for found in lint_plan(plan, None) if "one path here" in found.message]


def test_a_name_is_a_line_of_at_most_two_hundred_characters() -> None:
    named = [Task(id="one", name="n" * 200, command="x"), Task(id="two", name="n" * 201, command="x")]
    (found,) = lint_plan(Plan(name="x", tasks=tuple(named)), None)
    assert (found.trail, found.message) == (("tasks", 1, "name"), "the name has 201 characters")


def test_a_plan_gives_its_tasks_by_id() -> None:
    plan = Plan(name="x", tasks=(Task(id="a", command="x"), Task(id="b", command="y")))
    assert plan.task("b") is plan.tasks[1]
    with pytest.raises(KeyError, match="c"):
        plan.task("c")


@pytest.mark.parametrize(
    ("task", "places"),
    [
        (Task(id="a", command="x", model="m", effort=Effort.LOW), ["model", "effort"]),
        (Task(id="a", instructions="x", agent="script", effort=Effort.LOW), ["effort"]),
        (Task(id="a", instructions="x", agent="any", model="m", effort=Effort.LOW), ["model"]),
        (Task(id="a", instructions="x", agent="claude", model="m", effort=Effort.LOW), []),
    ],
)
def test_a_model_is_a_word_of_an_agent_that_has_one(task: Task, places: list[str]) -> None:
    agents = {"script": AgentConfig(argv=("x",)), "any": AgentConfig(kind=AgentKind.AUTO)}
    found = lint_plan(Plan(name="x", tasks=(task,)), Config(agents=agents))
    assert [one.trail for one in found] == [("tasks", 0, place) for place in places]


@pytest.mark.parametrize(
    ("own", "retry", "place"),
    [
        (RetryPolicy(max_backoff_seconds=1), RetryConfig(), "max_backoff_seconds"),
        (RetryPolicy(initial_backoff_seconds=600), RetryConfig(), "initial_backoff_seconds"),
        (RetryPolicy(max_attempts=4), RetryConfig(), None),
        (RetryPolicy(max_backoff_seconds=600), RetryConfig(), None),
        (RetryPolicy(max_backoff_seconds=1), RetryConfig(max_backoff_seconds=1), None),
    ],
    ids=["shorter", "longer", "silent", "right", "the-config-is-wrong-itself"],
)
def test_waits_of_a_task_are_held_against_those_of_the_config(
    own: RetryPolicy, retry: RetryConfig, place: str | None
) -> None:
    plan = Plan(name="x", tasks=(Task(id="a", command="x", retry_policy=own),))
    found = [one.trail for one in lint_plan(plan, Config(retry=retry))]
    assert found == ([("tasks", 0, "retry_policy", place)] if place else [])
