"""Turns: who has waited for a scope comes before those who came later and want a part of it.

Without them a wide scope might wait for ever, since narrow ones come and go and never leave it free as a whole. Order
is a courtesy; exclusion comes from the table of claims alone. One who waits comes back again and again: who does not
for ``FRESH_SECONDS``, or whose session has no coordinator, has lost its turn and holds nobody up. Tasks of one session
do not wait for each other here: their order is the session's own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from gitfleet.model.base import Document, decode, encode
from gitfleet.model.claim import Claim
from gitfleet.store.claims import Granted, Held
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import make_directory, names, read_regular
from gitfleet.store.layout import checked
from gitfleet.store.locks import holder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from gitfleet.model.claim import ExternalClaim
    from gitfleet.store.claims import Claims, Clash
    from gitfleet.store.layout import Layout
    from gitfleet.store.locks import ClaimsLock

FRESH_SECONDS = 5.0
"""How long after its last try a waiter still has its turn: ten times as long as a coordinator rests between two."""


class Waiter(Document, frozen=True, kw_only=True):
    """What somebody waits for; its file's name begins with a number, and its time is that of the last try."""

    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Turns:
    """The waiters of one repository; ``now`` gives POSIX seconds."""

    layout: Layout
    now: Callable[[], float]

    def take(
        self,
        claims: Claims,
        proof: ClaimsLock,
        wanted: Sequence[Claim],
        clash: Clash,
        external: Iterable[ExternalClaim] = (),
    ) -> Granted | Held:
        """Take all of ``wanted``, one session's, or nothing and then wait: the caller tries again soon."""
        result = claims.acquire(proof, wanted, clash, external, ahead=lambda: self._ahead(wanted))
        own = self._own(wanted)
        match result:
            case Granted():
                if own is not None:
                    own.unlink(missing_ok=True)
            case Held():
                self._wait(own, wanted)
            case _:
                assert_never(result)
        return result

    def _ahead(self, wanted: Sequence[Claim]) -> Iterator[Claim]:
        """Claims that living waiters of other sessions came for before this one did."""
        own = self._own(wanted)
        directory = self.layout.waiting
        for name in names(directory):
            if own is not None and name >= own.name:
                return
            path = directory / name
            try:
                age = self.now() - path.stat().st_mtime
                waiter = decode(read_regular(path), Waiter)
            except OSError:
                continue
            except UNREADABLE:
                age, waiter = FRESH_SECONDS * 2, Waiter(claims=())
            if abs(age) > FRESH_SECONDS:
                # A clock that was set may be to blame: whoever still waits comes back, as the last one.
                path.unlink(missing_ok=True)
                continue
            others = [claim for claim in waiter.claims if claim.session != wanted[0].session]
            if others and holder(self.layout.session_lock(others[0].session)) is not None:
                yield from others

    def _wait(self, own: Path | None, wanted: Sequence[Claim]) -> None:
        content = encode(Waiter(claims=tuple(wanted)))
        if own is None:
            make_directory(self.layout.waiting)
            last = max(names(self.layout.waiting), default="0")
            number = int(last.partition("-")[0]) + 1
            own = self.layout.waiting / f"{number:012d}-{checked(wanted[0].instance, 'instance')}.json"
        # Not flushed, and half of it after a crash is none: after a power cut nobody waits any more.
        own.write_bytes(content)
        os.utime(own, (self.now(), self.now()))

    def _own(self, wanted: Sequence[Claim]) -> Path | None:
        end = f"-{checked(wanted[0].instance, 'instance')}.json"
        mine = (name for name in names(self.layout.waiting) if name.partition("-")[2] == end[1:])
        name = next(mine, None)
        return self.layout.waiting / name if name is not None else None
