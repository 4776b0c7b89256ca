"""Whether another task may start: the budgets that it counts in, and the room that each has left. Pure.

A task starts only where all that is reserved and used stays within each cap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import msgspec

from gitfleet.planner.budgets import DIMENSIONS, DUST, UNBOUNDED, Amount, cap, reservation, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitfleet.model.budget import Budget, BudgetsConfig
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Task


_NOTHING = Amount()


@final
@dataclass(frozen=True, slots=True)
class Room:
    """One budget and what counts in it: ``settled`` for attempts that are over, ``running`` for the others."""

    name: str
    budget: Budget
    settled: Amount = _NOTHING
    running: Amount = _NOTHING
    left: tuple[str, ...] = ()
    """Sessions that have some of ``settled`` reserved, and that nobody coordinates."""


@final
@dataclass(frozen=True, slots=True)
class Short:
    """A budget has no room: ``final`` says that nothing which runs can make any; ``left`` is as in ``Room``."""

    room: str
    name: str
    needed: float
    taken: float
    most: float
    final: bool
    left: tuple[str, ...] = ()

    @property
    def ever(self) -> bool:
        """Whether it has no room where nothing else counts either, as after a person gave it less."""
        return self.needed > self.most + DUST

    @property
    def sentence(self) -> str:
        """Say so, as a clause."""
        needed = "without bound" if self.needed == UNBOUNDED else told(self.name, self.needed)
        of = "".join(f"; some are reserved by {name}, which nobody goes on with" for name in self.left)
        return (
            f"the budget of the {self.room} has no room: {told(self.name, self.taken)} of "
            f"{told(self.name, self.most)} are used or reserved, and it may use {needed}{of}"
        )


@final
@dataclass(frozen=True, slots=True)
class Uncounted:
    """Nobody can say what counts in a budget: ``why`` is a sentence."""

    why: str
    final: bool = True

    @property
    def sentence(self) -> str:
        """Say so, as a clause."""
        return f"nobody can say what counts in the budget of the day: {self.why}"


def short(rooms: Iterable[Room], wanted: Amount) -> Short | None:
    """The first budget in which ``wanted`` has no room; none where it may start."""
    for room in rooms:
        for name in DIMENSIONS:
            most, needed = cap(room.budget, name), wanted.of(name)
            if most == UNBOUNDED or not needed:
                continue
            taken = room.settled.of(name) + room.running.of(name)
            if taken + needed > most + DUST:
                final = room.settled.of(name) + needed > most + DUST
                return Short(room.name, name, needed, taken, most, final, room.left)
    return None


def rooms(
    config: BudgetsConfig, taken: Mapping[str, tuple[Amount, Amount]], left: tuple[str, ...] = ()
) -> tuple[Room, ...]:
    """The budgets that a task counts in, by ``wave``, ``session`` and ``day``, without what is kept for the planner.

    ``taken`` is what counts in each: of attempts that are over, and of those that are not. ``left`` are sessions that
    have some of the day reserved and that nobody coordinates.
    """
    return tuple(
        Room(name, budget, *taken.get(name, (_NOTHING, _NOTHING)), left if name == "day" else ())
        for name, budget in (
            (name, without(getattr(config, name), config.reserve)) for name in ("wave", "session", "day")
        )
        if budget.said()
    )


def without(budget: Budget, reserve: Budget) -> Budget:
    """What a budget leaves once the reserve is taken out; at least the smallest there is."""
    kept = reserve.said()
    rest = {
        name: max(value - kept[name], DUST if name == "max_usd" else 1) if name in kept else value
        for name, value in budget.said().items()
    }
    return msgspec.structs.replace(budget, **rest)


def never_fit(tasks: Iterable[Task], config: Config) -> tuple[tuple[str, Short], ...]:
    """Tasks that no room will ever be found for, each with the budget that is too small."""
    empty = rooms(config.budgets, {})
    found = ((task.id, short(empty, reservation(task, config))) for task in tasks)
    return tuple((task, unfit) for task, unfit in found if unfit is not None)
