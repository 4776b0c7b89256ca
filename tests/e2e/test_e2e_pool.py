"""The worktree pool in whole sessions: trees are handed on warm, made ready, waited for, kept and set aside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import write
from tests.support.sessions import assert_nothing_remains, common_dir, config_of, plan_of, state_runs, states, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("a run that did not land keeps its tree")]

IGNORE = {".gitignore": "node_modules/\n*.log\n.env\n", "README.md": "A project.\n"}


def slots(fleet: FleetEnv, repo: Path) -> dict[str, str]:
    """The slot of each run's last attempt."""
    return {name: run.attempts[-1].worktree for name, run in state_runs(fleet, repo).items() if run.attempts}


def leases(fleet: FleetEnv, repo: Path) -> dict[str, str]:
    """Tasks that have a tree, by slot."""
    found = (json.loads(path.read_text()) for path in (common_dir(fleet, repo) / "gitfleet/pool").glob("*.json"))
    return {lease["slot"]: lease["task"] for lease in found}


def test_the_next_wave_and_the_next_session_get_the_tree_warm(fleet: FleetEnv) -> None:
    repo = fleet.repo(IGNORE)
    fleet.config(repo, config_of(pool={"keep": ["node_modules"]}))
    seen = fleet.root / "seen"
    look = f"stat -c %i README.md >> {seen}; cat .fleet-instance-id >> {seen}; ls -A >> {seen}"
    first = task(
        "first", f"{look}; mkdir node_modules; echo dep > node_modules/a; echo x > a.log; echo 1 > 1.txt", ["1.txt"]
    )
    second = task("second", f"{look}; cat node_modules/a > 2.txt", ["2.txt"], "first")
    fleet.run("wave", fleet.plan(plan_of(first, second)), "--yes").ok()
    assert slots(fleet, repo) == {"first": "tree-1", "second": "tree-1"}
    assert leases(fleet, repo) == {}
    third = task("third", f"{look}; echo 3 > 3.txt", ["3.txt"])
    fleet.run("wave", fleet.plan(plan_of(third, name="later")), "--yes").ok()
    words = seen.read_text().split()
    inodes = [word for word in words if word.isdecimal()]
    assert len(inodes) == 3
    assert len(set(inodes)) == 1
    assert [word for word in words if word.startswith("fleet-")] == [
        run.instance for run in sorted(state_runs(fleet, repo).values(), key=lambda run: run.attempts[0].started)
    ]
    assert words.count("node_modules") == 2
    assert words.count("a.log") == 0
    tree = fleet.root / "repo.fleet" / "tree-1"
    assert (tree / "node_modules/a").read_text() == "dep\n"
    (tree / "node_modules/a").unlink()
    (tree / "node_modules").rmdir()
    assert_nothing_remains(fleet, repo)


def test_all_trees_busy_means_waiting_and_kept_work_gives_way_after_a_snapshot(fleet: FleetEnv) -> None:
    repo = fleet.repo(IGNORE)
    fleet.config(repo, config_of(worktrees={"max": 1}))
    bad = task("bad", "echo mine > bad.txt; echo log > bad.log; exit 7", ["bad.txt", "bad.log"])
    fleet.run("wave", fleet.plan(plan_of(bad)), "--yes").ok(1)
    assert leases(fleet, repo) == {"tree-1": "bad"}
    path = fleet.run("open", "bad", "--print").ok().out.strip()
    assert path == str(fleet.root / "repo.fleet" / "tree-1")
    a, b = (task(name, f"echo {name} > {name}.txt", [f"{name}.txt"]) for name in "ab")
    fleet.run("wave", fleet.plan(plan_of(a, b, name="more")), "--yes").ok()
    assert slots(fleet, repo) == {"bad": "tree-1", "a": "tree-1", "b": "tree-1"}
    told = fleet.run("open", "bad")
    assert told.code == 3
    assert "any more" in told.err
    assert "rescue show" in told.err
    instance = state_runs(fleet, repo)["bad"].instance
    kept = fleet.git("for-each-ref", "--format=%(refname)", f"refs/gitfleet/wip/{instance}", cwd=repo).split()
    assert "mine" in fleet.git("show", f"{kept[-1]}:bad.txt", cwd=repo)
    events = fleet.run("events", "--json").json["events"]
    assert any("worktrees.max" in event["message"] for event in events)
    assert_nothing_remains(fleet, repo)


