"""Snapshots: everything that an attempt left in a worktree, made reachable from a ref before anybody touches the tree.

Nothing of the worktree is changed: neither files nor index nor HEAD. The commit's tree holds the files byte for byte,
its first parent is where the worktree was; what was staged and differs from the files, the ignored files by themselves
and the heads of a merge or rebase under way are further parents. Not kept: what git cannot hold (empty directories,
rights beyond the executable bit, the content of nested repositories, which are named) and what the attempt itself threw
away, such as commits that it reset.

A snapshot counts once its ref is written and everything that it holds can be read back.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from gitfleet.errors import GitfleetError
from gitfleet.git.command import GitFailed
from gitfleet.git.durable import pack_range
from gitfleet.git.engine import MissingObject
from gitfleet.git.refs import Moved, Refs, Refused, Updated, zero
from gitfleet.git.seen import Seen, look
from gitfleet.git.snapshot_commits import broken, holds, measure, same, write
from gitfleet.git.snapshot_facts import Facts
from gitfleet.git.worktrees import Worktree
from gitfleet.model.evidence import WIP

if TYPE_CHECKING:
    from gitfleet.git.ignored import Wanted
    from gitfleet.git.objects import Objects
    from gitfleet.git.repository import Repository

LIMIT = 64 << 20
"""Bytes of ignored files that one snapshot keeps, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose work it is and why it is kept.

    ``base`` is the commit that the attempt started from; empty when it is not known. ``held`` is a commit that a
    lasting ref holds (the landing of the run): what it has is no work to keep; by default that is the base. ``tips``
    are commits to keep beside the worktree's HEAD, such as the tip of the attempt's branch.
    """

    instance: str
    reason: str
    session: str = ""
    task: str = ""
    attempt: int = 0
    base: str = ""
    held: str = ""
    tips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """The work is kept.

    ``fresh`` is false when the newest snapshot of the instance held the same already. ``cut`` are ignored files left
    out by the limit. ``gaps`` are what could not be read, and ``nested`` repositories whose content is not in it: with
    either the worktree holds the only copy of something.
    """

    ref: str
    commit: str
    files: int
    bytes: int
    fresh: bool = True
    cut: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the worktree may be reused or taken away now."""
        return not self.gaps and not self.nested


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing that a lasting ref does not hold."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The work could not be kept, and why; the worktree must stay as it is."""

    why: str


Outcome = Taken | Nothing | Failed


def take(
    repository: Repository,
    objects: Objects,
    worktree: Worktree | Path,
    origin: Origin,
    *,
    ignored: Wanted | None = None,
    limit: int = LIMIT,
) -> Outcome:
    """Keep what is in a worktree under the next free ``refs/gitfleet/wip/<instance>/<n>``.

    A path stands for a tree that git knows no more. ``ignored`` says which ignored paths belong to the attempt (see
    ``ignored.Wanted``); none keeps none. At most ``limit`` bytes of them are kept, small ones first. May be repeated:
    what is kept already is not kept twice. The files may be in use; a snapshot then holds what one reading saw.
    """
    outcome: Outcome = Failed("it was not tried")
    for _ in range(2):
        outcome = _attempted(repository, objects, worktree, origin, ignored, limit)
        # A `git gc --prune=now` between objects and ref takes the objects away: a second time writes them again.
        if not isinstance(outcome, Failed):
            break
    return outcome


def keep(repository: Repository, objects: Objects, commit: str, origin: Origin) -> Outcome:
    """Keep a commit, such as the tip of a branch that is about to start anew, where there is no worktree to look at."""
    try:
        tree = objects.commit(commit).tree
        return _keep(repository, objects, Seen(head=commit, under=commit, tree=tree, others=origin.tips), origin)
    except (GitFailed, GitfleetError, MissingObject, OSError, ValueError) as error:
        return Failed(str(error))


def reusable(outcome: Outcome) -> bool:
    """Whether a worktree may be reset, reused or removed after this outcome."""
    match outcome:
        case Nothing():
            return True
        case Taken():
            return outcome.whole
        case Failed():
            return False
        case _:
            assert_never(outcome)


