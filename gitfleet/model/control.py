"""What each control does to processes, claims and worktrees: said by every command, its help, and the documentation."""

from __future__ import annotations

from dataclasses import dataclass

from gitfleet.model.request import Control


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a control does to what an open session has."""

    processes: str
    claims: str
    worktrees: str


CONSEQUENCES: dict[Control, Consequences] = {
    Control.PAUSE: Consequences(
        "what runs goes on, is checked, and lands; nothing new starts",
        "of what runs are kept until it is over",
        "are kept",
    ),
    Control.RESUME: Consequences(
        "tasks start again as they can",
        "are taken as tasks start",
        "are used again",
    ),
    Control.DRAIN: Consequences(
        "what runs is finished and lands, then the coordinator ends",
        "go as runs end",
        "of what landed go; the others are kept",
    ),
    Control.STOP: Consequences(
        "every agent gets INT, TERM, then KILL, with all that it started; then the coordinator ends",
        "of stopped agents are released; those of work that waits to land are kept",
        "are kept, and what is in them is kept on a ref first",
    ),
    Control.INTERRUPT: Consequences(
        "the agent gets INT, as Ctrl-C sends it, and decides itself; nothing else happens",
        "are kept",
        "are kept",
    ),
    Control.RESTART: Consequences(
        "the agent gets INT, TERM, then KILL, with all that it started; a new attempt starts when it can",
        "of the old attempt is released, and taken anew",
        "of the old attempt is kept on a ref first; the new attempt starts clean from the target",
    ),
}


def plural(count: int, noun: str) -> str:
    """Count something in words."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