def test_what_is_listed_is_copied_linked_and_set_up_for_agents_and_candidates(fleet: FleetEnv) -> None:
    repo = fleet.repo(IGNORE)
    ports = fleet.root / "ports"
    worktrees = {
        "copy": [".env"],
        "link": ["node_modules"],
        "setup": [f"echo made > set-up.log; echo setup $GITFLEET_PORT_BASE >> {ports}"],
    }
    tests = "grep -q secret .env && test -e node_modules/dep && test -e set-up.log"
    check = f"{tests}; s=$?; echo check $GITFLEET_PORT_BASE >> {ports}; exit $s"
    fleet.config(repo, config_of([check], worktrees=worktrees))
    write(repo, {".env": "secret\n", "node_modules/dep": "x\n"})
    work = f"cat .env set-up.log > out.txt; test -L node_modules; echo agent $GITFLEET_PORT_BASE >> {ports}"
    told = fleet.run("wave", fleet.plan(plan_of(task("one", work, ["out.txt"]))), "--dry-run").ok().out
    assert "set-up.log" in told
    assert ".env" in told
    fleet.run("wave", fleet.plan(plan_of(task("one", work, ["out.txt"]))), "--yes").ok()
    assert fleet.git("show", "main:out.txt", cwd=repo) == "secret\nmade"
    assert (repo / "node_modules/dep").read_text() == "x\n"
    lines = [line.split() for line in ports.read_text().splitlines()]
    agents = {port for who, port in lines if who == "agent"}
    checks = {port for who, port in lines if who == "check"}
    assert len(agents) == len(checks) == 1
    assert agents.isdisjoint(checks)
    assert [who for who, port in lines if port in agents] == ["setup", "agent"]
    assert [who for who, port in lines if port in checks] == ["setup", "check"]
    assert not any(
        "node_modules" in line for line in fleet.git("ls-tree", "-r", "--name-only", "main", cwd=repo).split()
    )
    assert_nothing_remains(fleet, repo)


@pytest.mark.parametrize(
    ("worktrees", "code", "words"),
    [
        ({"setup": ["echo so it goes; exit 3"]}, "setup-failed", "so it goes"),
        ({"setup": ["echo x > README.md"]}, "setup-failed", "README.md"),
        ({"copy": ["seen.txt"]}, "prepare-failed", "does not ignore seen.txt"),
        ({"copy": ["absent.log"]}, "prepare-failed", "absent.log is not in"),
        ({"copy": ["out.log"]}, "prepare-failed", "symbolic link"),
    ],
)
def test_a_tree_that_cannot_be_made_ready_is_a_failure_with_its_reason(
    worktrees: dict[str, list[str]], code: str, words: str, fleet: FleetEnv
) -> None:
    repo = fleet.repo(IGNORE)
    fleet.config(repo, config_of(worktrees=worktrees, retry={"max_attempts": 1}))
    write(repo, {"seen.txt": "x"})
    (repo / "out.log").symlink_to("/etc/hostname")
    done = fleet.run("wave", fleet.plan(plan_of(task("one", "echo 1 > 1.txt", ["1.txt"]))), "--yes")
    assert done.code == 3
    run = state_runs(fleet, repo)["one"]
    assert run.failure is not None
    assert run.failure.code == code
    assert words in run.failure.message
    assert fleet.git("log", "--format=%s", "main", cwd=repo).splitlines()[0] == "Configure gitfleet"


def test_set_up_that_hangs_is_stopped_at_its_deadline(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    timeouts, once = {"setup": 1}, {"max_attempts": 1}
    fleet.config(repo, config_of(worktrees={"setup": ["sleep 100"]}, timeouts=timeouts, retry=once))
    fleet.run("wave", fleet.plan(plan_of(task("one", "echo 1 > 1.txt", ["1.txt"]))), "--yes").ok(3)
    failure = state_runs(fleet, repo)["one"].failure
    assert failure is not None
    assert "stopped at its deadline" in failure.message


@pytest.mark.parametrize(
    "worktrees", [{"copy": ["../x"]}, {"copy": ["/etc/passwd"]}, {"link": [".git"]}, {"link": ["a*"]}, {"setup": [" "]}]
)
def test_what_leads_elsewhere_is_refused_before_anything_starts(
    worktrees: dict[str, list[str]], fleet: FleetEnv
) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(worktrees=worktrees))
    fleet.run("wave", fleet.plan(plan_of(task("one", "true", ["1.txt"]))), "--yes").ok(2)
    fleet.config(repo, config_of(pool={"keep": ["-x", "!a", "../b", "*"]}))
    assert (
        len(
            fleet.run("wave", fleet.plan(plan_of(task("one", "true", ["1.txt"]))), "--json", "--yes").json["error"][
                "problems"
            ]
        )
        == 4
    )


