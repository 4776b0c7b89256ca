"""Who does a task, where, and what it needs: fields of long task files that other tools know, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitfleet.app.load import load_config, load_plan
from gitfleet.app.sessions.request import only_tasks
from gitfleet.coordinator.attempt.needing import lacking, wanted
from gitfleet.errors import GitfleetError
from gitfleet.model.agent_config import ToolProfile
from gitfleet.relay.prompt import prompt
from gitfleet.store.documents.plans import write_plan

TASK_FILES = Path(__file__).parent / "task_files"
CONFIG = load_config(b"agent: a\nagents: {a: {kind: claude, capabilities: [github, release, rust, cli]}}\n", "c")


def built(name: str) -> bytes:
    """A task file without what no release has yet."""
    data = json.loads((TASK_FILES / f"{name}.json").read_text())
    for task in data["tasks"]:
        del task["scorer"]
        task["expected_artifacts"] = ["log"]
    return json.dumps(data).encode()


@pytest.mark.parametrize("name", ["release-triage", "review-swarm"])
def test_long_task_files_are_read_and_written_again(name: str) -> None:
    plan = load_plan(built(name), f"{name}.json", CONFIG)
    assert load_plan(write_plan(plan), "p.yaml", CONFIG) == plan


def test_a_task_says_who_does_it_where_and_with_what() -> None:
    plan = load_plan(built("release-triage"), "p.json", CONFIG)
    (task,) = plan.tasks
    assert plan.labels == {"milestone": "v0.8.60"}
    assert task.scope == (".codewhale/fleet",)
    assert (task.tags, task.metadata) == (("release", "triage"), {"class": "release"})
    assert task.worker is not None
    assert (task.worker.role, task.worker.tool_profile) == ("release-triage", ToolProfile.READ_ONLY)
    assert (task.worker.tools, task.worker.capabilities) == (("gh", "git"), ("github", "release"))
    told = prompt(plan, task, instance="fleet-x-w1-a1", wave=1).decode()
    assert "Your role: release-triage." in told
    assert "## What to read first\n\n- `CHANGELOG.md`\n- `.github/AUTHOR_MAP`" in told


def test_nothing_starts_without_the_files_and_variables_that_a_task_needs(tmp_path: Path) -> None:
    (task,) = load_plan(built("release-triage"), "p.json", CONFIG).tasks
    assert wanted(task) == ("PATH",)
    for name in ("Cargo.toml", "CHANGELOG.md"):
        (tmp_path / name).touch()
    missing = lacking(task, tmp_path, {"PATH": "/bin"})
    assert missing is not None
    assert (missing.code, missing.source) == ("missing-files", "task")
    assert ".github/AUTHOR_MAP" in missing.message
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github/AUTHOR_MAP").touch()
    unset = lacking(task, tmp_path, {})
    assert unset is not None
    assert (unset.code, "PATH" in unset.message) == ("missing-variables", True)
    assert lacking(task, tmp_path, {"PATH": "/bin"}) is None


@pytest.mark.parametrize(
    ("more", "place", "message"),
    [
        ("worker: {capabilities: [rust, gpu]}", "tasks[0].worker.capabilities", "agent `a` lacks `gpu`"),
        ("workspace: {environment: {allowlist: [GH_TOKEN]}}", "environment.allowlist[0]", "looks like a secret"),
        ("workspace: {environment: {required: ['A B']}}", "environment.required[0]", "not the name of a variable"),
        ("workspace: {required_files: ['src/*.py']}", "required_files[0]", "is a pattern"),
        ("input_files: [../x]", "input_files[0]", "is not allowed"),
        ("workspace: {root: src}", "workspace.root", "is not built yet"),
    ],
)
def test_what_cannot_be_met_is_refused_before_anything_starts(more: str, place: str, message: str) -> None:
    with pytest.raises(GitfleetError) as caught:
        load_plan(f"tasks: [{{id: t, instructions: x, {more}}}]".encode(), "p.yaml", CONFIG)
    assert [(place in problem.path, message in problem.message) for problem in caught.value.problems] == [(True, True)]


def test_tasks_are_chosen_by_tag_with_what_they_depend_on() -> None:
    text = b"""tasks:
- {id: a, command: x}
- {id: b, command: x, tags: [ui, fast], depends_on: [a]}
- {id: c, command: x, tags: fast}
- {id: d, command: x, tags: slow}
"""
    plan = load_plan(text, "p.yaml", CONFIG)
    chosen, notes = only_tasks(plan, (), ("ui",))
    assert ([task.id for task in chosen.tasks], notes) == (["a", "b"], ("--tag brings in dependencies: a",))
    assert [task.id for task in only_tasks(plan, ("d",), ("fast",))[0].tasks] == ["a", "b", "c", "d"]
    with pytest.raises(GitfleetError, match="--tag none"):
        only_tasks(plan, (), ("none",))
