"""What stands in a worktree, written as objects: the tree of its files, of what is staged, of what is ignored.

Objects only: no ref, no index and no file of the worktree is touched. Whoever calls makes the objects durable.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.git import ignored as ignored_files
from gitfleet.git.command import GitFailed
from gitfleet.git.index import content_as_checked_out, parse_raw
from gitfleet.git.objects import is_oid
from gitfleet.git.private_index import SETTINGS, private_status, scratch_of
from gitfleet.git.raw_files import store
from gitfleet.git.snapshot_facts import bounded, named
from gitfleet.git.trees import EXECUTABLE, FILE, SUBMODULE, TreeEntry
from gitfleet.git.worktrees import INSTANCE_FILE
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitfleet.git.command import Git
    from gitfleet.git.ignored import Wanted
    from gitfleet.git.index import Entry
    from gitfleet.git.objects import Objects
    from gitfleet.git.repository import Repository
    from gitfleet.git.status import Status
    from gitfleet.git.worktrees import Worktree

_HEADS = (
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "rebase-merge/orig-head",
    "rebase-apply/orig-head",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is there.

    ``under`` is the commit that ``tree`` stands on: HEAD, or the base where there is no HEAD. Trees of what is staged
    and of ignored files are empty where there is none. ``others`` are commits to keep beside HEAD.
    """

    head: str | None
    under: str | None
    tree: str
    index_tree: str = ""
    ignored_tree: str = ""
    others: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()


def look(
    repository: Repository,
    objects: Objects,
    worktree: Worktree,
    base: str,
    held: str,
    tips: tuple[str, ...],
    ignored: Wanted | None,
    limit: int,
) -> Seen:
    """Write what stands in a worktree as objects; see ``snapshots.Origin`` for base, held and tips."""
    git = worktree.git(repository.git).having(*SETTINGS)
    root = os.fsencode(worktree.path)
    with scratch_of(worktree) as scratch:
        private, status = private_status(git, worktree, Path(scratch) / "index", ignored=ignored is not None)
        touched = _touched(private, status)
        index_tree, gaps = _staged(private, status)
    under = status.head or base or None
    # Where there is no HEAD, git tells what differs from nothing.
    start = objects.commit(status.head).tree if status.head else None
    paths = dict.fromkeys((*status.unmerged, *status.changed, *status.untracked))
    paths.pop(os.fsencode(INSTANCE_FILE), None)
    if base and status.head and not objects.is_ancestor(status.head, held or base):
        # What the attempt committed is taken from the files too: a filter may have changed it on its way.
        paths |= dict.fromkeys(change.path for change in objects.diff(objects.commit(base).tree, start))
    stored = store(git, objects, root, paths)
    stored.entries.update(_behind_filters(git, objects, root, touched.keys() - paths.keys(), touched))
    entries = _absent_as_staged(stored.entries, status)
    # git says how it differs, and only these paths: what else is missing was never checked out.
    known = {*status.changed, *status.unmerged}
    entries = {path: entry for path, entry in entries.items() if entry is not None or path in known}
    tree = objects.edit_tree(start, entries)
    nested = [*status.nested, *_submodules(objects, start, entries)]
    ignored_tree = ""
    cut: tuple[str, ...] = ()
    if ignored is not None:
        tree, ignored_tree, cut, more, inside = _with_ignored(git, objects, worktree, status, tree, ignored, limit)
        gaps, nested = [*gaps, *more], [*nested, *inside]
    return Seen(
        head=status.head,
        under=under,
        tree=tree,
        index_tree=index_tree,
        ignored_tree=ignored_tree,
        others=_others(objects, worktree.git_dir, status.head, base, tips),
        cut=cut,
        gaps=bounded([*status.unread, *gaps, *stored.gaps]),
        nested=named(dict.fromkeys(nested)),
    )


