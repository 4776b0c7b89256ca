"""Snapshots read back: what there is, what is in one, and its content on a branch or in a directory of its own.

Nothing that exists is changed: a branch must be new, a directory new or empty. Only ``forget`` deletes, one snapshot,
and only where it is still the one that was looked at.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.git import snapshot_facts
from gitfleet.git.command import GitFailed
from gitfleet.git.raw_files import refused
from gitfleet.git.refs import HEADS, Refs, Updated, zero
from gitfleet.git.snapshot_facts import Facts
from gitfleet.git.trees import EXECUTABLE, SUBMODULE, SYMLINK, TreeEntry
from gitfleet.model.evidence import WIP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.git.objects import Objects
    from gitfleet.git.refs import Moved, Refused
    from gitfleet.git.repository import Repository

_FORMAT = "%(refname)%00%(objectname)%00%(committerdate:unix)%00%(contents)%00"


@dataclass(frozen=True, slots=True)
class Kept:
    """One snapshot; ``taken`` is in POSIX seconds. Of one that cannot be read only the name is known."""

    ref: str
    commit: str
    taken: float | None
    facts: Facts

    @property
    def instance(self) -> str:
        """Whose work it is."""
        return self.ref.removeprefix(WIP).rpartition("/")[0]

    @property
    def number(self) -> int:
        """Which of the instance's snapshots, from 1."""
        last = self.ref.rpartition("/")[2]
        return int(last) if last.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One path of a snapshot that differs from the base: added, modified, deleted, type-changed, ignored or staged."""

    path: bytes
    change: str
    bytes: int | None


def kept(repository: Repository, instance: str = "") -> list[Kept]:
    """Every snapshot, or those of one instance: by instance, oldest first."""
    prefix = f"{WIP}{instance}/" if instance else WIP
    try:
        found = _listed(repository, prefix)
    except GitFailed:
        # One that is damaged must not hide the others.
        found = []
        for ref, oid in Refs(repository.git).under(prefix).items():
            try:
                found += _listed(repository, ref)
            except GitFailed:
                found.append(Kept(ref, oid, None, Facts()))
    return sorted(found, key=lambda snapshot: (snapshot.instance, snapshot.number))


def files(repository: Repository, objects: Objects, snapshot: Kept) -> list[KeptFile]:
    """What a snapshot holds beyond its base, in byte order; raises ``MissingObject`` for a damaged one."""
    tree = objects.commit(snapshot.commit).tree
    base = start_of(objects, snapshot)
    ignored = _paths(objects, _tree_of(objects, snapshot.facts.ignored))
    found: dict[tuple[bytes, str], TreeEntry | None] = {}
    for path, before, after in objects.diff(_tree_of(objects, base), tree):
        found[path, _change(before, after, ignored=path in ignored)] = after
    if snapshot.facts.index:
        under = _tree_of(objects, snapshot.facts.head or base)
        for path, _, after in objects.diff(under, _tree_of(objects, snapshot.facts.index)):
            if after is not None and objects.entry(tree, path) != after:
                found[path, "staged"] = after
    sizes = _sizes(repository, {entry.oid for entry in found.values() if entry and entry.mode != SUBMODULE})
    return [
        KeptFile(path, change, sizes.get(entry.oid) if entry is not None else None)
        for (path, change), entry in sorted(found.items())
    ]


def start_of(objects: Objects, snapshot: Kept) -> str:
    """The commit that a snapshot is told against: its base, else where its worktree was; empty for none."""
    parents = objects.commit(snapshot.commit).parents
    return snapshot.facts.base or snapshot.facts.head or (parents[0] if parents else "")


def patch(repository: Repository, objects: Objects, snapshot: Kept) -> bytes:
    """The difference from the base as git writes it, binary files included."""
    start = start_of(objects, snapshot)
    if not start:
        start = repository.git.run("hash-object", "-t", "tree", "--stdin", stdin=b"").text
    options = ("--no-ext-diff", "--no-textconv", "--no-renames", "--binary", "--no-color")
    return repository.git.run("diff", *options, start, snapshot.commit, "--").stdout


def commit_of(objects: Objects, snapshot: Kept) -> str:
    """A plain commit of a snapshot's files on top of where its worktree was; that one itself where they are equal."""
    commit = objects.commit(snapshot.commit)
    head = snapshot.facts.head or start_of(objects, snapshot)
    if head and objects.commit(head).tree == commit.tree:
        return head
    message = f"gitfleet: rescued work of {snapshot.instance}/{snapshot.number}\n"
    return objects.create_commit(commit.tree, [head] if head else [], message)


