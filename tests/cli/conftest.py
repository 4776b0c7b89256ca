"""Every test here has its own home and no configuration of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.git_env import LEAKS, hermetic
from tests.support.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _hermetic_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*LEAKS, "NO_COLOR", "FORCE_COLOR", "GITFLEET_TRACEBACK", "_GITFLEET_COMPLETE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.with_files(tmp_path / "project")
