"""Real agents that are stopped by a denied permission, and go on with their own sessions once a person permits it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.agents.matrix import SECONDS, Cell, until
from tests.agents.situations import BY_NAME, COST, ENDS, FILE, TEXT
from tests.support.fleet import write
from tests.support.model_server import Shell
from tests.support.sessions import config_of

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


BOTH = f"""\
if git rev-parse -q --verify MERGE_HEAD >/dev/null; then printf 'both\\n' >{FILE}
else printf 'mine\\n' >{FILE}; touch ../../ready; until [ -e ../../go ]; do sleep 0.1; done
fi; git add {FILE} && git commit -q -m 'Do the work'"""


def test_a_real_agent_resolves_a_conflict(clis: Clis, model_server: ModelServer, fleet: FleetEnv) -> None:
    steps = (Shell(BOTH, usage=COST), ENDS)
    situation = replace(BY_NAME["success"], steps=(*steps, *steps), config={"conflict": "resolver"}, task={})
    cell = Cell(situation, "claude", fleet, model_server, clis)
    cell.prepare()
    fleet.config(cell.repo, config_of(agent="claude", conflict="resolver", retry={"max_attempts": 2}))
    wave = fleet.start("wave", cell.plan, "--yes")
    until((fleet.root / "ready").exists, "no tool ran")
    write(cell.repo, {FILE: "theirs\n"})
    fleet.git("add", FILE, cwd=cell.repo)
    fleet.git("commit", "-q", "-m", "Mine", cwd=cell.repo)
    (fleet.root / "go").touch()
    fleet.finish(wave, SECONDS).ok()
    first, second = cell.run().attempts
    assert (first.outcome, second.outcome, second.resolver, second.continues) == ("conflict", "success", True, "")
    assert fleet.git("show", f"main:{FILE}", cwd=cell.repo) == "both"


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_what_was_interrupted_goes_on_in_the_same_session(
    agent: str, clis: Clis, model_server: ModelServer, fleet: FleetEnv
) -> None:
    cell = Cell(BY_NAME["interrupt"], agent, fleet, model_server, clis)
    cell.prepare()
    cell.play().ok(3)
    (asked,) = fleet.run("approve", "--list", "--json").ok().json["parked"]
    assert (asked["interrupted"], asked["denied"]) == (True, [])
    fleet.run("continue", seconds=SECONDS).ok(3)
    (fleet.root / "go").touch()
    fleet.run("approve", asked["instance"]).ok()
    fleet.run("continue", seconds=SECONDS).ok()
    first, second = cell.run().attempts
    assert (first.outcome, second.outcome, second.continues) == ("interrupted", "success", first.cli_session)
    assert second.base == first.base
    assert cell.processes() == []
