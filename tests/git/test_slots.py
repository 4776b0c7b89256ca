"""A tree of the pool changes hands: nothing of the attempt before survives, and what is the same is not touched."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from gitfleet.git import slots
from gitfleet.git.repository import Repository, discover
from gitfleet.git.worktrees import BranchTaken, Worktree, add, locate
from tests.support.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path

BRANCH = "fleet/s/one"
IGNORED = "*.log\nnode_modules/\n"


@pytest.fixture
def tree(repo: Repo, tmp_path: Path) -> tuple[Repository, Worktree]:
    """A tree of twenty files with a first attempt's branch."""
    repo.commit({".gitignore": IGNORED, **{f"src/{n}.txt": f"{n}\n" for n in range(20)}})
    found = discover(repo.path)
    made = add(found, tmp_path / "pool" / "tree-1", repo.oid(), BRANCH, nullcontext(), instance="fleet-s-w1-a1")
    assert isinstance(made, Worktree)
    return found, made


def facts(path: Path) -> dict[str, tuple[int, int]]:
    return {
        str(file.relative_to(path)): (file.stat().st_ino, file.stat().st_mtime_ns)
        for file in path.rglob("*")
        if file.is_file() and file.name not in {".git", ".fleet-instance-id"}
    }


def processes(trace: Path) -> int:
    """How many git processes a traced call took, those that git started itself included."""
    return sum(
        json.loads(line)["event"] == "start" for file in trace.iterdir() for line in file.read_text().splitlines()
    )


def traced(found: Repository, trace: Path) -> Repository:
    trace.mkdir()
    return Repository(
        git=found.git.having(GIT_TRACE2_EVENT=str(trace)),
        git_dir=found.git_dir,
        common_dir=found.common_dir,
        worktree=found.worktree,
    )


def test_only_files_that_differ_are_written_and_it_costs_no_more_than_a_new_tree(
    repo: Repo, tree: tuple[Repository, Worktree], tmp_path: Path
) -> None:
    found, worktree = tree
    before = facts(worktree.path)
    base = repo.commit({"src/3.txt": "changed\n", "src/new.txt": "new\n"})
    counted = traced(found, tmp_path / "reuse")
    assert slots.renew(counted, worktree, base, "fleet/s/two", instance="fleet-s-w2-a1") is None
    after = facts(worktree.path)
    assert {name for name in after if after[name] != before.get(name)} == {"src/3.txt", "src/new.txt"}
    assert (worktree.path / ".fleet-instance-id").read_text() == "fleet-s-w2-a1\n"
    assert Repo(worktree.path).git("symbolic-ref", "HEAD") == "refs/heads/fleet/s/two"
    assert Repo(worktree.path).git("status", "--porcelain") == ""
    anew = traced(found, tmp_path / "anew")
    add(anew, tmp_path / "pool" / "tree-2", base, "fleet/s/three", nullcontext(), instance="fleet-s-w2-a2")
    assert 0 < processes(tmp_path / "reuse") < processes(tmp_path / "anew")


def test_nothing_of_the_attempt_before_survives_but_what_is_kept(repo: Repo, tree: tuple[Repository, Worktree]) -> None:
    found, worktree = tree
    inside = Repo(worktree.path)
    inside.git("config", "extensions.worktreeConfig", "true")
    inside.git("config", "--worktree", "core.hooksPath", "hooks")
    inside.git("config", "--worktree", "core.sparseCheckout", "true")
    (worktree.git_dir / "info").mkdir(exist_ok=True)
    (worktree.git_dir / "info/sparse-checkout").write_text("/src/1*\n")
    inside.git("update-index", "--assume-unchanged", "src/1.txt")
    inside.git("update-index", "--skip-worktree", "src/2.txt")
    inside.write("src/1.txt", "hidden\n")
    inside.write("src/2.txt", "hidden\n")
    for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "BISECT_START", "index.lock", "HEAD.lock", "locked"):
        (worktree.git_dir / name).write_text(repo.oid() + "\n")
    (worktree.git_dir / "rebase-merge").mkdir()
    (worktree.path / ".git").write_text("gitdir: /nowhere\n")
    inside.write("untracked.txt", "x")
    inside.write("build.log", "x")
    inside.write("node_modules/left/index.js", "kept")
    inside.write("deep/node_modules/left.js", "kept")
    kept = (worktree.path / "node_modules/left/index.js").stat()
    slots.renew(found, worktree, repo.oid(), "fleet/s/two", instance="i", keep=["node_modules"])
    assert inside.git("ls-files", "-v").replace("H ", "").splitlines() == inside.git("ls-files").splitlines()
    assert (worktree.path / "src/1.txt").read_text() == "1\n"
    assert (worktree.path / "src/2.txt").read_text() == "2\n"
    assert inside.git("status", "--porcelain") == ""
    assert not (worktree.path / "build.log").exists()
    assert not (worktree.path / "untracked.txt").exists()
    assert (worktree.path / "node_modules/left/index.js").stat() == kept
    assert (worktree.path / "deep/node_modules/left.js").exists()
    left = {place.name for place in worktree.git_dir.iterdir()}
    assert left <= {"HEAD", "ORIG_HEAD", "commondir", "gitdir", "index", "logs"}
    assert "hooks" not in inside.git("config", "--list", "--name-only")