def start_branch(repository: Repository, branch: str, commit: str) -> Updated | Moved | Refused:
    """Make a branch, which must not exist."""
    return Refs(repository.git).update(HEADS + branch, commit, zero(commit), why="gitfleet: rescue")


def write_into(repository: Repository, objects: Objects, snapshot: Kept, directory: Path) -> int:
    """Write a snapshot's files into a new or empty directory; gives how many.

    What the attempt changed is written byte for byte; what it did not, as a checkout of its base would. Either all of
    it appears or nothing. Raises ``OSError``, or ``GitFailed`` where a filter of the repository fails.
    """
    tree = objects.commit(snapshot.commit).tree
    head = _tree_of(objects, snapshot.facts.head or start_of(objects, snapshot))
    base = _tree_of(objects, start_of(objects, snapshot))
    changed = {change.path: change.new for start in (head, base) for change in objects.diff(start, tree)}
    entries = dict(objects.entries(tree))
    as_checked_out = [path for path in entries if path not in changed]
    directory.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        place = scratch / "files"
        place.mkdir()
        if head and as_checked_out:
            _check_out(repository, head, as_checked_out, scratch, place)
        _write_raw(objects, place, {path: entry for path, entry in changed.items() if entry is not None})
        place.rename(directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return len(entries)


def forget(repository: Repository, snapshot: Kept) -> bool:
    """Delete a snapshot's ref, if it is still at the commit that was looked at."""
    return isinstance(Refs(repository.git).delete(snapshot.ref, snapshot.commit), Updated)


def _listed(repository: Repository, prefix: str) -> list[Kept]:
    words = repository.git.run("for-each-ref", f"--format={_FORMAT}", prefix).text.split("\0")
    found = []
    for ref, oid, when, text in zip(words[::4], words[1::4], words[2::4], words[3::4], strict=False):
        taken = float(when) if when.strip() else None
        found.append(Kept(ref.removeprefix("\n"), oid, taken, snapshot_facts.parse(text)))
    return found


def _change(before: TreeEntry | None, after: TreeEntry | None, *, ignored: bool) -> str:
    if after is None:
        return "deleted"
    if ignored:
        return "ignored"
    if before is None:
        return "added"
    kinds = [entry.mode in (SYMLINK, SUBMODULE) and entry.mode for entry in (before, after)]
    return "modified" if kinds[0] == kinds[1] else "type-changed"


def _paths(objects: Objects, tree: str | None) -> frozenset[bytes]:
    return frozenset(path for path, _ in objects.entries(tree)) if tree else frozenset()


def _tree_of(objects: Objects, commit: str) -> str | None:
    return objects.commit(commit).tree if commit else None


def _sizes(repository: Repository, oids: set[str]) -> Mapping[str, int]:
    if not oids:
        return {}
    lines = "".join(f"{oid}\n" for oid in oids).encode()
    answers = repository.git.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=lines).text
    pairs = (line.split(" ") for line in answers.split("\n"))
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _check_out(repository: Repository, tree: str, paths: list[bytes], scratch: Path, place: Path) -> None:
    git = repository.git.at(place).having(
        "core.sparseCheckout=false",
        "core.bare=false",
        GIT_DIR=os.fspath(repository.common_dir),
        GIT_WORK_TREE=os.fspath(place),
        GIT_INDEX_FILE=os.fspath(scratch / "index"),
    )
    git.run("read-tree", tree)
    git.run("checkout-index", "--quiet", "-z", "--stdin", stdin=b"".join(path + b"\0" for path in paths))


def _write_raw(objects: Objects, place: Path, entries: Mapping[bytes, TreeEntry]) -> None:
    root = os.fsencode(place)
    for path, entry in entries.items():
        if refused(path) or any(part in (b"", b".", b"..") for part in path.split(b"/")):
            continue
        target = root + b"/" + path
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120 - any byte may be in a name
        if entry.mode == SUBMODULE:
            os.makedirs(target, exist_ok=True)  # noqa: PTH103
        elif entry.mode == SYMLINK:
            os.symlink(objects.blob(entry.oid), target)  # noqa: PTH211
        else:
            mode = 0o777 if entry.mode == EXECUTABLE else 0o666
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(target, flags, mode), "wb") as file:
                file.write(objects.blob(entry.oid))
