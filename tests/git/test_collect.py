"""Whatever an agent leaves behind, its work is collected, and nothing else is touched."""

from __future__ import annotations

import errno
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import pytest

from gitfleet.git.changes import FileStat, Totals, file_changes, numstat, totals
from gitfleet.git.collect import Collected, Uncollected, commit_work, untidy
from gitfleet.git.engines import open_objects
from gitfleet.git.repository import Repository, discover
from gitfleet.git.worktrees import Worktree, add
from tests.support.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.git.objects import Objects
    from tests.support.git_env import GitCounter

BRANCH = "fleet/s-abc123/task"
REF = f"refs/heads/{BRANCH}"
KEEP = "refs/gitfleet/wip/fleet-s-abc123-w1-a1/1"
MESSAGE = "gitfleet: uncommitted work of fleet-s-abc123-w1-a1"
BASE = {"a": "1\n", "b": "2\n", "d/x": "3\n", "d/y": "4\n", ".gitignore": "*.log\n"}


class Attempt(NamedTuple):
    user: Repo
    found: Repository
    objects: Objects
    worktree: Worktree
    inside: Repo
    base: str

    def collect(self) -> Collected:
        outcome = self.attempt()
        assert isinstance(outcome, Collected), outcome
        return outcome

    def attempt(self, *, whole: bool = False) -> Collected | Uncollected:
        door = self.found.git
        return commit_work(self.objects, door, self.worktree, MESSAGE, branch=BRANCH, keep=self.keep, whole=whole)

    def keep(self, tip: str) -> str:
        self.user.git("update-ref", KEEP, tip)
        return KEEP

    def settled(self, outcome: Collected) -> None:
        """Afterwards the branch has it all, and a second time finds nothing."""
        assert self.user.oid(REF) == outcome.tip
        again = self.collect()
        assert (again.tip, again.committed) == (outcome.tip, False)
        assert not untidy(self.found.git, self.worktree)
        self.user.git("fsck", "--strict")


@pytest.fixture
def attempt(repo: Repo, tmp_path: Path) -> Iterator[Attempt]:
    base = repo.commit(dict(BASE), "base")
    found = discover(repo.path)
    worktree = add(found, tmp_path / "pool" / "w", base, BRANCH, nullcontext(), instance="fleet-s-abc123-w1-a1")
    assert isinstance(worktree, Worktree)
    with open_objects(found) as objects:
        yield Attempt(repo, found, objects, worktree, Repo(worktree.path), base)


