"""The merge step of a train: git's merge, what the user had git record of earlier ones, and a conflict explained.

An explanation names for each path what stands against what, what both sides have there and who put it there. It is
evidence for people and prompts; nothing is decided by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed
from gitfleet.git.merging import Conflicted, DriverFailed, Merged, NoBase, merge, remembers, replay
from gitfleet.model.conflict import Conflict, ConflictKind, ConflictSide, SideChange, paths_of
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitfleet.git.command import Git
    from gitfleet.git.merging import Note, Stage
    from gitfleet.git.objects import Objects
    from gitfleet.integrate.gate.inspecting import Inspection

EXPLAINED = 50
"""Paths of one run that are explained; a record stays bounded whatever a merge says."""

_CHANGES = 5
_MESSAGE = 400
_SUBJECT = 120
_NAMED = 20

_KINDS = {
    **{str(kind): kind for kind in ConflictKind},
    "contents": ConflictKind.CONTENT,
    "binary": ConflictKind.CONTENT,
    "file location": ConflictKind.DIRECTORY_RENAME,
    "implicit dir rename": ConflictKind.DIRECTORY_RENAME,
    "directory rename split": ConflictKind.DIRECTORY_RENAME,
    "rename involved in collision": ConflictKind.RENAME_ADD,
    "distinct types": ConflictKind.DISTINCT_TYPES,
    "distinct modes": ConflictKind.DISTINCT_TYPES,
    "submodule": ConflictKind.SUBMODULE,
}
_LOUDEST = (
    ConflictKind.FILE_DIRECTORY,
    ConflictKind.DIRECTORY_RENAME,
    ConflictKind.RENAME_RENAME,
    ConflictKind.RENAME_DELETE,
    ConflictKind.RENAME_ADD,
    ConflictKind.DISTINCT_TYPES,
    ConflictKind.SUBMODULE,
    ConflictKind.MODIFY_DELETE,
    ConflictKind.ADD_ADD,
)
"""Of several kinds at one path the first of these is the cause, and what is behind it follows from it."""


def merge_run(git: Git, onto: str, tip: str) -> Merged | Conflicted | NoBase | DriverFailed:
    """Merge a run into a candidate, in the integration worktree; a conflict that was resolved before is replayed."""
    result = merge(git, onto, tip)
    if isinstance(result, Conflicted) and remembers(git):
        tree = replay(git, onto, tip)
        if tree is not None:
            return Merged(tree)
    return result


def explain(git: Git, onto: str, tip: str, found: Conflicted) -> tuple[Conflict, ...]:
    """Both sides of each path in conflict; ``onto`` is the candidate that the run met, ``tip`` what the run has."""
    stages: dict[bytes, dict[int, Stage]] = {}
    for stage in found.stages:
        stages.setdefault(stage.path, {})[stage.stage] = stage
    notes: dict[bytes, list[Note]] = {}
    for note in found.notes:
        for path in note.paths:
            notes.setdefault(path, []).append(note)
    # What git only speaks of (a directory that was renamed) counts where it names no file that is in conflict.
    alone = [note.paths[0] for note in found.notes if note.paths and not set(note.paths) & stages.keys()]
    paths = sorted({*stages, *alone})[:EXPLAINED]
    bases = _bases(git, onto, tip)
    conflicts = []
    for path in paths:
        has = stages.get(path, {})
        said = sorted(notes.get(path, ()), key=_loudness)
        base = has.get(1)
        about = _about(path, said)
        conflicts.append(
            Conflict(
                path=quote_path(path),
                kind=_kind_of(said[0]) if said else ConflictKind.OTHER,
                message=said[0].text[:_MESSAGE] if said else "",
                base=base.oid if base else "",
                target=_side(has.get(2), _changes(git, bases, onto, about, line=True)),
                run=_side(has.get(3), _changes(git, [onto], tip, about, line=False)),
            )
        )
    return tuple(conflicts)


def outside(git: Git, objects: Objects, onto: str, tip: str, merged: str, barred: Inspection) -> tuple[Conflict, ...]:
    """Paths that a run's merge, the tree ``merged``, must not change: the target moved what the run had changed."""
    paths = sorted({one.path for one in barred.violations})[:EXPLAINED]
    before, bases = objects.commit(onto).tree, _bases(git, onto, tip)
    conflicts = []
    for path in paths:
        sides = []
        ours = _changes(git, bases, onto, [path], line=True)
        theirs = _changes(git, [onto], tip, [path], line=False)
        for tree, changes in ((before, ours), (merged, theirs)):
            entry = objects.entry(tree, path)
            mode, oid = (f"{entry.mode:06o}", entry.oid) if entry and not entry.is_tree else ("", "")
            sides.append(ConflictSide(mode=mode, blob=oid, changes=changes))
        quoted = quote_path(path)
        conflicts.append(
            Conflict(
                path=quoted,
                kind=ConflictKind.OUTSIDE_SCOPE,
                message=f"The merge would change {quoted}, which is outside the scope of the run.",
                target=sides[0],
                run=sides[1],
            )
        )
    return tuple(conflicts)


