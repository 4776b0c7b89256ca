"""Real repositories that depend on nothing of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.git_env import LEAKS, hermetic
from tests.support.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    for name in LEAKS:
        monkeypatch.delenv(name, raising=False)
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return Repo.with_files(tmp_path / "project")
