"""Waiting for what is in a landing's way for a moment: another git command, a person's rebase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from gitfleet.integrate.landing.checkouts import Occupied, Unreachable
from gitfleet.integrate.landing.outcome import POLL_SECONDS

if TYPE_CHECKING:
    from gitfleet.integrate.landing.outcome import LandingRequest

# A lock that git holds for the blink of an eye is not worth a line.
_QUIET_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Blocked:
    """Not now: ``why`` is a clause for people, ``who`` the holder as far as known."""

    why: str
    who: str


def blocked_by(occupation: Occupied | Unreachable | None) -> Blocked | None:
    """A person in the middle of something, as what is waited for."""
    match occupation:
        case None:
            return None
        case Occupied(why, who):
            return Blocked(why, who)
        case Unreachable(why):
            return Blocked(why, "mount it, or switch it to another branch")
        case _:
            assert_never(occupation)


class Patience:
    """Waits in small steps until a deadline, and says once for each cause that it is waiting."""

    def __init__(self, request: LandingRequest) -> None:
        """Start the clock."""
        self._request = request
        self._start = request.clock()
        self._said: set[Blocked] = set()

    def over(self, blocked: Blocked) -> bool:
        """Wait one step; true when the time is up."""
        waited = self._request.clock() - self._start
        if waited >= self._request.wait:
            return True
        if waited >= _QUIET_SECONDS and blocked not in self._said:
            self._said.add(blocked)
            left = max(1, round(self._request.wait - waited))
            self._request.say(f"Landing waits up to {left} s: {blocked.why} ({blocked.who}).")
        # A short wait is met quickly, and a long one costs few looks.
        self._request.sleep(min(1.0, max(POLL_SECONDS, waited / 10)))
        return False
