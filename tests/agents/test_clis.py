"""The real agents by themselves against the scripted model: it speaks what they speak, and counts what they count."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.bare_agents import NAMES, PERSON, bare, resumed, session_of, used
from tests.support.model_server import SOON, Cut, End, Shell, Status, Usage, Write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.agent_clis import Clis
    from tests.support.bare_agents import Bare
    from tests.support.fleet import FleetEnv
    from tests.support.model_server import ModelServer

pytestmark = [pytest.mark.agents, pytest.mark.timeout(240)]

COST = Usage(input=1000, cache_read=200, cache_write=30, output=50, reasoning=7)


def run(agent: Bare, prompt: str, tree: Path) -> str:
    """Run an agent to its good end; gives its events."""
    done = subprocess.run(
        agent.argv,
        cwd=tree,
        env=agent.env,
        input=prompt,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_works_recovers_and_is_counted(
    name: str, clis: Clis, model_server: ModelServer, fleet: FleetEnv, tmp_path: Path
) -> None:
    fleet.git("worktree", "add", "-q", "--detach", tmp_path / "tree", cwd=fleet.repo())
    url = model_server.script(
        "work",
        Shell("echo one >one.txt", usage=COST),
        Status(500, headers=SOON),
        Cut(),
        Write("two.txt", "two\n", usage=COST),
        End("All of it is done.", usage=COST),
    )

    out = run(bare(name, clis, tmp_path / "home", url), "Do the work.", tmp_path / "tree")

    assert "All of it is done." in out
    assert (tmp_path / "tree/one.txt").read_text() == "one\n"
    assert (tmp_path / "tree/two.txt").read_text() == "two\n"
    answers = model_server.requests("work")
    assert [(one.turn, one.status, one.told) for one in answers] == [
        (0, 200, True),
        (1, 500, False),
        (2, 200, False),
        (3, 200, True),
        (4, 200, True),
    ]
    assert not any(one.helper for one in answers)
    assert used(name, out) == model_server.usage("work") != Usage()
    assert list((tmp_path / "home" / PERSON).iterdir()) == []
    assert [one.turn for one in answers if one.cut] == [2]


@pytest.mark.parametrize("name", NAMES)
def test_a_session_that_is_resumed_goes_on_where_it_was(
    name: str, clis: Clis, model_server: ModelServer, fleet: FleetEnv, tmp_path: Path
) -> None:
    tree = fleet.repo()
    url = model_server.script(
        "work",
        Shell("echo one >one.txt", usage=COST),
        End("The first half.", usage=COST),
        Shell("echo two >two.txt", usage=COST),
        End("The second half.", usage=COST),
    )
    agent = bare(name, clis, tmp_path / "home", url)

    first = run(agent, "Do half of it.", tree)
    assert not (tree / "two.txt").exists()
    before = model_server.usage()
    second = run(resumed(name, agent, session_of(first)), "Do the rest.", tree)

    assert (tree / "two.txt").read_text() == "two\n"
    assert "The second half." in second
    assert [one.turn for one in model_server.requests()] == [0, 1, 2, 3]
    assert used(name, first) == before
    counted = used(name, second) if name == "codex" else used(name, first) + used(name, second)
    assert counted == model_server.usage()
