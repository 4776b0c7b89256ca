"""Which branch a session lands on: found, brought up to date when asked, and made when it is the session's to make."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.git.refs import Refs, Updated, short, zero
from gitfleet.integrate import landing

if TYPE_CHECKING:
    from gitfleet.git.preflight import Upstream
    from gitfleet.git.repository import Repository
    from gitfleet.store.layout import Layout


_FETCH = "fetch-"


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
        outcome = refs.update(self.ref, self.base, zero(self.base), why="gitfleet: start a session")
        if not isinstance(outcome, Updated):
            message = f"The branch {short(self.ref)} could not be made: another one took its place."
            raise GitfleetError(Kind.NEEDS_PERSON, "target-exists", message, hint="Name one with --target.")


def choose(repository: Repository, wanted: str | None, session: str) -> Target:
    """What was asked for, else the current branch, else a new one off a remote's default branch (DESIGN 4).

    Raises ``GitfleetError`` as ``preflight.choose_target`` does.
    """
    found = preflight.choose_target(repository, wanted, f"gitfleet/{session}")
    source = found.creates or found.ref
    notes = []
    if found.creates is not None:
        notes.append(
            f"{short(found.creates)} is the default branch of a remote: "
            f"landing on a new branch {short(found.ref)} made from it"
        )
    distance = preflight.upstream(repository.git, source)
    if distance is not None:
        notes += _distance(short(source), distance)
    return Target(found.ref, found.oid, found.creates is not None, tuple(notes))


def _distance(branch: str, distance: Upstream) -> list[str]:
    upstream = distance.ref.removeprefix("refs/remotes/")
    if distance.gone:
        return [f"the upstream {upstream} of {branch} does not exist any more"]
    if distance.behind:
        commits = "commit" if distance.behind == 1 else "commits"
        return [f"{branch} is {distance.behind} {commits} behind {upstream} (--fetch updates it first)"]
    return []


def bring_up_to_date(repository: Repository, layout: Layout, wanted: str | None) -> None:
    """Fetch from the target's upstream and move the branch to it, where that is a fast-forward.

    Uses the same landing as a train, so files of a checked-out branch follow and a person's work stays. Raises
    ``GitfleetError`` when the fetch fails, the branches have diverged, or files are in the way.
    """
    found = preflight.choose_target(repository, wanted, "gitfleet/fetch")
    ref = found.creates or found.ref
    preflight.fetch(repository.git, ref)
    distance = preflight.upstream(repository.git, ref)
    if distance is None or distance.gone or not distance.behind:
        return
    if distance.ahead:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "diverged",
            f"{short(ref)} and {distance.ref.removeprefix('refs/remotes/')} have diverged "
            f"({distance.ahead} commits here, {distance.behind} there).",
            hint="Merge or rebase it first, or leave --fetch out.",
        )
    refs = Refs(repository.git)
    new = refs.read(distance.ref)
    if new is None:
        return
    outcome = landing.land(
        landing.LandingRequest(
            git=repository.git,
            common_dir=repository.common_dir,
            target=ref,
            old=found.oid,
            new=new,
            intents=layout.root / "landings",
            id=f"{_FETCH}{new[:16]}",
            clock=time.monotonic,
            sleep=time.sleep,
            say=lambda _: None,
            worktree=repository.worktree,
            git_dir=repository.git_dir,
        )
    )
    match outcome:
        case landing.Landed():
            return
        case landing.InTheWay() | landing.Busy():
            raise GitfleetError(
                Kind.NEEDS_PERSON, "in-the-way", f"{short(ref)} cannot be brought up to date: {outcome.why}"
            )
        case landing.TargetMoved():
            raise GitfleetError(Kind.NEEDS_PERSON, "target-moved", f"{short(ref)} moved meanwhile.", hint="Try again.")
        case _:
            assert_never(outcome)


def finish_cut_off_fetches(repository: Repository, layout: Layout) -> None:
    """Finish what a ``--fetch`` that died in the middle left: its index lock would stop everybody, a person included.

    Landings of sessions are their own ``continue``'s to finish.
    """
    for directory in landing.pending(layout.root / "landings"):
        if directory.name.startswith(_FETCH):
            landing.recover(
                directory, repository.git, repository.common_dir, clock=time.monotonic, sleep=time.sleep, wait=1.0
            )
