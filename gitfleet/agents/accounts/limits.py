"""What the end of an attempt says of its account: when it rests, and how many may work with it. Pure.

Capacity follows what the vendor says: a refusal halves what may run at once, a warning takes one off it, and as many
attempts without either as may run at once give one back, up to the account's capacity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.accounts.readiness import allowed_by
from gitfleet.model.base import instant, seconds_of
from gitfleet.model.run import FailureSource
from gitfleet.planner.retries import AUTH, LIMITED

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.account import Account, AccountState
    from gitfleet.model.run import Failure

FIRST_REST = {"rate-limited": 30.0, "usage-limit": 900.0}
"""Seconds that an account rests after a limit that does not say when it ends; doubled each time in a row."""

LONGEST_REST = 6 * 3600.0
FELL_THROUGH_REST = 20.0
"""Seconds that an account rests whose attempt ended before anything was spent, so that another one is tried first."""

_NOT_ITS_FAULT = frozenset({"interrupted", "killed", "stopped", "stalled", "lost", "prepare-failed"})


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, as far as its account is concerned.

    ``resets`` is when its limit ends, in POSIX seconds; ``warned`` that it came near one; ``spent`` that a model
    answered. ``began`` and ``over`` are the instants between which it ran, empty where nobody knows: what is taken in
    may have been over for hours.
    """

    code: str = ""
    transport: bool = False
    said: str = ""
    resets: float | None = None
    warned: bool = False
    spent: bool = False
    began: str = ""
    over: str = ""


def ending(told: Transcript | None, failure: Failure | None, *, began: str = "", over: str = "") -> Ending:
    """What the stream of an attempt, which ran between these instants, and its failure say of its account."""
    limit = told.limit if told is not None else None
    return Ending(
        code=failure.code if failure else "",
        transport=failure is not None and failure.source is FailureSource.TRANSPORT,
        said=failure.message if failure else "",
        resets=limit.resets if limit is not None else None,
        warned=limit is not None and not limit.hard,
        spent=told is not None and any(used.tokens.total for used in told.used.values()),
        began=began,
        over=over,
    )


def after(account: Account, state: AccountState, ended: Ending, now: float) -> AccountState:
    """The state of an account after an attempt with it."""
    if ended.code in LIMITED:
        return _limited(account, state, ended, now)
    if ended.code == AUTH and ended.began and ended.began < account.connected:
        return state  # those credentials are not its own any more
    if ended.code == AUTH:
        return _noted(state, ended, now, refused=True, fell_through=not ended.spent)
    if ended.spent or not ended.code:
        return _well(account, state, warned=ended.warned)
    if ended.transport and ended.code not in _NOT_ITS_FAULT:
        until = max(instant(now + FELL_THROUGH_REST), state.until)
        return _noted(state, ended, now, fell_through=True, until=until, streak=0)
    return state


def _limited(account: Account, state: AccountState, ended: Ending, now: float) -> AccountState:
    rest = min(FIRST_REST[ended.code] * 2 ** min(state.strikes, 20), LONGEST_REST)
    # An end that had passed by then was none. One that passed since, while nobody took the attempt in, was.
    known = ended.resets is not None and ended.resets > _moment(ended.over, now)
    until = ended.resets if known and ended.resets is not None else now + rest
    return _noted(
        state,
        ended,
        now,
        allowed=max(1, allowed_by(account, state) // 2),
        streak=0,
        # Another attempt may have been told of a later end.
        until=max(instant(until), state.until),
        strikes=0 if known else state.strikes + 1,
        fell_through=False,
    )


def _moment(text: str, now: float) -> float:
    """When that was; now where it is no instant: an agent can write its end, too."""
    try:
        return seconds_of(text)
    except ValueError:
        return now


def _well(account: Account, state: AccountState, *, warned: bool) -> AccountState:
    """A model answered; what the account rests for still holds, since others met it."""
    good = msgspec.structs.replace(state, strikes=0, fell_through=False)
    allowed = allowed_by(account, state)
    if warned:
        return msgspec.structs.replace(good, allowed=max(1, allowed - 1), streak=0)
    if allowed >= account.capacity:
        return msgspec.structs.replace(good, allowed=None, streak=0)
    if good.streak + 1 < allowed:
        return msgspec.structs.replace(good, streak=good.streak + 1)
    more = allowed + 1
    return msgspec.structs.replace(good, allowed=None if more >= account.capacity else more, streak=0)


def _noted(state: AccountState, ended: Ending, now: float, **facts: object) -> AccountState:
    return msgspec.structs.replace(state, why=ended.code, said=ended.said, at=instant(now), **facts)
