"""Merges without a checkout, by git's own merge machinery.

Run in a directory whose files are at the merge's base: attributes are read from there (a dirty ``.gitattributes``
changes merges). Honoured from the user's configuration: ``merge.<driver>.*``, ``merge.renames``, ``diff.renames``,
``merge.renameLimit``, ``merge.directoryRenames``, ``merge.renormalize``, ``merge.conflictStyle``; a driver runs as the
command the user configured. Not honoured: ``rerere``, ``merge.ff``, ``commit.gpgSign`` (nothing is committed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed

if TYPE_CHECKING:
    from gitfleet.git.command import Git


@dataclass(frozen=True, slots=True)
class Merged:
    """A clean merge; ``tree`` is its result."""

    tree: str


@dataclass(frozen=True, slots=True)
class Conflicted:
    """A merge that needs a person: the paths, sorted, and git's words about them."""

    paths: tuple[bytes, ...]
    messages: str


@dataclass(frozen=True, slots=True)
class NoBase:
    """The two share no history, or not in this clone: ``shallow`` when its history was cut off."""

    shallow: bool


def merge(git: Git, ours: str, theirs: str) -> Merged | Conflicted | NoBase:
    """Merge commit ``theirs`` into commit ``ours`` in memory; raises ``GitFailed`` when git cannot even try."""
    args = ("merge-tree", "--write-tree", "-z", "--name-only", "--messages", ours, theirs)
    try:
        done = git.run(*args, ok=(0, 1))
    except GitFailed as error:
        if "unrelated histories" not in error.completed.error:
            raise
        return NoBase(shallow=is_shallow(git))
    if not done.stdout:
        raise GitFailed(done)  # exit code 1 also says that one of the two is no commit here
    fields = done.stdout.split(b"\0")
    if done.code == 0:
        return Merged(fields[0].decode("ascii"))
    # tree, conflicted names up to an empty field, then messages: count, that many paths, kind, text.
    end = fields.index(b"", 1)
    words: list[str] = []
    at = end + 1
    # What is no number is git's advice about submodules, which it writes behind the messages.
    while at < len(fields) and fields[at].isdigit():
        count = int(fields[at])
        words.append(fields[at + count + 2].decode("utf-8", "replace").rstrip("\n"))
        at += count + 3
    return Conflicted(tuple(sorted(set(fields[1:end]))), "\n".join(word for word in words if word))


def is_shallow(git: Git) -> bool:
    """Whether this clone's history was cut off."""
    return git.run("rev-parse", "--is-shallow-repository").text == "true"
