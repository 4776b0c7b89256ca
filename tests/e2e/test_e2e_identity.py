"""Agents commit as the user does, wherever the user's identity comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import plan_of, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fleet import FleetEnv

COMMITS = "echo a > a.txt; git add a.txt; git commit -q -m 'Add a'"


def in_environment(fleet: FleetEnv) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        fleet.variables |= {f"GIT_{role}_NAME": "Grace Example", f"GIT_{role}_EMAIL": "grace@example.org"}


def in_xdg_config(fleet: FleetEnv) -> None:
    place: Path = fleet.root / "xdg"
    (place / "git").mkdir(parents=True)
    (place / "git" / "config").write_text("[user]\n\tname = Grace Example\n\temail = grace@example.org\n")
    fleet.variables["XDG_CONFIG_HOME"] = str(place)


@pytest.mark.parametrize("identity", [in_environment, in_xdg_config])
def test_agents_and_merges_carry_the_users_identity(identity: Callable[[FleetEnv], None], fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.git("config", "--unset", "user.name", cwd=repo)
    fleet.git("config", "--unset", "user.email", cwd=repo)
    identity(fleet)
    base = fleet.git("rev-parse", "main", cwd=repo)

    fleet.run("wave", fleet.plan(plan_of(task("a", COMMITS, ["a.txt"]))), "--yes").ok()

    people = fleet.git("log", f"{base}..main", "--format=%an <%ae> %cn", cwd=repo).splitlines()
    assert people == ["Grace Example <grace@example.org> Grace Example"] * 3


def test_without_an_identity_nothing_starts(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.git("config", "--unset", "user.name", cwd=repo)
    fleet.git("config", "--unset", "user.email", cwd=repo)
    fleet.git("config", "user.useConfigOnly", "true", cwd=repo)

    outcome = fleet.run("wave", fleet.plan(plan_of(task("a", COMMITS, ["a.txt"]))), "--yes").ok(4)

    assert "git config --global user.name" in outcome.err
    assert fleet.git("for-each-ref", "--format=%(refname)", cwd=repo) == "refs/heads/main"
