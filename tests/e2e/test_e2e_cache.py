"""The verification cache in whole sessions: what was green is not checked again, and everybody is told so."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import common_dir, config_of, plan_of, session_ids, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

ONE = plan_of(task("one", "echo 1 > one.txt", ["one.txt"]))


def counted(fleet: FleetEnv) -> tuple[str, Path]:
    """A check that leaves a line each time it runs, and where."""
    count = fleet.root / "count"
    return f"echo x >>{count}; echo found; cat one.txt", count


def test_a_second_session_on_the_same_tree_runs_no_check(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    check, count = counted(fleet)
    fleet.config(repo, config_of([check]))
    fleet.git("branch", "again")
    fleet.run("wave", fleet.plan(ONE), "--yes").ok()
    (first,) = session_ids(fleet, repo)
    fleet.git("switch", "-q", "again")
    told_at_the_end = fleet.run("wave", fleet.plan(ONE), "--yes").ok().out
    assert count.read_text() == "x\n"
    (second,) = set(session_ids(fleet, repo)) - {first}
    assert "verified from the cache" not in fleet.run("events", first).ok().out
    assert "verified from the cache" in fleet.run("events", second).ok().out
    wave = (repo / f".planning/sessions/{second}/waves/w1.md").read_text()
    assert "by checks that were green on this tree before" in wave
    ran, told = (fleet.run("inspect", "one", "--session", name, "--json").ok().json for name in (first, second))
    (evidence,) = ran["run"]["verification"]["checks"]
    assert evidence["argv"] == ["sh", "-c", check]
    assert evidence["exit_code"] == 0
    assert evidence["output_sha256"] == hashlib.sha256(b"found\n1\n").hexdigest()
    assert evidence["output_bytes"] == 8
    assert evidence["tail"] == "found\n1"
    assert evidence["tree"] == ran["run"]["verification"]["tree"]
    assert evidence["commit"] == ran["run"]["merge"]["commit"]
    assert told["run"]["verification"]["checks"] == [{**evidence, "cached": True}]
    shown = fleet.run("inspect", "one", "--session", second).ok().out
    assert "green before on this tree" in shown
    assert "landed on again (verified, from the cache)" in told_at_the_end
    assert "verified from the cache" in fleet.run("status", second).ok().out
    assert fleet.git("cat-file", "-t", evidence["commit"]) == "commit"


def test_a_landing_without_checks_is_no_cached_one(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.git("branch", "again")
    fleet.run("wave", fleet.plan(ONE), "--yes").ok()
    fleet.git("switch", "-q", "again")
    assert ", unverified" in fleet.run("wave", fleet.plan(ONE), "--yes").ok().text
    assert not (common_dir(fleet, repo) / "gitfleet/verify-cache").exists()


@pytest.mark.slow
def test_clean_forgets_what_was_green(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    check, count = counted(fleet)
    fleet.config(repo, config_of([check]))
    fleet.git("branch", "again")
    fleet.run("wave", fleet.plan(ONE), "--yes").ok()
    spared = fleet.run("clean", "--older-than", "1h", "--json").ok().json
    assert [item for item in spared["items"] if item["kind"] == "cache"] == []
    cleaned = fleet.run("clean", "--json").ok().json
    (item,) = [item for item in cleaned["items"] if item["kind"] == "cache"]
    assert item["name"] == "verify-cache (1 file)"
    assert item["bytes"] > 0
    fleet.git("switch", "-q", "again")
    fleet.run("wave", fleet.plan(ONE), "--yes").ok()
    assert count.read_text() == "x\nx\n"


@pytest.mark.slow
def test_config_fingerprint_files_and_commands_make_checks_run_again(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    check, count = counted(fleet)
    named, told = fleet.root / "named", fleet.root / "told"
    told.write_text("1")
    more = {"fingerprint": {"files": [str(named)], "commands": [f"cat {told}"]}, "commands": [{"run": check}]}
    fleet.config(repo, config_of(verify=more))
    shown = fleet.run("wave", fleet.plan(ONE), "--dry-run", "--json").ok().json
    assert f"cat {told}" in shown["commands"]
    fleet.git("tag", "begin")
    runs = []
    for change in (None, None, named, None, told):
        if change is not None:
            change.write_text("2")
        fleet.git("reset", "-q", "--hard", "begin")
        fleet.run("wave", fleet.plan(ONE), "--yes").ok()
        runs.append(len(count.read_text().splitlines()))
    assert runs == [1, 1, 2, 2, 3]


def test_why_nothing_is_remembered_is_told(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    check, _ = counted(fleet)
    more = {"fingerprint": {"commands": ["exit 4"]}, "commands": [{"run": check}]}
    fleet.config(repo, config_of(verify=more))
    fleet.run("wave", fleet.plan(ONE), "--yes").ok()
    assert "a green tree is not remembered: `exit 4` did not succeed" in fleet.run("events").ok().out


def test_a_task_s_own_checks_say_what_they_ran_on(fleet: FleetEnv) -> None:
    fleet.repo()
    fleet.run(
        "wave", fleet.plan(plan_of(task("one", "echo 1 > one.txt", ["one.txt"], verify=[{"run": "true"}]))), "--yes"
    ).ok()
    run = fleet.run("inspect", "one", "--json").ok().json["run"]
    (evidence,) = run["checks"]
    assert evidence["commit"] == run["tip"]
    assert evidence["tree"] == fleet.git("rev-parse", run["tip"] + "^{tree}")
    assert evidence["output_bytes"] == 0
    assert evidence["output_sha256"] == hashlib.sha256(b"").hexdigest()
