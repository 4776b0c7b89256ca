"""A session runs alike wherever the repository's parts lie, and whichever of its directories one stands in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import assert_nothing_remains, common_dir, config_of, plan_of, states, task

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fleet import FleetEnv


def plain(fleet: FleetEnv) -> Path:
    return fleet.repo()


def subdirectory(fleet: FleetEnv) -> Path:
    repo = fleet.repo({"README.md": "x\n", "deep/er/file.txt": "x\n"})
    return repo / "deep" / "er"


def linked_worktree(fleet: FleetEnv) -> Path:
    repo = fleet.repo()
    fleet.git("worktree", "add", "-q", "-b", "feature", fleet.root / "linked", cwd=repo)
    return fleet.root / "linked"


def separate_git_dir(fleet: FleetEnv) -> Path:
    repo = fleet.repo()
    fleet.git("init", "-q", f"--separate-git-dir={fleet.root / 'store'}", cwd=repo)
    return repo


def bare_plus_worktrees(fleet: FleetEnv) -> Path:
    repo = fleet.repo(name="origin")
    hub = fleet.root / "hub"
    hub.mkdir()
    fleet.git("clone", "-q", "--bare", repo, hub / ".bare", cwd=fleet.root)
    fleet.git("remote", "remove", "origin", cwd=hub / ".bare")
    fleet.git("worktree", "add", "-q", hub / "main", "main", cwd=hub / ".bare")
    fleet.identify(hub / "main")
    return hub / "main"


def submodule(fleet: FleetEnv) -> Path:
    inner = fleet.repo(name="inner")
    outer = fleet.repo(name="outer")
    fleet.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "part", cwd=outer)
    fleet.git("commit", "-q", "-m", "Add part", cwd=outer)
    fleet.git("switch", "-q", "-c", "feature", cwd=outer / "part")
    fleet.identify(outer / "part")
    return outer / "part"


LAYOUTS = [plain, subdirectory, linked_worktree, separate_git_dir, bare_plus_worktrees, submodule]


@pytest.mark.slow
@pytest.mark.share(2)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_session_runs_in_every_layout(layout: Callable[[FleetEnv], Path], fleet: FleetEnv) -> None:
    place = layout(fleet)
    top = Path(fleet.git("rev-parse", "--show-toplevel", cwd=place))
    branch = fleet.git("symbolic-ref", "--short", "HEAD", cwd=place)
    (top / ".planning").mkdir()
    (top / ".planning" / "config.yaml").write_text(config_of(["test -f first.txt"]))
    plan = plan_of(
        task("first", "echo 1 > first.txt", ["first.txt"]),
        task("next", "echo 2 > n.txt", ["n.txt"], "first"),
    )

    fleet.run("wave", fleet.plan(plan), "--yes", cwd=place).ok()

    assert set(states(fleet, top).values()) == {"landed"}
    assert fleet.git("show", f"{branch}:n.txt", cwd=top) == "2"
    assert (top / "n.txt").read_text() == "2\n"
    assert fleet.git("status", "--porcelain", cwd=top) == "?? .planning/config.yaml"
    assert_nothing_remains(fleet, top, clean=False)
    assert (top / ".planning" / "live").resolve() == (common_dir(fleet, top) / "gitfleet" / "state").resolve()
    assert fleet.run("status", "--json", cwd=place).ok().json["sessions"][0]["state"] == "completed"


def test_worktrees_of_a_submodule_are_outside_its_superproject(fleet: FleetEnv) -> None:
    place = submodule(fleet)
    plan = plan_of(task("where", "pwd > where.txt", ["where.txt"]))

    fleet.run("wave", fleet.plan(plan), "--yes", cwd=place).ok()

    where = Path((place / "where.txt").read_text().strip())
    assert (fleet.root / "outer") not in where.parents
    assert fleet.git("status", "--porcelain", cwd=fleet.root / "outer") == " M part"
