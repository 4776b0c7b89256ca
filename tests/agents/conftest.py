"""What tests of one backend work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agents.attempts import Attempts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.agent_clis import Clis
    from tests.support.fleet import FleetEnv


@pytest.fixture
def attempts(fleet: FleetEnv, clis: Clis) -> Iterator[Attempts]:
    """A worktree and an account."""
    made = Attempts(fleet, clis)
    yield made
    made.close()
