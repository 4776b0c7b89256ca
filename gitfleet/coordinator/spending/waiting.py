"""What becomes of tasks that no budget has room for or no account is ready for, once nothing else goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.coordinator.accounts import NoneReady
from gitfleet.coordinator.closing import Halt
from gitfleet.planner.budgets import UsedUp
from gitfleet.planner.rooms import Short, Uncounted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.coordinator.claiming import HeldElsewhere

WAVE = "wave"


def waits_for_wave(held: Mapping[str, HeldElsewhere]) -> bool:
    """Whether a task waits for room in its wave that will not come: then it belongs into a later one."""
    short = [one.spent for one in held.values() if isinstance(one.spent, Short)]
    return any(one.room == WAVE and one.final and not one.ever for one in short)


def rests(held: Mapping[str, HeldElsewhere]) -> bool:
    """Whether a task waits for an account that rests until a time that is known: that is waited for."""
    return any(isinstance(one.spent, NoneReady) and one.spent.rests for one in held.values())


def nothing_left(held: Mapping[str, HeldElsewhere]) -> Halt | None:
    """Why the session stops, where nothing will change for any task that is held.

    Others may connect an account or give a budget room; nobody is waited for who need not come.
    """
    if not all(one.final for one in held.values()):
        return None
    spent = {task: one.spent for task, one in held.items()}
    told = "; ".join(f"{task}: {why.sentence}" for task, why in spent.items() if why is not None)
    first = next((why for why in spent.values() if isinstance(why, Short | UsedUp)), None)
    if first is None and any(isinstance(why, Uncounted) for why in spent.values()):
        return Halt(f"{told}; then `gitfleet continue` goes on")
    if first is None:
        return Halt(f"{told}; `gitfleet continue` goes on once an account is ready")
    scope = first.room if isinstance(first, Short) else "task"
    return Halt(f"{told}; `gitfleet continue --budget {scope}.max_{first.name}=N` gives more")
