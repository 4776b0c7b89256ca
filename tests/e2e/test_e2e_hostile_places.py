"""What stands where gitfleet reads and writes: links, pipes, devices and files of the wrong kind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import write
from tests.support.sessions import config_of, plan_of, session_ids, state_runs, states, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fleet import FleetEnv

ONE = plan_of(task("one", "echo x > one", ["one"]))
SECONDS = 20.0


def planning(repo: Path) -> Path:
    (repo / ".planning").mkdir(exist_ok=True)
    return repo / ".planning/config.yaml"


def linked_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def linked_sessions(repo: Path) -> None:
    planning(repo).with_name("sessions").symlink_to(repo.parent / "out")


CONFIGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "passwd": (lambda path: path.symlink_to("/etc/passwd"), "leaves the worktree"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "leaves the worktree"),
    "pipe": (os.mkfifo, "not a regular file"),
    "directory": (lambda path: path.mkdir(), "Is a directory"),
    "link-to-a-pipe": (linked_pipe, "not a regular file"),
    "large": (lambda path: path.write_bytes(b"#" * (8 << 20)), "at most 1048576"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_that_is_no_file_is_refused_and_not_quoted(case: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    make, words = CONFIGS[case]
    make(planning(repo))

    told = fleet.run("wave", fleet.plan(ONE), "--yes", seconds=SECONDS).ok(2).err

    assert words in told
    assert "root:" not in told
    assert not (repo / ".git/gitfleet").exists()


def test_a_config_may_be_a_link_inside_the_worktree(fleet: FleetEnv) -> None:
    repo = fleet.repo({"settings.yaml": config_of(["test -e one"])})
    planning(repo).symlink_to("../settings.yaml")

    told = fleet.run("plan", fleet.plan(ONE), "--json").ok().json

    assert told["checks"] == ["test -e one"]


def test_an_endless_plan_is_not_read_to_its_end(fleet: FleetEnv) -> None:
    fleet.repo()
    assert "bytes" in fleet.run("wave", "/dev/zero", "--yes", seconds=SECONDS).ok(2).err


IN_THE_WAY: dict[str, Callable[[Path], object]] = {
    "a-link-out": lambda repo: (repo / ".planning").symlink_to(repo.parent / "out"),
    "a-file": lambda repo: (repo / ".planning").write_text("mine\n"),
    "sessions-link": linked_sessions,
    "briefs-file": lambda repo: planning(repo).with_name("briefs").write_text("mine\n"),
}


@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
@pytest.mark.parametrize("case", IN_THE_WAY)
def test_a_file_of_the_projects_where_records_belong_stays(case: str, fleet: FleetEnv, *, tracked: bool) -> None:
    repo = fleet.repo()
    (fleet.root / "out").mkdir()
    IN_THE_WAY[case](repo)
    if tracked:
        fleet.git("add", "-A")
        fleet.git("commit", "-qm", "Mine")
    before, status = fleet.git("for-each-ref"), fleet.git("status", "--porcelain")

    told = fleet.run("wave", fleet.plan(ONE), "--yes").ok(3).err

    assert ".planning" in told
    assert "planning.publish: off" in told
    assert (fleet.git("for-each-ref"), fleet.git("status", "--porcelain")) == (before, status)
    assert not list((fleet.root / "out").iterdir())
    assert session_ids(fleet, repo) == []


def test_without_records_nothing_is_in_their_way(fleet: FleetEnv) -> None:
    repo = fleet.repo({".planning/config.yaml": "planning: {publish: off}\n", ".planning/briefs": "mine\n"})

    fleet.run("wave", fleet.plan(ONE), "--yes").ok()

    assert (repo / ".planning/briefs").read_text() == "mine\n"
    assert (repo / "one").exists()


def test_a_file_in_place_of_the_state_is_named(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    (repo / ".git/gitfleet").write_text("mine\n")

    for arguments in (["status"], ["wave", str(fleet.plan(ONE)), "--yes"], ["claims"]):
        assert ".git/gitfleet is not a directory" in fleet.run(*arguments).ok(4).err

    assert (repo / ".git/gitfleet").read_text() == "mine\n"


def test_links_in_place_of_the_pool_the_state_and_live(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    for name in ("pool", "state", "mine"):
        (fleet.root / name).mkdir()
    (fleet.root / "repo.fleet").symlink_to("pool")
    (repo / ".git/gitfleet").symlink_to("../../state")
    planning(repo)
    (repo / ".planning/live").symlink_to(fleet.root / "mine")
    write(repo, {".git/info/exclude": "/.planning/live\n"})

    fleet.run("wave", fleet.plan(ONE), "--yes").ok()

    assert (repo / ".planning/live").readlink() == fleet.root / "mine"
    assert not list((fleet.root / "mine").iterdir())
    assert states(fleet, repo) == {"one": "landed"}
    assert fleet.git("status", "--porcelain") == ""


def test_unset_variables_of_a_script_are_no_wish(fleet: FleetEnv) -> None:
    fleet.repo()
    assert "''" in fleet.run("wave", fleet.plan(ONE), "--yes", "--target", "").ok(2).err
    assert "--agent" in fleet.run("wave", fleet.plan(ONE), "--yes", "--agent", "").ok(2).err


def test_a_head_that_is_no_branch_is_no_target(fleet: FleetEnv) -> None:
    fleet.repo()
    fleet.git("tag", "v1")
    fleet.git("symbolic-ref", "refs/heads/alias", "refs/tags/v1")
    before = fleet.git("for-each-ref")

    assert "refs/tags/v1 is not a branch" in fleet.run("wave", fleet.plan(ONE), "--yes", "--target", "alias").ok(2).err

    assert fleet.git("for-each-ref") == before


HANDOFFS = {
    "directory": "mkdir $GITFLEET_HANDOFF",
    "pipe": "mkfifo $GITFLEET_HANDOFF",
    "link": "ln -s /etc/passwd $GITFLEET_HANDOFF",
    "endless": "ln -s /dev/zero $GITFLEET_HANDOFF",
}


def test_a_handoff_that_is_no_file_is_none(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    plan = plan_of(*(task(name, f"{line}; echo x > {name}", [name]) for name, line in HANDOFFS.items()))

    fleet.run("wave", fleet.plan(plan), "--yes", "--max-agents", "4").ok()

    assert {name: str(run.handoff_source) for name, run in state_runs(fleet, repo).items()} == dict.fromkeys(
        HANDOFFS, "none"
    )
