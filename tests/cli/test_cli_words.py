"""What the output says: the first line answers, nothing is said twice, and a next step is a real command."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from gitfleet.app.sessions.wave import session_id
from gitfleet.cli.boundary import guard
from gitfleet.cli.live import drawing, sentence
from gitfleet.cli.output import folded
from gitfleet.cli.root import COMMANDS, GROUPS
from gitfleet.cli.text import ended, width
from gitfleet.errors import ExitCode
from gitfleet.model.event import Event, EventKind
from gitfleet.model.evidence import Attempt
from gitfleet.model.reports import AgentProgress, Progress
from gitfleet.model.run import Failure, FailureSource, RunState
from gitfleet.model.session import SessionState
from tests.support.commands import STARTED, a_run, a_session, call, place, run, spawn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

FAILING = """\
name: mixed
tasks:
  - {id: good, command: "echo 1 > good.txt", scope: [good.txt]}
  - {id: dies, command: "echo before the end; exit 7", scope: [dies/]}
  - {id: strays, command: "echo 1 > elsewhere.txt", scope: [strays/]}
  - {id: after, command: "true", scope: [after/], depends_on: [dies]}
"""


@pytest.fixture
def mine(repo: Repo) -> Repo:
    repo.git("config", "user.name", "Ada Author")
    repo.git("config", "user.email", "ada@example.com")
    return repo


def test_after_failures_the_first_line_asks_for_a_person_and_says_where_to_look(mine: Repo, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(FAILING)
    answer = call("wave", plan, "--yes", cwd=mine.path)
    assert answer.code == ExitCode.RUNS_FAILED
    assert (
        "It needs you: 3 runs did not land (1 rejected, 1 failed, 1 skipped). "
        "1 of 4 runs landed on main (unverified).\n" in answer.out
    )
    assert re.search(
        r"  - dies did not land \(failed\); it changed nothing; see: gitfleet logs fleet-mixed-\w{6}-w1-a\d\n",
        answer.out,
    )
    strays = r"  - strays did not land \(rejected\); its work is on fleet/mixed-\w{6}/strays; "
    strays += r"to allow it, widen its scope in the plan; "
    assert re.search(strays + r"see: gitfleet inspect fleet-mixed-\w{6}-w1-a\d\n", answer.out)
    assert "  - after did not run (skipped: dies failed)\n" in answer.out
    assert "wave 1: wave 1" not in answer.out
    assert len(re.findall(r"^\d\d:\d\d:\d\d wave 1: dies ", answer.out, re.MULTILINE)) == 2  # started, failed
    assert "good passed the gate: 1 file" in answer.out
    assert "good ended: success" not in answer.out
    assert "good ended: success, 1 file" in run("events", "--repo", mine.path).out
    assert answer.out.count("amber") == 2  # once before it starts, once in the handoff
    status = run("status", "--repo", mine.path).out
    assert status.startswith("2 things need you.\n")
    assert re.search(
        r" dies: failed: The command ended with exit code 7.\n    gitfleet inspect fleet-mixed-\S+\n", status
    )
    assert "\ndies: The command ended with exit code 7.\n" in answer.out
    hints = re.findall(r"gitfleet (?:logs|inspect) \S+", answer.out + status)
    assert len(hints) == 4
    for hint in hints:
        assert run(*hint.split()[1:], "--repo", mine.path).code == 0
    assert run("clean", "--repo", mine.path).code == 0
    left = mine.git("for-each-ref", "--format=%(refname:lstrip=4)", "refs/heads/fleet").split()
    assert left == ["strays"]


def test_init_leaves_nothing_in_the_way_of_the_first_landing(mine: Repo, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("name: first\ntasks: [{id: one, command: 'echo 1 > one.txt', scope: [one.txt]}]\n")
    assert run("init", "--repo", mine.path).code == 0
    answer = call("wave", plan, "--yes", cwd=mine.path)
    assert answer.code == 0, answer.out
    assert call("clean", cwd=mine.path).code == 0


def test_what_is_in_the_way_is_one_sentence_with_the_next_step(mine: Repo, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "name: way\ntasks: [{id: one, command: 'echo 1 > one.txt; echo 2 > two.txt', scope: [one.txt, two.txt]}]\n"
    )
    mine.write("one.txt", "mine")
    mine.write("two.txt", "mine")
    answer = call("wave", plan, "--yes", cwd=mine.path)
    assert answer.code == ExitCode.NEEDS_PERSON
    assert (
        "It needs you: The landing waits: one.txt is there but not tracked, and the landing adds it; two.txt is there "
        "but not tracked, and the landing adds it. Commit, stash or move what is yours there. Nothing landed.\n"
        in answer.out
    )
    assert "did not land" not in answer.out
    (mine.path / "one.txt").unlink()
    (mine.path / "two.txt").unlink()
    assert call("continue", cwd=mine.path).code == 0
    assert call("clean", cwd=mine.path).code == 0


def test_a_cancelled_run_needs_nobody(repo: Repo) -> None:
    place(
        repo.path,
        a_session(state=SessionState.COMPLETED),
        a_run("api", RunState.LANDED),
        a_run("ui", RunState.CANCELLED),
    )
    assert run("status", "--repo", repo.path).out.startswith("Nothing needs you")


def test_failures_of_an_older_closed_session_need_nobody_any_more(repo: Repo) -> None:
    failure = Failure(source=FailureSource.TASK, code="no-changes", message="It changed nothing.")
    for name, state in (("old-aaaaaa", RunState.FAILED), ("new-aaaaaa", RunState.LANDED)):
        place(
            repo.path,
            a_session(name, SessionState.COMPLETED, started=f"202{5 + (name[0] == 'n')}-01-01T00:00:00Z"),
            a_run("api", state, session=name, failure=failure if state is RunState.FAILED else None),
        )
    assert run("status", "--repo", repo.path).out.startswith("Nothing needs you")
    assert run("status", "old-aaaaaa", "--repo", repo.path).out.startswith("1 thing needs you.\n")


def test_the_time_of_a_run_stops_with_its_agent(repo: Repo) -> None:
    attempt = Attempt(number=1, base="0" * 40, started=STARTED, ended="2026-01-02T03:04:12.000Z")
    place(repo.path, a_session(), a_run("api", RunState.VERIFIED, attempts=(attempt,)))
    (row,) = run("status", "--repo", repo.path, "--json").json["sessions"][0]["live"]
    assert row["elapsed_seconds"] == 7


@pytest.mark.parametrize(
    ("name", "slug"), [("Übung Größe", "ubung-grosse"), ("日本語", "session"), ("A  b/c", "a-b-c")]
)
def test_the_id_of_a_session_reads_like_its_name(name: str, slug: str) -> None:
    assert session_id(name, bytes) == f"{slug}-aaaaaa"


def test_every_command_is_in_one_group_of_the_help() -> None:
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(COMMANDS)
    shown = run("--help").out
    assert [word for word in re.findall(r"^(\w+):$", shown, re.MULTILINE) if word in GROUPS] == list(GROUPS)


def test_a_terminal_folds_between_words_and_never_inside_one() -> None:
    text = "  target: a branch of a/very/long/path/that/is/wider/than/the/terminal and 日本語 日本語 words"
    lines = folded(text, 30, 4)
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert all(width(line) <= 30 for line in lines if "/" not in line)
    assert lines[0].startswith("  target")
    assert all(line.startswith("      ") for line in lines[1:])
    assert folded("", 30, 2) == [""]


@pytest.mark.parametrize("columns", [60, 200])
def test_the_live_view_gives_each_agent_one_row(columns: int) -> None:
    out = io.StringIO()
    agents = tuple(
        AgentProgress(
            instance="i", task=name, state="preparing", elapsed_seconds=61, files=12, added=1234, removed=5678
        )
        for name in ("slower-with-a-rather-long-name-of-some-forty-characters", "日本語" * 20, "short")
    )
    progress = Progress(
        session="s", wave=1, waves=2, done=1, total=3, agents=agents, activity="verify: pytest -q " + "x" * 90
    )
    Console(file=out, width=columns, force_terminal=False).print(drawing(progress))
    lines = out.getvalue().splitlines()
    assert sum("1m01s" in line for line in lines) == 3
    assert all(re.search(r"preparing +1m01s +- +12 +\+1234 -5678", line) for line in lines if "1m01s" in line)
    assert all(width(line) <= columns for line in lines)
    assert any("1 of 3 done" in line for line in lines)
    assert any(line.startswith("verify: pytest -q") for line in lines)
    assert len(lines) <= 7


@pytest.mark.parametrize("kind", [EventKind.WAVE_START, EventKind.WAVE_COMPLETE])
def test_a_line_about_a_wave_names_it_once(kind: EventKind) -> None:
    event = Event(at=STARTED, session="s", kind=kind, message="wave 1 of 2: a, b", wave=1)
    assert sentence(event).endswith(" wave 1 of 2: a, b")
    assert "wave 1: " not in sentence(event)


def test_a_clause_becomes_one_sentence() -> None:
    assert ended("a is there\nb is there") == "a is there; b is there."
    assert ended("Done!") == "Done!"


def test_a_locale_without_letters_is_no_reason_to_fail(mine: Repo, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "name: Übung 日本\ntasks: [{id: one, command: 'echo 1 > ü.txt', scope: [ü.txt]}]\n", encoding="utf-8"
    )
    env = {"PYTHONIOENCODING": "ascii"}
    answer = call("wave", plan, "--yes", cwd=mine.path, env=env)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("\\xdcbung \\u65e5\\u672c: 1 agent in 1 wave")
    assert ": 1 task in 1 wave\n" in answer.out
    assert call("inspect", "one", cwd=mine.path, env=env).code == 0
    assert call("inspect", "ünknown", cwd=mine.path, env=env).code == ExitCode.USAGE
    assert call("clean", cwd=mine.path, env=env).code == 0


def test_inspect_ends_with_commands_that_lead_on(mine: Repo, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(FAILING)
    assert call("wave", plan, "--yes", cwd=mine.path).code == ExitCode.RUNS_FAILED
    shown = run("inspect", "strays", "--repo", mine.path).out
    steps = re.findall(r"^next: (.*)$", shown, re.MULTILINE)
    assert [step.split()[:2] for step in steps] == [
        ["git", "diff"],
        ["gitfleet", "logs"],
        ["gitfleet", "rescue"],
        ["gitfleet", "open"],
    ]
    assert "elsewhere.txt" in mine.git(*steps[0].split()[1:])
    for step in steps[1:]:
        assert run(*step.split()[1:], "--repo", mine.path).code == 0
    assert re.search(r"attempt 1: exit-code, exit code 7, \d\.\ds\n", run("inspect", "dies", "--repo", mine.path).out)
    assert run("clean", "--repo", mine.path).code == 0


def test_a_place_without_a_repository_is_named_in_full(tmp_path: Path) -> None:
    answer = call("status", cwd=tmp_path)
    assert answer.code == ExitCode.ENVIRONMENT
    assert answer.err.startswith(f"gitfleet: {tmp_path} is not in a git repository.\n")


def test_an_empty_git_directory_is_no_repository_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    left = tmp_path / ".git"
    left.mkdir()
    answer = call("status", cwd=tmp_path)
    assert answer.code == ExitCode.ENVIRONMENT
    assert answer.err.startswith(f"gitfleet: {tmp_path} is not in a git repository.\n")
    (left / "objects").mkdir()
    assert f"git does not take {left} for a repository: HEAD: " in call("status", cwd=tmp_path).err


def test_a_rebase_under_way_is_named_rather_than_the_detached_head(mine: Repo, tmp_path: Path) -> None:
    mine.commit({"a.txt": "1\n"})
    mine.git("switch", "-qc", "other", "HEAD~1")
    mine.commit({"a.txt": "2\n"})
    mine.git("switch", "-q", "main")
    rebase = subprocess.run(["git", "rebase", "other"], cwd=mine.path, capture_output=True, check=False)
    assert rebase.returncode
    plan = tmp_path / "plan.yaml"
    plan.write_text(FAILING)
    answer = run("plan", plan, "--repo", mine.path)
    assert answer.code == ExitCode.NEEDS_PERSON
    assert "in the middle of a rebase of main.\nFinish or abort it" in answer.err


def test_what_an_interrupt_leaves_is_said_with_its_place(mine: Repo, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "name: stop\ntasks:\n"
        f"  - {{id: long, command: 'echo part > part.txt; echo > {begun}; sleep 600', scope: [part.txt]}}\n"
        "  - {id: later, command: 'echo 1 > later.txt', scope: [later.txt], depends_on: [long]}\n"
    )
    with spawn("wave", plan, "--yes", cwd=mine.path) as process:
        begun.read_text()
        assert run("cancel", "later", "--repo", mine.path).out == "later is cancelled.\n"
        assert "1 queued" not in run("status", "--repo", mine.path).out
        assert "failures:" not in run("status", "--repo", mine.path).out
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    shown = out.decode()
    kept = re.search(r"long is queued again: it was interrupted; its work is kept: gitfleet (rescue show \S+)\n", shown)
    assert kept
    assert "part.txt" in run(*kept[1].split(), "--repo", mine.path).out
    assert mine.git("show", f"refs/gitfleet/wip/{kept[1].split()[-1]}:part.txt") == "part"
    assert "It needs you: it was interrupted. Nothing landed.\n" in shown
    assert "  - later" not in shown
    assert run("cancel", "long", "--repo", mine.path).out.startswith("cancel long: Nobody runs session stop-")
    assert call("continue", cwd=mine.path).code == 0
    cleaned = call("clean", cwd=mine.path)
    assert cleaned.code == 0


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "Read-only file system"),
        (errno.ENOSPC, "No space left on device"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_what_the_file_system_refuses_is_no_defect(number: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> int:
        raise OSError(number, os.strerror(number), "/somewhere/state")

    assert guard(refused, []) == ExitCode.ENVIRONMENT
    assert capsys.readouterr().err.startswith(f"gitfleet: /somewhere/state cannot be read or written: {words}.\n")
