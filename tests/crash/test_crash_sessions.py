"""A share of the crash enumeration and of the random kills; the whole is ``python -m tests.crash.enumerate --all``.

The day decides which share: another every day, the same when a failure is looked at.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.crash.agents import AGENTS
from tests.crash.scenarios import SCENARIOS, WAVES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform != "linux", reason="orphans and processes are found by means of Linux"),
]

ROOT = Path(__file__).parents[2]
TODAY = int(time.time() // 86_400)
SHARE = int(os.environ.get("GITFLEET_CRASH_SHARE", "160"))
"""One place of so many a day, and some of each kind and process in any case: none of the counts may be zero."""

OTHERS = sorted(SCENARIOS.keys() - {WAVES.name, AGENTS.name})
"""The smaller sessions take turns, one every fifth day; each then goes on with the share behind its last one."""

OF_AGENTS = 6
"""Places a day of the session whose agents have accounts: it takes a round longer than the others, and has most."""

ROUNDS = 8
"""Of the 200 rounds of random kills, so many a day."""


def played(*options: str, day: int = TODAY) -> str:
    """Run the program; it finds every process and file of its rounds itself, so a failure is its exit code."""
    line = [sys.executable, "-m", "tests.crash.enumerate", "--day", str(day), "--jobs", "2", *options]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)  # noqa: T201 - shown by pytest where it fails
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_a_session_that_is_killed_at_a_share_of_its_places_is_continued() -> None:
    assert "0 failed" in played("--share", str(SHARE)).splitlines()[-1]


@pytest.mark.share(5)
def test_one_of_the_other_sessions_is_continued_too() -> None:
    turn, which = divmod(TODAY, len(OTHERS))
    options = ("--scenario", OTHERS[which], "--share", str(SHARE * 2))
    assert "0 failed" in played(*options, day=turn).splitlines()[-1]


def test_a_session_of_agents_with_accounts_is_continued() -> None:
    assert "0 failed" in played("--scenario", AGENTS.name, "--draw", str(OF_AGENTS)).splitlines()[-1]


@pytest.mark.share(5)
def test_a_session_whose_processes_are_killed_at_random_times_is_continued() -> None:
    assert "0 failed" in played("--random", str(ROUNDS)).splitlines()[-1]
