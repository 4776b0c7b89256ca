from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitfleet.coordinator.parked import sentence
from gitfleet.errors import ExitCode
from gitfleet.model.base import instant
from gitfleet.model.conflict import Conflict, ConflictKind
from gitfleet.model.evidence import Attempt, Verdict
from gitfleet.model.parking import Parked, Permission
from gitfleet.model.reports import StatusReport
from gitfleet.model.run import Failure, FailureSource, RunState
from gitfleet.model.session import Landing, SessionState
from gitfleet.store.locks import hold, session_lock
from tests.cli.test_cli_usage import validate
from tests.support.commands import STARTED, a_run, a_session, attempt_files, place, run

if TYPE_CHECKING:
    from tests.support.repo import Repo


def test_an_empty_repository_needs_nobody(repo: Repo) -> None:
    answer = run("status", "--repo", repo.path)
    assert (answer.code, answer.out, answer.err) == (0, "Nothing needs you: there is no session here.\n", "")
    assert not (repo.path / ".git" / "gitfleet").exists()


def test_what_needs_a_person_comes_first(repo: Repo) -> None:
    layout = place(repo.path, a_session("auth-k3f9qm"), a_run("api"))
    place(
        repo.path,
        a_session(
            "docs-aaaaaa", SessionState.NEEDS_CONTINUE, reason="README.md is in the way", started="2025-01-01T00:00:00Z"
        ),
        a_run("docs", session="docs-aaaaaa"),
    )
    with session_lock(layout, "auth-k3f9qm"):
        answer = run("status", "--repo", repo.path)
        document = run("status", "--repo", repo.path, "--json").json
    assert answer.code == ExitCode.DONE
    assert answer.out == (
        "1 session waits to be continued.\n"
        "  gitfleet continue docs-aaaaaa  # README.md is in the way\n"
        "\n"
        "docs-aaaaaa  needs-continue on main, wave 1 of 1\n"
        "  runs: 1 queued\n"
        "\n"
        "auth-k3f9qm  active on main, wave 1 of 1\n"
        "  runs: 1 queued\n"
    )
    validate(document, StatusReport)
    assert [row["id"] for row in document["sessions"]] == ["docs-aaaaaa", "auth-k3f9qm"]
    assert document["needs"][0]["next"] == "gitfleet continue docs-aaaaaa"


@pytest.mark.parametrize("said", [True, False])
def test_a_word_that_a_session_stopped_for_comes_before_going_on(repo: Repo, *, said: bool) -> None:
    parked = Parked(denied=(Permission(tool="Bash", argument="make deploy"),), since=STARTED, approved=said)
    waits = a_run("api", instance="fleet-auth-k3f9qm-w1-a1", parked=parked)
    place(repo.path, a_session(state=SessionState.NEEDS_CONTINUE, reason=sentence(waits)), waits)
    needs = [need["next"] for need in run("status", "--repo", repo.path, "--json").json["needs"]]
    go_on = "gitfleet continue auth-k3f9qm"
    assert needs == ([go_on] if said else [f"gitfleet approve {waits.instance}", go_on])


