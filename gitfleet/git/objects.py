"""Objects of a repository: commits, trees and blobs, read and written without an index or a worktree.

Two engines answer the same questions: libgit2 in this process, and the git binary where libgit2 cannot open the
repository. Everything about trees is done here on their bytes, so an engine is only what reads, writes and walks.

Not promised: that what is written is on disk (``pack_range`` does that), and that objects are checked for existence
when a tree names them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gitfleet.git import identity, trees
from gitfleet.git.command import GitFailed
from gitfleet.git.engine import MissingObject
from gitfleet.git.trees import Edit, TreeChange, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from gitfleet.git.command import Git
    from gitfleet.git.engine import Engine

SIGNED_COMMIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its tree, its parents in order, and its message."""

    tree: str
    parents: tuple[str, ...]
    message: str


def is_oid(text: str) -> bool:
    """Whether this is a whole object id, SHA-1 or SHA-256."""
    return len(text) in (40, 64) and all(digit in "0123456789abcdef" for digit in text)


def parse_commit(data: bytes) -> Commit:
    """Read a raw commit object."""
    head, _, body = data.partition(b"\n\n")
    tree, parents, encoding = "", [], "utf-8"
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"tree":
            tree = value.decode("ascii")
        elif key == b"parent":
            parents.append(value.decode("ascii"))
        elif key == b"encoding":
            encoding = value.decode("ascii", "replace")
    try:
        message = body.decode(encoding, "replace")
    except LookupError:
        message = body.decode("utf-8", "replace")
    return Commit(tree, tuple(parents), message)


