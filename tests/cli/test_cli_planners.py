"""What is shown of a planner: while it works, once its gitfleet was killed, and when it is over."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import ShellComplete

from gitfleet.app.planning.planners import abandoned, stop
from gitfleet.app.workspace import open_workspace
from gitfleet.cli.completion import VARIABLE
from gitfleet.cli.names import LOG, RUN
from gitfleet.cli.root import GROUP
from gitfleet.errors import ExitCode
from gitfleet.model.base import encode
from gitfleet.model.evidence import Attempt
from gitfleet.model.parking import StandingGrant
from gitfleet.model.reports import LogReport, StatusReport
from gitfleet.model.run import Run, RunState
from gitfleet.store.grants import Grants
from gitfleet.store.holders import Holder
from gitfleet.store.layout import Layout
from gitfleet.store.locks import hold, session_lock
from tests.cli.test_cli_usage import validate
from tests.support.commands import STARTED, a_run, a_session, attempt_files, place, run, spawn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

NAME = "plan-abcdef"
SAID = {"type": "assistant", "message": {"id": "m", "content": [{"type": "text", "text": "I look around."}]}}
STREAM = json.dumps(SAID).encode() + b"\n"


def planner(repo: Path, *logs: bytes, agent: str = "mine") -> Layout:
    """A planner with these calls, the last of which goes on."""
    layout = Layout(repo / ".git")
    attempts = tuple(Attempt(number=number, base="0" * 40, started=STARTED) for number in range(1, len(logs) + 1))
    made = Run(
        session=NAME,
        task="plan",
        name="Make it fast",
        instance=NAME,
        wave=1,
        state=RunState.RUNNING,
        agent=agent,
        attempts=attempts,
    )
    for number, log in enumerate(logs, 1):
        attempt_files(layout, made, log, ended=number < len(logs), number=number)
    layout.planning(NAME).parent.mkdir(parents=True, exist_ok=True)
    layout.planning(NAME).write_bytes(encode(made))
    return layout


@pytest.mark.parametrize("lives", [True, False])
def test_a_planner_whose_gitfleet_was_killed_is_named_with_what_ends_it(repo: Repo, *, lives: bool) -> None:
    layout = planner(repo.path, b"looking\n")
    with ExitStack() as held:
        if lives:
            held.enter_context(hold(layout.attempt(NAME, 1) / "lock", timeout=1, what="the attempt"))
        told = run("status", "--repo", repo.path).out
        report = run("status", "--repo", repo.path, "--json").json
        doctor = run("doctor", "--repo", repo.path).out
    on = ", and its agent runs on" if lives else ""
    assert told.startswith(
        f"1 thing needs you.\n  {NAME}: the gitfleet of this planner was killed{on}\n    gitfleet stop {NAME}\n"
    )
    validate(report, StatusReport)
    assert [need["next"] for need in report["needs"]] == [f"gitfleet stop {NAME}"]
    assert f"the planner {NAME} was left behind by a gitfleet that was killed{on}." in doctor
    assert "`gitfleet doctor --fix` ends it" in doctor
    assert doctor.count(NAME) == 1


def test_logs_show_the_last_call_of_a_planner_that_works_and_of_one_that_is_over(repo: Repo) -> None:
    layout = planner(repo.path, b"first\n", STREAM, agent="claude")
    for over in (False, True):
        if over:
            (layout.attempt(NAME, 2) / "exit.json").write_text("{}")
            layout.planning(NAME).rename(layout.planned(NAME))
        assert run("logs", NAME, "--repo", repo.path).out == "I look around.\n"
        assert run("logs", NAME, "--raw", "--repo", repo.path).out.encode() == STREAM
        assert run("logs", NAME, "--attempt", "1", "--raw", "--repo", repo.path).out == "first\n"
    document = run("logs", NAME, "--json", "--repo", repo.path).json
    validate(document, LogReport)
    assert (document["instance"], document["attempt"], document["running"]) == (NAME, 2, False)
    none = run("logs", NAME, "--attempt", "3", "--repo", repo.path)
    assert (none.code, none.err) == (ExitCode.USAGE, f"gitfleet: The planner {NAME} has no call 3.\nIt has 1, 2.\n")
    layout.planned(NAME).unlink()  # what an older version left
    assert run("logs", NAME, "--repo", repo.path).out.encode() == STREAM


def test_status_names_what_shows_a_planner_that_works_and_what_ends_it(repo: Repo) -> None:
    layout = planner(repo.path, b"one\n")
    with session_lock(layout, NAME):
        told = run("status", "--repo", repo.path).out
    assert f"\n  gitfleet logs -f {NAME}  # what it says\n  gitfleet stop {NAME}  # ends it\n" in told
    assert told.startswith("Nothing needs you: 1 planner makes a plan.\n")


@pytest.mark.parametrize("looks", [1, 2])
def test_a_planner_that_ends_while_somebody_looks_was_not_killed(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    layout = planner(repo.path, b"one\n")
    facts = [Holder(pid=1, host="here")] * (looks - 1)

    def ends_meanwhile(_: Path) -> Holder | None:
        if facts:
            return facts.pop()
        layout.planning(NAME).rename(layout.planned(NAME))
        return None

    monkeypatch.setattr("gitfleet.app.planning.planners.holder", ends_meanwhile)
    if looks == 1:
        assert abandoned(layout) == ()
    else:
        assert stop(open_workspace(repo.path), NAME) == (layout.planning(NAME).parent, ())


def test_following_a_planner_ends_with_its_call_or_with_a_call_that_never_began(repo: Repo) -> None:
    layout = planner(repo.path, b"one\n")
    directory = layout.attempt(NAME, 1)
    with (
        hold(directory / "lock", timeout=1, what="the attempt"),
        spawn("logs", "-f", NAME, cwd=repo.path) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        with (directory / "out.log").open("ab") as file:
            file.write(b"two\n")
        assert process.stdout.readline() == b"two\n"
        (directory / "exit.json").write_text("{}")
        assert process.stdout.read() == b""
    assert process.returncode == 0
    layout.attempt(NAME, 2).mkdir()
    assert run("logs", "-f", NAME, "--repo", repo.path).out == ""


def test_a_planner_is_no_run_and_the_refusal_says_where_its_log_lies(repo: Repo) -> None:
    layout = planner(repo.path)
    assert f"The planner {NAME} has no call yet." in run("logs", NAME, "--repo", repo.path).err
    for command in ("inspect", "open", "restart"):
        refused = run(command, NAME, "--repo", repo.path)
        assert refused.code == ExitCode.USAGE
        assert refused.err == (
            f"gitfleet: {NAME} is a planner, and no run of a session.\n"
            f"`gitfleet logs {NAME}` shows what it did; its calls and answers lie in {layout.planning(NAME).parent}.\n"
        )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (("wave", "--agent", "c"), ["claude", "codex", "cursive"]),
        (("plan", "--agent", "cu"), ["cursive"]),
        (("wave", "--target", "r"), ["release/1"]),
        (("plan", "--target", "m"), ["main"]),
        (("conflicts", "--with", "rel"), ["release/1"]),
        (("approve", "--revoke", "B"), ["Bash", "Bash(make deploy)"]),
        (("stop", "plan-"), [NAME]),
        (("stop", "a"), ["auth-k3f9qm"]),
    ],
)
def test_options_complete_what_they_take(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...], expected: list[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(repo.path.parent / "state"))
    layout = place(repo.path, a_session(), a_run("api"))
    planner(repo.path, b"one\n")
    (layout.root / "attempts" / "plan-over").mkdir()
    repo.git("branch", "release/1")
    (repo.path / ".planning").mkdir()
    (repo.path / ".planning/config.yaml").write_text("agents: {cursive: {kind: codex}}\n")
    Grants.of(layout, os.environ).add([StandingGrant(agent="claude", tool="Bash", argument="make deploy")])
    monkeypatch.chdir(repo.path)
    found = ShellComplete(GROUP, {}, "gitfleet", VARIABLE).get_completions(list(line[:-1]), line[-1])
    assert [item.value for item in found] == expected


def test_logs_complete_the_names_of_planners(repo: Repo) -> None:
    planner(repo.path, b"one\n")
    context = click.Context(click.Command("logs"))
    context.params["repo"] = repo.path
    assert [item.value for item in LOG.shell_complete(context, click.Argument(["run"]), "plan-")] == [NAME]
    assert RUN.shell_complete(context, click.Argument(["run"]), "plan-") == []
