"""The account of a planner's call, and its turn to spend of the day: waited for as a task waits, and told of meanwhile.

What cannot end by itself is not waited for, nor for ever what somebody else works with; until an account rests no more
is known, and waited for.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from gitfleet.coordinator.accounts import Chosen, NoneReady, lend
from gitfleet.coordinator.claiming import RETRY_SECONDS
from gitfleet.coordinator.observer import STOPPED
from gitfleet.coordinator.spending.day import deciding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitfleet.coordinator.observer import Interrupts
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts


@dataclass(frozen=True, slots=True)
class Doing:
    """How a call stands: its number, seconds since its start and since its last output, and what it told of so far.

    ``stopping`` says that it was told to end, ``waiting`` what it waits for before its start, ``repairs`` that the
    answer of an earlier one was not accepted.
    """

    call: int
    seconds: float
    silent: float
    turns: int | None = None
    tool_calls: int = 0
    tokens: int | None = None
    stopping: bool = False
    waiting: str = ""
    repairs: bool = False


Watch: TypeAlias = "Callable[[Doing], None]"
"""Somebody who looks on; called a few times a second, from the thread that waits."""


def asked_to_end(parts: Parts, instance: str, interrupts: Interrupts) -> bool:
    """Whether a person wants the planner to end, by a signal or with ``gitfleet stop`` from elsewhere."""
    if not interrupts.requested and parts.layout.planning_stop(instance).exists():
        interrupts.request(STOPPED)
    return interrupts.requested


def account_for(
    parts: Parts, task: Task, run: Run, number: int, watch: Watch, interrupts: Interrupts
) -> Chosen | NoneReady:
    """Find who does a call, and wait while nobody is ready, but not for ever, nor once it is asked to end."""
    began = since = parts.monotonic()
    while True:
        found = lend(parts, task, run.session, run.instance, number)
        if isinstance(found, Chosen) or found.final or asked_to_end(parts, run.instance, interrupts):
            return found
        if found.rests:
            since = parts.monotonic()
        if given_up := _wait(parts, number, watch, found.sentence, began, since):
            return replace(found, sentence=found.sentence + given_up)


@contextmanager
def its_turn(
    parts: Parts, instance: str, number: int, watch: Watch, interrupts: Interrupts, full: Callable[[], str]
) -> Iterator[str]:
    """Hold the day while a call is let in and written down; wait while somebody else does, and while it is ``full``.

    That says, as a clause, why what others have reserved leaves no room. Gives why it was given up, as a clause; else
    nothing.
    """
    began = parts.monotonic()
    while True:
        with deciding(parts) as held:
            busy = held or full()
            if not busy or asked_to_end(parts, instance, interrupts):
                yield busy
                return
        if given_up := _wait(parts, number, watch, busy, began, began):
            yield busy + given_up
            return


def _wait(parts: Parts, number: int, watch: Watch, why: str, began: float, since: float) -> str:
    """Wait a moment for what ``why`` says; where that took too long ``since``, say so, as the end of a sentence."""
    now = parts.monotonic()
    if now - since > parts.claim_patience:
        return f"; it was waited for {parts.claim_patience / 60:.0f} minutes"
    watch(Doing(number, now - began, 0, waiting=why))
    parts.sleep(RETRY_SECONDS)
    return ""
