"""Attempts that failed: which come again, when, with what, and what is told of them."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.sessions import (
    common_dir,
    config_of,
    merge_commits,
    plan_of,
    record_commits,
    session_ids,
    state_runs,
    states,
    task,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from gitfleet.model.evidence import Attempt
    from tests.support.fleet import FleetEnv, SyncPoint

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("an attempt that failed keeps its tree")]

SOON: dict[str, Any] = {"initial_backoff_seconds": 0, "max_backoff_seconds": 0}
LONG: dict[str, Any] = {"initial_backoff_seconds": 3600, "max_backoff_seconds": 3600}
FIRST = 'test "$GITFLEET_ATTEMPT" = 1'


def attempts(fleet: FleetEnv, name: str) -> tuple[Attempt, ...]:
    return state_runs(fleet, fleet.root / "repo")[name].attempts


def kill_warden(fleet: FleetEnv, instance: str, number: int = 1) -> None:
    """Kill an attempt's warden as nothing but ``kill -9`` does."""
    path = common_dir(fleet, fleet.root / "repo") / "gitfleet/attempts" / instance / str(number) / "warden.json"
    os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)


def instance_of(fleet: FleetEnv, name: str) -> str:
    return state_runs(fleet, fleet.root / "repo")[name].instance


def loses_first(point: SyncPoint, command: str) -> str:
    """A command whose first attempt waits for the test, which kills its warden, and whose next ones do the work."""
    return f"if {FIRST}; then echo early > early.txt; git add -A; git commit -qm early; {point.shell}; fi; {command}"


def until_event(session: subprocess.Popen[str], word: str) -> str:
    """Read a session's output to the line that holds a word."""
    assert session.stdout is not None
    for line in session.stdout:
        if word in line:
            return line
    message = f"the session ended without {word!r}"
    raise AssertionError(message)


def drain(session: subprocess.Popen[str]) -> Callable[[], int]:
    """Read on in a thread, so that a pipe never holds the session up; gives how to wait for its end."""
    assert session.stdout is not None
    reader = threading.Thread(target=session.stdout.read)
    reader.start()

    def wait() -> int:
        code = session.wait(60)
        reader.join(60)
        return code

    return wait


def test_a_lost_attempt_is_made_again_from_a_clean_base(fleet: FleetEnv) -> None:
    repo, point = fleet.repo(), fleet.point("first")
    fleet.config(repo, config_of(retry=SOON))
    one = task("one", loses_first(point, "test ! -e early.txt && echo one > one.txt"), ["one.txt", "early.txt"])
    session = fleet.start("wave", fleet.plan(plan_of(one)), "--yes")
    point.wait()
    kill_warden(fleet, instance_of(fleet, "one"))
    fleet.finish(session).ok()

    assert (repo / "one.txt").read_text() == "one\n"
    assert not (repo / "early.txt").exists()
    first, second = attempts(fleet, "one")
    assert (first.outcome, second.outcome) == ("lost", "success")
    assert first.retry.startswith("retried as attempt 2: ")
    assert second.retry == ""
    assert fleet.git("show", f"{first.snapshots[-1]}:early.txt") == "early"
    assert len(merge_commits(fleet, repo)) == 1
    shown = fleet.run("inspect", "one").ok().out
    assert "attempt 1: lost" in shown
    assert "retried as attempt 2" in shown
    assert "attempt 2: success" in shown
    assert fleet.run("status", "--json").ok().json["sessions"][0]["restarted"] == 1
    assert "1 restarted" in fleet.run("status").out
    report = (repo / f".planning/sessions/{session_ids(fleet, repo)[0]}/session.md").read_text()
    assert "Restarted: 1 of 1" in report
    fleet.run("check").ok()


def test_what_is_not_retry_safe_is_not_repeated(fleet: FleetEnv) -> None:
    repo, point = fleet.repo(), fleet.point("first")
    fleet.config(repo, config_of(retry=SOON))
    mark = fleet.root / "deployed"
    one = task("one", f"echo x >> '{mark}'; {point.shell}", ["one.txt"], retry_safe=False)
    other = task("other", "echo other > other.txt", ["other.txt"])
    session = fleet.start("wave", fleet.plan(plan_of(one, other)), "--yes")
    point.wait()
    kill_warden(fleet, instance_of(fleet, "one"))
    fleet.finish(session).ok(1)

    assert mark.read_text() == "x\n"
    assert states(fleet, repo) == {"one": "lost", "other": "landed"}
    assert attempts(fleet, "one")[0].retry == "not retried: the task is not retry_safe"
    assert "failures: 1 transport" in fleet.run("status").out


