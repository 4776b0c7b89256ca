"""Which branch a session lands on, and whether it can be landed on at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.git.refs import ABSENT, Updated, valid_branch

if TYPE_CHECKING:
    from gitfleet.git.refs import Refs
    from gitfleet.git.repository import Repository


@dataclass(frozen=True, slots=True)
class Target:
    """The branch to land on; ``new`` when this session makes it at ``base``. ``notes`` are things to say first."""

    ref: str
    base: str
    new: bool
    notes: tuple[str, ...]

    def create(self, refs: Refs) -> None:
        """Make the branch when it is this session's to make."""
        if not self.new:
            return
        if not isinstance(refs.update(self.ref, self.base, ABSENT), Updated):
            raise GitfleetError(
                Kind.NEEDS_PERSON, "target-exists", f"The branch {_short(self.ref)} came into being meanwhile."
            )


def choose_target(repository: Repository, refs: Refs, wanted: str | None, session: str, *, fetch: bool) -> Target:
    """Choose as DESIGN 4 says: what was asked for, else the current branch, else a new one off a remote's default.

    Raises ``GitfleetError`` when there is no commit yet, HEAD is detached, or the target is in a merge, rebase or bisect.
    """
    head = preflight.require_commit(repository)
    if wanted is not None:
        return _named(repository, refs, wanted, head.oid, fetch=fetch)
    if head.branch is None:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "detached",
            "HEAD is detached, so there is no current branch to land on.",
            hint="Switch to a branch, or name one with --target.",
        )
    branch = head.branch
    if preflight.is_default_of_a_remote(repository, branch):
        base = _updated(repository, refs, branch, fetch=fetch)
        notes = (
            f"{_short(branch)} is the default branch of a remote: landing on a new branch gitfleet/{session} made from it",
            *preflight.distance_notes(repository, branch),
        )
        return Target(f"refs/heads/gitfleet/{session}", base, new=True, notes=notes)
    return _existing(repository, refs, branch, fetch=fetch)


def _named(repository: Repository, refs: Refs, wanted: str, head: str, *, fetch: bool) -> Target:
    name = wanted.removeprefix("refs/heads/")
    if not valid_branch(name):
        raise GitfleetError(Kind.USAGE, "bad-branch", f"{wanted!r} is not a branch name that git accepts.")
    ref = f"refs/heads/{name}"
    if refs.read(ref) is None:
        return Target(ref, head, new=True, notes=(f"{name} does not exist yet: it is made from the current commit",))
    return _existing(repository, refs, ref, fetch=fetch)


def _existing(repository: Repository, refs: Refs, ref: str, *, fetch: bool) -> Target:
    busy = preflight.operation_on(repository, ref)
    if busy is not None:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "target-busy",
            f"{_short(ref)} cannot be landed on: {busy}.",
            hint="Finish or abort it, then try again.",
        )
    base = _updated(repository, refs, ref, fetch=fetch)
    return Target(ref, base, new=False, notes=preflight.distance_notes(repository, ref))


def _updated(repository: Repository, refs: Refs, ref: str, *, fetch: bool) -> str:
    if fetch:
        preflight.fetch_and_forward(repository, ref)
    base = refs.read(ref)
    if base is None:
        raise GitfleetError(Kind.NEEDS_PERSON, "no-target", f"The branch {_short(ref)} does not exist.")
    return base


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
