"""Taking and releasing claims for one session; overlap is decided exactly, under one lock around check and write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.model.base import instant
from gitfleet.model.claim import Claim
from gitfleet.planner.budgets import UsedUp
from gitfleet.planner.scopes import Scope, ScopeError, overlap
from gitfleet.pool.leasing import Standing
from gitfleet.store.claims import Granted, Held, external
from gitfleet.store.locks import claims_lock
from gitfleet.store.locks import holder as coordinator_of
from gitfleet.store.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.coordinator.accounts import NoneReady
    from gitfleet.model.claim import ExternalClaim
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts
    from gitfleet.planner.rooms import Short, Uncounted

RETRY_SECONDS = 0.5
PORTS_PER_INSTANCE = 10


@dataclass(frozen=True, slots=True)
class Taken:
    """The scope is ours; ``warnings`` say, a sentence each, which claims of other clones hold a part of it as well."""

    claim: Claim
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldElsewhere:
    """The scope is held by somebody else; ``sentence`` says by whom, ``at`` is when we looked, in monotonic seconds.

    Or a budget has no room or no account is ready, and then ``spent`` is why. ``undecided`` says that nobody could even
    look, because somebody else decides about the budget of the day.
    """

    sentence: str
    at: float
    spent: Short | UsedUp | Uncounted | NoneReady | None = None
    undecided: bool = False

    @property
    def final(self) -> bool:
        """Whether nothing that this session does will change that."""
        return isinstance(self.spent, UsedUp) or (self.spent is not None and self.spent.final)

    def worth_trying(self, now: float) -> bool:
        """Whether enough time went by to look again."""
        return now - self.at >= RETRY_SECONDS


@dataclass(frozen=True, slots=True)
class Claiming:
    """Claims of one session's instances."""

    parts: Parts
    session: Session

    def take(self, instance: str, task: str, scope: Scope) -> Taken | HeldElsewhere:
        """Claim ``scope`` whole for ``instance``, with a block of ports, or say who holds what."""
        worktree = self.parts.repository.worktree
        others = external(worktree).claims if worktree else ()
        with claims_lock(self.parts.layout) as proof:
            used = ports_in_use(self.parts, instance)
            wanted = Claim(
                instance=instance,
                session=self.session.id,
                task=task,
                scope=scope.entries,
                folded=self.parts.fold,
                acquired=instant(self.parts.now()),
                port_base=free_block(self.parts.config.worktrees.ports, used),
                clone=self.session.clone,
            )
            result = Turns(self.parts.layout, self.parts.now).take(self.parts.claims, proof, [wanted], clash, others)
        match result:
            case Granted(warnings=others_too):
                return Taken(wanted, beside(wanted, others_too))
            case Held(by=by):
                holder = f"{by.instance} of {by.session}" if isinstance(by, Claim) else f"{by.instance} ({by.file})"
                where = result.witness.decode("utf-8", "replace")
                how = "is waited for, since before this, by" if result.waits else "is held by"
                if isinstance(by, Claim) and coordinator_of(self.parts.layout.session_lock(by.session)) is None:
                    holder += f", which nobody runs now: gitfleet continue {by.session}"
                return HeldElsewhere(f"{where} {how} {holder}", self.parts.monotonic())
            case _:
                assert_never(result)

    def release(self, instances: Iterable[str]) -> None:
        """Let claims go; a claim that is not there is no error."""
        with claims_lock(self.parts.layout) as proof:
            self.parts.claims.release(proof, instances)


def grow(parts: Parts, instance: str, entries: tuple[str, ...]) -> Claim | str:
    """Let the claim of an instance grow by entries that nobody else holds; or say, as a clause, who does.

    Who only waits for one of them is no obstacle: it waits for this claim, or for somebody who holds it.
    """
    worktree = parts.repository.worktree
    others = external(worktree).claims if worktree else ()
    with claims_lock(parts.layout) as proof:
        mine = next((claim for claim in parts.claims.live() if claim.instance == instance), None)
        if mine is None:
            return "its claim is gone"
        wanted = msgspec.structs.replace(mine, scope=tuple(dict.fromkeys((*mine.scope, *entries))))
        more = msgspec.structs.replace(mine, scope=entries)
        result = parts.claims.acquire(proof, [wanted], lambda _, other: clash(more, other), others)
    match result:
        case Granted():
            return wanted
        case Held(by=by):
            holder = f"{by.instance} of {by.session}" if isinstance(by, Claim) else f"{by.instance} ({by.file})"
            return f"{result.witness.decode('utf-8', 'replace')} is held by {holder}"
        case _:
            assert_never(result)


def beside(claim: Claim, others: Iterable[Claim]) -> tuple[str, ...]:
    """Say of claims of other clones which hold a part of one of ours: they block nothing, so somebody should know."""
    return tuple(
        f"{witness.decode('utf-8', 'replace')} is claimed by {other.instance} of {other.session}, in another clone, "
        f"as well as by {claim.task}: neither waits for the other, and their changes may conflict"
        for other in others
        if (witness := clash(claim, other)) is not None
    )


def clash(wanted: Claim, other: Claim | ExternalClaim) -> bytes | None:
    """A path that both claims hold; an entry of another tool that cannot be read overlaps (doubt is overlap)."""
    mine = _parsed(wanted.scope)
    try:
        theirs = _parsed(tuple(entry for entry in other.scope if not _outside(entry)))
    except ScopeError:
        return None if mine.is_empty else b"(a scope that cannot be read)"
    fold = wanted.folded or (isinstance(other, Claim) and other.folded)
    return overlap(mine, theirs, fold=fold)


@lru_cache(maxsize=256)
def _parsed(entries: tuple[str, ...]) -> Scope:
    """Read a scope; who waits holds the same ones against each other again and again."""
    return Scope.parse(entries)


def _outside(entry: str) -> bool:
    """Whether another tool's entry names a place outside the repository, which no scope of ours holds."""
    return entry.startswith("/") or ".." in entry.split("/")


def ports_in_use(parts: Parts, instance: str) -> set[int]:
    """First ports of the blocks that others have: instances with a claim, and trees in which candidates are checked.

    The caller holds the lock of the claims, under which all blocks are given.
    """
    claims = {claim.port_base for claim in parts.claims.live() if claim.instance != instance}
    held = (held for held in parts.trees.leases.live().values() if held is not None and not held.task)
    return claims | {lease.port_base for lease in held if parts.trees.standing(lease) is Standing.IN_USE}


def free_block(first: int, used: set[int]) -> int:
    """The first block from a port on that nobody has."""
    base = first
    while base in used:
        base += PORTS_PER_INSTANCE
    return base
