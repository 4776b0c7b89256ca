"""inspect, logs, events, claims, open: reading what a session left."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import msgspec

from gitfleet.errors import ExitCode
from gitfleet.git.command import Git
from gitfleet.git.repository import discover
from gitfleet.git.worktrees import Worktree, add
from gitfleet.model.claim import Claim
from gitfleet.model.event import Event, EventKind
from gitfleet.model.evidence import CheckResult, Exit, FileChange, GateReport, Violation
from gitfleet.model.handoff import Fact, Handoff
from gitfleet.model.reports import ClaimsReport, EventsReport, InspectReport, LogLine, LogReport, OpenReport
from gitfleet.model.run import Failure, FailureSource, RunState
from gitfleet.model.session import SessionState
from gitfleet.model.usage import Tokens, UsageSummary
from gitfleet.store.claims import Claims
from gitfleet.store.journal import Journal
from gitfleet.store.locks import claims_lock, hold, session_lock, worktrees_lock
from tests.cli.test_cli_usage import validate
from tests.support.commands import STARTED, a_run, a_session, attempt_files, lease, place, run, spawn

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.store.layout import Layout
    from tests.support.repo import Repo

INSTANCE = "fleet-auth-k3f9qm-w1-a1"


def journal(layout: Layout) -> Journal:
    return Journal(layout, "auth-k3f9qm", lambda: 1_767_323_045.0)


def claim(layout: Layout, session: str = "auth-k3f9qm", task: str = "api", instance: str = INSTANCE) -> None:
    wanted = Claim(instance=instance, session=session, task=task, scope=("src/api/",), acquired=STARTED)
    with claims_lock(layout) as proof:
        Claims(layout).acquire(proof, [wanted], lambda _a, _b: None)


def test_inspect_shows_everything_that_is_known(repo: Repo) -> None:
    rejected = a_run(
        "api",
        RunState.REJECTED,
        objective="Tokens for all",
        failure=Failure(source=FailureSource.TASK, code="out-of-scope", message="It wrote what it must not."),
        gate=GateReport(passed=False, commits=1, violations=(Violation(path="README", reason="out-of-scope"),)),
        handoff=Handoff(built=("middleware",), discoveries=(Fact(fact="The API is slow."),)),
        files=(
            FileChange(path="src/api/a.py", change="added", added=3, removed=0),
            FileChange(path="b", change="added"),
        ),
        checks=(CheckResult(name="own", run="false", exit_code=1, tail="it \x1b[31mbroke\n"),),
    )
    worker = msgspec.structs.replace(
        rejected.attempts[0],
        agent="mine",
        account="codex-2",
        model="large",
        cli_session="s-1",
        exit=Exit(reason="lost", seconds=2.5, cpu_seconds=1.25, max_rss_kib=150_000),
        usage=UsageSummary(tokens=Tokens(input=1200, cost_usd=0.0012), turns=1, tool_calls=2),
    )
    rejected = msgspec.structs.replace(rejected, attempts=(worker,))
    layout = place(repo.path, a_session(), rejected)
    attempt_files(layout, rejected, b"")
    log = journal(layout)
    log.event(EventKind.AGENT_START, "api started", task="api", instance=INSTANCE)
    log.event(EventKind.GATE, "api is rejected", task="api", instance=INSTANCE, status="rejected")
    log.event(EventKind.AGENT_START, "ui started", task="ui")
    answer = run("inspect", "api", "--repo", repo.path)
    assert answer.code == 0
    first = answer.out.splitlines()[0]
    assert first == "api: rejected (task, out-of-scope): It wrote what it must not."
    for words in (
        "objective:    Tokens for all",
        f"instance:     {INSTANCE}",
        "host:         local",
        "latest event: 2026-01-02T03:04:05.000Z api is rejected",
        "latest error: 2026-01-02T03:04:05.000Z api is rejected",
        "log:        ",
        "    README  out-of-scope",
        "    middleware",
        "    The API is slow.",
        "  task check own: red, exit code 1",
        "    | it broke",
        "  attempt 1: lost, no exit code, 2.5s\n    agent:      mine, account codex-2, large\n    session:    s-1\n",
        "    processes:  1.2s of processor time, at most 153.6 MB of memory in one of them\n",
        "    used:       1 turn, 2 tool calls, 1,200 tokens, $0.0012\n",
    ):
        assert words in answer.out, words
    by_instance = run("inspect", INSTANCE, "--repo", repo.path, "--json").json
    validate(by_instance, InspectReport)
    assert by_instance["attempts"][0]["log"].endswith("/out.log")
    assert by_instance["attempts"][0]["handoff"] is None
    assert by_instance["last_pulse"].endswith("Z")


def test_a_task_of_two_open_sessions_is_refused_with_both(repo: Repo) -> None:
    place(repo.path, a_session(), a_run("api"))
    place(repo.path, a_session("docs-aaaaaa"), a_run("api", session="docs-aaaaaa"))
    answer = run("inspect", "api", "--repo", repo.path)
    assert answer.code == ExitCode.USAGE
    assert "2 open sessions have a task api." in answer.err
    assert run("inspect", "api", "--session", "docs-aaaaaa", "--repo", repo.path).code == 0


def test_an_open_session_comes_before_a_newer_closed_one(repo: Repo) -> None:
    place(repo.path, a_session(), a_run("api"))
    place(
        repo.path,
        a_session("docs-aaaaaa", SessionState.COMPLETED, started="2027-01-01T00:00:00Z"),
        a_run("api", session="docs-aaaaaa"),
    )
    assert run("inspect", "api", "--repo", repo.path, "--json").json["run"]["session"] == "auth-k3f9qm"


def test_an_unknown_run_is_refused_with_the_nearest(repo: Repo) -> None:
    place(repo.path, a_session(), a_run("api-auth"))
    answer = run("inspect", "api-auht", "--repo", repo.path)
    assert answer.err == "gitfleet: There is no instance or task api-auht here.\nDid you mean api-auth?\n"


def test_logs_are_shown_without_power_over_the_terminal(repo: Repo) -> None:
    done = a_run("api", RunState.LANDED)
    layout = place(repo.path, a_session(), done)
    attempt_files(layout, done, b"first\n\x1b[31mred\x1b[0m \xff\nlast")
    assert run("logs", "api", "--repo", repo.path).out == "first\nred \\xff\nlast\n"
    assert run("logs", "api", "-n", "1", "--repo", repo.path).out == "last\n"
    assert run("logs", "api", "-n", "0", "--repo", repo.path).out == ""
    raw = run("logs", "api", "--raw", "--repo", repo.path)
    assert raw.out.encode("utf-8", "surrogateescape") == b"first\n\x1b[31mred\x1b[0m \xff\nlast"
    document = run("logs", "api", "--repo", repo.path, "--json").json
    validate(document, LogReport)
    assert (document["size"], document["running"]) == (25, False)
    assert run("logs", "api", "--raw", "--json", "--repo", repo.path).code == ExitCode.USAGE


def test_logs_of_an_earlier_attempt(repo: Repo) -> None:
    done = a_run("api", RunState.LANDED)
    layout = place(repo.path, a_session(), done)
    attempt_files(layout, done, b"one\n", number=1)
    attempt_files(layout, done, b"two\n", number=2)
    assert run("logs", "api", "--repo", repo.path).out == "two\n"
    assert run("logs", "api", "--attempt", "1", "--repo", repo.path).out == "one\n"
    answer = run("logs", "api", "--attempt", "3", "--repo", repo.path)
    assert answer.err == "gitfleet: The run of api has no attempt 3.\nIt has 1, 2.\n"


def test_logs_of_a_run_that_never_started_say_so(repo: Repo) -> None:
    place(repo.path, a_session(), a_run("api"))
    answer = run("logs", "api", "--repo", repo.path)
    assert (answer.code, answer.err) == (ExitCode.USAGE, "gitfleet: The run of api has no log: it is queued.\n")


def test_following_a_log_ends_with_its_attempt(repo: Repo) -> None:
    live = a_run("api", RunState.RUNNING)
    layout = place(repo.path, a_session(), live)
    directory = attempt_files(layout, live, b"one\n", ended=False)
    with (
        hold(directory / "lock", timeout=1, what="the attempt"),
        spawn("logs", "-f", "--json", "api", cwd=repo.path) as process,
    ):
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        with (directory / "out.log").open("ab") as file:
            file.write(b"tw\xc3")
            file.flush()
            file.write(b"\xb6\nend")
        second = json.loads(process.stdout.readline())
        (directory / "exit.json").write_text("{}")
        rest = process.stdout.read()
    assert process.returncode == 0
    assert [first["text"], second["text"]] == ["one", "twö"]
    validate(first, LogLine)
    assert json.loads(rest)["text"] == "end"


def test_a_followed_line_ends_at_a_line_feed_alone(repo: Repo) -> None:
    done = a_run("api", RunState.LANDED)
    layout = place(repo.path, a_session(), done)
    attempt_files(layout, done, '{"text":"one\u2028two\x85"}\r\n\nend'.encode())
    answer = run("logs", "-f", "--json", "api", "--repo", repo.path)
    told = [json.loads(line)["text"] for line in answer.out.removesuffix("\n").split("\n")]
    assert told == ['{"text":"one\u2028two\x85"}\r', "", "end"]


def test_events_are_lines_for_people_and_documents_for_scripts(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api"))
    log = journal(layout)
    log.event(EventKind.WAVE_START, "wave 1 started: 1 task", wave=1)
    log.event(EventKind.AGENT_START, "api\x1b[2J started", wave=1, task="api")
    answer = run("events", "--repo", repo.path)
    clock = time.strftime("%H:%M:%S", time.localtime(1_767_323_045))
    assert answer.out == f"{clock} wave 1 started: 1 task\n{clock} wave 1: api\\x1b[2J started\n"
    assert run("events", "-n", "1", "--repo", repo.path).out.count("\n") == 1
    document = run("events", "--repo", repo.path, "--json").json
    validate(document, EventsReport)
    assert [event["kind"] for event in document["events"]] == ["wave-start", "agent-start"]


def test_following_events_ends_when_the_coordinator_is_gone(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api"))
    log = journal(layout)
    log.event(EventKind.SESSION_START, "begun")
    with session_lock(layout, "auth-k3f9qm"):
        process = spawn("events", "-f", "--json", cwd=repo.path)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        log.event(EventKind.AGENT_START, "api started")
        lines.append(process.stdout.readline())
        log.event(EventKind.SESSION_END, "over")
    with process:
        lines += process.stdout.read().splitlines()
    assert process.returncode == 0
    events = [json.loads(line) for line in lines]
    assert [event["message"] for event in events] == ["begun", "api started", "over"]
    for event in events:
        validate(event, Event)


def test_claims_say_who_holds_what_and_what_is_stale(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api", RunState.RUNNING))
    claim(layout)
    claim(layout, "gone-aaaaaa", "old", "fleet-gone-aaaaaa-w1-a1")
    repo.write(".planning/coordination/claims/other.json", '{"instanceId": "other-1", "scope": "docs/"}')
    repo.write(".planning/coordination/claims/broken.json", "{")
    with session_lock(layout, "auth-k3f9qm"):
        document = run("claims", "--repo", repo.path, "--json").json
        answer = run("claims", "--repo", repo.path)
    validate(document, ClaimsReport)
    assert {row["instance"]: row["stale"] for row in document["claims"]} == {
        INSTANCE: "",
        "fleet-gone-aaaaaa-w1-a1": "its session is not known here",
    }
    assert document["external"][0]["instance"] == "other-1"
    assert answer.out.startswith("It needs you: nobody works behind 1 claim;")
    assert "broken.json" in answer.out
    assert "its coordinator is gone" in run("claims", "--repo", repo.path).out


def test_nothing_claimed(repo: Repo) -> None:
    assert run("claims", "--repo", repo.path).out == "Nothing needs you: nothing is claimed.\n"


def worktree(repo: Repo, layout: Layout, path: Path, branch: str = "fleet/auth-k3f9qm/api") -> Worktree:
    with_lock = worktrees_lock(layout)
    made = add(discover(repo.path), path, repo.oid(), branch, with_lock, instance=INSTANCE)
    assert isinstance(made, Worktree)
    lease(layout, a_run("api", RunState.RUNNING), path)
    return made


def test_open_prints_the_path_where_there_is_no_terminal(repo: Repo, tmp_path: Path) -> None:
    layout = place(repo.path, a_session(), a_run("api", RunState.RUNNING))
    answer = run("open", "api", "--repo", repo.path)
    assert answer.code == ExitCode.NEEDS_PERSON
    assert "no worktree" in answer.err
    path = tmp_path / "trees of ours" / "api"
    worktree(repo, layout, path)
    assert run("open", "api", "--repo", repo.path).out == f"{path}\n"
    assert run("open", INSTANCE, "--print", "--repo", repo.path).out == f"{path}\n"
    document = run("open", "api", "--repo", repo.path, "--json").json
    validate(document, OpenReport)
    assert document["path"] == str(path)
    assert run("inspect", "api", "--repo", repo.path, "--json").json["worktree"] == str(path)


def test_open_gives_a_marked_shell_in_the_worktree(repo: Repo, tmp_path: Path) -> None:
    import pty  # noqa: PLC0415
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    from tests.support.commands import ROOT  # noqa: PLC0415

    layout = place(repo.path, a_session(), a_run("api", RunState.RUNNING))
    path = tmp_path / "trees" / "api"
    worktree(repo, layout, path)
    result = tmp_path / "result"
    shell = tmp_path / "shell"
    shell.write_text(f'#!/bin/sh\nprintf "%s %s" "$PWD" "$GITFLEET_OPEN" > "{result}"\nexit 3\n')
    shell.chmod(0o755)
    near, far = pty.openpty()
    environment = {**os.environ, "SHELL": str(shell), "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "gitfleet", "open", "api"],
        cwd=repo.path,
        env=environment,
        stdin=far,
        stdout=far,
        stderr=far,
        check=False,
    )
    os.close(near)
    os.close(far)
    assert done.returncode == 0
    assert result.read_text() == f"{path} 1"


def test_a_worktree_that_is_gone_is_not_opened(repo: Repo, tmp_path: Path) -> None:
    layout = place(repo.path, a_session(), a_run("api", RunState.RUNNING))
    made = worktree(repo, layout, tmp_path / "trees" / "api")
    Git(repo.path).run("worktree", "remove", "--force", str(made.path))
    assert run("open", "api", "--repo", repo.path).code == ExitCode.NEEDS_PERSON
