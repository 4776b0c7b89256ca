"""Handing a worktree on to the next attempt, against making a new one."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from typing import TYPE_CHECKING

from bench.measure import Row, Section, stopwatch
from gitfleet.git import slots
from gitfleet.git.refs import Refs
from gitfleet.git.repository import discover
from gitfleet.git.worktrees import Worktree, add

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.repository import Repository

DIFFERENT = 10


def repository(place: Path, name: str, files: int) -> Repository:
    """A repository of so many files in a directory of this name; its second commit changes some of them."""
    home = place / name
    home.mkdir()
    found = None
    for step in ("init", "more"):
        for number in range(files if step == "init" else DIFFERENT):
            file = home / f"d{number % 100}" / f"{number}.txt"
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{step} {number}\n" * 20)
        if found is None:
            from gitfleet.git.command import Git  # noqa: PLC0415

            Git(home).run("init", "-q", "-b", "main")
            found = discover(home)
        git = found.git.having("user.name=Bench", "user.email=bench@example.org")
        git.run("add", "-A")
        git.run("commit", "-q", "-m", step)
    assert found is not None
    return found


def bench(place: Path, sizes: list[int], repeat: int) -> Section:
    """Both, where ten files differ; the ratio should grow with the number of files."""
    rows = []
    for size in sizes:
        repo = repository(place, f"pool-{size}", size)
        refs = Refs(repo.git)
        new, old = (repo.git.run("rev-parse", name).text for name in ("main", "main~1"))
        trees = place / f"pool-{size}.fleet"
        made = add(repo, trees / "tree-0", old, "bench/start", nullcontext())
        assert isinstance(made, Worktree)
        anew, again = [], []
        for number in range(repeat):
            path, branch = trees / f"tree-{number + 1}", f"bench/{number}"
            anew.append(stopwatch(lambda: add(repo, path, new, branch, nullcontext())))  # noqa: B023
            commit, other = (new, old)[number % 2], f"bench/again-{number}"
            again.append(stopwatch(lambda: slots.renew(repo, made, commit, other, instance="i")))  # noqa: B023
            shutil.rmtree(path)
        assert refs.read(f"refs/heads/bench/again-{repeat - 1}") is not None
        first, reused = sorted(anew)[repeat // 2], sorted(again)[repeat // 2]
        rows += [
            Row(f"{size} files, a new worktree", first, first),
            Row(f"{size} files, one handed on, {DIFFERENT} differ", reused, first),
        ]
    return Section("worktrees of attempts", rows)