def numbers(repository: Repository, instance: str) -> dict[int, str]:
    """The instance's snapshots: commits by number, oldest first."""
    found = {}
    for ref, oid in Refs(repository.git).under(f"{WIP}{instance}/").items():
        number = ref.rpartition("/")[2]
        if number.isdecimal():
            found[int(number)] = oid
    return dict(sorted(found.items()))


def _attempted(
    repository: Repository,
    objects: Objects,
    worktree: Worktree | Path,
    origin: Origin,
    ignored: Wanted | None,
    limit: int,
) -> Outcome:
    try:
        with ExitStack() as stack:
            known = isinstance(worktree, Worktree)
            path = worktree.path if isinstance(worktree, Worktree) else worktree
            if not path.is_dir():
                return keep(repository, objects, origin.tips[0], origin) if origin.tips else Nothing()
            if isinstance(worktree, Worktree):
                try:
                    seen = look(repository, objects, worktree, origin.base, origin.held, origin.tips, ignored, limit)
                    return _keep(repository, objects, seen, origin)
                except GitFailed:
                    known = False
            assert not known  # noqa: S101 - what follows is for trees whose git directory is gone or broken
            stand_in = _stand_in(stack, repository, path, origin)
            seen = look(repository, objects, stand_in, origin.base, origin.held, origin.tips, ignored, limit)
            return _keep(repository, objects, seen, origin)
    except (GitFailed, GitfleetError, MissingObject, ValueError) as error:
        return Failed(str(error))
    except OSError as error:
        return Failed(f"{error.strerror}: {error.filename}" if error.filename else str(error))


def _stand_in(stack: ExitStack, repository: Repository, path: Path, origin: Origin) -> Worktree:
    """A git directory for a tree whose own is gone or broken, at the commit that the attempt started from."""
    place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gitfleet-stand-in-")))
    (place / "commondir").write_bytes(os.fsencode(repository.common_dir) + b"\n")
    head = next(iter(origin.tips), origin.base)
    (place / "HEAD").write_text(f"{head}\n" if head else "ref: refs/heads/gitfleet/none\n", encoding="ascii")
    return Worktree(path, place)


def _keep(repository: Repository, objects: Objects, seen: Seen, origin: Origin) -> Outcome:
    if holds(objects, origin.held or origin.base, seen):
        if seen.nested or seen.gaps:
            return Failed("; ".join([*(f"{path} is a repository of its own" for path in seen.nested), *seen.gaps]))
        return Nothing()
    files, size = measure(repository, objects, seen, origin.base)
    facts = Facts(
        instance=origin.instance,
        session=origin.session,
        task=origin.task,
        attempt=str(origin.attempt or ""),
        reason=origin.reason,
        base=origin.base,
        head=seen.head or "",
        files=files,
        bytes=size,
        cut=seen.cut,
        gap=seen.gaps,
        nested=seen.nested,
    )
    existing = numbers(repository, origin.instance)
    if existing:
        number, newest = next(reversed(existing.items()))
        if same(objects, newest, seen):
            return _taken(f"{WIP}{origin.instance}/{number}", newest, facts, fresh=False)
    commit = write(objects, seen, facts)
    pack_range(repository.git, repository.common_dir, origin.base or None, commit)
    ref = _publish(repository, origin.instance, commit, max(existing, default=0) + 1)
    missing = broken(repository, commit, origin.base)
    if missing:
        # A ref to what is not there would stop every `git gc` of the user; it never counted.
        Refs(repository.git).delete(ref, commit)
        return Failed(f"what was written could not be read back: {missing}")
    return _taken(ref, commit, facts, fresh=True)


def _taken(ref: str, commit: str, facts: Facts, *, fresh: bool) -> Taken:
    return Taken(ref, commit, facts.files or 0, facts.bytes or 0, fresh, facts.cut, facts.gap, facts.nested)


def _publish(repository: Repository, instance: str, commit: str, number: int) -> str:
    while True:
        ref = f"{WIP}{instance}/{number}"
        outcome = Refs(repository.git).update(ref, commit, zero(commit), why="gitfleet: snapshot")
        match outcome:
            case Updated():
                return ref
            case Moved():
                number += 1
            case Refused(why):
                raise OSError(why)
            case _:
                assert_never(outcome)