def named(conflicts: Sequence[Conflict]) -> str:
    """The paths of a clash, in a sentence."""
    paths = paths_of(conflicts)
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{', '.join(paths[:_NAMED])}{more}"


def _kind_of(note: Note) -> ConflictKind:
    kind = _KINDS.get(note.kind)
    if kind is None:
        kind = ConflictKind.SUBMODULE if "submodule" in note.kind else ConflictKind.OTHER
    return kind


def _loudness(note: Note) -> int:
    kind = _kind_of(note)
    return _LOUDEST.index(kind) if kind in _LOUDEST else len(_LOUDEST)


def _about(path: bytes, notes: Iterable[Note]) -> tuple[bytes, ...]:
    """The path, and the others that what git says of it names: where it was, or where it is on the other side."""
    found = [path]
    for note in notes:
        found += note.paths
        if _kind_of(note) is ConflictKind.DIRECTORY_RENAME:
            # Whoever moved the directory touched neither of the two.
            found += [other.rpartition(b"/")[0] for other in note.paths if b"/" in other]
    return tuple(dict.fromkeys(found))


def _side(stage: Stage | None, changes: tuple[SideChange, ...]) -> ConflictSide:
    return ConflictSide(blob=stage.oid if stage else "", mode=stage.mode if stage else "", changes=changes)


def _bases(git: Git, onto: str, tip: str) -> list[str]:
    """Where both sides come from; git drops a merge from the first line whose parent is only behind what it hides."""
    return git.run("merge-base", "--all", onto, tip, ok=(0, 1)).text.split()


def _changes(
    git: Git, without: Sequence[str], side: str, paths: Sequence[bytes], *, line: bool
) -> tuple[SideChange, ...]:
    """The last commits of one side that changed these paths; on the target's own line a merge stands for its run."""
    options = ["--first-parent"] if line else ["--no-merges"]
    # Fields end with NUL, which neither a message nor a path can hold.
    form = "--format=tformat:%H%x00%s%x00%(trailers:key=Gitfleet-Instance,valueonly,unfold,separator=%x2C)"
    try:
        fields = git.run(
            "--literal-pathspecs", "log", "-z", "--no-show-signature", f"--max-count={_CHANGES}", *options, form,
            side, *(f"^{commit}" for commit in without), "--", *paths,
        ).stdout.split(b"\0")  # fmt: skip
    except GitFailed:
        return ()
    return tuple(
        SideChange(
            commit=commit.decode("ascii"),
            subject=subject.decode("utf-8", "replace")[:_SUBJECT],
            instance=instance.decode("utf-8", "replace").strip()[:_SUBJECT],
        )
        for commit, subject, instance in zip(*(fields[at:-1:3] for at in range(3)), strict=True)
    )
