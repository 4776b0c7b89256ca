"""The first thing that anybody runs."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import assert_nothing_remains, record_commits, state_runs, trailers

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

SECONDS_ALLOWED = 20.0  # on two cores


def test_the_demo_on_a_machine_with_nothing(fleet: FleetEnv) -> None:
    began = time.monotonic()
    outcome = fleet.run("demo", cwd=fleet.root).ok()
    took = time.monotonic() - began

    repo = fleet.root / "gitfleet-demo"
    runs = state_runs(fleet, repo)
    assert str(repo.resolve()) in outcome.out
    assert len(runs) >= 7
    assert {run.state for run in runs.values()} == {"landed"}
    assert {run.wave for run in runs.values()} == {1, 2, 3}
    assert len(record_commits(fleet, repo)) == 3
    for run in runs.values():
        if run.merge is not None:
            assert trailers(fleet, repo, run.merge.commit)["Gitfleet-Verified"] == "tests"
    graph = fleet.git("log", "--graph", "--oneline", "--no-decorate", "main", cwd=repo)
    assert graph.splitlines()[0] in outcome.out
    assert_nothing_remains(fleet, repo)
    assert took < SECONDS_ALLOWED


@pytest.mark.slow
def test_a_later_agent_used_what_only_the_scouts_brief_held(fleet: FleetEnv) -> None:
    fleet.run("demo", cwd=fleet.root).ok()

    repo = fleet.root / "gitfleet-demo"
    runs = state_runs(fleet, repo)
    scout = runs["scout"]
    assert scout.files == ()
    assert scout.handoff is not None
    found = re.search(r"Reserved port (\d+)", scout.handoff.discoveries[0].fact)
    assert found is not None
    assert f"PORT = {found[1]}\n" in (repo / "parcels" / "server.py").read_text()
    assert f"127.0.0.1:{found[1]}" in (repo / "docs" / "service.md").read_text()
    assert found[1] in fleet.run("logs", "server", cwd=repo).out


@pytest.mark.slow
def test_the_demo_writes_over_nothing_and_can_be_run_again(fleet: FleetEnv) -> None:
    (fleet.root / "gitfleet-demo").mkdir()
    (fleet.root / "gitfleet-demo" / "mine.txt").write_text("mine")

    fleet.run("demo", cwd=fleet.root).ok()

    assert (fleet.root / "gitfleet-demo" / "mine.txt").read_text() == "mine"
    assert (fleet.root / "gitfleet-demo-2" / ".git").is_dir()
    refused = fleet.run("demo", "gitfleet-demo", "--json", cwd=fleet.root).ok(2)
    assert json.loads(refused.out)["error"]["code"] == "destination-in-use"
