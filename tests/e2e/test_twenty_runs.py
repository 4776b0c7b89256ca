"""Twenty runs of which a few break the check: who is to blame is found in few runs of it, and the rest lands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import config_of, plan_of, states, task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.fleet import FleetEnv

pytestmark = [
    pytest.mark.slow,
    pytest.mark.leaves_worktrees("a run that did not land keeps its tree"),
]

RUNS = 20
ALONE = "test -z \"$(find . -name bad -not -path './.git/*')\""
TOGETHER = "test \"$(find . -name half -not -path './.git/*' | wc -l)\" -lt 2"


def twenty(fleet: FleetEnv, special: Mapping[int, str], check: str) -> list[str]:
    """Run twenty tasks in one wave; gives the trees that the check saw."""
    repo = fleet.repo()
    seen = fleet.root / "trees"
    fleet.config(
        repo,
        config_of(
            [f"git rev-parse HEAD^{{tree}} >>'{seen}'; {check}"],
            waves={"max_agents": RUNS},
            retry={"max_attempts": 1},
        ),
    )
    tasks = [task(f"t{n:02}", f"mkdir d{n}; echo {n} >d{n}/{special.get(n, 'fine')}", [f"d{n}/"]) for n in range(RUNS)]
    fleet.run("wave", fleet.plan(plan_of(*tasks)), "--yes", seconds=110).ok(1)
    trees = seen.read_text().split()
    print(f"{len(trees)} runs of the check for {sorted(special)}")  # noqa: T201 - the counts are the point
    assert len(set(trees)) == len(trees), "a tree was checked twice"
    return trees


@pytest.mark.parametrize("pair", [(0, 1), (0, 19), (7, 12), (18, 19)])
def test_two_that_break_the_check_only_together(pair: tuple[int, int], fleet: FleetEnv) -> None:
    trees = twenty(fleet, dict.fromkeys(pair, "half"), TOGETHER)
    landed = [name for name, state in states(fleet, fleet.root / "repo").items() if state == "landed"]
    assert len(landed) == RUNS - 1
    assert len(trees) <= 2 * math.log2(RUNS) + 3


@pytest.mark.parametrize("three", [(0, 1, 2), (3, 10, 19)])
def test_three_that_break_it_alone(three: tuple[int, int, int], fleet: FleetEnv) -> None:
    twenty(fleet, dict.fromkeys(three, "bad"), ALONE)
    found = states(fleet, fleet.root / "repo")
    assert {name for name, state in found.items() if state != "landed"} == {f"t{n:02}" for n in three}
