"""Where the tracked symlinks of the base lead the entries of a scope.

Git tracks a link and what it points at as two paths, and a write through the link lands at the second, so a scope must
name the real one. An entry that goes through a link is rewritten. An entry that ends at a link holds both: the link
itself, which the task may point elsewhere, and what it points at, since whoever writes ``current/`` means the contents.
Exclusions are rewritten alike. Wildcards never follow links: only the names before the first wildcard are resolved, and
a write through a link that only a wildcard reaches is held against the real path after the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.planner.scopes.entries import Entry, Scope, make_entry, reserved
from gitfleet.planner.scopes.patterns import ScopeError, build, fold_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_LINKS = 40
"""Links that one path may go through, as on Linux (path_resolution(7))."""


def resolve_links(scope: Scope, links: Mapping[bytes, bytes], *, fold: bool = False) -> tuple[Scope, tuple[str, ...]]:
    """Rewrite the entries of a scope to the real paths of a tree.

    ``links`` maps the path of each tracked symlink to its target as it is stored. With ``fold`` an entry reaches a link
    in any spelling. Returns the scope and one sentence for people for each entry that changed. Raises ``ScopeError``
    for an entry that goes through a link which loops, leaves the repository, or leads into ``.git`` or
    ``.planning``; an entry that merely ends at such a link holds only the link itself.
    """
    tree = _Tree(links, fold=fold)
    entries: list[Entry] = []
    notes: list[str] = []
    for entry in scope.parsed if links else ():
        for moved, note in tree.rewritten(entry):
            entries.append(moved)
            notes.extend([note] if note else [])
    return (Scope.of(entries) if notes else scope), tuple(notes)


class _Tree:
    """The symlinks of a tree, by the names of their paths."""

    def __init__(self, links: Mapping[bytes, bytes], *, fold: bool) -> None:
        self._fold = fold
        self._links = {_folded(path): target for path, target in links.items()} if fold else links

    def _target(self, names: list[str]) -> str | None:
        """Return what the link at a path points at; ``None`` when there is no link."""
        path = "/".join(names).encode("utf-8", "surrogateescape")
        target = self._links.get(_folded(path) if self._fold else path)
        return None if target is None else _text(target)

    def rewritten(self, entry: Entry) -> Iterator[tuple[Entry, str]]:
        """Yield the entries that stand for one entry, each with a note when it is not the same."""
        head = list(entry.head)
        if len(head) < len(entry.segments):
            yield self._moved(entry, self._resolve(head, head))
            return
        place = [*self._resolve(head[:-1], head), *head[-1:]]
        yield self._moved(entry, place)
        if self._target(place) is None:
            return
        try:
            target = _at(self._resolve(place, head), entry)
        except ScopeError as error:
            yield entry, f"`{entry.text}` is itself a symlink and nothing behind it is held, because {error}"
        else:
            yield target, f"`{entry.text}` is a symlink; what it points at is meant as well: `{target.text}`"

    def _moved(self, entry: Entry, real: list[str]) -> tuple[Entry, str]:
        if real == list(entry.head):
            return entry, ""
        moved = _at(real, entry)
        return moved, f"`{entry.text}` goes through a symlink to `{moved.text}`"

    def _resolve(self, names: list[str], shown: list[str]) -> list[str]:
        """Follow the links in a path, the last name included, as a system call would."""
        rest = list(reversed(names))
        real: list[str] = []
        hops = 0
        path = "/".join(shown)
        while rest:
            name = rest.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if not real:
                    msg = f"the symlink at `{path}` leads out of the repository"
                    raise ScopeError(msg)
                real.pop()
                continue
            target = self._target([*real, name])
            if target is None:
                if reserved(name, first=not real):
                    msg = f"the symlink at `{path}` leads into `{name}`"
                    raise ScopeError(msg)
                real.append(name)
                continue
            hops += 1
            if hops > MAX_LINKS:
                msg = f"the symlinks at `{path}` lead in a circle"
                raise ScopeError(msg)
            if target.startswith("/"):
                msg = f"the symlink at `{path}` leads out of the repository"
                raise ScopeError(msg)
            rest.extend(reversed(target.split("/")))
        return real


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _folded(path: bytes) -> bytes:
    return fold_name(_text(path)).encode("utf-8", "surrogateescape")


def _at(real: list[str], entry: Entry) -> Entry:
    """Put other names in the place of the literal ones of an entry."""
    head = len(entry.head)
    loops = entry.loops >> head << len(real)
    return make_entry((*(build([name]) for name in real), *entry.segments[head:]), loops, exclude=entry.exclude)
