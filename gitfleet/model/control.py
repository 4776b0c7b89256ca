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
        "those of what runs are kept until it is over",
        "kept",
    ),
    Control.RESUME: Consequences(
        "tasks start again as they can",
        "taken as tasks start",
        "used again",
    ),
    Control.DRAIN: Consequences(
        "what runs is finished and lands, then the coordinator ends",
        "released as runs end",
        "those of landed runs go back to the pool; the others are kept",
    ),
    Control.STOP: Consequences(
        "every agent gets INT, TERM, then KILL, with all that it started; then the coordinator ends",
        "those of stopped agents are released; those of work that waits to land are kept",
        "kept, and what is in them is saved as snapshots first",
    ),
    Control.INTERRUPT: Consequences(
        "the agent gets INT, as Ctrl-C sends it, and decides itself; a real agent ends, and its run waits for you",
        "kept",
        "kept",
    ),
    Control.RESTART: Consequences(
        "the agent gets INT, TERM, then KILL, with all that it started; a new attempt starts when it can",
        "that of the old attempt is released, and taken anew",
        "what is in the old one is saved as a snapshot; the new attempt starts clean from the target",
    ),
}
