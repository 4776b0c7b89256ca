"""A repository is found from wherever people stand, in one git call, and refusals say what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.pool_root import pool_root
from gitfleet.git.repository import discover
from tests.support.repo import Repo

if TYPE_CHECKING:
    from tests.support.git_env import GitCounter


def refused(start: Path) -> GitfleetError:
    with pytest.raises(GitfleetError) as caught:
        discover(start)
    assert caught.value.kind is Kind.ENVIRONMENT
    assert caught.value.hint
    return caught.value


def test_from_the_root_a_subdirectory_and_through_a_link(repo: Repo, counter: GitCounter, tmp_path: Path) -> None:
    repo.write("sub/dir/file", "x")
    (tmp_path / "link").symlink_to(repo.path / "sub")
    for start in (repo.path, repo.path / "sub" / "dir", tmp_path / "link"):
        counter.calls()
        found = discover(start)
        assert (found.worktree, found.git_dir, found.common_dir) == (repo.path, repo.path / ".git", repo.path / ".git")
        assert found.git.directory == repo.path
        assert found.name == "project"
        assert len(counter.calls()) == 1
    assert pool_root(discover(repo.path)) == tmp_path / "project.fleet"


def test_from_a_linked_worktree(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", str(tmp_path / "elsewhere" / "linked"))
    found = discover(tmp_path / "elsewhere" / "linked")
    assert found.worktree == tmp_path / "elsewhere" / "linked"
    assert found.git_dir == repo.path / ".git" / "worktrees" / "linked"
    assert found.common_dir == repo.path / ".git"
    assert found.name == "project"
    assert pool_root(found) == tmp_path / "project.fleet"


def test_from_inside_the_git_directory(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    assert discover(repo.path / ".git" / "refs").worktree == repo.path
    inside = discover(repo.path / ".git" / "worktrees" / "linked")
    assert inside.worktree == tmp_path / "linked"
    assert inside.git.run("rev-parse", "--show-toplevel").text == str(tmp_path / "linked")


def test_with_a_separate_git_dir(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "files", f"--separate-git-dir={tmp_path / 'store.git'}")
    repo.commit({"a": "1"})
    found = discover(repo.path)
    assert (found.worktree, found.common_dir) == (repo.path, tmp_path / "store.git")
    assert pool_root(found) == tmp_path / "files.fleet"
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    assert pool_root(discover(tmp_path / "linked")) == tmp_path / "store.fleet"


def test_a_bare_repository_and_its_worktrees(repo: Repo, tmp_path: Path) -> None:
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    found = discover(tmp_path / "bare.git")
    assert (found.worktree, found.common_dir) == (None, tmp_path / "bare.git")
    assert found.name == "bare"
    assert pool_root(found) == tmp_path / "bare.fleet"
    repo.git("-C", str(tmp_path / "bare.git"), "worktree", "add", "-q", str(tmp_path / "wt"), "main")
    linked = discover(tmp_path / "wt")
    assert (linked.worktree, linked.common_dir) == (tmp_path / "wt", tmp_path / "bare.git")
    assert pool_root(linked) == tmp_path / "bare.fleet"
    # `project/.bare` with a `.git` file that points to it, worktrees inside the project.
    hidden = tmp_path / "hidden"
    repo.git("clone", "-q", "--bare", ".", str(hidden / ".bare"))
    (hidden / ".git").write_text("gitdir: ./.bare\n")
    repo.git("-C", str(hidden), "worktree", "add", "-q", str(hidden / "main"), "main")
    assert discover(hidden).worktree is None
    assert pool_root(discover(hidden)) == tmp_path / "hidden.fleet"
    assert discover(hidden / "main").name == "hidden"
    assert pool_root(discover(hidden / "main")) == tmp_path / "hidden.fleet"


def test_a_submodule_keeps_its_pool_out_of_the_superproject(repo: Repo, tmp_path: Path) -> None:
    outer = Repo.with_files(tmp_path / "outer")
    inner = Repo.with_files(tmp_path / "inner")
    add = ("-c", "protocol.file.allow=always", "submodule", "add", "-q")
    inner.git(*add, str(repo.path), "deep")
    inner.git("commit", "-q", "-m", "deep")
    outer.git(*add, str(inner.path), "lib")
    outer.git("-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init", "--recursive")
    found = discover(outer.path / "lib")
    assert found.worktree == outer.path / "lib"
    assert found.common_dir == outer.path / ".git" / "modules" / "lib"
    assert pool_root(found) == tmp_path / "outer.lib.fleet"
    assert pool_root(discover(outer.path / "lib" / "deep")) == tmp_path / "outer.deep.fleet"
    with pytest.raises(GitfleetError) as caught:
        pool_root(found, "../fleet")
    assert caught.value.code == "pool-inside-tree"


def test_a_configured_pool(repo: Repo, tmp_path: Path) -> None:
    found = discover(repo.path)
    assert pool_root(found, "../pool") == tmp_path / "pool"
    assert pool_root(found, str(tmp_path / "x" / "y")) == tmp_path / "x" / "y"
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    (tmp_path / "sneaky").symlink_to(repo.path)
    for bad in ("pool", ".", "../project", "../sneaky/pool", ".git/pool"):
        with pytest.raises(GitfleetError) as caught:
            pool_root(found, bad)
        assert caught.value.code == "pool-inside-tree"
    with pytest.raises(GitfleetError):
        pool_root(discover(tmp_path / "linked"), "../project/pool")


def test_a_pool_is_a_directory_of_its_own(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = discover(repo.path)
    (tmp_path / "file").write_text("somebody's\n")
    (tmp_path / "somebody").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "somebody"))
    for bad in ("/", "..", "../..", "~", "../file"):
        with pytest.raises(GitfleetError) as caught:
            pool_root(found, bad)
        assert caught.value.code == "pool-not-its-own"


def test_the_callers_repository_variables_are_ignored(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repo.with_files(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / "nowhere"))
    assert discover(repo.path).common_dir == repo.path / ".git"


def test_names_that_hold_newlines(tmp_path: Path) -> None:
    odd = tmp_path / "two\nlines\n"
    repo = Repo.with_files(odd / "project")
    found = discover(repo.path)
    assert (found.worktree, found.common_dir) == (repo.path, repo.path / ".git")
    repo.git("clone", "-q", "--bare", ".", str(odd / "b.git"))
    assert discover(odd / "b.git").common_dir == odd / "b.git"
    bytes_name = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    assert discover(Repo.with_files(bytes_name).path).worktree == bytes_name


def test_outside_of_any_repository(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert refused(tmp_path / "plain").code == "not-a-repository"
    assert refused(tmp_path / "absent").code == "not-a-repository"
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file").code == "not-a-repository"
    (tmp_path / "plain" / ".git").write_text("gitdir: nowhere\n")
    assert refused(tmp_path / "plain").code == "not-a-repository"


def test_a_repository_of_somebody_else(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    error = refused(repo.path)
    assert error.code == "unsafe-repository"
    assert "safe.directory" in error.hint


def test_without_git(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert refused(repo.path).code == "no-git"


def old_git(directory: Path, body: str) -> None:
    directory.mkdir()
    (directory / "git").write_text(f'#!/bin/sh\ncase "$*" in *version*) echo git version 2.34.1;; *) {body};; esac\n')
    (directory / "git").chmod(0o755)


def test_with_an_old_git(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # git before 2.39 prints an option of rev-parse that it does not know, and goes on.
    old_git(tmp_path / "old", "echo --exclude-hidden=receive; echo false; echo /x/.git; echo /x/.git; echo /x")
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}{os.pathsep}{path}")
    error = refused(repo.path)
    assert error.code == "git-too-old"
    assert "2.34.1" in error.message
    assert "2.39" in error.message
    monkeypatch.setenv("PATH", path)
    assert discover(repo.path).worktree == repo.path
