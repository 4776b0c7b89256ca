"""Commands that are forked from one with its imports behind it do what plain ones do."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.fleet import ROOT
from tests.support.warm import keeper

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

PLAN = "tasks:\n  - {id: one, command: 'echo $WHOSE >one.txt; exit 7', scope: [one.txt]}\n"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands are forked on Linux alone")


def test_a_warm_command_ends_as_a_cold_one_does(fleet: FleetEnv) -> None:
    fleet.repo({"a.txt": "a\n"})
    for args, code in ((("plan", "-", "--json"), 0), (("status", "--nonsense"), 2), (("status", "x" * 9000), 2)):
        warm = fleet.run(*args, stdin=PLAN)
        cold = subprocess.run(
            fleet.argv(*args),
            cwd=fleet.root / "repo",
            env=fleet.environ,
            input=PLAN,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (warm.code, warm.out, warm.err) == (cold.returncode, cold.stdout, cold.stderr)
        assert warm.code == code


def test_a_command_past_its_time_is_killed_and_named() -> None:
    warm = keeper(ROOT)
    assert warm is not None
    before = set(psutil.Process(warm.process.pid).children())
    with pytest.raises(subprocess.TimeoutExpired, match=r"http\.server"):
        warm.run("http.server", ["0", "--bind", "127.0.0.1"], cwd=ROOT, env={}, stdin="", seconds=1)
    new = set(psutil.Process(warm.process.pid).children()) - before
    psutil.wait_procs(new, timeout=10)
    assert not [child for child in new if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
