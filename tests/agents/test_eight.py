"""Eight real agents at once: all of them finish and land, each row is exact, and what gitfleet adds is measured."""

from __future__ import annotations

import statistics
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from gitfleet.model.base import decode
from gitfleet.model.usage import UsageRows
from tests.agents.matrix import RESULTS, SECONDS, SETTINGS, connect, surround, until, usage_of
from tests.agents.situations import AGENTS, COST, ENDS
from tests.support.model_server import Shell, Usage
from tests.support.sessions import common_dir, config_of, plan_of, state_runs, states

if TYPE_CHECKING:
    from tests.support.agent_clis import Clis
    from tests.support.fleet import FleetEnv
    from tests.support.model_server import ModelServer

EIGHT = {f"{agent}-{number}": agent for number in (1, 2, 3) for agent in AGENTS}
del EIGHT["opencode-3"]  # the heaviest of them


def seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


@pytest.mark.agents
@pytest.mark.timeout(300)
def test_eight_agents_at_once_finish(clis: Clis, model_server: ModelServer, fleet: FleetEnv) -> None:
    surround(fleet, clis, {name: value for settings in SETTINGS.values() for name, value in settings.items()})
    repo = fleet.repo()
    agents = {agent: {"kind": agent, "env": {"allow": sorted(SETTINGS[agent])}} for agent in AGENTS}
    fleet.config(repo, config_of(agents=agents, waves={"budget_tokens": 8 * 250_000}))
    tasks = []
    for name, agent in EIGHT.items():
        waits = f"until [ -e ../../go ]; do sleep 0.1; done; echo {name} >{name}.txt"
        # Codex has a command that takes long go on behind its back after ten seconds: then it is asked to wait again.
        again = [Shell(waits, usage=COST)] * (9 if agent == "codex" else 0)
        model_server.script(name, Shell(f"echo $$ >{name}.txt; {waits}", usage=COST), *again, ENDS)
        said = f"Do the work of script:{name}."
        tasks.append({"id": name, "agent": agent, "instructions": said, "scope": [f"{name}.txt"]})
        connect(fleet, agent, model_server.url(agent))

    wave = fleet.start("wave", fleet.plan(plan_of(*tasks)), "--yes", "--max-agents", "8")
    working = f"{repo.name}.fleet/*/*-[123].txt"
    until(lambda: len(list(fleet.root.glob(working))) == len(EIGHT) or wave.poll() is not None, "not eight at once")
    (fleet.root / "go").touch()
    fleet.finish(wave, SECONDS * 2).ok()

    assert states(fleet, repo) == dict.fromkeys(EIGHT, "landed")
    own, added = [], []
    for name, run in state_runs(fleet, repo).items():
        assert fleet.git("show", f"main:{name}.txt", cwd=repo) == name
        (attempt,) = run.attempts
        (file,) = (common_dir(fleet, repo) / "gitfleet/state/usage").rglob(f"{run.instance}-1.json")
        rows = decode(file.read_bytes(), UsageRows)
        counted = sum((usage_of(row.tokens) for row in rows.rows), Usage())
        told = model_server.usage(name)
        assert (rows.truth, counted.input, counted.output) == ("exact", told.input, told.output), name
        assert attempt.exit is not None
        began = seconds(attempt.exit.started)
        added.append(began - seconds(attempt.started))
        own.append(model_server.requests(name)[0].at - began)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "startup.txt").write_text(
        f"eight real agents at once: gitfleet took {statistics.median(added):.2f} s for each before its program began "
        f"(worst {max(added):.2f} s); the program itself {statistics.median(own):.2f} s until it asked its model "
        f"(worst {max(own):.2f} s)\n"
    )
