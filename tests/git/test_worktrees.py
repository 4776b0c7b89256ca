"""Worktrees of attempts: made fast, many at once, and taken away only when nothing is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import pytest

from gitfleet.errors import GitfleetError
from gitfleet.git.collect import untidy
from gitfleet.git.repository import discover
from gitfleet.git.worktrees import BranchTaken, Worktree, add, empty_trash, entries, exclude, locate, retire
from tests.support.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.git_env import GitCounter

INSTANCE = "fleet-s-abc123-w1-a1"
BRANCH = "fleet/s-abc123/task"


@contextmanager
def taken_once() -> Iterator[None]:
    yield


def made(outcome: Worktree | BranchTaken) -> Worktree:
    assert isinstance(outcome, Worktree), outcome
    return outcome


def test_a_new_worktree_is_on_its_branch_and_clean(repo: Repo, tmp_path: Path, counter: GitCounter) -> None:
    head = repo.commit({b"odd\n\xff": b"x", b"-dash": b"y", b"dir/file": b"z"})
    found = discover(repo.path)
    path = tmp_path / "pool" / INSTANCE
    counter.calls()
    worktree = made(add(found, path, head, BRANCH, nullcontext(), instance=INSTANCE))
    calls = counter.calls()
    assert [call.split()[0] for call in calls] == ["update-ref", "worktree", "reset"]
    inside = Repo(path)
    assert inside.git("symbolic-ref", "HEAD") == f"refs/heads/{BRANCH}"
    assert inside.oid() == repo.oid()
    assert inside.status() == ""
    assert (path / ".fleet-instance-id").read_text() == INSTANCE + "\n"
    assert repo.status() == ""
    assert not untidy(found.git, worktree)
    listed = entries(found)
    assert [(entry.path, entry.branch) for entry in listed] == [
        (repo.path, "refs/heads/main"),
        (path, f"refs/heads/{BRANCH}"),
    ]
    assert listed[1].head == repo.oid()
    assert locate(found, path) == worktree
    assert locate(found, tmp_path / "no") is None


def test_detached(repo: Repo, tmp_path: Path) -> None:
    path = tmp_path / "integration"
    made(add(discover(repo.path), path, repo.oid(), None, nullcontext()))
    assert Repo(path).git("rev-parse", "--symbolic-full-name", "HEAD") == "HEAD"
    assert not (path / ".fleet-instance-id").exists()


def test_without_a_checkout(repo: Repo, tmp_path: Path) -> None:
    worktree = made(add(discover(repo.path), tmp_path / "bare", repo.oid(), None, nullcontext(), checkout=False))
    assert [place.name for place in worktree.path.iterdir()] == [".git"]


def test_many_at_once(repo: Repo, tmp_path: Path) -> None:
    repo.commit({f"d{number % 7}/f{number}": "x" * number for number in range(100)})
    found = discover(repo.path)
    lock = threading.Lock()
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(add, found, tmp_path / "pool" / f"i{n}", repo.oid(), f"fleet/s/t{n}", lock, instance=f"i{n}")
            for n in range(16)
        ]
        assert all(isinstance(job.result(), Worktree) for job in jobs)
    assert len(entries(found)) == 17
    assert all(Repo(tmp_path / "pool" / f"i{n}").status() == "" for n in range(16))
    assert (repo.path / ".git/info/exclude").read_text().count("/.fleet-instance-id\n") == 1
    assert repo.git("config", "--get-regexp", r"^branch\.", code=1) == ""


def test_a_branch_that_is_taken(repo: Repo, tmp_path: Path) -> None:
    found = discover(repo.path)
    repo.git("branch", BRANCH)
    head = repo.oid()
    outcome = add(found, tmp_path / "x", head, BRANCH, nullcontext())
    assert outcome == BranchTaken(f"refs/heads/{BRANCH}", f"the branch {BRANCH} exists already, at {head}")
    assert not (tmp_path / "x").exists()
    # A requeued attempt starts it anew.
    newer = repo.commit({"a": "1"})
    worktree = made(add(found, tmp_path / "x", newer, BRANCH, nullcontext(), old=head))
    assert Repo(worktree.path).oid() == newer == repo.oid(BRANCH)
    repo.git("branch", "other")
    clash = add(found, tmp_path / "y", head, "other/task", nullcontext())
    assert clash == BranchTaken("refs/heads/other/task", "the branch other stands where other/task must go")


def test_hooks_do_not_run_and_filters_do(repo: Repo, tmp_path: Path) -> None:
    repo.git("config", "filter.up.smudge", "tr a-z A-Z")
    repo.git("config", "filter.up.clean", "tr A-Z a-z")
    hook = repo.path / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    hook.chmod(0o755)
    repo.commit({".gitattributes": "*.up filter=up\n*.crlf eol=crlf\n", "x.up": "abc\n", "y.crlf": "1\n"})
    worktree = made(add(discover(repo.path), tmp_path / "w", repo.oid(), None, nullcontext()))
    assert (worktree.path / "x.up").read_text() == "ABC\n"
    assert (worktree.path / "y.crlf").read_bytes() == b"1\r\n"
    assert Repo(worktree.path).status() == ""
    assert not (tmp_path / "ran").exists()


def test_a_checkout_that_fails_leaves_nothing_behind(repo: Repo, tmp_path: Path) -> None:
    repo.commit({".gitattributes": "*.bad filter=bad\n", "x.bad": "abc\n"})
    repo.git("config", "filter.bad.smudge", "false")
    repo.git("config", "filter.bad.required", "true")
    found = discover(repo.path)
    with pytest.raises(GitfleetError) as caught:
        add(found, tmp_path / "w", repo.oid(), BRANCH, taken_once())
    assert caught.value.code == "worktree-failed"
    assert not (tmp_path / "w").exists()
    assert len(entries(found)) == 1


def test_what_stands_at_the_path_is_left_alone(repo: Repo, tmp_path: Path) -> None:
    found = discover(repo.path)
    repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "w"))
    (tmp_path / "w" / "mine").write_text("work")
    with pytest.raises(GitfleetError):
        add(found, tmp_path / "w", repo.oid(), None, nullcontext())
    assert (tmp_path / "w" / "mine").read_text() == "work"
    assert len(entries(found)) == 2


def test_a_sparse_checkout_of_the_users_leaves_nothing_out(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"in/a": "1", "out/b": "2"})
    repo.git("sparse-checkout", "set", "in")
    found = discover(repo.path)
    worktree = made(add(found, tmp_path / "w", repo.oid(), None, nullcontext(), instance=INSTANCE))
    assert (worktree.path / "in/a").exists()
    assert (worktree.path / "out/b").read_text() == "2"
    assert Repo(worktree.path).status() == ""
    Repo(worktree.path).git("checkout", "-q", "--detach", "HEAD")
    assert (worktree.path / "out/b").exists()
    assert not (repo.path / "out/b").exists()
    assert not untidy(found.git, worktree)


def test_from_a_bare_repository_and_a_submodule(repo: Repo, tmp_path: Path) -> None:
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    outer = Repo.with_files(tmp_path / "outer")
    outer.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repo.path), "lib")
    for number, start in enumerate((tmp_path / "bare.git", outer.path / "lib")):
        found = discover(start)
        worktree = made(add(found, tmp_path / f"w{number}", repo.oid(), BRANCH, nullcontext(), instance=INSTANCE))
        assert Repo(worktree.path).status() == ""
        assert not untidy(found.git, worktree)
        retire(found, worktree, tmp_path / "trash", nullcontext())
        assert locate(found, worktree.path) is None


def test_retire_moves_away_and_can_be_repeated(repo: Repo, tmp_path: Path) -> None:
    found = discover(repo.path)
    trash = tmp_path / "pool" / ".trash"
    elsewhere = tmp_path / "unmounted"
    repo.git("worktree", "add", "-q", "--detach", str(elsewhere))
    elsewhere.rename(tmp_path / "away")  # somebody's worktree on a disk that is not there now
    for _ in range(2):
        worktree = made(add(found, tmp_path / "pool" / "w", repo.oid(), None, nullcontext(), instance=INSTANCE))
        retire(found, worktree, trash, nullcontext())
        retire(found, worktree, trash, nullcontext())
        assert locate(found, worktree.path) is None
    assert sorted(place.name for place in trash.iterdir()) == ["w.0", "w.1"]
    assert [entry.path for entry in entries(found)] == [repo.path, elsewhere]
    assert entries(found)[1].prunable
    half = made(add(found, tmp_path / "pool" / "w", repo.oid(), None, nullcontext()))
    half.path.rename(trash / "w.2")  # died between the two steps
    retire(found, half, trash, nullcontext())
    assert locate(found, half.path) is None
    (tmp_path / "precious").write_text("p")
    (trash / "w.0" / "link").symlink_to(tmp_path)
    assert empty_trash(trash) > 0
    assert list(trash.iterdir()) == []
    assert (tmp_path / "precious").exists()
    assert empty_trash(tmp_path / "none") == 0


def test_what_keeps_a_worktree(repo: Repo, tmp_path: Path) -> None:
    repo.commit({".gitignore": "*.log\n", "a": "1", "b": "2", "c": "3"})
    found = discover(repo.path)

    def reasons(number: int, *, ignored: bool = True) -> tuple[str, ...]:
        worktree = locate(found, tmp_path / f"w{number}")
        assert worktree is not None
        return untidy(found.git, worktree, ignored=ignored)

    def fresh(number: int) -> Repo:
        made(add(found, tmp_path / f"w{number}", repo.oid("main"), None, nullcontext(), instance=INSTANCE))
        assert reasons(number) == ()
        return Repo(tmp_path / f"w{number}")

    one = fresh(1)
    one.write("a", "edited")
    one.write("new\n", "n")
    one.write("x.log", "l")
    Repo.with_files(one.path / "nested")
    assert set(reasons(1)) == {"uncommitted: a", "untracked: new\n", "ignored: x.log", "nested repository: nested"}
    assert "ignored: x.log" not in reasons(1, ignored=False)
    two = fresh(2)
    two.git("update-index", "--assume-unchanged", "a")
    two.git("update-index", "--skip-worktree", "b")
    two.write("a", "hidden")
    two.write("b", "hidden")
    assert two.status() == ""
    assert reasons(2) == ("uncommitted: a", "uncommitted: b")
    three = fresh(3)
    loose = three.commit({"a": "on no branch"})
    assert reasons(3) == (f"detached HEAD that no ref holds: {loose}",)
    repo.git("branch", "keeper", loose)
    assert reasons(3) == ()
    four = fresh(4)
    four.git("merge", "-q", "--no-commit", "--no-ff", "keeper")
    assert "a merge is under way" in reasons(4)


def test_the_exclude_file_keeps_what_people_wrote(repo: Repo) -> None:
    path = repo.path / ".git/info/exclude"
    path.write_bytes(b"# mine\n*.o\xff")
    path.chmod(0o600)
    exclude(repo.path / ".git", ".fleet-instance-id")
    exclude(repo.path / ".git", ".fleet-instance-id")
    assert path.read_bytes() == b"# mine\n*.o\xff\n/.fleet-instance-id\n"
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    path.parent.rmdir()
    exclude(repo.path / ".git", ".planning/live")
    assert path.read_bytes() == b"/.planning/live\n"


def test_a_tracked_instance_file_is_left_alone(repo: Repo, tmp_path: Path) -> None:
    (repo.path / ".fleet-instance-id").symlink_to(tmp_path / "victim")
    repo.git("add", "-f", "-A")
    repo.git("commit", "-q", "-m", "hostile")
    worktree = made(add(discover(repo.path), tmp_path / "w", repo.oid(), None, nullcontext(), instance=INSTANCE))
    assert not (tmp_path / "victim").exists()
    assert Repo(worktree.path).status() == ""
