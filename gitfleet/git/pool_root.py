"""Where worktrees of attempts go: beside the repository, never inside a source tree, where tools would scan them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.command import Git, GitFailed
from gitfleet.git.worktrees import entries

if TYPE_CHECKING:
    from gitfleet.git.repository import Repository


def pool_root(repo: Repository, configured: str | None = None) -> Path:
    """The directory that holds the worktrees; it need not exist yet.

    By default ``<repository>.fleet`` beside the repository, for a submodule beside its outermost superproject. A
    configured path is absolute or relative to the worktree (to the git directory of a bare repository). Raises
    ``GitfleetError`` for one inside a source tree or a git directory (``pool-inside-tree``), and for one that is not a
    directory or would be shared with other things, such as ``/`` or the home directory (``pool-not-its-own``).
    """
    outer = _superproject(repo)
    if configured is not None:
        start = repo.worktree or repo.common_dir
        root = Path(os.path.realpath(start / os.path.expanduser(configured)))  # noqa: PTH111 - may hold any byte
    else:
        root = _beside(repo, outer)
    trees = _trees(repo, outer)
    for tree in trees:
        if root == tree or tree in root.parents:
            raise GitfleetError(
                Kind.USAGE,
                "pool-inside-tree",
                f"Worktrees cannot be made in {root}, because that is inside {tree}.",
                hint="Set worktrees.root to a directory outside the repository, such as ../fleet.",
            )
    crowded = root == Path.home() or any(root in tree.parents for tree in trees)
    if crowded or (os.path.lexists(root) and not root.is_dir()):
        why = "other things lie there too" if root.is_dir() else "that is not a directory"
        raise GitfleetError(
            Kind.USAGE,
            "pool-not-its-own",
            f"Worktrees cannot be made in {root}: {why}.",
            hint="Set worktrees.root to a directory of its own, such as ../fleet.",
        )
    return root


def trash_of(root: Path) -> Path:
    """Where retired worktrees wait to be deleted: beside the worktrees, so that moving there is one rename."""
    return root / ".trash"


def _beside(repo: Repository, outer: Path | None) -> Path:
    if outer is not None:
        return outer.with_name(f"{outer.name}.{repo.name}.fleet")
    if repo.worktree is not None and repo.git_dir == repo.common_dir:
        place = repo.worktree
    elif repo.common_dir.name.startswith("."):
        # `project/.git` seen from a linked worktree, or the `project/.bare` of a bare repository among its worktrees.
        place = repo.common_dir.parent
    else:
        place = repo.common_dir
    return place.with_name(place.name.removesuffix(".git") + ".fleet")


def _superproject(repo: Repository) -> Path | None:
    """The outermost repository that this one is a submodule of."""
    outer: Path | None = None
    place = repo.worktree
    while place is not None:
        try:
            done = Git(place).run("rev-parse", "--show-superproject-working-tree")
        except (GitFailed, OSError):
            break
        answer = done.stdout.removesuffix(b"\n")
        place = Path(os.fsdecode(answer)) if answer else None
        outer = place or outer
    return outer


def _trees(repo: Repository, outer: Path | None) -> list[Path]:
    places = [repo.common_dir, *([outer] if outer else []), *([repo.worktree] if repo.worktree else [])]
    # The main worktree's files count also when the command runs in a linked one; other linked ones may be in the pool.
    main = entries(repo)[0]
    if not main.bare and main.path != repo.common_dir:
        places.append(main.path)
    return [Path(os.path.realpath(place)) for place in dict.fromkeys(places)]
