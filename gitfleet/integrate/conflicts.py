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
    from collections.abc import Iterable, Mapping, Sequence

    from gitfleet.git.command import Git
    from gitfleet.git.merging import Note, Stage
    from gitfleet.git.objects import Objects

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
    about = {path: _about(path, notes.get(path, ())) for path in paths}
    ours, theirs = _changes(git, tip, onto, about, line=True), _changes(git, onto, tip, about, line=False)
    conflicts = []
    for path in paths:
        has = stages.get(path, {})
        said = sorted(notes.get(path, ()), key=_loudness)
        base = has.get(1)
        conflicts.append(
            Conflict(
                path=quote_path(path),
                kind=_kind_of(said[0]) if said else ConflictKind.OTHER,
                message=said[0].text[:_MESSAGE] if said else "",
                base=base.oid if base else "",
                target=_side(has.get(2), ours[path]),
                run=_side(has.get(3), theirs[path]),
            )
        )
    return tuple(conflicts)


def outside(
    git: Git, objects: Objects, onto: str, tip: str, merged: str, paths: Sequence[bytes]
) -> tuple[Conflict, ...]:
    """Paths outside its scope that a run's merge would change, because the target moved what the run changed."""
    paths = sorted(paths)[:EXPLAINED]
    about = {path: (path,) for path in paths}
    ours, theirs = _changes(git, tip, onto, about, line=True), _changes(git, onto, tip, about, line=False)
    conflicts = []
    for path in paths:
        sides = []
        for commit, changes in ((onto, ours[path]), (merged, theirs[path])):
            entry = objects.entry(objects.commit(commit).tree, path)
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
    return tuple(dict.fromkeys((path, *(other for note in notes for other in note.paths))))


def _side(stage: Stage | None, changes: tuple[SideChange, ...]) -> ConflictSide:
    return ConflictSide(blob=stage.oid if stage else "", mode=stage.mode if stage else "", changes=changes)


def _changes(
    git: Git, without: str, side: str, about: Mapping[bytes, tuple[bytes, ...]], *, line: bool
) -> dict[bytes, tuple[SideChange, ...]]:
    """The last commits of one side that changed each path; on the target's own line a merge stands for its run."""
    found: dict[bytes, list[SideChange]] = {path: [] for path in about}
    wanted = sorted({other for paths in about.values() for other in paths})
    options = ["--first-parent"] if line else ["--no-merges"]
    form = "--format=%x01%H%x02%s%x02%(trailers:key=Gitfleet-Instance,valueonly,separator=%x2C)%x02"
    try:
        raw = git.having("core.commitGraph=false").run(
            "--literal-pathspecs", "log", "-z", "--name-only", "--no-renames", "--max-count=200", *options, form,
            f"{without}..{side}", "--", *wanted,
        ).stdout  # fmt: skip
    except GitFailed:
        return dict.fromkeys(about, ())
    for block in raw.split(b"\1")[1:]:
        commit, subject, instance, names = block.split(b"\2", 3)
        touched = {name.lstrip(b"\n") for name in names.split(b"\0")}
        change = SideChange(
            commit=commit.decode("ascii"),
            subject=subject.decode("utf-8", "replace")[:_SUBJECT],
            instance=instance.decode("utf-8", "replace").strip(),
        )
        for path, paths in about.items():
            if len(found[path]) < _CHANGES and touched & set(paths):
                found[path].append(change)
    return {path: tuple(changes) for path, changes in found.items()}
