"""The scripts that commands of checks name, where they are tracked in a tree, with the links on the way to them.

A script is what a command runs, what an interpreter is given first, and any file that is executable or begins with
``#!``. Other files that a command names, such as one that is searched or a test that a runner is given, are what checks
are about, and are left to the scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.trees import DIRECTORY, EXECUTABLE, SUBMODULE, SYMLINK, TreeEntry
from gitfleet.integrate.gate.spellings import folded
from gitfleet.planner.protection import Protection, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.git.objects import Objects
    from gitfleet.planner.protection import Word

_MOST_STEPS = 200
"""Names that are looked up for one word, links included; a circle of links ends here."""


def protection_of(
    objects: Objects, commit: str, entries: Iterable[str], commands: Iterable[str], *, fold: bool
) -> Protection:
    """What ``scope.protected`` means for a task with these checks, whose files are those of a commit."""
    tree = objects.commit(commit).tree
    words = dict.fromkeys(word for command in commands for word in words_of(command))
    files = {path for word in words for path in _files(objects, tree, word, fold=fold)}
    return Protection.of(tuple(entries), files, fold=fold)


def _files(objects: Objects, tree: str, word: Word, *, fold: bool) -> tuple[bytes, ...]:
    """The script that a word names, as the tree spells it, behind the links that lead there; empty for all else."""
    rest = word.text.encode("utf-8", "surrogateescape").split(b"/")[::-1]
    place: list[bytes] = []
    passed: list[bytes] = []
    for _ in range(_MOST_STEPS):
        if not rest:
            break
        name = rest.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            if not place:
                return ()
            place.pop()
            continue
        here = _entry(objects, tree, place)
        found = _name(objects, here.oid, name, fold=fold) if here is not None and here.is_tree else None
        if found is None:
            return ()
        entry = _entry(objects, tree, [*place, found])
        if entry is not None and entry.mode == SYMLINK:
            passed.append(b"/".join([*place, found]))
            rest += objects.blob(entry.oid).split(b"/")[::-1]
            continue
        place.append(found)
    entry = _entry(objects, tree, place)
    if rest or entry is None or entry.is_tree or entry.mode == SUBMODULE:
        return ()
    script = word.run or entry.mode == EXECUTABLE or objects.blob(entry.oid).startswith(b"#!")
    return (*passed, b"/".join(place)) if script else ()


def _entry(objects: Objects, tree: str, place: list[bytes]) -> TreeEntry | None:
    return objects.entry(tree, b"/".join(place)) if place else TreeEntry(DIRECTORY, tree)


def _name(objects: Objects, tree: str, name: bytes, *, fold: bool) -> bytes | None:
    """The name as a directory has it."""
    names = objects.tree(tree)
    if name in names or not fold:
        return name if name in names else None
    return next((other for other in names if folded(other) == folded(name)), None)
