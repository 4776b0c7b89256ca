"""What becomes of a plan that is wanted no more once it is there, and what is told of planners that were killed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.app.planning import making as planning
from gitfleet.app.planning.direction import Planned
from gitfleet.coordinator.observer import Interrupts
from gitfleet.coordinator.planning.calling import Answered
from gitfleet.errors import ExitCode, GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Callable


def test_an_interrupt_while_the_plan_is_checked_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupts = Interrupts()

    def accepted(*_: object) -> SimpleNamespace:
        interrupts.request()
        return SimpleNamespace(path=Path("plan.yaml"))

    stand_ins: dict[str, Callable[..., Any]] = {
        "material": lambda *_: None,
        "planning_prompt": lambda *_: "prompt",
        "_scrubber": lambda _: SimpleNamespace(text=lambda text: text),
        "_accepted": accepted,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(planning, name, stand_in)
    ground = SimpleNamespace(direction="words", base="0" * 40)
    making: Any = SimpleNamespace(ground=ground, parts=None, calls=0, keep=lambda *_: None, kept=lambda: "")
    planner: Any = SimpleNamespace(ask=lambda _: Answered(("tasks: []",)), run=SimpleNamespace(attempts=()))
    with pytest.raises(GitfleetError, match="nothing was started") as refused:
        planning._rounds(making, planner, interrupts)
    assert refused.value.exit_code == ExitCode.INTERRUPTED
    assert "The plan is kept: plan.yaml" in refused.value.hint


KEPT = "the planner changed files of its worktree; none of it counts: gitfleet rescue show plan-aaaaaa/1"


@pytest.mark.parametrize("fails", [False, True])
def test_what_killed_planners_left_is_told_with_the_plan_and_with_a_failure(
    monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    def begin(*_: object) -> Planned:
        if fails:
            raise GitfleetError(Kind.RUNS_FAILED, "planner-failed", "It failed.", hint="See its log.")
        stand_in: Any = SimpleNamespace()
        return Planned(stand_in, stand_in, Path("plan.yaml"), "planned", notes=("a note",))

    swept = ("the planner plan-aaaaaa, whose gitfleet was killed, is over", KEPT)
    monkeypatch.setattr(planning, "sweep", lambda _: iter(swept))
    monkeypatch.setattr(planning, "_begin", begin)
    ground: Any = SimpleNamespace(workspace=None)
    if not fails:
        assert planning.make(ground, lambda _: None, Interrupts()).notes == (*swept, "a note")
        return
    with pytest.raises(GitfleetError) as refused:
        planning.make(ground, lambda _: None, Interrupts())
    assert (refused.value.code, refused.value.hint) == (
        "planner-failed",
        f"See its log. Note: {swept[0]}. Note: {KEPT}.",
    )
