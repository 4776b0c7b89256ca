"""Tasks added and cancelled while a session runs, lies dead, lands, or is over; and rolling sessions."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import (
    assert_nothing_remains,
    common_dir,
    config_of,
    merge_commits,
    plan_of,
    session_ids,
    state_runs,
    states,
    task,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")


def more(fleet: FleetEnv, name: str, *after: str) -> Path:
    return fleet.plan(plan_of(task(name, f"echo {name} > {name}.txt", [f"{name}.txt"], *after)), f"{name}.yaml")


@pytest.mark.parametrize("rolling", [False, True], ids=["barrier", "rolling"])
def test_amending_a_live_session(fleet: FleetEnv, *, rolling: bool) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    plan = plan_of(
        task("one", f"echo x > one.txt; {point.shell}", ["one.txt"]),
        task("later", "echo x > later.txt", ["later.txt"], "one"),
    )
    session = fleet.start("wave", fleet.plan(plan), "--yes", *(["--rolling"] if rolling else []))
    point.wait()
    fleet.run("add", more(fleet, "extra", "one"), "--yes").ok()
    fleet.run("add", more(fleet, "extra"), "--yes").ok(2)
    fleet.run("cancel", "later").ok()
    refused = fleet.run("cancel", "one").ok(2)
    assert "only a queued task" in refused.text
    point.release()
    fleet.finish(session).ok()
    assert states(fleet, repo) == {"one": "landed", "later": "cancelled", "extra": "landed"}
    assert_nothing_remains(fleet, repo)


def test_amending_a_dead_session_before_anything_started(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    plan = plan_of(
        task("one", f"echo x > one.txt; {point.shell}", ["one.txt"]),
        task("later", "echo x > later.txt", ["later.txt"], "one"),
    )
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    point.wait()
    session.send_signal(signal.SIGINT)
    fleet.finish(session).ok(130)
    assert "gitfleet continue" in fleet.run("add", more(fleet, "extra"), "--yes").ok().text
    fleet.run("cancel", "later").ok()
    point.release()
    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed", "later": "cancelled", "extra": "landed"}
    # Nothing of the first wave ran any more when it was added, so it went into that one.
    assert state_runs(fleet, repo)["extra"].wave == 1
    assert not list(common_dir(fleet, repo).glob("gitfleet/state/claims/*"))


def test_adding_what_depends_on_a_failed_task_is_skipped(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    plan = plan_of(task("bad", "exit 1", ["bad.txt"]), task("one", f"echo x > one.txt; {point.shell}", ["one.txt"]))
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    assert session.stdout is not None
    assert any("bad failed" in line for line in session.stdout)
    fleet.run("add", more(fleet, "extra", "bad"), "--yes").ok()
    point.release()
    fleet.finish(session).ok(1)
    assert states(fleet, repo) == {"bad": "failed", "one": "landed", "extra": "skipped"}


def test_adding_an_overlap_where_overlaps_are_errors_is_refused(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(waves={"overlap": "error"}))
    point = fleet.point("here")
    plan = plan_of(
        task("one", f"echo x > one.txt; {point.shell}", ["one.txt"]),
        task("two", "echo x > two.txt", ["two.txt"], "one"),
    )
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    point.wait()
    clash = fleet.plan(plan_of(task("extra", "echo y > two.txt", ["two.txt"])), "extra.yaml")
    assert "overlap" in fleet.run("add", clash, "--yes").ok(2).text
    point.release()
    fleet.finish(session).ok()
    assert states(fleet, repo) == {"one": "landed", "two": "landed"}
    fleet.run("check").ok()


def test_adding_during_the_last_train_is_refused_and_the_session_completes(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    fleet.config(repo, config_of([point.shell]))
    session = fleet.start("wave", fleet.plan(plan_of(task("one", "echo x > one.txt", ["one.txt"]))), "--yes")
    point.wait()
    # The request as `gitfleet add` leaves it, without its ten seconds of waiting for the answer.
    requests = common_dir(fleet, repo) / "gitfleet/state/sessions" / session_ids(fleet, repo)[0] / "requests"
    requests.mkdir(exist_ok=True)
    extra = {"id": "extra", "command": "true", "scope": ["extra.txt"]}
    (requests / "0123.request").write_text(json.dumps({"id": "0123", "add": extra}))
    point.release()
    fleet.finish(session).ok()
    assert json.loads((requests / "0123.reply").read_text())["error"] == "session-closed"
    assert states(fleet, repo) == {"one": "landed"}
    assert not (repo / "extra.txt").exists()
    assert_nothing_remains(fleet, repo)


def test_rolling_lands_while_others_run(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    plan = plan_of(
        task("slow", f"echo x > slow.txt; {point.shell}", ["slow.txt"]),
        task("quick", "echo x > quick.txt", ["quick.txt"]),
        task("next", "cat quick.txt > next.txt", ["next.txt"], "quick"),
        task("bad", "exit 3", ["bad.txt"]),
        task("never", "echo x > never.txt", ["never.txt"], "bad"),
    )
    session = fleet.start("wave", fleet.plan(plan), "--yes", "--rolling", "--max-agents", "5")
    point.wait()
    assert session.stdout is not None
    assert any(line.rstrip().endswith("verified") and "landed next" in line for line in session.stdout)
    assert states(fleet, repo) == {
        "slow": "running",
        "quick": "landed",
        "next": "landed",
        "bad": "failed",
        "never": "skipped",
    }
    claims = [path.stem for path in common_dir(fleet, repo).glob("gitfleet/state/claims/*.json")]
    assert claims == [state_runs(fleet, repo)["slow"].instance]
    point.release()
    fleet.finish(session).ok(1)
    assert len(merge_commits(fleet, repo)) == 3
    assert_nothing_remains(fleet, repo)


@pytest.mark.parametrize("publish", ["off", "with-landing", "always", "ignored"])
@pytest.mark.parametrize("lands", [True, False], ids=["lands", "lands-nothing"])
def test_what_is_published_when(publish: str, fleet: FleetEnv, *, lands: bool) -> None:
    repo = fleet.repo({".gitignore": ".planning\n" if publish == "ignored" else "none\n"})
    if publish != "ignored":
        fleet.config(repo, config_of(planning={"publish": publish}))
    before = fleet.git("ls-tree", "-r", "--name-only", "main").splitlines()
    plan = plan_of(task("one", "echo x > one.txt" if lands else "exit 1", ["one.txt"]))
    outcome = fleet.run("wave", fleet.plan(plan), "--yes").ok(0 if lands else 1)
    after = set(fleet.git("ls-tree", "-r", "--name-only", "main").splitlines()) - set(before)
    records = {path for path in after if path.startswith(".planning/")}
    expected = publish == "always" or (publish == "with-landing" and lands)
    assert bool(records) == expected
    if expected:
        assert any(path.endswith("/session.md") for path in records)
    assert ("records stay in the state" in outcome.out) == (publish == "ignored")
    assert fleet.git("status", "--porcelain") == ""
    fleet.run("check").ok()