class Objects:
    """The object store of one repository; close it, or use it as a context manager."""

    def __init__(
        self,
        git: Git,
        engine: Engine,
        *,
        now: Callable[[], float] = time.time,
        committer: identity.Committer | None = None,
    ) -> None:
        """Use ``git`` for signing and revisions; ``now`` gives POSIX seconds for commits.

        ``committer`` says who commits; several stores of one session share one, so that git is asked once.
        """
        self._git = git
        self._engine = engine
        self._now = now
        self._committer = committer or identity.Committer(git)

    @property
    def engine(self) -> str:
        """``pygit2`` or ``git``."""
        return self._engine.name

    def close(self) -> None:
        """Release processes and descriptors; the next use starts them again."""
        self._engine.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    # History -----------------------------------------------------------------------------------------------------

    def merge_base(self, a: str, b: str) -> str | None:
        """A best common ancestor of two commits, or none."""
        return self._engine.merge_base(a, b)

    def is_ancestor(self, a: str, b: str) -> bool:
        """Whether commit ``a`` is reachable from ``b``; a commit is its own ancestor."""
        return a == b or self._engine.is_ancestor(a, b)

    def walk(self, tip: str, hide: str | Iterable[str] = ()) -> list[str]:
        """Commits reachable from ``tip`` and from none of ``hide``: topological, oldest first."""
        return self._engine.walk(tip, [hide] if isinstance(hide, str) else list(hide))

    def move_private_ref(self, ref: str, new: str, old: str | None) -> bool:
        """Compare-and-swap a ref that only gitfleet writes; ``old`` none means it must not exist.

        False when the ref is not what was said. Not durable: such a ref mirrors files that are.
        """
        return self._engine.move_private_ref(ref, new, old)

    # Reading -----------------------------------------------------------------------------------------------------

    def resolve(self, rev: str) -> str | None:
        """The commit that a revision means (tags are followed), or none; takes what ``git rev-parse`` takes."""
        if is_oid(rev):
            try:
                if self._engine.read(rev)[0] == "commit":
                    return rev
            except MissingObject:
                return None
        # A plain full name: reading the ref saves a process. Anything else is git's to interpret.
        elif rev.startswith("refs/") and not any(mark in rev for mark in "^~:@{"):
            known = self._engine.ref(rev)
            if known is not None:
                return known
        try:
            done = self._git.run("rev-parse", "--verify", "--quiet", "--end-of-options", rev + "^{commit}")
        except (GitFailed, ValueError):
            return None
        return done.text or None

    def commit(self, oid: str) -> Commit:
        """Read a commit; raises ``MissingObject``."""
        return parse_commit(self._expect("commit", oid))

    def blob(self, oid: str) -> bytes:
        """Read a blob; raises ``MissingObject``."""
        return self._expect("blob", oid)

    def tree(self, oid: str, *, strict: bool = False) -> dict[bytes, TreeEntry]:
        """One directory, not recursive; raises ``MissingObject``, and ``ValueError`` as ``trees.parse`` does."""
        return trees.parse(self._expect("tree", oid), len(oid) // 2, strict=strict)

    def entry(self, tree: str, path: bytes) -> TreeEntry | None:
        """What a tree holds at a path (directories included), or none; the empty path is the tree itself."""
        found = TreeEntry(trees.DIRECTORY, tree)
        for part in path.split(b"/") if path else ():
            if not found.is_tree:
                return None
            below = self.tree(found.oid).get(part)
            if below is None:
                return None
            found = below
        return found

    def entries(self, tree: str, under: bytes = b"") -> Iterator[tuple[bytes, TreeEntry]]:
        """Every file, link and submodule at or below a path, with its whole path; nothing when it does not exist."""
        start = self.entry(tree, under.rstrip(b"/"))
        if start is not None:
            yield from self._leaves(under.rstrip(b"/"), start)

    def links(self, tree: str) -> dict[bytes, bytes]:
        """Every symbolic link of a tree: its path and the target it holds, as it is written there."""
        return {path: self.blob(entry.oid) for path, entry in self.entries(tree) if entry.mode == trees.SYMLINK}

    def diff(self, old: str | None, new: str | None, *, strict: bool = False) -> list[TreeChange]:
        """Paths that differ between two trees, in byte order, renames not followed; none is the empty tree.

        A directory that becomes a file is the deletion of what was in it and an addition. With ``strict``, raises
        ``ValueError`` where a tree that differs could be read in two ways (see ``trees.parse``).
        """
        before = TreeEntry(trees.DIRECTORY, old) if old is not None else None
        after = TreeEntry(trees.DIRECTORY, new) if new is not None else None
        return sorted(self._differences(b"", before, after, strict=strict), key=lambda change: change.path)

    # Writing -----------------------------------------------------------------------------------------------------

    def write_blob(self, data: bytes) -> str:
        """Store a blob, without filters."""
        return self._engine.write("blob", [data])[0]

    def write_blobs(self, contents: Iterable[bytes]) -> list[str]:
        """Store several blobs; ids in order."""
        return self._engine.write("blob", list(contents))

    def edit_tree(self, tree: str | None, changes: Mapping[bytes, TreeEntry | None]) -> str:
        """The tree with these paths set, or removed where the entry is none.

        Directories appear as needed and vanish when emptied; an addition replaces a file that stands where a directory
        must be, and a directory that stands where the file goes. Raises ``ValueError`` for a path no tree can hold.
        """
        plan = trees.plan_edit(changes)
        level: list[tuple[Edit, dict[bytes, TreeEntry]]] = [(plan, self.tree(tree) if tree else {})]
        levels = []
        while level:
            levels.append(level)
            level = [below for edit, names in level for below in self._below(edit, names)]
        # Deepest first, one write for all directories of a depth: the binary engine starts one process for each.
        written: dict[int, str] = {}
        for group in reversed(levels):
            for edit, names in group:
                trees.apply(edit, names, {name: written.get(id(child)) for name, child in edit.below.items()})
            full = [(edit, names) for edit, names in group if names or edit is plan]
            oids = self._engine.write("tree", [trees.serialise(names) for _, names in full])
            written.update((id(edit), oid) for (edit, _), oid in zip(full, oids, strict=True))
        return written[id(plan)]

    def create_commit(
        self, tree: str, parents: Sequence[str], message: str, *, sign: bool | None = None, anyone: bool = False
    ) -> str:
        """Store a commit with the user's identity; signed as the user signs, unless ``sign`` says otherwise.

        With ``anyone`` a user without an identity does not stop it: the commit says gitfleet. No ref moves. Raises
        ``GitfleetError`` (``no-identity``), ``GitFailed`` when signing fails, ``ValueError`` for a message with NUL.
        """
        text = message.rstrip("\n") + "\n"
        if "\0" in text:
            raise ValueError("a commit message cannot hold NUL")
        if self._committer.signs if sign is None else sign:
            words = [word for parent in parents for word in ("-p", parent)]
            git = self._git.having(identity.UTF8_MESSAGES)
            body = text.encode("utf-8", "replace")
            return git.run("commit-tree", "-S", *words, tree, stdin=body, timeout=SIGNED_COMMIT_SECONDS).text
        who, now = self._committer.known if anyone else self._committer.identity, self._now()
        lines = [b"tree " + tree.encode(), *(b"parent " + parent.encode() for parent in parents)]
        lines += [b"author " + who.author.at(now), b"committer " + who.committer.at(now)]
        return self._engine.write("commit", [b"\n".join([*lines, b"", text.encode("utf-8", "replace")])])[0]

    # Inside ------------------------------------------------------------------------------------------------------

    def _expect(self, kind: str, oid: str) -> bytes:
        found, data = self._engine.read(oid)
        if found != kind:
            msg = f"{oid} is a {found} and not a {kind}"
            raise MissingObject(msg)
        return data

    def _leaves(self, path: bytes, entry: TreeEntry) -> Iterator[tuple[bytes, TreeEntry]]:
        if not entry.is_tree:
            yield path, entry
            return
        for name, below in self.tree(entry.oid).items():
            yield from self._leaves(path + b"/" + name if path else name, below)

    def _differences(
        self, path: bytes, old: TreeEntry | None, new: TreeEntry | None, *, strict: bool
    ) -> Iterator[TreeChange]:
        if old == new:
            return
        if old is not None and new is not None and old.is_tree and new.is_tree:
            sides = trees.differing(
                self._expect("tree", old.oid), self._expect("tree", new.oid), len(old.oid) // 2, strict=strict
            )
            for name, (before, after) in sides.items():
                below = path + b"/" + name if path else name
                yield from self._differences(below, before, after, strict=strict)
            return
        old_tree = self.tree(old.oid, strict=strict) if old is not None and old.is_tree else {}
        new_tree = self.tree(new.oid, strict=strict) if new is not None and new.is_tree else {}
        old_leaf = old if old is not None and not old.is_tree else None
        new_leaf = new if new is not None and not new.is_tree else None
        if old_leaf is not None or new_leaf is not None:
            yield TreeChange(path, old_leaf, new_leaf)
        for name in old_tree.keys() | new_tree.keys():
            below = path + b"/" + name if path else name
            yield from self._differences(below, old_tree.get(name), new_tree.get(name), strict=strict)

    def _below(self, edit: Edit, names: dict[bytes, TreeEntry]) -> Iterator[tuple[Edit, dict[bytes, TreeEntry]]]:
        for name, child in edit.below.items():
            there = names.get(name)
            yield child, self.tree(there.oid) if there is not None and there.is_tree else {}
