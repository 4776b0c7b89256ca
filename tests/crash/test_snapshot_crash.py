"""A snapshot that is killed at any step is taken by a fresh process: once, whole, and with the tree as it was."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from gitfleet.git.repository import discover
from gitfleet.git.worktrees import Worktree, add
from tests.crash.test_landing_crash import ROOT
from tests.support.landings import person_env
from tests.support.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_killed_at_every_step(tmp_path: Path) -> None:
    user = Repo.init(tmp_path / "project")
    user.git("config", "user.name", "P")
    user.git("config", "user.email", "p@example.org")
    base = user.commit({"a": "1\n", "b": "2\n", ".gitignore": "*.log\n"}, "base")
    worktree = add(discover(user.path), tmp_path / "pool" / "w", base, "fleet/s/t", nullcontext())
    assert isinstance(worktree, Worktree)
    inside = Repo(worktree.path)
    inside.write("a", "staged\n")
    inside.git("add", "a")
    inside.write("a", "file\n")
    inside.write("new", "n")
    inside.write("left.log", "ignored")
    before = inside.status()
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.snapshot_driver", str(user.path), str(worktree.path), base],
        cwd=ROOT,
        env={**person_env(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rounds = [line.split(" ", 1)[1] for line in done.stdout.splitlines()]
    assert len(rounds) > 30
    # One snapshot, whichever step the first one died at: what was published is found, what was not is written.
    assert set(rounds) == {rounds[-1]}
    assert rounds[-1].startswith("1 ")
    tree = rounds[-1].split(" ")[1]
    assert user.files(tree)[b"a"] == b"file\n"
    assert set(user.files(tree)) == {b"a", b"b", b".gitignore", b"new", b"left.log"}
    assert inside.status() == before
    assert not list(worktree.git_dir.glob("*.lock"))
    user.git("fsck", "--strict", "--no-dangling")
