"""The real agents by themselves against the scripted model: it speaks what they speak, and counts what they count."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.bare_agents import NAMES, bare, used
from tests.support.model_server import Cut, End, Shell, Status, Usage, Write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.agent_clis import Clis
    from tests.support.fleet import FleetEnv
    from tests.support.model_server import ModelServer

pytestmark = pytest.mark.agents

COST = Usage(input=1000, cache_read=200, cache_write=30, output=50, reasoning=7)


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_works_recovers_and_is_counted(
    name: str, clis: Clis, model_server: ModelServer, fleet: FleetEnv, tmp_path: Path
) -> None:
    fleet.git("worktree", "add", "-q", "--detach", tmp_path / "tree", cwd=fleet.repo())
    url = model_server.script(
        "work",
        Shell("echo one >one.txt", usage=COST),
        Status(500),
        Cut(),
        Write("two.txt", "two\n", usage=COST),
        End("All of it is done.", usage=COST),
    )
    agent = bare(name, clis, tmp_path / "home", url)

    done = subprocess.run(
        agent.argv,
        cwd=tmp_path / "tree",
        env=agent.env,
        input="Do the work.",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it is done." in done.stdout
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
    assert used(name, done.stdout) == model_server.usage("work") != Usage()
    assert [one.turn for one in answers if one.cut] == [2]
