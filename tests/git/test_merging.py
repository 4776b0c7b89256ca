"""Merges in memory: clean, in conflict, without a base."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.git.command import Git, GitFailed
from gitfleet.git.merging import Conflicted, Merged, NoBase, merge

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.git_env import GitCounter
    from tests.support.repo import Repo


def sides(
    repo: Repo, ours: dict[str | bytes, str | bytes | None], theirs: dict[str | bytes, str | bytes | None]
) -> tuple[str, str]:
    base = repo.oid()
    one = repo.commit(ours, "ours")
    repo.git("switch", "-q", "-c", "theirs", base)
    two = repo.commit(theirs, "theirs")
    repo.git("switch", "-q", "main")
    return one, two


def test_a_clean_merge_touches_nothing(repo: Repo, counter: GitCounter) -> None:
    one, two = sides(repo, {"a": "1"}, {b"b\n\xff": "2"})
    before = (repo.status(), repo.oid())
    counter.calls()
    outcome = merge(Git(repo.path), one, two)
    assert len(counter.calls()) == 1
    assert isinstance(outcome, Merged)
    assert repo.files(outcome.tree) == {b"README": b"hello\n", b"a": b"1", b"b\n\xff": b"2"}
    assert (repo.status(), repo.oid()) == before


def test_conflicts_name_their_paths(repo: Repo) -> None:
    odd = b'-od\nd "\xff'
    one, two = sides(repo, {odd: "1", "x": "1", "README": None, "fine": "f"}, {odd: "2", "x": "2", "README": "changed"})
    outcome = merge(Git(repo.path), one, two)
    assert isinstance(outcome, Conflicted)
    assert outcome.paths == (odd, b"README", b"x")
    assert "CONFLICT (modify/delete): README deleted in" in outcome.messages
    assert "CONFLICT (add/add): Merge conflict in x" in outcome.messages


def test_a_file_against_a_directory(repo: Repo) -> None:
    one, two = sides(repo, {"thing": "file"}, {"thing/below": "directory"})
    outcome = merge(Git(repo.path), one, two)
    assert isinstance(outcome, Conflicted)
    assert any(path.startswith(b"thing") for path in outcome.paths)


def test_unrelated_histories(repo: Repo) -> None:
    one = repo.oid()
    repo.git("switch", "-q", "--orphan", "alone")
    two = repo.commit({"z": "1"})
    assert merge(Git(repo.path), one, two) == NoBase(shallow=False)


def test_a_shallow_clone_without_the_base(repo: Repo, tmp_path: Path) -> None:
    sides(repo, {"a": "1"}, {"b": "2"})
    repo.git("clone", "-q", "--depth=1", "--no-single-branch", f"file://{repo.path}", str(tmp_path / "shallow"))
    git = Git(tmp_path / "shallow")
    assert merge(git, "main", "origin/theirs") == NoBase(shallow=True)


def test_something_that_is_no_commit(repo: Repo) -> None:
    with pytest.raises(GitFailed):
        merge(Git(repo.path), repo.oid(), "1" * 40)


def test_attributes_of_the_directory_count(repo: Repo, tmp_path: Path) -> None:
    repo.commit({".gitattributes": "log merge=union\n", "log": "start\n"})
    one, two = sides(repo, {"log": "start\nours\n"}, {"log": "start\ntheirs\n"})
    repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "clean"), one)
    outcome = merge(Git(tmp_path / "clean"), one, two)
    assert isinstance(outcome, Merged)
    assert repo.files(outcome.tree)[b"log"] == b"start\nours\ntheirs\n"
