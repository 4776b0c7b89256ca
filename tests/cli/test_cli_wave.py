"""plan, wave, continue, add, cancel, completion: what a person sees around a session."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitfleet.cli.outcome import headline
from gitfleet.coordinator.control.requests import Requests
from gitfleet.errors import ExitCode
from gitfleet.model.reports import AmendReport, CompletionReport, Disclosure, IdleReport, WaveReport
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from tests.cli.test_cli_usage import validate
from tests.support.commands import ROOT, a_run, a_session, call, place, run, spawn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

PLAN = """\
name: try it
direction: Make files
tasks:
  - id: one
    command: echo 1 > one.txt
    scope: [one.txt]
  - id: two
    command: echo 2 > two.txt
    scope: [two.txt]
    depends_on: [one]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


@pytest.fixture
def mine(repo: Repo) -> Repo:
    """A repository whose own config says who commits, since agents see no other."""
    repo.git("config", "user.name", "Ada Author")
    repo.git("config", "user.email", "ada@example.com")
    return repo


def test_plan_and_dry_run_are_the_same_view(mine: Repo, plan: Path) -> None:
    shown = run("plan", plan, "--repo", mine.path)
    assert shown.code == 0
    assert shown.out.splitlines()[0] == "try it: 2 agents in 2 waves, landing on main."
    assert "none: landings will be unverified" in shown.out
    assert run("wave", plan, "--dry-run", "--repo", mine.path).out == shown.out
    assert "two: depends on one" in run("plan", plan, "--explain", "--repo", mine.path).out
    document = run("plan", plan, "--json", "--repo", mine.path).json
    validate(document, Disclosure)
    assert not (mine.path / ".git" / "gitfleet").exists()


def test_plan_writes_the_normalised_plan_once(mine: Repo, plan: Path, tmp_path: Path) -> None:
    output = tmp_path / "normal.yaml"
    assert run("plan", plan, "-o", output, "--repo", mine.path).code == 0
    assert run("plan", output, "--repo", mine.path).out == run("plan", plan, "--repo", mine.path).out
    again = run("plan", plan, "-o", output, "--repo", mine.path)
    assert (again.code, again.out) == (ExitCode.USAGE, "")
    assert "is not overwritten" in again.err


