"""Everything that stands in a worktree is in its snapshot, byte for byte, and the worktree is as it was."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from gitfleet.git import snapshots
from gitfleet.git.engines import open_objects
from gitfleet.git.repository import Repository, discover
from gitfleet.git.snapshot_facts import parse
from gitfleet.git.snapshots import Nothing, Origin, Taken
from gitfleet.git.worktrees import Worktree, add
from tests.support.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.git.objects import Objects

INSTANCE = "fleet-s-abc123-w1-a1"
BASE = {"a": "1\n", "b": "2\n", "d/x": "3\n", "d/y": "4\n", ".gitignore": "*.log\nout/\n"}


def everything(_: bytes) -> bool:
    return True


class Tree(NamedTuple):
    user: Repo
    found: Repository
    objects: Objects
    worktree: Worktree
    inside: Repo
    base: str

    def origin(self, **facts: str) -> Origin:
        return Origin(**{"instance": INSTANCE, "reason": "failed", "base": self.base, **facts})  # type: ignore[arg-type]

    def take(self, **facts: str) -> snapshots.Outcome:
        before = self.looks()
        outcome = snapshots.take(
            self.found, self.objects, self.worktree, self.origin(**facts), ignored=everything, limit=1000
        )
        assert self.looks() == before
        return outcome

    def taken(self, **facts: str) -> Taken:
        outcome = self.take(**facts)
        assert isinstance(outcome, Taken), outcome
        assert self.user.oid(outcome.ref) == outcome.commit
        self.user.git("fsck", "--strict", "--no-dangling")
        return outcome

    def looks(self) -> dict[str, object]:
        """Everything below the worktree and its git directory."""
        found: dict[str, object] = {}
        for top in (self.worktree.path, self.worktree.git_dir):
            for root, directories, files in os.walk(top):
                for name in [*directories, *files]:
                    place = os.path.join(root, name)  # noqa: PTH118
                    facts = os.lstat(place)
                    content = os.readlink(place) if os.path.islink(place) else b""  # noqa: PTH114, PTH115
                    if os.path.isfile(place) and not content:  # noqa: PTH113
                        content = Path(place).read_bytes()
                    found[place] = (facts.st_mode, facts.st_mtime_ns if name in files else 0, content)
        return found


@pytest.fixture
def tree(repo: Repo, tmp_path: Path) -> Iterator[Tree]:
    base = repo.commit(dict(BASE), "base")
    found = discover(repo.path)
    worktree = add(found, tmp_path / "pool" / "w", base, "fleet/s/t", nullcontext(), instance=INSTANCE)
    assert isinstance(worktree, Worktree)
    with open_objects(found) as objects:
        yield Tree(repo, found, objects, worktree, Repo(worktree.path), base)


def test_nothing_is_nothing(tree: Tree) -> None:
    assert tree.take() == Nothing()


def test_edits_additions_deletions_modes_links_and_odd_names(tree: Tree) -> None:
    odd = [b"new\nline", b"-dash", b"\xff\xfe", b'"quoted"', b'"new\n\\line', b" lead", b"app/[slug]/page.tsx"]
    for name in odd:
        tree.inside.write(name, name)
    tree.inside.write("a", "changed\n")
    (tree.worktree.path / "b").unlink()
    (tree.worktree.path / "d/x").chmod(0o755)
    (tree.worktree.path / "link").symlink_to("no\nwhere")
    tree.inside.write("left.log", "ignored")
    tree.inside.write("out/deep/made", "made")
    taken = tree.taken()
    files = {b"README": b"hello\n", b"a": b"changed\n", b"d/x": b"3\n", b"d/y": b"4\n", b".gitignore": b"*.log\nout/\n"}
    files |= {b"link": b"no\nwhere", b"left.log": b"ignored", b"out/deep/made": b"made"}
    assert tree.user.files(taken.commit) == {**files, **{name: name for name in odd}}
    assert tree.user.git("ls-tree", taken.commit, "d/x").startswith("100755")
    assert tree.user.git("ls-tree", taken.commit, "link").startswith("120000")
    facts = parse(tree.objects.commit(taken.commit).message)
    assert (facts.reason, facts.base, facts.head) == ("failed", tree.base, tree.base)
    assert facts.files == taken.files == 13
    assert set(tree.user.files(facts.ignored)) == {b"left.log", b"out/deep/made"}
    assert taken.whole
