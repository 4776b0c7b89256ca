"""Whether an account is ready, and which one is taken: pure, from what is written down and the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.keys import connect_again
from gitfleet.agents.accounts.programs import PROGRAMS
from gitfleet.model.base import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.model.account import Account, AccountState


class Condition(StrEnum):
    """How an account stands; each but the first two keeps attempts from it."""

    READY = "ready"
    BUSY = "busy"
    AT_CAPACITY = "at-capacity"
    COOLING = "cooling"
    FELL_THROUGH = "fell-through"
    REFUSED = "refused"
    NOT_CONNECTED = "not-connected"
    NO_PROGRAM = "no-program"


USABLE = frozenset({Condition.READY, Condition.BUSY})
PASSING = frozenset({Condition.AT_CAPACITY, Condition.COOLING, Condition.FELL_THROUGH})
"""Conditions that end by themselves."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an account: its documents, who works with it and who waits, and what is there of it.

    ``missing`` says, as a clause, what of its key or its login is not there, empty when all is; ``remedy`` is the
    command that brings it back, empty where it has to be connected again.
    """

    account: Account
    state: AccountState
    busy: int = 0
    dead: int = 0
    queued: int = 0
    program: bool = True
    missing: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: ``clause`` says so for people, ``mend`` is the command that changes it.

    That is empty where nothing but time does; ``own`` is the one for who can work with no other account. ``until`` is
    when it rests no more, in POSIX seconds. ``allowed`` attempts may work with it at once, ``available`` more than do
    now.
    """

    ref: str
    condition: Condition
    clause: str
    mend: str = ""
    own: str = ""
    until: float | None = None
    busy: int = 0
    queued: int = 0
    allowed: int = 0
    used: int = 0
    dead: int = 0

    @property
    def usable(self) -> bool:
        """Whether an attempt may be given to it."""
        return self.condition in USABLE

    @property
    def available(self) -> int:
        """How many more attempts may work with it."""
        return max(0, self.allowed - self.busy) if self.usable else 0


def standing(known: Known, now: float) -> Standing:
    """Say how an account stands."""
    account, state = known.account, known.state
    program, again = PROGRAMS[account.kind], connect_again(account)
    another = f"gitfleet accounts connect {account.kind}"
    allowed = allowed_by(account, state)
    until = _rests_until(state, now)
    resting = until is not None
    said = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(until)) if resting else ""
    condition, clause, mend, own = Condition.READY, "ready", "", None
    if not known.program:
        condition, clause, mend = Condition.NO_PROGRAM, f"there is no {program.name} on the PATH", program.install
    elif not account.connected or known.missing:
        why = known.missing or "its login was not finished"
        condition, clause, mend = Condition.NOT_CONNECTED, f"not connected: {why}", known.remedy or again
    elif state.refused:
        condition, clause, mend = Condition.REFUSED, f"its credentials were refused: {state.said}", again
    elif resting and state.fell_through:
        clause = f"fell through before anything was spent ({state.why}), rests until {said}"
        condition = Condition.FELL_THROUGH
    elif resting:
        condition = Condition.COOLING
        clause = f"cooling down until {said} ({state.why})"
        mend, own = another, ""
    elif known.busy >= allowed:
        condition, clause = Condition.AT_CAPACITY, f"at capacity: {known.busy} of {allowed} in use"
        # After a limit it is the vendor that wants no more at once.
        mend, own = another, f"{again} --capacity {allowed + 1}" if allowed == account.capacity else ""
    elif known.busy:
        condition, clause = Condition.BUSY, f"busy: {known.busy} of {allowed} in use"
    return Standing(
        ref=account.ref,
        condition=condition,
        clause=clause,
        mend=mend,
        own=mend if own is None else own,
        until=until,
        busy=known.busy,
        queued=known.queued,
        allowed=allowed,
        used=state.used,
        dead=known.dead,
    )


def _rests_until(state: AccountState, now: float) -> float | None:
    """When it rests no more, none where it does not rest; a document that was damaged costs a request at most."""
    try:
        until, at = (seconds_of(text) if text else now for text in (state.until, state.at))
    except ValueError:
        return None
    # That long a rest was counted from then. Before then the clock was set back; what a vendor told still holds.
    counted = state.strikes > 0 or state.fell_through
    return until if now < until and not (counted and now < at) else None


def allowed_by(account: Account, state: AccountState) -> int:
    """How many attempts may work with an account at once now."""
    return account.capacity if state.allowed is None else max(1, min(account.capacity, state.allowed))


def pick(standings: Iterable[Standing], *, prefer: str = "") -> Standing | None:
    """The account that an attempt is given to: the preferred one if it is ready, else the least used of the ready."""
    usable = [one for one in standings if one.usable]
    return min(usable, key=lambda one: (one.ref != prefer, one.busy, one.used, one.ref), default=None)
