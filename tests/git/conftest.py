"""Every test here has its own home, no configuration of the machine, fixed dates, and no user's repository around."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.git_env import LEAKS, GitCounter, hermetic
from tests.support.repo import Repo
from tests.support.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.yard import Yard


@pytest.fixture(autouse=True)
def _hermetic_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LEAKS:
        monkeypatch.delenv(name, raising=False)
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.with_files(tmp_path / "project")


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitCounter:
    made = GitCounter(tmp_path / "counter")
    monkeypatch.setenv("PATH", f"{made.directory}{os.pathsep}{os.environ['PATH']}")
    return made


@pytest.fixture
def yard(repo: Repo, tmp_path: Path) -> Iterator[Yard]:
    """A repository with an integration worktree."""
    repo.commit({"shared": "1\n2\n3\n", ".planning/notes/n.md": "note\n", ".gitignore": "*.o\n"}, "begin")
    with open_yard(repo, tmp_path) as opened:
        yield opened
