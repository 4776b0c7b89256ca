"""A share of the contention for claims; the whole is ``python -m tests.crash.claims``. And its judge, judged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.claims_observer import Interval, clashes, together

ROOT = Path(__file__).parents[2]
SHARE = 5_000
"""Of the 100,000 acquisitions of the whole."""


@pytest.mark.share(3)
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_two_overlapping_claims_are_ever_live_and_nobody_starves() -> None:
    line = [sys.executable, "-m", "tests.crash.claims", "--acquisitions", str(SHARE)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)  # noqa: T201 - shown by pytest where it fails
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left at the end: 0" in done.stdout


def test_a_table_that_gives_what_is_held_is_found_out() -> None:
    line = [sys.executable, "-m", "tests.crash.claims", "--acquisitions", "300", "--contenders", "4", "--careless"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED noted: " in done.stdout
    assert "FAILED watched: " in done.stdout


def test_the_judge_sees_a_common_path_in_a_common_moment() -> None:
    whole, below = Interval(10, 20, "a/,!a/b/", "one"), Interval(20, 30, "**/aa", "two")
    assert clashes([below, whole]) == [(whole, below)]
    assert clashes([whole, Interval(21, 30, "**/aa", "two")]) == []
    assert clashes([whole, Interval(15, 30, "a/b/", "two")]) == []
    assert together([whole, below, Interval(12, 13, "b/", "three")]) == 2
