"""Taking and releasing claims for one session; overlap is decided exactly, under one lock around check and write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.model.base import instant
from gitfleet.model.claim import Claim
from gitfleet.planner.scopes import Scope, ScopeError, overlap
from gitfleet.store.claims import Granted, Held
from gitfleet.store.locks import hold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.parts import Parts
    from gitfleet.model.claim import ExternalClaim
    from gitfleet.model.session import Session

LOCK_SECONDS = 60.0
RETRY_SECONDS = 0.5
PORTS_PER_INSTANCE = 10


@dataclass(frozen=True, slots=True)
class HeldElsewhere:
    """The scope is held by somebody else; ``sentence`` says by whom, ``at`` is when we looked, in monotonic seconds."""

    sentence: str
    at: float

    def worth_trying(self, now: float) -> bool:
        """Whether enough time went by to look again."""
        return now - self.at >= RETRY_SECONDS


@dataclass(slots=True)
class Claiming:
    """Claims of one session's instances."""

    parts: Parts
    session: Session

    def take(self, instance: str, task: str, scope: Scope, monotonic: float) -> Claim | HeldElsewhere:
        """Claim ``scope`` whole for ``instance``, with a block of ports, or say who holds what."""
        external = self.parts.claims.external(self.parts.external_root) if self.parts.external_root else ()
        with hold(self.parts.layout.lock("claims"), timeout=LOCK_SECONDS, what="the claims") as proof:
            used = {claim.port_base for claim in self.parts.claims.live()}
            wanted = Claim(
                instance=instance,
                session=self.session.id,
                task=task,
                scope=scope.entries,
                folded=self.parts.fold,
                acquired=instant(self.parts.now()),
                port_base=_free_block(self.parts.config.worktrees.ports, used),
                clone=self.session.clone,
            )
            result = self.parts.claims.acquire(proof, [wanted], clash, external)
        match result:
            case Granted():
                return wanted
            case Held(by=by):
                holder = f"{by.instance} of session {by.session}" if isinstance(by, Claim) else f"{by.instance} ({by.file})"
                return HeldElsewhere(f"its scope is held by {holder}", monotonic)

    def release(self, instances: Iterable[str]) -> None:
        """Let claims go; a claim that is not there is no error."""
        with hold(self.parts.layout.lock("claims"), timeout=LOCK_SECONDS, what="the claims") as proof:
            self.parts.claims.release(proof, list(instances))


def clash(wanted: Claim, other: Claim | ExternalClaim) -> bool:
    """Whether two claims overlap; a scope of another tool that cannot be read overlaps everything (doubt is overlap)."""
    mine = Scope.parse(wanted.scope)
    try:
        theirs = Scope.parse(other.scope)
    except ScopeError:
        return not mine.is_empty
    fold = wanted.folded or (isinstance(other, Claim) and other.folded)
    return overlap(mine, theirs, fold=fold) is not None


def _free_block(first: int, used: set[int]) -> int:
    base = first
    while base in used:
        base += PORTS_PER_INSTANCE
    return base