def test_a_scratch_directory_that_cannot_go_is_no_failure(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a coordinator ends at once, and a git call of a thread of its still writes there."""
    attempt.inside.write("a", "changed\n")
    rmdir = os.rmdir

    def refuse(path: str, **at: int | None) -> None:
        if "gitfleet-index-" in os.fspath(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        rmdir(path, **at)

    monkeypatch.setattr(os, "rmdir", refuse)
    assert attempt.collect().committed


def test_nothing_done(attempt: Attempt, counter: GitCounter) -> None:
    counter.calls()
    outcome = attempt.collect()
    assert [call.split()[0] for call in counter.calls()] == ["status"]
    assert outcome == Collected(attempt.base, committed=False)


def test_edits_additions_deletions_and_odd_names(attempt: Attempt, counter: GitCounter) -> None:
    odd = [b"new\nline", b"-dash", b"\xff\xfe", b'q"uote', b" lead", b"app/[slug]/page.tsx", b"e\xcc\x81"]
    for name in odd:
        attempt.inside.write(name, name)
    attempt.inside.write("a", "changed\n")
    (attempt.worktree.path / "b").unlink()
    (attempt.worktree.path / "d/x").chmod(0o755)
    (attempt.worktree.path / "link").symlink_to("nowhere")
    attempt.inside.write("left.log", "ignored")
    counter.calls()
    outcome = attempt.collect()
    verbs = [call.split()[0] for call in counter.calls()]
    assert sorted(verbs) == sorted(["status", "update-index", "write-tree", "config", "var", "var", "update-ref"])
    assert outcome.committed
    expected = {b"README": b"hello\n", b"a": b"changed\n", b"d/x": b"3\n", b"d/y": b"4\n", b".gitignore": b"*.log\n"}
    assert attempt.user.files(outcome.tip) == {**expected, b"link": b"nowhere", **{name: name for name in odd}}
    assert attempt.user.git("log", "-1", "--format=%P %s", outcome.tip) == f"{attempt.base} {MESSAGE}"
    assert attempt.user.git("ls-tree", outcome.tip, "d/x").startswith("100755")
    (attempt.worktree.path / "left.log").unlink()
    attempt.settled(outcome)
    stats = {stat.path: stat for stat in numstat(attempt.found.git, attempt.base, outcome.tip)}
    assert stats[b"a"] == FileStat(b"a", "modified", 1, 1)
    assert stats[b"b"] == FileStat(b"b", "deleted", 0, 1)
    assert stats[b"-dash"] == FileStat(b"-dash", "added", 1, 0)
    assert len(stats) == len(odd) + 4


def test_commits_of_its_own_then_more(attempt: Attempt) -> None:
    own = attempt.inside.commit({"a": "own\n"}, "own")
    attempt.inside.write("more", "m")
    outcome = attempt.collect()
    assert attempt.user.git("rev-list", f"{attempt.base}..{outcome.tip}").split() == [outcome.tip, own]
    attempt.settled(outcome)


def test_staged_work_counts_as_it_stands_in_the_files(attempt: Attempt) -> None:
    attempt.inside.write("a", "staged\n")
    attempt.inside.git("add", "a")
    attempt.inside.write("a", "final\n")
    attempt.inside.git("rm", "-q", "--cached", "b")  # still there, so still work
    attempt.inside.write("forced.log", "f")
    attempt.inside.git("add", "-f", "forced.log")
    attempt.inside.write("intent", "i")
    attempt.inside.git("add", "-N", "intent")
    attempt.inside.git("mv", "d/x", "moved")
    outcome = attempt.collect()
    files = attempt.user.files(outcome.tip)
    assert (files[b"a"], files[b"b"], files[b"forced.log"], files[b"intent"]) == (b"final\n", b"2\n", b"f", b"i")
    assert (files[b"moved"], b"d/x" in files) == (b"3\n", False)
    attempt.settled(outcome)


def test_untracking_an_ignored_file_is_a_deletion(attempt: Attempt) -> None:
    attempt.inside.write(".gitignore", "*.log\nb\n")
    attempt.inside.git("rm", "-q", "--cached", "b")
    outcome = attempt.collect()
    assert b"b" not in attempt.user.files(outcome.tip)


def test_files_and_directories_that_change_places(attempt: Attempt) -> None:
    for name in ("d/x", "d/y", "a"):
        (attempt.worktree.path / name).unlink()
    (attempt.worktree.path / "d").rmdir()
    attempt.inside.write("d", "file\n")
    attempt.inside.write("a/below", "dir\n")
    outcome = attempt.collect()
    files = attempt.user.files(outcome.tip)
    assert (files[b"d"], files[b"a/below"]) == (b"file\n", b"dir\n")
    assert not {b"d/x", b"d/y", b"a"} & set(files)
    attempt.settled(outcome)


def test_edits_under_hiding_bits(attempt: Attempt) -> None:
    attempt.inside.git("update-index", "--assume-unchanged", "a")
    attempt.inside.git("update-index", "--skip-worktree", "b", "d/x")
    attempt.inside.write("a", "hidden a\n")
    attempt.inside.write("b", "hidden b\n")
    (attempt.worktree.path / "d/x").unlink()
    files = attempt.user.files(attempt.collect().tip)
    assert (files[b"a"], files[b"b"], b"d/x" in files) == (b"hidden a\n", b"hidden b\n", False)


def test_absent_files_of_a_sparse_checkout_are_not_deleted(attempt: Attempt) -> None:
    attempt.inside.git("sparse-checkout", "set", "--no-cone", "/*", "!/d/")
    attempt.inside.write("a", "changed\n")
    files = attempt.user.files(attempt.collect().tip)
    assert files[b"d/x"] == b"3\n"
    assert files[b"a"] == b"changed\n"


def test_locks_and_broken_indexes(attempt: Attempt) -> None:
    (attempt.worktree.git_dir / "index.lock").touch()
    attempt.inside.write("new", "n")
    attempt.settled(attempt.collect())
    (attempt.worktree.git_dir / "index").write_bytes(b"garbage")
    attempt.inside.write("new", "again")
    outcome = attempt.collect()
    assert attempt.user.files(outcome.tip)[b"new"] == b"again"
    attempt.settled(outcome)
    (attempt.worktree.git_dir / "index").unlink()
    attempt.inside.write("new", "third")
    attempt.settled(attempt.collect())


def test_a_deleted_git_file(attempt: Attempt) -> None:
    (attempt.worktree.path / ".git").unlink()
    attempt.inside.write("new", "n")
    outcome = attempt.collect()
    assert attempt.user.files(outcome.tip)[b"new"] == b"n"
    assert attempt.user.status() == ""


def test_a_git_file_that_was_replaced_by_a_repository(attempt: Attempt) -> None:
    (attempt.worktree.path / ".git").unlink()
    attempt.inside.git("init", "-q")
    attempt.inside.write("new", "n")
    outcome = attempt.collect()
    assert attempt.user.files(outcome.tip)[b"new"] == b"n"
    assert attempt.user.files(outcome.tip)[b"a"] == b"1\n"


def test_a_detached_head(attempt: Attempt) -> None:
    attempt.inside.git("switch", "-q", "--detach")
    attempt.inside.commit({"own": "1"}, "detached")
    attempt.inside.write("more", "m")
    outcome = attempt.collect()
    assert {b"own", b"more"} <= set(attempt.user.files(outcome.tip))
    attempt.settled(outcome)


def test_another_branch(attempt: Attempt) -> None:
    attempt.inside.git("switch", "-q", "-c", "feature")
    attempt.inside.commit({"own": "1"}, "elsewhere")
    feature = attempt.user.oid("feature")
    attempt.inside.write("more", "m")
    outcome = attempt.collect()
    assert attempt.user.oid("feature") == feature
    attempt.settled(outcome)


def test_a_branch_that_went_elsewhere(attempt: Attempt) -> None:
    own = attempt.inside.commit({"one": "1"}, "one")
    attempt.inside.git("switch", "-q", "--detach", attempt.base)
    attempt.inside.write("two", "2")
    outcome = attempt.collect()
    assert outcome.kept == KEEP
    assert attempt.user.oid(REF) == own
    assert attempt.user.oid(KEEP) == outcome.tip
    assert b"two" in attempt.user.files(outcome.tip)
    again = attempt.collect()
    assert (again.tip, again.committed) == (outcome.tip, False)
    assert not untidy(attempt.found.git, attempt.worktree)


def test_a_deleted_branch_and_an_unrelated_history(attempt: Attempt) -> None:
    attempt.inside.git("switch", "-q", "--detach")
    attempt.inside.git("branch", "-q", "-D", BRANCH)
    attempt.inside.write("new", "n")
    attempt.settled(attempt.collect())
    attempt.inside.git("switch", "-q", "--orphan", "alone")
    attempt.inside.write("only", "o")
    outcome = attempt.collect()
    assert attempt.user.files(outcome.tip) == {b"only": b"o"}
    assert outcome.kept == KEEP


def test_a_merge_left_half_done(attempt: Attempt) -> None:
    attempt.user.commit({"a": "theirs\n", "other": "o\n"}, "main moves")
    attempt.inside.commit({"a": "ours\n"}, "ours")
    attempt.inside.git("merge", "-q", "main", code=1)
    for _ in range(2):
        assert attempt.attempt(whole=True) == Uncollected("conflicts are not resolved in a", unfinished=True)
    outcome = attempt.collect()
    assert outcome.unmerged == (b"a",)
    assert b"<<<<<<<" in attempt.user.files(outcome.tip)[b"a"]
    assert attempt.user.git("rev-list", "--parents", "-1", outcome.tip).split()[2] == attempt.user.oid("main")
    assert attempt.collect().tip == outcome.tip


def test_a_merge_that_lacks_only_its_commit_is_whole(attempt: Attempt) -> None:
    attempt.user.commit({"other": "o\n"}, "main moves")
    attempt.inside.commit({"a": "ours\n"}, "ours")
    attempt.inside.git("merge", "-q", "--no-commit", "main")
    outcome = attempt.attempt(whole=True)
    assert isinstance(outcome, Collected)
    assert attempt.user.git("rev-list", "--parents", "-1", outcome.tip).split()[2] == attempt.user.oid("main")


@pytest.mark.parametrize(("began", "left"), [("rebase", "a rebase is under way"), ("bisect", "a bisect is under way")])
def test_what_has_head_elsewhere_is_half_done(attempt: Attempt, began: str, left: str) -> None:
    tip = attempt.inside.commit({"a": "ours\n"}, "ours")
    attempt.inside.commit({"b": "more\n"}, "more")
    if began == "rebase":
        attempt.inside.git("-c", "sequence.editor=sed -i.old s/^pick/edit/", "rebase", "-q", "-i", attempt.base)
    else:
        attempt.inside.git("bisect", "start", "HEAD", attempt.base)
    assert attempt.inside.oid("HEAD") == tip
    assert attempt.attempt(whole=True) == Uncollected(left, unfinished=True)
    assert isinstance(attempt.attempt(), Collected)


def test_nested_repositories_are_named_and_left_out(attempt: Attempt) -> None:
    Repo.with_files(attempt.worktree.path / "tools/nested\n", {"inner": "1"})
    Repo.init(attempt.worktree.path / "empty")
    attempt.inside.write("empty/file", "x")
    attempt.inside.write("beside", "b")
    outcome = attempt.collect()
    assert set(outcome.nested) == {b"tools/nested\n", b"empty"}
    assert set(attempt.user.files(outcome.tip)) - {name.encode() for name in BASE} == {b"README", b"beside"}


def test_submodules_move_and_their_uncommitted_work_is_named(attempt: Attempt, tmp_path: Path) -> None:
    library = Repo.with_files(tmp_path / "library", {"lib": "1\n"})
    attempt.inside.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "dep")
    attempt.inside.commit({}, "a dependency")
    dependency = Repo(attempt.worktree.path / "dep")
    dependency.write("lib", "edited\n")
    only_dirty = attempt.collect()
    assert (only_dirty.committed, only_dirty.nested) == (False, (b"dep",))
    assert untidy(attempt.found.git, attempt.worktree)
    moved = dependency.commit({"lib": "committed\n"}, "moves")
    dependency.write("left", "behind\n")
    outcome = attempt.collect()
    assert (outcome.committed, outcome.nested) == (True, (b"dep",))
    assert attempt.user.files(outcome.tip)[b"dep"] == moved.encode()


def test_ignored_work_and_the_instance_file_stay_out(attempt: Attempt) -> None:
    attempt.inside.write(".gitignore", "!/.fleet-instance-id\n*.log\n")
    attempt.inside.write("x.log", "l")
    assert set(attempt.user.files(attempt.collect().tip)) == {b"README", *(name.encode() for name in BASE)}


def test_the_users_checkout_is_untouched(attempt: Attempt) -> None:
    attempt.user.write("a", "mine\n")
    attempt.user.git("add", "a")
    attempt.user.write("b", "also mine\n")
    index = (attempt.user.path / ".git/index").read_bytes()
    attempt.inside.write("a", "agent\n")
    attempt.collect()
    assert (attempt.user.path / ".git/index").read_bytes() == index
    assert attempt.user.status() == "M  a\n M b"


def test_a_filter_that_fails_is_said(attempt: Attempt) -> None:
    attempt.user.git("config", "filter.bad.clean", "false")
    attempt.user.git("config", "filter.bad.required", "true")
    attempt.inside.write(".gitattributes", "*.bad filter=bad\n")
    attempt.inside.write("x.bad", "x")
    outcome = attempt.attempt()
    assert isinstance(outcome, Uncollected)
    assert "x.bad" in outcome.why
    assert (attempt.worktree.path / "x.bad").read_text() == "x"
    assert attempt.user.oid(REF) == attempt.base


def test_a_repository_without_worktree_of_its_own(repo: Repo, tmp_path: Path) -> None:
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    found = discover(tmp_path / "bare.git")
    worktree = add(found, tmp_path / "w", repo.oid(), BRANCH, nullcontext())
    assert isinstance(worktree, Worktree)
    (worktree.path / "new").write_text("n")
    with open_objects(found) as objects:
        outcome = commit_work(objects, found.git, worktree, MESSAGE, branch=BRANCH, keep=str)
    assert isinstance(outcome, Collected)
    assert outcome.committed
    assert not untidy(found.git, worktree)


def test_progress_in_numbers(attempt: Attempt, counter: GitCounter) -> None:
    git = attempt.worktree.git(attempt.found.git)
    assert totals(git, attempt.worktree.path, attempt.base) == Totals(0, 0, 0)
    attempt.inside.commit({"a": "x\ny\n"}, "own")
    attempt.inside.write("b", "2\n3\n")
    attempt.inside.write(b"new\xff", "1\n2\n3")
    attempt.inside.write("binary", b"\0\n\n")
    (attempt.worktree.path / "dangling").symlink_to("/dev/zero")
    counter.calls()
    assert totals(git, attempt.worktree.path, attempt.base) == Totals(5, 6, 1)
    assert len(counter.calls()) == 2


def test_numstat_of_binary_type_changes_and_submodules(repo: Repo) -> None:
    old = repo.commit({b"bin": b"\0\1", b"turn": b"t\n"})
    (repo.path / "turn").unlink()
    (repo.path / "turn").symlink_to("x")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{old},mod")
    repo.write("bin", b"\0\2")
    repo.git("add", "bin", "turn")
    repo.git("commit", "-q", "-m", "new")
    stats = numstat(discover(repo.path).git, old, repo.oid())
    assert stats == [
        FileStat(b"bin", "modified", None, None),
        FileStat(b"mod", "added", 1, 0),
        FileStat(b"turn", "type-changed", 1, 1),
    ]
    assert [change.path for change in file_changes([FileStat(b"a\n", "added", 1, 0)])] == ['"a\\n"']


def test_what_git_calls_modified_and_nobody_wrote_is_nobodys_work(repo: Repo, tmp_path: Path) -> None:
    crlf = b"1\r\n2\r\n"
    repo.commit({b"old.bat": crlf, b"edited.bat": crlf, b"staged.bat": crlf}, "before the rule")
    repo.write(".gitattributes", "*.bat text eol=crlf\n")
    repo.git("add", ".gitattributes")
    repo.git("commit", "-qm", "the rule, without renormalising")
    found = discover(repo.path)
    worktree = add(found, tmp_path / "pool" / "w", repo.oid(), BRANCH, nullcontext(), instance="fleet-s-abc123-w1-a1")
    assert isinstance(worktree, Worktree)
    inside = Repo(worktree.path)
    # What git thinks after any touch: it would store something else.
    (inside.path / "old.bat").write_bytes(crlf)
    assert " M old.bat" in inside.status()
    assert not untidy(found.git, worktree)
    with open_objects(found) as objects:
        untouched = Attempt(repo, found, objects, worktree, inside, repo.oid())
        assert not untouched.collect().committed
        inside.write("edited.bat", crlf + b"3\r\n")
        inside.git("add", "--renormalize", "staged.bat")
        outcome = untouched.collect()
    assert [stat.path for stat in numstat(found.git, repo.oid(), outcome.tip)] == [b"edited.bat", b"staged.bat"]
    assert repo.files(outcome.tip)[b"old.bat"] == crlf
