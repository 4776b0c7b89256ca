"""What becomes of a plan that is wanted no more once it is there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.app import planning
from gitfleet.coordinator.observer import Interrupts
from gitfleet.coordinator.planning.calling import Answered
from gitfleet.errors import ExitCode, GitfleetError

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
    making: Any = SimpleNamespace(ground=ground, parts=None, answers=0, keep=lambda *_: None, kept=lambda: "")
    planner: Any = SimpleNamespace(ask=lambda _: Answered(("tasks: []",)))
    with pytest.raises(GitfleetError, match="nothing was started") as refused:
        planning._rounds(making, planner, interrupts)
    assert refused.value.exit_code == ExitCode.INTERRUPTED
    assert "The plan is kept: plan.yaml" in refused.value.hint
