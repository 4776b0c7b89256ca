"""A direction in words and real agents: the planner and the worker are both the vendor's own program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.model.base import decode
from gitfleet.model.usage import Truth, UsageRows
from tests.agents.matrix import SECONDS, SETTINGS, connect, surround
from tests.agents.situations import COST, ENDS, FILE, TEXT, WORK
from tests.support.model_server import End, Shell, Usage
from tests.support.sessions import common_dir, config_of, session_ids, states

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.agent_clis import Clis
    from tests.support.fleet import FleetEnv
    from tests.support.model_server import ModelServer

pytestmark = [pytest.mark.agents, pytest.mark.timeout(300)]

MODELS = {"codex": "scripted"}
"""Codex offers its tools in another way to the models that it knows."""
WORDS = "Have the work done in words"
# What the answer says of scripts is in the prompt of the repair, and what the plan says of them in that of the worker.
BAD = "I looked around.\n\n```yaml\n# then script:repaired\ntasks:\n  - id: Work It\n    instructions: Do it.\n```\n"
GOOD = f"""\
Here is the plan.

```yaml
name: work in words
tasks:
  - id: work
    instructions: |
      Do the work of script:worker.
    scope: [{FILE}]
```
"""
LOOKS = Shell("ls; cat README.md", usage=COST)


def arrange(fleet: FleetEnv, server: ModelServer, clis: Clis, agent: str, answer: str) -> Path:
    settings = SETTINGS[agent]
    surround(fleet, clis, settings)
    repo = fleet.repo()
    agents = {agent: {"kind": agent, "model": MODELS.get(agent, ""), "env": {"allow": sorted(settings)}}}
    fleet.config(repo, config_of((), agents=agents, planner={"agent": agent}, agent=agent))
    server.script("planner", LOOKS, End(answer, usage=COST))
    server.script("repaired", End(GOOD, usage=COST))
    server.script("worker", WORK, ENDS)
    connect(fleet, agent, server.url("planner"))
    return repo


def planner_rows(fleet: FleetEnv, repo: Path) -> list[UsageRows]:
    files = sorted((common_dir(fleet, repo) / "gitfleet/state/usage").glob("plan-*/*.json"))
    return [decode(path.read_bytes(), UsageRows) for path in files]


@pytest.mark.parametrize("agent", ["claude", "codex", "opencode"])
def test_a_direction_lands_after_an_invalid_answer_was_repaired(
    agent: str, clis: Clis, model_server: ModelServer, fleet: FleetEnv
) -> None:
    repo = arrange(fleet, model_server, clis, agent, BAD)

    fleet.run("wave", WORDS, "--yes", seconds=SECONDS).ok()

    assert states(fleet, repo) == {"work": "landed"}
    assert fleet.git("show", f"main:{FILE}", cwd=repo) + "\n" == TEXT
    assert len(model_server.requests("repaired")) == 1
    first, second = planner_rows(fleet, repo)
    assert first.truth is second.truth is Truth.EXACT
    rows = [row for one in (first, second) for row in one.rows]
    counted = sum((Usage(input=row.tokens.input, output=row.tokens.output) for row in rows), Usage())
    told = model_server.usage("planner") + model_server.usage("repaired")
    assert (counted.input, counted.output) == (told.input, told.output)
    assert {(row.agent, row.account) for row in rows} == {(agent, agent)}
    accounts = fleet.run("accounts", "list", "--json").ok().json["accounts"]
    assert [one["readiness"] for one in accounts] == ["ready"]


def test_three_invalid_answers_fail_with_the_answers_kept(
    clis: Clis, model_server: ModelServer, fleet: FleetEnv
) -> None:
    repo = arrange(fleet, model_server, clis, "claude", BAD.replace("script:", "scripts of "))

    error = fleet.run("wave", WORDS, "--yes", "--json", seconds=SECONDS).ok(1).json["error"]

    assert error["code"] == "no-plan"
    assert [problem["path"] for problem in error["problems"]] == ["tasks[0].id"]
    (place,) = (common_dir(fleet, repo) / "gitfleet" / "attempts").glob("plan-*")
    kept = sorted(path.name for path in place.glob("answer-*"))
    assert kept == ["answer-1.yaml", "answer-2.yaml", "answer-3.yaml"]
    assert str(place) in error["hint"]
    assert "Work It" in (place / "answer-3.yaml").read_text()
    assert len(planner_rows(fleet, repo)) == 3
    assert session_ids(fleet, repo) == []
