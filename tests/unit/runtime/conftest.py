"""A stage for every test of the runtime, and the guard that nothing is left on it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.agents import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A host with a worktree; after the test no process of its attempts and no zombie of ours is left."""
    made = Stage(tmp_path, uuid.uuid4().hex)
    yield made
    assert made.clear() == []
    assert [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE] == []