def test_what_is_not_retry_safe_is_not_repeated_after_a_crash_either(fleet: FleetEnv) -> None:
    repo, point = fleet.repo(), fleet.point("first")
    mark = fleet.root / "deployed"
    one = task("one", f"echo x >> '{mark}'; {point.shell}", ["one.txt"], retry_safe=False)
    other = task("other", "echo other > other.txt", ["other.txt"], "one")
    session = fleet.start("wave", fleet.plan(plan_of(one, other)), "--yes")
    point.wait()
    session.kill()
    fleet.finish(session)
    kill_warden(fleet, instance_of(fleet, "one"))
    fleet.run("continue")
    fleet.run("continue")

    assert mark.read_text() == "x\n"
    assert states(fleet, repo)["one"] == "lost"


def test_an_agent_program_that_is_missing_at_first_is_found_later(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    program = fleet.root / "agent"
    agents = {"robot": {"kind": "command", "argv": [str(program), "{task}"]}}
    policy = {"initial_backoff_seconds": 0.2, "max_backoff_seconds": 0.2, "max_attempts": 50}
    fleet.config(repo, config_of(agents=agents, agent="robot", retry=policy))
    one: dict[str, object] = {"id": "one", "instructions": "Do it.", "scope": ["one.txt"]}
    session = fleet.start("wave", fleet.plan(plan_of(one)), "--yes")
    line = until_event(session, "before attempt 2")
    assert "waits 1 s before attempt 2: Agent robot did not start" in line
    program.write_text("#!/bin/sh\necho $1 > $1.txt\n")
    program.chmod(0o755)
    assert drain(session)() == 0
    tried = attempts(fleet, "one")
    assert {attempt.outcome for attempt in tried[:-1]} == {"spawn-failed"}
    assert tried[-1].outcome == "success"


def test_a_failure_of_the_task_is_never_tried_again(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(retry={**SOON, "max_attempts": 5}))
    checks = [{"run": "false"}]
    plan = plan_of(
        task("exits", "exit 3", ["a"]),
        task("strays", "echo x > stray.txt", ["b"]),
        task("idle", "true", ["c"]),
        task("red", "echo d > d", ["d"], verify=checks),
        task("gone", 'rm -rf "$PWD"', ["e"]),
        task("late", "exec sleep 600", ["f"], timeout_seconds=1),
    )
    fleet.run("wave", fleet.plan(plan), "--yes").ok(1)
    assert {name: len(run.attempts) for name, run in state_runs(fleet, repo).items()} == dict.fromkeys(
        ["exits", "strays", "idle", "red", "gone", "late"], 1
    )
    assert attempts(fleet, "late")[0].retry == "not retried: it ran out of time and no task waits for it"
    assert attempts(fleet, "gone")[0].outcome == "collect-failed"
    assert fleet.run("status", "--json").json["sessions"][0]["failures"] == {"task": 5, "verifier": 1}


def test_attempts_end_with_the_policy_and_then_a_person_is_asked(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    agents = {"robot": {"kind": "command", "argv": [str(fleet.root / "none")]}}
    fleet.config(repo, config_of(agents=agents, agent="robot", retry=SOON))
    more: dict[str, object] = {"id": "more", "instructions": "x", "scope": ["m"], "retry_policy": {"max_attempts": 4}}
    once: dict[str, object] = {"id": "once", "instructions": "x", "scope": ["o"], "retry_policy": {"max_attempts": 1}}
    plain: dict[str, object] = {"id": "plain", "instructions": "x", "scope": ["p"]}
    fleet.run("wave", fleet.plan(plan_of(more, once, plain)), "--yes").ok(3)
    counts = {name: len(run.attempts) for name, run in state_runs(fleet, repo).items()}
    assert counts == {"more": 4, "once": 1, "plain": 2}
    assert attempts(fleet, "plain")[1].retry == "not retried: all 2 attempts are used up"
    assert attempts(fleet, "once")[0].retry == "not retried: max_attempts is 1"


REDUCED = """if test "$GITFLEET_ATTEMPT" = 1; then
  echo half > half.txt; git add -A; git commit -qm half
  echo '{"remaining": ["the other half"], "decisions": ["in halves"]}' > "$GITFLEET_HANDOFF"
  exec sleep 600
fi
test "$GITFLEET_REDUCED" = 1 || exit 9
cp "$GITFLEET_PROMPT" prompt.md; echo small > half.txt"""


def test_a_timeout_that_others_wait_for_comes_once_more_with_less_to_do(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    before = task("before", """echo '{"discoveries": [{"fact": "b-fact"}]}' > "$GITFLEET_HANDOFF"; echo b > b""", ["b"])
    aside = task("aside", """echo '{"discoveries": [{"fact": "a-fact"}]}' > "$GITFLEET_HANDOFF"; echo a > a""", ["a"])
    scope = ["half.txt", "prompt.md"]
    slow = task("slow", REDUCED, scope, "before", timeout_seconds=2)
    behind = task("behind", "cp half.txt copy.txt", ["copy.txt"], "slow")
    told = fleet.run("wave", fleet.plan(plan_of(before, aside, slow, behind)), "--yes", "--json").ok().json
    row = next(row for row in told["runs"] if row["task"] == "slow")
    assert row["retries"] == ["attempt 1: deadline, retried as attempt 2: it ran out of time, and behind waits for it"]
    run = state_runs(fleet, repo)["slow"]
    assert run.reduced
    assert run.attempts[0].message.startswith("The command was stopped at its deadline after ")
    assert (repo / "copy.txt").read_text() == "small\n"
    first, second = attempts(fleet, "slow")
    assert (first.outcome, second.outcome, first.reduced, second.reduced) == ("deadline", "success", False, True)
    assert first.retry == "retried as attempt 2: it ran out of time, and behind waits for it"
    assert first.handoff is not None
    assert first.handoff.remaining == ("the other half",)
    assert [file.path for file in first.files] == ["half.txt"]
    told = (repo / "prompt.md").read_text()
    assert "do the smallest thing that lets `behind` go on" in told
    assert "the other half" in told
    assert first.snapshots[-1] in told
    assert "`half.txt`: added, +1 -0" in told
    assert "b-fact" in told
    assert "a-fact" not in told
    assert fleet.git("show", f"{first.snapshots[-1]}:half.txt") == "half"


def test_a_second_timeout_is_the_last(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(retry={**SOON, "max_attempts": 9}))
    slow = task("slow", "exec sleep 600", ["slow.txt"], timeout_seconds=1)
    behind = task("behind", "echo b > b", ["b"], "slow")
    fleet.run("wave", fleet.plan(plan_of(slow, behind)), "--yes").ok(1)
    assert states(fleet, repo) == {"slow": "timed-out", "behind": "skipped"}
    assert [attempt.outcome for attempt in attempts(fleet, "slow")] == ["deadline", "deadline"]
    assert attempts(fleet, "slow")[1].retry == "not retried: it ran out of time with the reduced prompt too"


def test_research_that_ran_out_of_time_hands_on_what_it_has(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    said = '{"discoveries": [{"fact": "the port is 8017"}]}'
    ask = task("ask", f"echo '{said}' > \"$GITFLEET_HANDOFF\"; exec sleep 600", [], kind="research", timeout_seconds=1)
    build = task("build", 'cp "$GITFLEET_PROMPT" prompt.md', ["prompt.md"], "ask")
    fleet.run("wave", fleet.plan(plan_of(ask, build)), "--yes").ok(1)

    assert states(fleet, repo) == {"ask": "timed-out", "build": "landed"}
    assert "the port is 8017" in (repo / "prompt.md").read_text()
    assert [attempt.retry for attempt in attempts(fleet, "ask")] == [
        "not retried: research that ran out of time hands on what it has"
    ]
    report = (repo / f".planning/sessions/{session_ids(fleet, repo)[0]}/session.md").read_text()
    assert "## Gaps\n\n- research ask ran out of time; those behind it have what it reported until then\n" in report
    fleet.run("check").ok()


def test_a_wave_goes_on_without_a_task_whose_worktree_cannot_be_made(fleet: FleetEnv) -> None:
    """The first checkout of a file that goes through a filter fails: its task comes again in a later wave."""
    repo = fleet.repo({".gitattributes": "big.bin filter=shy\n", "big.bin": "big\n"})
    fleet.config(repo, config_of(retry=SOON))
    mark = fleet.root / "asked-once"
    fleet.git("config", "filter.shy.smudge", f"if mkdir '{mark}' 2>/dev/null; then exit 1; fi; cat")
    fleet.git("config", "filter.shy.required", "true")
    fleet.git("config", "filter.shy.clean", "cat")
    either = [task(name, f"cat big.bin > {name}.txt", [f"{name}.txt"]) for name in ("left", "right")]
    behind = task("behind", "cat left.txt right.txt > behind.txt", ["behind.txt"], "left", "right")
    outcome = fleet.run("wave", fleet.plan(plan_of(*either, behind)), "--yes").ok()

    runs = state_runs(fleet, repo)
    late, soon = sorted((runs["left"], runs["right"]), key=lambda run: run.wave, reverse=True)
    assert f"wave 1 goes on without {late.task}" in outcome.text
    assert (soon.wave, late.wave, runs["behind"].wave) == (1, 2, 3)
    assert [(attempt.outcome, attempt.wave) for attempt in late.attempts] == [("prepare-failed", 1), ("success", 2)]
    assert (repo / "behind.txt").read_text() == "big\nbig\n"
    report = (repo / f".planning/sessions/{session_ids(fleet, repo)[0]}/session.md").read_text()
    assert f"- wave 1 went on without {late.task}: Its worktree could not be prepared" in report
    assert len(record_commits(fleet, repo)) == 3
    assert "gap" in {event["kind"] for event in fleet.run("events", "--json").ok().json["events"]}


# -- waiting ---------------------------------------------------------------------------------------------------------


def waits(fleet: FleetEnv, *more: dict[str, object], options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """A session whose task ``one`` lost its first attempt and waits an hour for the second."""
    repo, point = fleet.repo(), fleet.point("first")
    fleet.config(repo, config_of(retry=LONG))
    one = task("one", loses_first(point, "echo one > one.txt"), ["one.txt", "early.txt"])
    session = fleet.start("wave", fleet.plan(plan_of(one, *more)), "--yes", *options)
    point.wait()
    kill_warden(fleet, instance_of(fleet, "one"))
    assert "before attempt 2" in until_event(session, "one waits ")
    return session


def end_wait(fleet: FleetEnv) -> None:
    """Make the wait on record a thing of the past, as the passing of an hour would."""
    path = next((common_dir(fleet, fleet.root / "repo") / "gitfleet/state/sessions").glob("*/runs/one.json"))
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "not_before": "2020-01-01T00:00:00.000Z"}))


def test_a_wait_is_told_and_survives_the_coordinator(fleet: FleetEnv) -> None:
    session = waits(fleet, task("behind", "echo b > b", ["b"], "one"))
    run = state_runs(fleet, fleet.root / "repo")["one"]
    assert (run.state, run.claim, run.backoff_seconds is not None) == ("queued", None, True)
    assert fleet.run("claims", "--json").ok().json["claims"] == []
    row = fleet.run("status", "--json").ok().json["sessions"][0]["waiting"][0]
    assert (row["task"], row["attempt"], row["instance"]) == ("one", 2, run.instance)
    assert row["reason"] == run.attempts[0].message
    assert 1700 < row["seconds"] <= 3600
    assert " s before attempt 2: " in fleet.run("status").ok().out
    session.kill()
    drain(session)()

    again = fleet.start("continue")
    until_event(again, "continued")
    kept = state_runs(fleet, fleet.root / "repo")["one"]
    assert (kept.not_before, len(kept.attempts)) == (run.not_before, 1)
    again.send_signal(signal.SIGINT)
    assert drain(again)() == 130
    end_wait(fleet)
    fleet.run("continue").ok()
    assert states(fleet, fleet.root / "repo") == {"one": "landed", "behind": "landed"}


def test_the_barrier_waits_for_a_task_that_waits_and_rolling_does_not(fleet: FleetEnv) -> None:
    later = task("later", "echo l > later.txt", ["later.txt"], "aside")
    session = waits(fleet, task("aside", "echo a > aside.txt", ["aside.txt"]), later, options=("--rolling",))
    until_event(session, "landed later")
    session.send_signal(signal.SIGINT)
    assert drain(session)() == 130
    assert states(fleet, fleet.root / "repo") == {"one": "queued", "aside": "landed", "later": "landed"}


def test_a_task_that_waits_can_be_cancelled(fleet: FleetEnv) -> None:
    session = waits(fleet, task("aside", "echo a > aside.txt", ["aside.txt"]), task("b", "echo b > b", ["b"], "one"))
    fleet.run("cancel", "one").ok()
    assert drain(session)() == 1
    assert states(fleet, fleet.root / "repo") == {"one": "cancelled", "aside": "landed", "b": "skipped"}
    assert state_runs(fleet, fleet.root / "repo")["one"].not_before == ""


def test_a_task_can_be_added_behind_one_that_waits(fleet: FleetEnv) -> None:
    session = waits(fleet, task("aside", "echo a > aside.txt", ["aside.txt"]))
    added = fleet.plan(plan_of(task("behind", "cp one.txt behind.txt", ["behind.txt"], "one")), "add.yaml")
    assert "behind is in wave 2." in fleet.run("add", added, "--yes").ok().text
    assert state_runs(fleet, fleet.root / "repo")["one"].wave == 1
    session.send_signal(signal.SIGINT)
    assert drain(session)() == 130
    end_wait(fleet)
    fleet.run("continue").ok()
    assert (fleet.root / "repo" / "behind.txt").read_text() == "one\n"


def test_an_agent_that_stalled_is_stopped_and_comes_again(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(retry=SOON, stall="restart", timeouts={"stall": 1}))
    one = task("one", f"if {FIRST}; then echo half > one.txt; exec sleep 600; fi; echo one > one.txt", ["one.txt"])
    fleet.run("wave", fleet.plan(plan_of(one)), "--yes").ok()
    first, second = attempts(fleet, "one")
    assert (first.outcome, second.outcome) == ("stalled", "success")
    assert fleet.git("show", f"{first.snapshots[-1]}:one.txt") == "half"
    assert (repo / "one.txt").read_text() == "one\n"
