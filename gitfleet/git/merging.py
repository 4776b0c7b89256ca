"""Merges without a checkout, by git's own merge machinery.

Run in a directory whose files are at the merge's base: attributes are read from there (a dirty ``.gitattributes``
changes merges). Honoured from the user's configuration: ``merge.<driver>.*``, ``merge.renames``, ``diff.renames``,
``merge.renameLimit``, ``merge.directoryRenames``, ``merge.renormalize``, ``merge.conflictStyle``; a driver runs as the
command the user configured, and is killed with all that it started after ``MERGE_SECONDS``. Not honoured: ``merge.ff``,
``commit.gpgSign`` (nothing is committed). ``rerere`` needs a checkout: see ``replay``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed, TimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.git.command import Git

MERGE_SECONDS = 300.0
"""A merge of ours takes milliseconds; what takes minutes is a driver that hangs."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A clean merge; ``tree`` is its result."""

    tree: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One side of a path in conflict, as an unmerged index has it: 1 base, 2 ours, 3 theirs."""

    mode: str
    oid: str
    stage: int
    path: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """What git says of a conflict: its word for the kind, such as ``modify/delete``, the paths, and its sentence."""

    kind: str
    paths: tuple[bytes, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Conflicted:
    """A merge that needs a person: the paths, sorted, and git's words about them.

    ``tree`` holds what could be merged, and files with conflict markers where that could not.
    """

    paths: tuple[bytes, ...]
    messages: str
    tree: str = ""
    stages: tuple[Stage, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def named(self) -> frozenset[bytes]:
        """Every path that has to do with a conflict."""
        return frozenset(self.paths).union(*(note.paths for note in self.notes))


@dataclass(frozen=True, slots=True)
class NoBase:
    """The two share no history, or not in this clone: ``shallow`` when its history was cut off."""

    shallow: bool


@dataclass(frozen=True, slots=True)
class DriverFailed:
    """A merge driver of the user's failed or did not end; ``why`` is a clause."""

    why: str


def merge(
    git: Git, ours: str, theirs: str, *, seconds: float = MERGE_SECONDS
) -> Merged | Conflicted | NoBase | DriverFailed:
    """Merge commit ``theirs`` into commit ``ours`` in memory; raises ``GitFailed`` when git cannot even try."""
    args = ("merge-tree", "--write-tree", "-z", "--messages", ours, theirs)
    try:
        done = git.run(*args, ok=(0, 1), timeout=seconds)
    except TimedOut:
        return DriverFailed(f"a merge driver did not end within {seconds:.0f} s")
    except GitFailed as error:
        words = error.completed.error + error.completed.stdout.decode("utf-8", "replace")
        if "unrelated histories" in words:
            return NoBase(shallow=is_shallow(git))
        driver = re.search(r"[Ff]ailed to execute internal merge.*", words)
        if driver is not None:
            return DriverFailed(f"a merge driver failed: {driver[0]}")
        raise
    if not done.stdout:
        raise GitFailed(done)  # exit code 1 also says that one of the two is no commit here
    fields = done.stdout.split(b"\0")
    tree = fields[0].decode("ascii")
    if done.code == 0:
        return Merged(tree)
    # tree, unmerged entries up to an empty field, then messages: count, that many paths, kind, text.
    end = fields.index(b"", 1)
    stages = tuple(_stage(field) for field in fields[1:end])
    said = list(_messages(fields[end + 1 :]))
    return Conflicted(
        tuple(sorted({stage.path for stage in stages})),
        "\n".join(text for _, text in said if text),
        tree,
        stages,
        tuple(Note(kind[1], paths, text) for paths, text in said if (kind := _KIND.match(text))),
    )


_KIND = re.compile(r"CONFLICT \(([^)]*)\)")


def _stage(field: bytes) -> Stage:
    facts, path = field.split(b"\t", 1)
    mode, oid, stage = facts.decode("ascii").split(" ")
    return Stage(mode, oid, int(stage), path)


def _messages(fields: list[bytes]) -> Iterator[tuple[tuple[bytes, ...], str]]:
    at = 0
    # What is no number is git's advice about submodules, which it writes behind the messages.
    while at < len(fields) and fields[at].isdigit():
        count = int(fields[at])
        yield tuple(fields[at + 1 : at + 1 + count]), fields[at + count + 2].decode("utf-8", "replace").rstrip("\n")
        at += count + 3


def is_shallow(git: Git) -> bool:
    """Whether this clone's history was cut off."""
    return git.run("rev-parse", "--is-shallow-repository").text == "true"


def remembers(git: Git) -> bool:
    """Whether the user has git record resolutions: as ``rerere.enabled`` says, else as git decides by its cache."""
    said = git.run("config", "--type=bool", "--get", "rerere.enabled", ok=(0, 1)).text
    if said:
        return said == "true"
    return git.directory.joinpath(git.run("rev-parse", "--git-path", "rr-cache").text).is_dir()


def replay(git: Git, ours: str, theirs: str, *, seconds: float = MERGE_SECONDS) -> str | None:
    """The tree of a merge that conflicts but was resolved before, as git recorded it; none where that is not all of it.

    Merges in the worktree that ``git`` runs in, which is nobody's but ours, and leaves it at ``ours``.
    """
    git = git.having("rerere.autoUpdate=true", "merge.ff=false", "commit.gpgSign=false")
    git.run("merge", "--quit", ok=(0, 1, 128))
    git.run("checkout", "--quiet", "--force", "--detach", ours, "--")
    try:
        git.run("merge", "--quiet", "--no-commit", "--no-ff", "--no-stat", theirs, ok=(0, 1), timeout=seconds)
        if git.run("ls-files", "--unmerged", "-z").stdout:
            return None
        return git.run("write-tree").text
    except (GitFailed, TimedOut):
        return None
    finally:
        (_git_dir(git) / "index.lock").unlink(missing_ok=True)
        # Takes MERGE_RR away as well: git would record a file of ours as a resolution at its next look.
        git.run("reset", "--hard", "--quiet", ours)


def _git_dir(git: Git) -> Path:
    return git.directory / git.run("rev-parse", "--git-dir").text


def begin(git: Git, theirs: str, *, remember: bool, seconds: float = MERGE_SECONDS) -> None:
    """Leave the merge of a commit into HEAD under way in a worktree, with markers where it conflicts.

    ``remember`` lets git record how it is resolved, where the user has it do so. Raises ``GitFailed`` and ``TimedOut``.
    """
    git = git.having("merge.ff=false", *(() if remember else ("rerere.enabled=false",)))
    git.run(
        "merge", "--quiet", "--no-commit", "--no-ff", "--no-stat", "--no-verify", theirs, ok=(0, 1), timeout=seconds
    )


def unmerged(git: Git) -> tuple[bytes, ...]:
    """Paths of a worktree's index that are still in conflict."""
    fields = git.run("ls-files", "--unmerged", "-z").stdout.split(b"\0")[:-1]
    return tuple(dict.fromkeys(field.split(b"\t", 1)[1] for field in fields))


def marked(text: bytes) -> bool:
    """Whether a file has conflict markers in it."""
    lines = text.split(b"\n")
    return any(line.startswith(b"<<<<<<< ") for line in lines) and any(line.startswith(b">>>>>>> ") for line in lines)