def test_what_is_kept_and_not_ignored_is_not_kept(repo: Repo, tree: tuple[Repository, Worktree]) -> None:
    found, worktree = tree
    Repo(worktree.path).write("cache/a", "x")
    slots.renew(found, worktree, repo.oid(), "fleet/s/two", instance="i", keep=["cache"])
    assert not (worktree.path / "cache").exists()


def test_a_tree_for_nobody_holds_no_branch(repo: Repo, tree: tuple[Repository, Worktree]) -> None:
    found, worktree = tree
    Repo(worktree.path).write("build.log", "x")
    slots.empty(found, worktree)
    assert Repo(worktree.path).git("status", "--porcelain", "--ignored") == ""
    repo.git("branch", "-D", BRANCH)


def test_a_branch_that_is_there_is_not_moved(repo: Repo, tree: tuple[Repository, Worktree]) -> None:
    found, worktree = tree
    repo.git("branch", "fleet/s/two")
    base = repo.commit({"a": "1"})
    assert isinstance(slots.renew(found, worktree, base, "fleet/s/two", instance="i"), BranchTaken)
    assert repo.oid("fleet/s/two") != base


def test_a_tree_that_is_set_aside_is_renamed_locked_and_still_known(
    repo: Repo, tree: tuple[Repository, Worktree]
) -> None:
    found, worktree = tree
    Repo(worktree.path).write("mine.txt", "only copy")
    place = slots.set_aside(found, worktree.path, "tree-1-a", "it is 'odd'", nullcontext())
    assert place == worktree.path.parent / ".quarantine" / "tree-1-a"
    assert (place / "mine.txt").read_text() == "only copy"
    listed = repo.git("worktree", "list", "--porcelain")
    assert f"worktree {place}\n" in listed
    assert "locked it is 'odd'" in listed
    repo.git("worktree", "prune")
    assert Repo(place).git("status", "--porcelain") == "?? mine.txt"
    again = add(found, worktree.path, repo.oid(), "fleet/s/two", nullcontext())
    assert isinstance(again, Worktree)
    assert slots.set_aside(found, worktree.path, "tree-1-a", "x", nullcontext()).name == "tree-1-a.1"


@pytest.mark.parametrize("pointer", ["gitdir: /nowhere\n", "rubbish", None])
def test_a_tree_whose_pointer_is_damaged_is_set_aside_as_well(
    repo: Repo, tree: tuple[Repository, Worktree], pointer: str | None
) -> None:
    found, worktree = tree
    (worktree.path / ".git").unlink()
    if pointer is not None:
        (worktree.path / ".git").write_text(pointer)
    place = slots.set_aside(found, worktree.path, "tree-1-a", "odd", nullcontext())
    known = locate(found, place)
    assert known is not None
    assert known.git(found.git).run("rev-parse", "HEAD").text == repo.oid()


def test_a_crash_between_the_rename_and_telling_git_is_mended(repo: Repo, tree: tuple[Repository, Worktree]) -> None:
    found, worktree = tree
    root = worktree.path.parent
    (root / ".quarantine").mkdir()
    repo.git("worktree", "lock", str(worktree.path))
    worktree.path.rename(root / ".quarantine" / "x")
    slots.mend_quarantine(found, root)
    slots.mend_quarantine(found, root)
    assert locate(found, root / ".quarantine" / "x") is not None


def test_what_can_be_used_is_a_real_directory_that_git_knows(
    repo: Repo, tree: tuple[Repository, Worktree], tmp_path: Path
) -> None:
    found, worktree = tree
    assert slots.usable(found, worktree.path) == worktree
    repo.git("worktree", "lock", str(worktree.path))
    assert slots.usable(found, worktree.path) is None
    repo.git("worktree", "unlock", str(worktree.path))
    (worktree.path.parent / "tree-2").symlink_to(worktree.path)
    assert slots.usable(found, worktree.path.parent / "tree-2") is None
    (tmp_path / "tree-3").mkdir()
    assert slots.usable(found, tmp_path / "tree-3") is None
    assert slots.usable(found, tmp_path / "tree-4") is None
    worktree.path.rename(tmp_path / "elsewhere")
    worktree.path.symlink_to(tmp_path / "elsewhere")
    assert slots.usable(found, worktree.path) is None
    assert repo.oid()


def test_a_repository_in_place_of_the_pointer_cannot_be_used(tree: tuple[Repository, Worktree]) -> None:
    found, worktree = tree
    (worktree.path / ".git").unlink()
    Repo(worktree.path).git("init", "-q")
    assert slots.usable(found, worktree.path) is None


def test_only_what_holds_no_file_is_debris(repo: Repo, tmp_path: Path) -> None:
    found = discover(repo.path)
    made = add(found, tmp_path / "pool" / "tree-1", repo.oid(), None, nullcontext(), instance="i", checkout=False)
    assert isinstance(made, Worktree)
    repo.git("worktree", "lock", str(made.path))
    (made.path / "mine").write_text("x")
    assert not slots.debris(found, made.path)
    (made.path / "mine").unlink()
    assert slots.debris(found, made.path)
    assert not os.path.lexists(made.path)
    assert locate(found, made.path) is None
    assert slots.debris(found, made.path)
