"""What ``git merge`` itself says of two commits, in a worktree of its own, to hold predictions against."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitfleet.git.repository import discover
from gitfleet.integrate.radar.predicting import Radar
from gitfleet.integrate.radar.scratch import open_scratch
from gitfleet.store.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.git.command import Leash
    from tests.support.repo import Repo

MERGE = ("-c", "user.name=T", "-c", "user.email=t@example.org", "merge", "--no-edit", "--no-ff", "-q")


def merged_by_git(repo: Repo, ours: str, theirs: str) -> set[bytes] | None:
    """The paths that git leaves unmerged; none where the merge is clean."""
    tree = repo.path.parent / f"{repo.path.name}-merge"
    repo.git("worktree", "add", "-q", "--detach", str(tree), ours)
    try:
        inside = type(repo)(tree)
        code = _code(inside, theirs)
        listed = inside.raw("ls-files", "-u", "-z").split(b"\0")
        # Where a file and a directory cannot both be, git puts the file beside it, under the name of its side.
        unmerged = {re.sub(rb"~(HEAD|[0-9a-f]{40})(_\d+)?$", b"", line.partition(b"\t")[2]) for line in listed if line}
        assert code in {0, 1}
        return unmerged if code else None
    finally:
        repo.git("worktree", "remove", "--force", str(tree))


def _code(inside: Repo, theirs: str) -> int:
    try:
        inside.git(*MERGE, theirs)
    except AssertionError:
        inside.git("rev-parse", "--verify", "-q", "MERGE_HEAD")
        return 1
    return 0


@contextmanager
def radar_on(repo: Repo, *, fold: bool = False, leash: Leash | None = None) -> Iterator[Radar]:
    """A radar on a repository."""
    found = discover(repo.path)
    with open_scratch(found, Layout(found.common_dir), leash) as scratch:
        yield Radar(scratch, fold=fold)