def test_a_wrong_plan_shows_every_problem_and_starts_nothing(mine: Repo, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\ntasks:\n  - id: A B\n    scope: [/etc]\n    comand: x\n")
    answer = run("wave", bad, "--yes", "--repo", mine.path)
    assert (answer.code, answer.out) == (ExitCode.USAGE, "")
    assert len(re.findall(r"^  .*bad\.yaml:\d+:\d+: ", answer.err, re.MULTILINE)) >= 3
    document = run("wave", bad, "--yes", "--json", "--repo", mine.path).json
    assert len(document["error"]["problems"]) >= 3
    assert not (mine.path / ".git" / "gitfleet").exists()


def test_a_plan_that_cannot_be_read(mine: Repo, tmp_path: Path) -> None:
    answer = run("wave", tmp_path / "none.yaml", "--repo", mine.path)
    assert answer.code == ExitCode.USAGE
    assert "cannot be read: No such file or directory." in answer.err


def test_without_a_terminal_and_without_yes_nothing_is_started(mine: Repo, plan: Path) -> None:
    answer = run("wave", plan, "--repo", mine.path)
    assert answer.code == ExitCode.NEEDS_PERSON
    assert "nothing was started" in answer.err
    assert "wave 1" in answer.out
    document = run("wave", plan, "--json", "--repo", mine.path)
    assert (document.code, document.json["error"]["code"]) == (ExitCode.NEEDS_PERSON, "no-consent")
    assert not (mine.path / ".git" / "gitfleet" / "state").exists()


def test_a_session_ends_with_a_table_and_a_handoff(mine: Repo, plan: Path) -> None:
    answer = call("wave", plan, "--yes", cwd=mine.path)
    assert answer.code == 0, answer.err
    assert re.search(r"^\d\d:\d\d:\d\d ", answer.out, re.MULTILINE)
    assert "\x1b" not in answer.out
    assert "Nothing needs you: 2 of 2 runs landed on main (unverified)." in answer.out
    block = answer.out[answer.out.index("---HANDOFF---") :]
    assert block.splitlines()[-1] == "---"
    for words in ("- session: try-it-", "- built:", "- discoveries: none", "- conflicts: none", "- next: none"):
        assert words in block
    assert "git revert -m 1 " in block
    assert run("status", "--repo", mine.path).out.startswith("Nothing needs you: no session is open.")
    idle = run("continue", "--json", "--repo", mine.path)
    validate(idle.json, IdleReport)
    assert run("clean", "--repo", mine.path).code == 0
    assert mine.git("for-each-ref", "--format=%(refname)", "refs/heads/fleet") == ""


def test_json_is_one_document_of_a_whole_session(mine: Repo, plan: Path) -> None:
    plan.write_text(PLAN.replace("echo 2 > two.txt", "echo 2 > elsewhere.txt"))
    answer = call("wave", plan, "--yes", "--json", cwd=mine.path)
    assert answer.code == ExitCode.RUNS_FAILED
    validate(answer.json, WaveReport)
    report = msgspec.convert(answer.json, WaveReport)
    assert {row.task: row.state.value for row in report.runs} == {"one": "landed", "two": "rejected"}
    assert report.runs[1].violations == ("elsewhere.txt (out-of-scope)",)
    assert headline(report) == (
        "It needs you: 1 run did not land (1 rejected). 1 of 2 runs landed on main (unverified)."
    )
    assert run("clean", "--repo", mine.path).code == 0
    mine.git("worktree", "list")


def test_a_reader_that_leaves_does_not_stop_the_session(mine: Repo, plan: Path) -> None:
    with spawn("wave", plan, "--yes", cwd=mine.path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
    if process.returncode == 141:  # it left while the disclosure was written: nothing was started
        assert not (mine.path / ".git" / "gitfleet" / "state").exists()
        return
    assert (process.returncode, error) == (0, b"")
    assert mine.git("show", "main:two.txt") == "2"
    assert run("clean", "--repo", mine.path).code == 0


def converse(repo: Path, reply: bytes, *args: str) -> tuple[int, str]:
    """Run a command in a terminal and answer its question; gives the exit code and all that was shown."""
    near, far = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "gitfleet", *args], cwd=repo, env=environment, stdin=far, stdout=far, stderr=far
    )
    os.close(far)
    shown = b""
    with process, os.fdopen(near, "r+b", buffering=0) as terminal:
        asked = False
        while True:
            try:
                data = terminal.read(65536)
            except OSError:
                break
            if not data:
                break
            shown += data
            if not asked and b"]: " in shown:
                terminal.write(reply)
                asked = True
    return process.returncode, shown.decode("utf-8", "replace")


def test_a_terminal_is_asked_and_no_is_the_default(mine: Repo, plan: Path) -> None:
    code, shown = converse(mine.path, b"\n", "wave", str(plan))
    assert code == ExitCode.NEEDS_PERSON
    assert "Start? [y/N]" in shown
    assert "nothing was started" in shown
    assert not (mine.path / ".git" / "gitfleet" / "state").exists()


def test_a_terminal_shows_agents_live(mine: Repo, plan: Path) -> None:
    code, shown = converse(mine.path, b"y\n", "wave", str(plan))
    assert code == 0, shown
    assert "wave 1 of 2" in shown
    assert "---HANDOFF---" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert run("clean", "--repo", mine.path).code == 0


def test_init_asks_in_a_terminal(mine: Repo) -> None:
    code, shown = converse(mine.path, b"n\n", "init")
    assert code == ExitCode.NEEDS_PERSON
    assert "schema: gitfleet/config/v1" in shown
    assert not (mine.path / ".planning" / "config.yaml").exists()


