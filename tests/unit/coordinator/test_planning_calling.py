"""Which calls of a planner are made again without a word of the answer being counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from gitfleet.coordinator.observer import Interrupts
from gitfleet.coordinator.planning.calling import Answered, Planner, begun, planning_task
from gitfleet.model.config import Config
from gitfleet.model.evidence import Attempt
from gitfleet.model.run import Failure, FailureSource
from gitfleet.planner.retries import LIMITS_IN_A_ROW

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAN = Answered(("tasks: []",))


def failed(code: str) -> Answered:
    return Answered((), Failure(source=FailureSource.TRANSPORT, code=code, message="It failed."))


@pytest.mark.parametrize(
    ("answers", "account", "calls"),
    [
        ([PLAN], "one", 1),
        ([failed("rate-limited"), failed("usage-limit"), PLAN], "one", 3),
        ([failed("rate-limited"), failed("network"), PLAN], "one", 2),
        ([failed("rate-limited"), PLAN], "", 1),
        ([failed("rate-limited"), Answered(())], "one", 2),
        ([failed("rate-limited")] * (LIMITS_IN_A_ROW + 1), "one", LIMITS_IN_A_ROW),
    ],
)
def test_a_call_that_meets_a_limit_is_made_again_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, answers: list[Answered], account: str, calls: int
) -> None:
    coming: Iterator[Answered] = iter(answers)

    def call(planner: Planner, prompt: bytes) -> Answered:
        assert prompt == b"prompt"
        attempt = Attempt(number=len(planner.run.attempts) + 1, base="", started="", account=account)
        planner.run = msgspec.structs.replace(planner.run, attempts=(*planner.run.attempts, attempt))
        return next(coming)

    monkeypatch.setattr(Planner, "_call", call)
    task, parts = planning_task("one", Config(), "Make it fast"), cast("Any", None)
    planner = Planner(parts, task, begun("plan-a", task, "0" * 40, "one"), lambda _: None, Interrupts())
    assert planner.ask(b"prompt") == answers[calls - 1]
    assert len(planner.run.attempts) == calls
