"""Links that a run changed, held against where they lead: out of the repository, or into what nobody may write.

A link to another place of the repository is no violation: git tracks what it points at under its own path, so a write
through it is held against that path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.index import SYMLINK
from gitfleet.integrate.links import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitfleet.git.command import Git
    from gitfleet.git.index import Change


def escapes(
    git: Git, tip: str, changed: Sequence[tuple[str, Change]], forbidden: Callable[[bytes], bool]
) -> Iterator[tuple[bytes, str]]:
    """Yield each changed link that leads out, or into a ``forbidden`` path, with the first commit that changed it."""
    touched: dict[bytes, str] = {}
    for commit, change in changed:
        touched.setdefault(change.path, commit)
    links = _links(git, tip, [change for _, change in changed], forbidden)
    for path in links.paths():
        passed = links.escape(path) or ()
        # A link that was there before is a violation of the run only where the run changed its way.
        for guilty in [path] if path in touched and passed else [step for step in passed if step in touched]:
            yield guilty, touched[guilty]


def is_link(change: Change) -> bool:
    """Whether a side of a change is a symbolic link."""
    return any(side is not None and side.mode == SYMLINK for side in (change.old, change.new))


def _links(git: Git, tip: str, changes: Sequence[Change], forbidden: Callable[[bytes], bool]) -> Links:
    """Every link at the tip, and every one that a commit on the way had."""
    paths: dict[str, list[bytes]] = {}
    for line in git.run("ls-tree", "-r", "-z", "--full-tree", tip).stdout.split(b"\0"):
        if line.startswith(b"120000 "):
            meta, path = line.split(b"\t", 1)
            paths.setdefault(meta.split(b" ")[2].decode(), []).append(path)
    for change in changes:
        if change.new is not None and change.new.mode == SYMLINK:
            paths.setdefault(change.new.oid, []).append(change.path)
    links = Links(forbidden)
    for oid, target in _blobs(git, list(paths)):
        for path in paths[oid]:
            links.add(path, target)
    return links


def _blobs(git: Git, oids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    raw = git.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in oids).encode()).stdout
    at = 0
    for oid in oids:
        end = raw.index(b"\n", at)
        size = int(raw[at:end].split(b" ")[2])
        yield oid, raw[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