def test_amendments_are_left_for_whoever_continues(mine: Repo, tmp_path: Path) -> None:
    place(mine.path, a_session(), a_run("api"))
    task = tmp_path / "task.yaml"
    task.write_text("name: more\ntasks:\n  - {id: docs, command: 'true', scope: [docs/]}\n")
    answer = run("add", task, "--repo", mine.path, "--json")
    assert answer.code == 0, answer.out
    validate(answer.json, AmendReport)
    assert run("cancel", "api", "--repo", mine.path).out.startswith("cancel api: Nobody runs session auth-k3f9qm now; ")
    (tmp_path / "other").mkdir()
    refused = run("add", task, "--session", "nobody-aaaaaa", "--repo", mine.path)
    assert refused.code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("task", "asks"),
    [
        ("agent: claude, instructions: Write, scope: [docs/]", False),
        ("command: 'true', scope: [docs/]", False),
        ("command: make docs, scope: [docs/]", True),
        ("agent: claude, instructions: Write, scope: [docs/], verify: [{run: make test}]", True),
        ("agent: wild, instructions: Write, scope: [docs/]", True),
        ("agent: shell, instructions: Write, scope: [docs/]", True),
        ("agent: claude, instructions: Write, scope: [docs/], worker: {tools: ['Bash(make docs)']}", True),
        ("agent: claude, instructions: Write, scope: [docs/], workspace: {environment: {allowlist: [TZ]}}", True),
        ("agent: claude, instructions: Write, scope: [.github/workflows/]", True),
    ],
)
def test_what_a_session_was_not_given_consent_for_is_added_with_consent_only(
    mine: Repo, tmp_path: Path, task: str, *, asks: bool
) -> None:
    agents = b"agents: {wild: {kind: claude, permissions: bypass}, shell: {kind: command, argv: [./agent]}}\n"
    layout = place(mine.path, a_session(), a_run("api"), config=agents)
    path = tmp_path / "task.yaml"
    path.write_text(f"name: more\ntasks:\n  - {{id: docs, {task}}}\n")
    answer = run("add", path, "--repo", mine.path, "--json")
    if asks:
        assert (answer.code, answer.json["error"]["code"]) == (ExitCode.NEEDS_PERSON, "no-consent")
        assert "nothing was added" in answer.json["error"]["message"]
        assert not list(Requests(layout.session("auth-k3f9qm")).directory.glob("*"))
        answer = run("add", path, "--repo", mine.path, "--json", "--yes")
    assert answer.code == 0, answer.out
    assert answer.json["task"] == "docs"


def test_what_will_start_is_told_before_it_is_added(mine: Repo, tmp_path: Path) -> None:
    layout = place(mine.path, a_session(), a_run("api"))
    path = tmp_path / "task.yaml"
    path.write_text("name: more\ntasks:\n  - {id: docs, command: make docs, scope: [docs/], depends_on: [api]}\n")
    code, shown = converse(mine.path, b"n\n", "add", str(path))
    assert code == ExitCode.NEEDS_PERSON
    assert "docs: make docs" in shown
    assert "commands run as you" in shown
    assert shown.index("Add it?") > shown.index("make docs")
    assert not list(Requests(layout.session("auth-k3f9qm")).directory.glob("*"))


def test_of_a_closed_session_there_is_nothing_to_take_over(repo: Repo) -> None:
    place(repo.path, a_session(state=SessionState.COMPLETED), a_run("api", RunState.LANDED))
    refused = run("continue", "auth-k3f9qm", "--take-over", "--yes", "--repo", repo.path)
    assert refused.code == ExitCode.USAGE
    assert refused.err.startswith("gitfleet: Session auth-k3f9qm is closed: there is nothing of it to take over.\n")
    over = run("continue", "auth-k3f9qm", "--repo", repo.path)
    assert (over.code, over.out) == (0, "Nothing needs you: session auth-k3f9qm is closed.\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_accepted_by_their_shells(shell: str, tmp_path: Path) -> None:
    answer = run("completion", shell)
    assert answer.code == 0
    assert "_GITFLEET_COMPLETE" in answer.out
    document = run("completion", shell, "--json").json
    validate(document, CompletionReport)
    assert document["script"] == answer.out
    if shell == "bash":
        script = tmp_path / "script"
        script.write_text(answer.out)
        subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("gitfleet sta", {"status"}),
        ("gitfleet inspect a", {"api"}),
        ("gitfleet status a", {"auth-k3f9qm"}),
        ("gitfleet wave --dry", {"--dry-run"}),
    ],
)
def test_names_complete_from_the_state(repo: Repo, words: str, expected: set[str]) -> None:
    place(repo.path, a_session(), a_run("api"))
    count = str(len(words.split()) - 1)
    env = {"COMP_WORDS": words, "COMP_CWORD": count, "_GITFLEET_COMPLETE": "bash_complete"}
    answer = call(cwd=repo.path, env=env)
    assert {line.partition(",")[2] for line in answer.out.splitlines()} == expected