def _staged(private: Git, status: Status) -> tuple[str, list[str]]:
    """The tree of the index where it holds what the files do not, else nothing; and what could not be read."""
    if not status.half_staged:
        return "", []
    try:
        if status.unmerged:
            lines = b"".join(b"0 %s\t%s\0" % (b"0" * 40, path) for path in status.unmerged)
            private.run("update-index", "-z", "--index-info", stdin=lines)
        return private.run("write-tree").text, []
    except GitFailed as error:
        return "", [f"what was staged: {error.completed.error}"]


def _touched(private: Git, status: Status) -> dict[bytes, Entry]:
    """Files that git takes for unchanged, but only after it has filtered what stands in them: with what it has."""
    raw = private.run("diff-files", "-z", "--raw", "--no-abbrev", "--ignore-submodules=all").stdout
    differs = {*status.unstaged, *status.unmerged}
    return {
        change.path: change.old
        for _, change in parse_raw(raw)
        if change.path not in differs and change.old is not None and change.old.mode in (FILE, EXECUTABLE)
    }


def _behind_filters(
    git: Git, objects: Objects, root: bytes, paths: Iterable[bytes], known: Mapping[bytes, Entry]
) -> dict[bytes, TreeEntry | None]:
    """Files whose bytes are neither what git has nor what a checkout would write: a filter hides an edit of them."""
    found: dict[bytes, TreeEntry | None] = {}
    for path, entry in store(git, objects, root, sorted(paths)).entries.items():
        if entry is not None and entry.oid != known[path].oid:
            written = content_as_checked_out(git, path, known[path])
            if written is None or objects.blob(entry.oid) != written:
                found[path] = entry
    return found


def _absent_as_staged(entries: dict[bytes, TreeEntry | None], status: Status) -> dict[bytes, TreeEntry | None]:
    """A file that git does not miss, in a sparse checkout, is what the index says."""
    missed = {*status.unstaged, *status.unmerged, *status.untracked}
    staged = {item.path: item for item in status.staged}
    for path, entry in entries.items():
        if entry is None and path not in missed and path in staged and staged[path].mode:
            entries[path] = TreeEntry(staged[path].mode, staged[path].oid)
    return entries


def _submodules(objects: Objects, start: str | None, entries: dict[bytes, TreeEntry | None]) -> list[bytes]:
    """Submodules whose commit moved: it may be in no repository but the one inside this worktree."""
    return [
        path
        for path, entry in entries.items()
        if entry is not None and entry.mode == SUBMODULE and (start is None or objects.entry(start, path) != entry)
    ]


def _with_ignored(
    git: Git, objects: Objects, worktree: Worktree, status: Status, tree: str, wanted: Wanted, limit: int
) -> tuple[str, str, tuple[str, ...], list[str], tuple[bytes, ...]]:
    root = os.fsencode(worktree.path)
    found = ignored_files.made_since(worktree.git_dir, root, status.ignored, wanted)
    chosen, cut, room = [], [], limit
    for path, size in sorted(found.files.items(), key=lambda item: (item[1], item[0])):
        if size <= room:
            chosen.append(path)
            room -= size
        else:
            cut.append(f"{quote_path(path)} ({size} bytes)")
    stored = store(git, objects, root, sorted(chosen))
    entries = {path: entry for path, entry in stored.entries.items() if entry is not None}
    gaps = [*stored.gaps, *(f"{quote_path(path)}: it cannot be looked into" for path in found.unread)]
    if not entries:
        return tree, "", bounded(cut), gaps, found.nested
    return objects.edit_tree(tree, entries), objects.edit_tree(None, entries), bounded(cut), gaps, found.nested


def _others(objects: Objects, git_dir: Path, head: str | None, base: str, tips: tuple[str, ...]) -> tuple[str, ...]:
    """Commits of an operation under way, and those asked for, that neither HEAD nor the base reaches."""
    found = list(tips)
    for name in _HEADS:
        with suppress(OSError, UnicodeDecodeError):
            found += (git_dir / name).read_text("ascii").split()
    kept: list[str] = []
    for oid in dict.fromkeys(found):
        if not is_oid(oid) or objects.resolve(oid) is None:
            continue
        if not any(place and objects.is_ancestor(oid, place) for place in (head, base, *kept)):
            kept.append(oid)
    return tuple(kept)
