"""The live table shows what is measured, and says so where nothing is."""

from __future__ import annotations

import io

from rich.console import Console

from gitfleet.cli.live import drawing
from gitfleet.model.reports import AgentProgress, Prediction, Progress


def drawn(progress: Progress) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(drawing(progress))
    return out.getvalue()


def test_a_row_for_each_agent_and_a_bar_for_the_wave() -> None:
    agent = AgentProgress(
        instance="fleet-x-w1-a1",
        task="one",
        state="running",
        elapsed_seconds=65.0,
        last_activity_seconds=3.0,
        files=4,
        added=17,
        removed=2,
    )

    text = drawn(Progress(session="x", wave=1, waves=3, done=2, total=5, activity="verify: tests", agents=(agent,)))

    for shown in ("one", "running", "1m", "3s", "4", "17", "2", "wave 1 of 3", "2 of 5", "verify: tests"):
        assert shown in text.replace("1:05", "1m").replace("3.0s", "3s").replace("3 s", "3s"), (shown, text)


def test_unknown_is_not_zero() -> None:
    agent = AgentProgress(instance="fleet-x-w1-a1", task="one", state="preparing", elapsed_seconds=1.0)

    text = drawn(Progress(session="x", wave=1, waves=1, done=0, total=1, agents=(agent,)))

    row = next(line for line in text.splitlines() if "preparing" in line)
    assert " 0" not in row


def test_predicted_conflicts_have_a_row_each_and_paths_are_not_without_end() -> None:
    paths = tuple(f"f{number}" for number in range(5))
    row = Prediction(task="two", instance="i-2", other="one", other_instance="i-1", paths=paths, kinds=("contents",))

    text = drawn(Progress(session="x", wave=1, waves=1, done=0, total=2, predictions=(row,)))

    assert "two would conflict with one in f0, f1, f2 and 2 more (contents)" in text
