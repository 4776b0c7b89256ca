"""Everything that stands in a worktree is in its snapshot, byte for byte, and the worktree is as it was."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from gitfleet.git import snapshots
from gitfleet.git.engines import open_objects
from gitfleet.git.ignored import note_start
from gitfleet.git.repository import Repository, discover
from gitfleet.git.snapshot_facts import parse
from gitfleet.git.snapshots import Failed, Nothing, Origin, Taken
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


def test_what_is_kept_is_not_kept_twice(tree: Tree) -> None:
    tree.inside.write("new", "1")
    first = tree.taken()
    assert first.fresh
    again = tree.taken(reason="another")
    assert (again.ref, again.commit, again.fresh) == (first.ref, first.commit, False)
    tree.inside.write("new", "2")
    second = tree.taken()
    assert (second.ref, second.fresh) == (f"refs/gitfleet/wip/{INSTANCE}/2", True)
    # The newest counts: going back is another state.
    tree.inside.write("new", "1")
    assert tree.taken().ref.endswith("/3")


def test_what_is_staged_and_differs_from_the_file(tree: Tree) -> None:
    tree.inside.write("a", "staged\n")
    tree.inside.write("gone", "staged only\n")
    tree.inside.git("add", "a", "gone")
    tree.inside.write("a", "file\n")
    (tree.worktree.path / "gone").unlink()
    taken = tree.taken()
    facts = parse(tree.objects.commit(taken.commit).message)
    assert tree.user.git("show", f"{taken.commit}^2:a") == "staged"
    assert facts.index == tree.user.oid(f"{taken.commit}^2")
    assert tree.user.git("show", f"{facts.index}:gone") == "staged only"
    files = tree.user.files(taken.commit)
    assert files[b"a"] == b"file\n"
    assert b"gone" not in files


def test_work_that_is_committed_is_kept_with_its_commits(tree: Tree) -> None:
    own = tree.inside.commit({"a": "own\n"}, "own")
    taken = tree.taken()
    assert tree.user.oid(f"{taken.commit}^1") == own
    assert taken.files == 1
    # What a lasting ref holds needs no keeping, whatever the branch is called.
    assert tree.take(held=own) == Nothing()


def test_a_merge_left_half_done_and_a_held_lock(tree: Tree) -> None:
    theirs = tree.user.commit({"a": "theirs\n"}, "main moves")
    tree.inside.commit({"a": "ours\n"}, "ours")
    tree.inside.git("merge", "-q", "main", code=1)
    (tree.worktree.git_dir / "index.lock").write_bytes(b"held")
    taken = tree.taken()
    assert b"<<<<<<<" in tree.user.files(taken.commit)[b"a"]
    assert theirs in tree.user.git("rev-list", taken.commit).split()


@pytest.mark.parametrize("how", ["no index", "broken index", "no .git", "no HEAD", "forgotten", "broken HEAD"])
def test_a_tree_whose_git_files_are_broken(tree: Tree, how: str) -> None:
    tree.inside.write("a", "changed\n")
    tree.inside.write("new", "n")
    (tree.worktree.path / "b").unlink()
    admin = tree.worktree.git_dir
    worktree: Worktree | Path = tree.worktree
    match how:
        case "no index":
            (admin / "index").unlink()
        case "broken index":
            (admin / "index").write_bytes(b"DIRC nonsense")
        case "no .git":
            (tree.worktree.path / ".git").unlink()
        case "no HEAD":
            (admin / "HEAD").unlink()
        case "broken HEAD":
            (admin / "HEAD").write_bytes(b"\0\0\0\0")
        case _:
            shutil.rmtree(admin)
            worktree = tree.worktree.path
    outcome = snapshots.take(tree.found, tree.objects, worktree, tree.origin(), ignored=everything)
    assert isinstance(outcome, Taken), outcome
    assert outcome.whole
    expected = {b"README": b"hello\n", b"a": b"changed\n", b"d/x": b"3\n", b"d/y": b"4\n", b"new": b"n"}
    assert tree.user.files(outcome.commit) == {**expected, b".gitignore": b"*.log\nout/\n"}


def test_a_nested_repository_is_named_and_the_tree_is_not_reused(tree: Tree) -> None:
    Repo.with_files(tree.worktree.path / "inner", {"f": "1"})
    outcome = tree.take()
    assert isinstance(outcome, Failed)
    assert "inner is a repository of its own" in outcome.why
    assert not snapshots.reusable(outcome)
    tree.inside.write("a", "changed\n")
    Repo.with_files(tree.worktree.path / "out/deep", {"f": "1"})
    taken = tree.taken()
    assert taken.nested == ("inner", "out/deep")
    assert not taken.whole
    assert not snapshots.reusable(taken)
    assert parse(tree.objects.commit(taken.commit).message).nested == ("inner", "out/deep")


def test_ignored_files_are_those_of_the_attempt_whatever_the_clock_does(tree: Tree) -> None:
    tree.inside.write("out/cache", "warm")
    tree.inside.write("out/old", "before")
    note_start(tree.found.git, tree.worktree, everything)
    assert tree.take() == Nothing()
    tree.inside.write("out/old", "after!")
    tree.inside.write("out/made", "made")
    # As after a clock that jumped back an hour: older than everything that was there before.
    for name in ("out/old", "out/made"):
        os.utime(tree.worktree.path / name, (1_000_000_000, 1_000_000_000))
    taken = tree.taken()
    facts = parse(tree.objects.commit(taken.commit).message)
    assert tree.user.files(facts.ignored) == {b"out/old": b"after!", b"out/made": b"made"}


def test_ignored_files_out_of_scope_and_beyond_the_limit(tree: Tree) -> None:
    tree.inside.write("out/large", "x" * 900)
    tree.inside.write("out/small", "y" * 200)
    tree.inside.write("out/tiny", "z")
    tree.inside.write("other.log", "not ours")

    def of_out(path: bytes) -> bool:
        return path.startswith(b"out/")

    outcome = snapshots.take(tree.found, tree.objects, tree.worktree, tree.origin(), ignored=of_out, limit=1000)
    assert isinstance(outcome, Taken)
    assert outcome.cut == ("out/large (900 bytes)",)
    facts = parse(tree.objects.commit(outcome.commit).message)
    assert facts.cut == outcome.cut
    assert set(tree.user.files(facts.ignored)) == {b"out/small", b"out/tiny"}
    assert snapshots.take(tree.found, tree.objects, tree.worktree, tree.origin()) == Nothing()


def test_hidden_edits_and_filters_and_safecrlf(tree: Tree) -> None:
    tree.user.git("config", "core.safecrlf", "true")
    tree.user.git("config", "core.autocrlf", "input")
    tree.inside.git("update-index", "--assume-unchanged", "a")
    tree.inside.git("update-index", "--skip-worktree", "b")
    tree.inside.write("a", "hidden\r\n")
    tree.inside.write("b", "hidden too\n")
    tree.inside.write("new", "mixed\r\nends\n")
    files = tree.user.files(tree.taken().commit)
    assert (files[b"a"], files[b"b"], files[b"new"]) == (b"hidden\r\n", b"hidden too\n", b"mixed\r\nends\n")


def test_a_sparse_tree_loses_nothing_that_it_leaves_out(tree: Tree) -> None:
    tree.inside.git("sparse-checkout", "set", "--no-cone", "/a")
    tree.inside.write("a", "changed\n")
    files = tree.user.files(tree.taken().commit)
    assert (files[b"a"], files[b"d/x"], files[b"b"]) == (b"changed\n", b"3\n", b"2\n")


def test_names_that_git_refuses_are_gaps_and_everything_else_is_kept(tree: Tree) -> None:
    tree.inside.write("new", "n")
    tree.inside.write("sub/git~1", "never")
    taken = tree.taken()
    assert taken.gaps == ("sub/git~1: git can hold no file of this name",)
    assert not taken.whole
    assert tree.user.files(taken.commit)[b"new"] == b"n"


def test_what_cannot_be_read_is_a_gap_and_everything_else_is_kept(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.inside.write("secret", "s")
    tree.inside.write("new", "n")
    honest = os.open

    def refuse(path: bytes | str, *rest: int, **more: int) -> int:
        # root may read everything, so the refusal is played.
        if os.fsencode(path).endswith(b"/secret"):
            raise PermissionError(13, "Permission denied", path)
        return honest(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    taken = tree.taken()
    assert taken.gaps == ("secret: Permission denied",)
    assert not snapshots.reusable(taken)
    assert set(tree.user.files(taken.commit)) >= {b"new", b"a"}
    assert parse(tree.objects.commit(taken.commit).message).gap == taken.gaps


def test_a_user_without_an_identity_loses_nothing(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    tree.user.git("config", "user.useConfigOnly", "true")
    tree.inside.write("new", "n")
    assert tree.user.git("log", "-1", "--format=%an", tree.taken().commit)


def test_the_objects_are_in_a_pack_before_the_ref_names_them(tree: Tree) -> None:
    tree.user.git("repack", "-a", "-d", "-q")
    tree.inside.write("new", "n")
    taken = tree.taken()
    for place in (tree.found.common_dir / "objects").glob("[0-9a-f][0-9a-f]"):
        shutil.rmtree(place)
    packed = tree.user.git("rev-list", "--objects", taken.commit, f"^{tree.base}").split("\n")
    assert len(packed) == 3
    assert tree.user.git("cat-file", "blob", f"{taken.commit}:new") == "n"
