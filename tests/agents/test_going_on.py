"""Real agents that are stopped by a denied permission, and go on with their own sessions once a person permits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agents.matrix import SECONDS, Cell
from tests.agents.situations import BY_NAME, FILE, TEXT

if TYPE_CHECKING:
    from tests.support.agent_clis import Clis
    from tests.support.fleet import FleetEnv
    from tests.support.model_server import ModelServer

pytestmark = [
    pytest.mark.agents,
    pytest.mark.timeout(300),
    pytest.mark.leaves_worktrees("a run that does not land keeps its tree"),
]


@pytest.mark.parametrize("agent", ["claude", "opencode"])
def test_what_is_approved_goes_on_in_the_same_session(
    agent: str, clis: Clis, model_server: ModelServer, fleet: FleetEnv
) -> None:
    cell = Cell(BY_NAME["denied"], agent, fleet, model_server, clis)
    cell.prepare()
    cell.play().ok(3)
    (asked,) = fleet.run("approve", "--list", "--json").ok().json["parked"]
    assert "127.0.0.1" in asked["denied"][0]["argument"]
    fleet.run("approve", asked["instance"]).ok()
    fleet.run("continue", seconds=SECONDS).ok()
    run = cell.run()
    first, second = run.attempts
    assert (first.outcome, second.continues, second.cli_session) == (
        "permission-denied",
        first.cli_session,
        first.cli_session,
    )
    assert (second.base, second.worktree, second.account) == (first.base, first.worktree, first.account)
    assert fleet.git("show", f"main:{FILE}", cwd=cell.repo) + "\n" == TEXT
    assert cell.processes() == []
