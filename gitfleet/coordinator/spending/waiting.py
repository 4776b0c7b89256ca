"""What becomes of tasks for which a budget has no room, once nothing else goes on in their session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.coordinator.closing import Halt
from gitfleet.planner.budgets import Short, UsedUp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.coordinator.claiming import HeldElsewhere

WAVE = "wave"


def waits_for_wave(held: Mapping[str, HeldElsewhere]) -> bool:
    """Whether a task waits for room in its wave that will not come: then it belongs into a later one."""
    return any(isinstance(one.spent, Short) and one.spent.room == WAVE and one.spent.final for one in held.values())


def nothing_left(held: Mapping[str, HeldElsewhere]) -> Halt | None:
    """Why the session stops, where every task that is held waits for a budget that nothing will make room in."""
    spent = {task: one.spent for task, one in held.items()}
    if not all(isinstance(why, UsedUp) or (isinstance(why, Short) and why.final) for why in spent.values()):
        return None
    told = "; ".join(f"{task}: {why.sentence}" for task, why in spent.items() if why is not None)
    first = next(iter(spent.values()))
    scope = first.room if isinstance(first, Short) else "task"
    name = first.name if first is not None else "tokens"
    return Halt(f"{told}; `gitfleet continue --budget {scope}.max_{name}=N` gives more")