def test_a_session_without_a_coordinator_waits_to_be_continued(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api"))
    with session_lock(layout, "auth-k3f9qm"):
        assert run("status", "--repo", repo.path).out.startswith(
            "Nothing needs you: 1 session runs, 0 agents at work.\n"
        )
    answer = run("status", "--repo", repo.path)
    assert "its coordinator is gone" in answer.out
    assert "gitfleet continue auth-k3f9qm" in answer.out


def test_a_session_that_is_held_back_says_how_it_goes_on(repo: Repo) -> None:
    layout = place(repo.path, a_session(state=SessionState.PAUSED), a_run("api"))
    with session_lock(layout, "auth-k3f9qm"):
        held = run("status", "--repo", repo.path).out
    assert held.startswith("Nothing needs you: 1 session runs (1 paused), 0 agents at work.\n")
    assert "\n  gitfleet resume auth-k3f9qm  # nothing new starts until then\n" in held
    alone = run("status", "--repo", repo.path).out
    assert alone.count("gitfleet resume auth-k3f9qm") == 1


def test_a_live_run_shows_what_its_files_say(repo: Repo) -> None:
    begun = time.time() - 90
    live = a_run("api", RunState.RUNNING, attempts=(Attempt(number=1, base="0" * 40, started=instant(begun)),))
    layout = place(repo.path, a_session(), live, a_run("ui", RunState.QUEUED))
    directory = attempt_files(layout, live, b"12345", ended=False)
    with session_lock(layout, "auth-k3f9qm"), hold(directory / "lock", timeout=1, what="the attempt"):
        answer = run("status", "--repo", repo.path)
        report = msgspec.json.decode(run("status", "--repo", repo.path, "--json").out, type=StatusReport)
    (row,) = report.sessions[0].live
    assert (row.instance, row.alive, row.log_bytes, row.attempt) == ("fleet-auth-k3f9qm-w1-a1", True, 5, 1)
    assert (row.activity, report.sessions[0].activities) == ("working", {"working": 1})
    assert row.elapsed_seconds is not None
    assert 90 <= row.elapsed_seconds < 120
    assert row.last_activity_seconds is not None
    assert row.last_activity_seconds < 30
    assert re.search(r"  api +running +1m3\ds +\ds +working +fleet-auth-k3f9qm-w1-a1\n", answer.out)
    dead = msgspec.json.decode(run("status", "--repo", repo.path, "--json").out, type=StatusReport)
    assert (dead.sessions[0].live[0].alive, dead.sessions[0].live[0].activity) == (False, "dead")


def test_runs_that_wait_to_land_are_not_agents_at_work(repo: Repo) -> None:
    gated = a_run("api", RunState.GATED)
    layout = place(repo.path, a_session(), gated)
    attempt_files(layout, gated, b"12345")
    with session_lock(layout, "auth-k3f9qm"):
        answer = run("status", "--repo", repo.path)
    assert answer.out.startswith("Nothing needs you: 1 session runs, 0 agents at work, 1 run waits to land.\n")


def test_unknown_times_are_not_zero(repo: Repo) -> None:
    place(repo.path, a_session(), a_run("api", RunState.PREPARING, attempts=()))
    (row,) = run("status", "--repo", repo.path, "--json").json["sessions"][0]["live"]
    assert (row["elapsed_seconds"], row["last_activity_seconds"], row["alive"]) == (None, None, None)


def test_counts_failures_conflicts_and_landings(repo: Repo) -> None:
    failure = Failure(source=FailureSource.TASK, code="no-changes", message="It changed nothing.")
    place(
        repo.path,
        a_session(
            state=SessionState.COMPLETED,
            landings=(
                Landing(
                    number=1,
                    commit="c" * 40,
                    candidate="d" * 40,
                    previous="0" * 40,
                    verdict=Verdict.UNVERIFIED,
                    tasks=("api",),
                ),
            ),
        ),
        a_run("api", RunState.LANDED),
        a_run("ui", RunState.FAILED, failure=failure),
        a_run(
            "doc",
            RunState.CONFLICTED,
            conflicts=(Conflict(path="README.md", kind=ConflictKind.CONTENT),),
            attempts=(Attempt(number=1, base="0" * 40, started="", retry="not retried: conflict is hold"),),
        ),
    )
    answer = run("status", "--repo", repo.path)
    assert (
        "  auth-k3f9qm doc: conflicts with main in README.md\n    gitfleet resolve fleet-auth-k3f9qm-w1-a1\n"
        in answer.out
    )
    assert "  runs: 1 landed, 1 conflicted, 1 failed (failures: 1 task)\n" in answer.out
    assert "  landing 1: cccccccccccc unverified, api\n" in answer.out


def test_old_closed_sessions_are_counted_and_listed_on_demand(repo: Repo) -> None:
    for number in range(5):
        name = f"auth-aaaaa{number + 2}"
        place(
            repo.path,
            a_session(name, SessionState.COMPLETED, started=f"2026-01-0{number + 1}T00:00:00Z"),
            a_run("api", RunState.LANDED, session=name),
        )
    answer = run("status", "--repo", repo.path)
    assert answer.out.startswith("Nothing needs you: no session is open.\n")
    assert "2 older closed sessions not shown" in answer.out
    assert "auth-aaaaa2" not in answer.out
    assert "auth-aaaaa2" in run("status", "--all", "--repo", repo.path).out


def test_a_damaged_session_is_named_and_hides_no_other(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api"))
    place(repo.path, a_session("docs-aaaaaa"), a_run("docs", session="docs-aaaaaa"))
    layout.report("docs-aaaaaa").write_text("torn")
    answer = run("status", "--repo", repo.path)
    assert answer.code == 0
    assert "docs-aaaaaa" in answer.out.split("\n\n")[0]
    assert "\nauth-k3f9qm  active" in answer.out
    # Who names it is told what is wrong with it, and not that there is none.
    for command in ("status", "events"):
        named = run(command, "docs-aaaaaa", "--json", "--repo", repo.path)
        assert (named.code, named.json["error"]["code"]) == (ExitCode.NEEDS_PERSON, "damaged-state")


def test_an_unknown_session_is_refused_with_the_nearest(repo: Repo) -> None:
    place(repo.path, a_session(), a_run("api"))
    answer = run("status", "auth-k3f9qn", "--repo", repo.path)
    assert answer.code == ExitCode.USAGE
    assert answer.err == "gitfleet: There is no session auth-k3f9qn here.\nDid you mean auth-k3f9qm?\n"


def test_watching_needs_a_terminal(repo: Repo) -> None:
    answer = run("status", "--watch", "--repo", repo.path)
    assert answer.code == ExitCode.USAGE
    assert "--watch needs a terminal." in answer.err


def test_names_of_others_cannot_act_on_the_terminal(repo: Repo) -> None:
    place(
        repo.path, a_session(state=SessionState.NEEDS_CONTINUE, reason="\x1b[2J\x1b[H all fine\nnothing"), a_run("api")
    )
    answer = run("status", "--repo", repo.path)
    assert "\x1b" not in answer.out
    assert "\\x1b[2J" in answer.out