def test_a_tree_with_a_repository_of_its_own_is_set_aside(fleet: FleetEnv) -> None:
    repo = fleet.repo(IGNORE)
    first = task(
        "first",
        "echo 1 > 1.txt; git init -q node_modules/own; echo only > node_modules/own/copy",
        ["1.txt", "node_modules/"],
    )
    second = task("second", "echo 2 > 2.txt", ["2.txt"], "first")
    fleet.run("wave", fleet.plan(plan_of(first, second)), "--yes").ok()
    assert slots(fleet, repo) == {"first": "tree-1", "second": "tree-1"}
    (place,) = (fleet.root / "repo.fleet" / ".quarantine").iterdir()
    assert (place / "node_modules/own/copy").read_text() == "only\n"
    told = fleet.run("status").ok().out
    assert told.startswith("1 thing needs you.")
    assert str(place) in " ".join(told.split())
    assert f"gitfleet open {state_runs(fleet, repo)['first'].instance}" in told
    assert "git worktree unlock" in told
    assert str(place) in fleet.run("doctor").out
    assert fleet.run("open", "first", "--print").ok().out.strip() == str(place)
    assert any(event["kind"] == "quarantine" for event in fleet.run("events", "--json").json["events"])
    items = fleet.run("clean", "--json").ok().json["items"]
    assert [item["removed"] for item in items if item["name"] == str(place)] == [False]
    trees = [item for item in items if item["kind"] == "worktree" and item["removed"]]
    assert [Path(item["name"]).name for item in trees] == ["tree-1"]
    assert trees[0]["bytes"] > 0
    assert (place / "node_modules/own/copy").exists()
    fleet.shell(f"git worktree unlock {place}; git worktree remove --force {place}", repo)
    assert "was set aside" not in fleet.run("status").ok().out


def test_somebody_elses_thing_in_the_place_of_a_tree_is_left_alone(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.run("wave", fleet.plan(plan_of(task("one", "echo 1 > 1.txt", ["1.txt"]))), "--yes").ok()
    pool = fleet.root / "repo.fleet"
    (pool / "tree-1").rename(pool / "moved")
    (pool / "tree-1").symlink_to(repo)
    (pool / "tree-2").mkdir()
    (pool / "tree-2" / "mine").write_text("x")
    fleet.run("wave", fleet.plan(plan_of(task("two", "echo 2 > 2.txt", ["2.txt"]), name="more")), "--yes").ok()
    assert slots(fleet, repo)["two"] == "tree-3"
    assert (pool / "tree-2" / "mine").read_text() == "x"
    assert fleet.git("status", "--porcelain", cwd=repo) == ""
    # A tree that is simply gone is git's to list, and nobody's to use.
    (pool / "tree-1").unlink()
    fleet.shell(f"rm -r {pool / 'tree-3'}", fleet.root)
    fleet.run("wave", fleet.plan(plan_of(task("three", "echo 3 > 3.txt", ["3.txt"]), name="last")), "--yes").ok()
    assert states(fleet, repo) == {"one": "landed", "two": "landed", "three": "landed"}


def test_two_sessions_share_one_pool_and_never_one_tree(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    points = {name: fleet.point(name) for name in ("left", "right")}
    running = []
    for name, point in points.items():
        work = task(name, f"{point.shell}; echo {name} > {name}.txt", [f"{name}.txt"])
        running.append(fleet.start("wave", fleet.plan(plan_of(work, name=name), f"{name}.yaml"), "--yes"))
        point.wait()
    assert sorted(leases(fleet, repo).values()) == ["left", "right"]
    assert sorted(slots(fleet, repo).values()) == ["tree-1", "tree-2"]
    for point in points.values():
        point.release()
    for process in running:
        fleet.finish(process).ok()
    assert_nothing_remains(fleet, repo)
