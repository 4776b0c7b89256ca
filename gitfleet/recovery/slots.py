"""Trees change hands: what is in one is kept first, and it is set aside where that is not sure.

Runs in worker threads. Whatever happened between two steps of an earlier attempt at this, it may be repeated: what is
kept already is not kept twice, and a tree is looked at anew before anything in it is touched.
"""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitfleet.errors import BROKEN_DISK, RUN_OUT, GitfleetError, Kind
from gitfleet.git import slots, snapshots, worktrees
from gitfleet.git.command import GitFailed
from gitfleet.git.refs import HEADS
from gitfleet.git.snapshots import Failed, Origin, Taken
from gitfleet.model.base import instant
from gitfleet.model.lease import SetAside
from gitfleet.model.paths import quote_path
from gitfleet.pool.leasing import Standing, give_back, run_of, whose
from gitfleet.recovery.keeping import of_scope
from gitfleet.runtime.presence import working_in
from gitfleet.store.locks import worktrees_lock

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.objects import Objects
    from gitfleet.git.worktrees import BranchTaken, Worktree
    from gitfleet.model.lease import Lease
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts


@dataclass(frozen=True, slots=True)
class Stands:
    """The tree is ready for its attempt; ``notes`` say what had to be set aside for it."""

    worktree: Worktree
    notes: tuple[str, ...] = ()


def stand(parts: Parts, run: Run, start: str = "") -> Stands | BranchTaken:
    """Make the slot of a run's last attempt ready: renewed where it was somebody's, made where it was not there.

    Its branch begins at ``run.base``, or at ``start``, a commit that the run has already.

    Raises ``GitfleetError``, ``GitFailed`` and ``OSError`` when git or the system cannot.
    """
    path = parts.pool / run.attempts[-1].worktree
    old = parts.refs.read(HEADS + run.branch) if start or len(run.attempts) > 1 else None
    start = start or run.base
    notes: tuple[str, ...] = ()
    found = slots.usable(parts.repository, path)
    if found is not None and ((found.git_dir / "index").exists() or not _debris(parts, path)):
        with parts.open_objects() as objects:
            why = _keep(parts, objects, found, _before(parts, run), run)
        if not why:
            try:
                taken = slots.renew(
                    parts.repository,
                    found,
                    start,
                    run.branch,
                    instance=run.instance,
                    old=old,
                    keep=parts.trees.keep,
                )
            except (GitFailed, OSError) as error:
                why = f"it could not be cleaned: {error}"
                old = parts.refs.read(HEADS + run.branch)
            else:
                return taken or Stands(found)
        notes = (_set_aside(parts, path, why),)
    elif found is None and not _debris(parts, path):
        if path.is_symlink() or not path.is_dir():
            raise GitfleetError(Kind.ENVIRONMENT, "slot-taken", f"something else stands at {path}")
        notes = (_set_aside(parts, path, "git does not know it any more, or somebody locked it"),)
    made = worktrees.add(
        parts.repository, path, start, run.branch, worktrees_lock(parts.layout), instance=run.instance, old=old
    )
    return Stands(made, notes) if isinstance(made, worktrees.Worktree) else made


def stand_again(parts: Parts, run: Run) -> Stands | str:
    """The tree of a run whose next attempt goes on in it, as it is; or why that cannot be, as a clause.

    Nothing is kept, cleaned or moved: it was the attempt's before, and nobody's since.
    """
    path = parts.pool / run.attempts[-1].worktree
    found = slots.usable(parts.repository, path)
    held = parts.trees.leases.of(run.instance)
    if found is None or not (found.git_dir / "index").exists():
        return "its worktree is not as it was left"
    if held is None or held.slot != path.name or whose(held) != run.instance:
        return "its worktree was given to another run"
    if parts.refs.read(HEADS + run.branch) is None:
        return f"its branch {run.branch} is gone"
    working = working_in(found.path)
    if working:
        return f"processes work in its worktree: {', '.join(working)}"
    # Of a git that was killed: whose processes are gone.
    (found.git_dir / "index.lock").unlink(missing_ok=True)
    return Stands(found)


