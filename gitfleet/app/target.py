"""Which branch a session lands on: found, brought up to date when asked, and made when it is the session's to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.git.refs import Updated, short, zero

if TYPE_CHECKING:
    from gitfleet.git.preflight import Upstream
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
