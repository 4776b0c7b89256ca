"""Every real agent in every situation, from ``gitfleet wave`` to what landed, what was counted and what still lives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.agents.matrix import Cell, result_file, write_result
from tests.agents.situations import AGENTS, BY_NAME

if TYPE_CHECKING:
    from tests.support.agent_clis import Clis
    from tests.support.fleet import FleetEnv
    from tests.support.model_server import ModelServer

pytestmark = [
    pytest.mark.agents,
    pytest.mark.timeout(300),
    pytest.mark.leaves_worktrees("a run that does not land keeps its tree"),
]


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("name", BY_NAME)
def test_cell(name: str, agent: str, clis: Clis, model_server: ModelServer, fleet: FleetEnv) -> None:
    situation, begun = BY_NAME[name], time.monotonic()
    result_file(name, agent).unlink(missing_ok=True)
    if agent in situation.missing:
        write_result({"situation": name, "agent": agent, "missing": situation.missing[agent]})
        return
    cell = Cell(situation, agent, fleet, model_server, clis)
    cell.prepare()

    ended = cell.play()

    result = cell.check(ended)
    write_result({**result, "seconds": round(time.monotonic() - begun, 1)})