def release(parts: Parts) -> tuple[str, ...]:
    """Empty the trees of this session whose runs landed, or that no run holds, and free them; gives notes for people.

    What cannot be emptied without a doubt is set aside.
    """
    notes: list[str] = []
    free: list[str] = []
    with suppress(OSError):
        slots.mend_quarantine(parts.repository, parts.pool)
    for slot, held in parts.trees.leases.live().items():
        if held is None or held.session != parts.trees.session or not held.task:
            continue
        if parts.trees.standing(held) not in {Standing.LANDED, Standing.STALE}:
            continue
        path = parts.pool / slot
        with suppress(GitfleetError, GitFailed, OSError):
            note = _emptied(parts, held, path)
            if note:
                notes.append(note)
            free.append(slot)
    with suppress(GitfleetError, OSError):
        give_back(parts.trees, *free)
    return tuple(notes)


def _emptied(parts: Parts, held: Lease, path: Path) -> str:
    found = slots.usable(parts.repository, path)
    if found is None or not (found.git_dir / "index").exists():
        if _debris(parts, path) or path.is_symlink() or not path.is_dir():
            return ""
        if found is None:
            return _set_aside(parts, path, "git does not know it any more, or somebody locked it")
    with parts.open_objects() as objects:
        why = _keep(parts, objects, found, run_of(parts.trees, whose(held)), None)
    if not why:
        try:
            slots.empty(parts.repository, found, keep=parts.trees.keep)
        except (GitFailed, OSError) as error:
            why = f"it could not be cleaned: {error}"
    return _set_aside(parts, path, why) if why else ""


def _before(parts: Parts, run: Run) -> Run | None:
    """The run whose work is in the tree that a run was given; none where nobody's is."""
    held = parts.trees.leases.of(run.instance)
    return run_of(parts.trees, held.before) if held is not None and held.before else None


def _keep(parts: Parts, objects: Objects, found: Worktree, before: Run | None, after: Run | None) -> str:
    """Keep what is in a tree under a ref; gives why it must be set aside instead, empty when it may be used."""
    remaining = working_in(found.path)
    known = [attempt.exit for attempt in (before.attempts if before else ()) if attempt.worktree == found.path.name]
    remaining += tuple(name for ended in known if ended for name in ended.remaining)
    if slots.has_modules(found):
        return "submodules were filled in, and what was committed there is nowhere else"
    wanted = None
    if before is not None:
        held = before.merge.commit if before.merge else ""
        number = next((a.number for a in reversed(before.attempts) if a.worktree == found.path.name), 0)
        origin = Origin(before.instance, "reuse", before.session, before.task, number, before.base, held)
        wanted = of_scope(before, fold=parts.fold)
    else:
        # Nobody's: clean at a commit that a target has, unless a person worked here.
        name = after.instance if after else parts.trees.session
        origin = Origin(name, "found in a free tree", held=after.base if after else "")
    tip = parts.refs.read(HEADS + after.branch) if after and after.branch and before == after else None
    outcome = snapshots.take(
        parts.repository, objects, found, replace(origin, tips=(tip,) if tip else ()), ignored=wanted
    )
    if remaining:
        return f"processes work in it: {', '.join(dict.fromkeys(remaining))}"
    if snapshots.reusable(outcome):
        return ""
    if isinstance(outcome, Failed):
        return f"what is in it could not be kept: {outcome.why}"
    assert isinstance(outcome, Taken)  # noqa: S101 - nothing is reusable
    return f"it holds the only copy of {', '.join((*outcome.nested, *outcome.gaps))}"


def _set_aside(parts: Parts, path: Path, why: str) -> str:
    for number in RUN_OUT | BROKEN_DISK:
        if os.strerror(number) in why:
            # The machine is to blame, and the tree is as good as it was.
            raise OSError(number, why)
    held = parts.trees.leases.live().get(path.name)
    instance = (held.before or held.instance) if held else ""
    name = f"{path.name}-{instance or 'unknown'}"
    with worktrees_lock(parts.layout) as proof:
        place = slots.set_aside(parts.repository, path, name, why, nullcontext())
        note = SetAside(path=quote_path(os.fsencode(place)), instance=instance, why=why, since=instant(parts.now()))
        parts.trees.leases.write_set_aside(proof, place.name, note)
    return f"the worktree {path.name} was set aside as {place}: {why}; when you have looked: {note.let_go}"


def _debris(parts: Parts, path: Path) -> bool:
    with worktrees_lock(parts.layout):
        return slots.debris(parts.repository, path)
