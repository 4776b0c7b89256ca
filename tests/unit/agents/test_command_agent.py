"""The command agent builds exact command lines and reads ends; the registry finds it by config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitfleet.agents.base import Assignment, Launch
from gitfleet.agents.command import ProgramAgent, ShellAgent, TemplateError, check_argv, fill
from gitfleet.agents.registry import agent_for, agent_name, problems
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.agent_config import AgentConfig, EnvironmentConfig
from gitfleet.model.config import Config
from gitfleet.model.evidence import Exit
from gitfleet.model.plan import Task
from gitfleet.model.run import FailureSource

if TYPE_CHECKING:
    from gitfleet.model.run import Failure


def _assignment(task: Task) -> Assignment:
    return Assignment(
        task=task,
        session="s-abcdef",
        instance="fleet-s-abcdef-w1-a1",
        wave=1,
        worktree=Path("/w/a 'b'"),
        prompt_file=Path("/at/prompt.md"),
        handoff_file=Path("/at/handoff.json"),
        port_base=20000,
    )


def test_a_tasks_command_runs_in_a_shell() -> None:
    launch = agent_for(Task(id="a", command="echo $HOME | cat"), Config()).launch(
        _assignment(Task(id="a", command="echo $HOME | cat"))
    )
    assert launch == Launch(argv=("sh", "-c", "echo $HOME | cat"))


def test_an_argv_is_filled_in_word_by_word() -> None:
    argv = ("./run.sh", "{worktree}/{task}", "--to={handoff_file}", "{{{instance}}}", "{prompt_file}", "$HOME;")
    config = Config(
        agents={"mine": AgentConfig(argv=argv, stdin=True, env=EnvironmentConfig(allow=("CI",)))}, agent="mine"
    )
    task = Task(id="a", instructions="do it")
    agent = agent_for(task, config)
    assert agent.name == "mine"
    assert agent.launch(_assignment(task)) == Launch(
        argv=(
            "./run.sh",
            "/w/a 'b'/a",
            "--to=/at/handoff.json",
            "{fleet-s-abcdef-w1-a1}",
            "/at/prompt.md",
            "$HOME;",
        ),
        stdin=Path("/at/prompt.md"),
        allow=("CI",),
    )


def test_without_stdin_an_agent_gets_no_input() -> None:
    agent = ProgramAgent(name="mine", argv=("x",))
    assert agent.launch(_assignment(Task(id="a"))).stdin is None


@pytest.mark.parametrize("word", ["{prompt}", "{", "a}b", "{}", "{ task }", "{task.id}", "{{task}"])
def test_a_wrong_placeholder_is_refused(word: str) -> None:
    with pytest.raises(TemplateError, match="prompt_file"):
        fill(word, {"task": "a"})
    assert len(check_argv(["fine {task}", word])) == 1


def test_filled_in_values_are_not_filled_in_again() -> None:
    assert fill("{task}", {"task": "{worktree}"}) == "{worktree}"


@pytest.mark.parametrize(
    ("ended", "source", "code", "message"),
    [
        (Exit(code=3), FailureSource.TASK, "exit-code", "The command ended with exit code 3."),
        (
            Exit(code=127),
            FailureSource.TASK,
            "exit-code",
            "The command ended with exit code 127 (the shell found no such program).",
        ),
        (Exit(signal=11, seconds=2.4), FailureSource.TASK, "signal", "The command was ended by SIGSEGV after 2 s."),
        (
            Exit(signal=9, seconds=3.0),
            FailureSource.TRANSPORT,
            "killed",
            "The command was killed after 3 s, by a person or by a system that was out of memory.",
        ),
        (
            Exit(code=137),
            FailureSource.TRANSPORT,
            "killed",
            "The command was killed, by a person or by a system that was out of memory.",
        ),
        (Exit(signal=99), FailureSource.TASK, "signal", "The command was ended by signal 99."),
        (
            Exit(code=0, reason="deadline", seconds=600),
            FailureSource.TASK,
            "deadline",
            "The command was stopped at its deadline after 600 s.",
        ),
        (Exit(code=0, reason="stopped"), FailureSource.TRANSPORT, "stopped", "The command was stopped."),
        (
            Exit(reason="spawn-failed", message="there is no program x"),
            FailureSource.TRANSPORT,
            "spawn-failed",
            "The command did not start: there is no program x.",
        ),
        (Exit(reason="lost", message="Why."), FailureSource.TRANSPORT, "lost", "The command was lost: Why."),
    ],
)
def test_an_end_is_read(ended: Exit, source: FailureSource, code: str, message: str) -> None:
    failure: Failure | None = ShellAgent().outcome(ended)
    assert failure is not None
    assert (failure.source, failure.code, failure.message) == (source, code, message)


def test_a_good_end_says_nothing_against_success() -> None:
    assert ShellAgent().outcome(Exit(code=0)) is None
    assert ProgramAgent(name="x", argv=("x",)).outcome(Exit(code=0, leftovers=("sleep (1)",))) is None


def test_the_agent_of_a_task_is_found() -> None:
    config = Config(agents={"a": AgentConfig(argv=("a",)), "b": AgentConfig(argv=("b",))}, agent="a")
    assert agent_name(Task(id="t", command="x", agent="b"), config) == "command"
    assert agent_name(Task(id="t"), config) == "a"
    assert agent_for(Task(id="t", agent="b"), config).name == "b"
    assert agent_name(Task(id="t"), Config()) is None


def test_a_task_without_an_agent_is_refused() -> None:
    with pytest.raises(GitfleetError) as none:
        agent_for(Task(id="t"), Config())
    assert (none.value.kind, none.value.code) == (Kind.DOCUMENT, "no-agent")
    with pytest.raises(GitfleetError) as unknown:
        agent_for(Task(id="t", agent="x"), Config(agents={"a": AgentConfig(argv=("a",))}))
    assert unknown.value.message == "Task t wants agent x, which the config does not have (it has a)."


def test_what_is_wrong_with_a_configs_agents_is_collected() -> None:
    config = Config(agents={"a": AgentConfig(), "b": AgentConfig(argv=("x", "{prompt}", "{"))})
    found = problems(config, "config.yaml")
    assert [problem.path for problem in found] == ["agents.a.argv", "agents.b.argv", "agents.b.argv"]
