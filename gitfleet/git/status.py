"""What differs in a worktree, read from ``git status`` in a form that holds every file name."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.command import Git

_TRACKED_FIELDS = {b"1": 8, b"u": 10}


class Staged(NamedTuple):
    """What the index holds for a path where it differs from HEAD; a mode of zero is a deletion."""

    path: bytes
    mode: int
    oid: str


@dataclass(frozen=True, slots=True)
class Status:
    """A worktree against its HEAD.

    ``changed`` are tracked paths that differ from HEAD; ``unstaged`` those of them whose files differ from the index.
    ``nested`` are repositories that are not submodules, without a final slash, and submodules with uncommitted work.
    ``edited`` are regular files of ``unstaged`` with what the index holds for them. ``unread`` are git's words about
    directories that it could not look into.
    """

    head: str | None
    branch: str | None
    changed: tuple[bytes, ...] = ()
    unstaged: tuple[bytes, ...] = ()
    unmerged: tuple[bytes, ...] = ()
    untracked: tuple[bytes, ...] = ()
    ignored: tuple[bytes, ...] = ()
    nested: tuple[bytes, ...] = ()
    staged: tuple[Staged, ...] = ()
    edited: tuple[Staged, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether there is something to commit."""
        return bool(self.changed or self.unmerged or self.untracked)

    @property
    def half_staged(self) -> bool:
        """Whether the index holds content that neither HEAD nor the files hold."""
        elsewhere = {*self.unstaged, *self.untracked}
        return any(item.mode and item.path in elsewhere for item in self.staged)


def read_status(git: Git, *, ignored: bool = False) -> Status:
    """Ask git what differs; one call. With ``ignored``, ignored files too (a wholly ignored directory is one entry)."""
    options = ["--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=none", "--no-renames"]
    done = git.run("status", *options, f"--ignored={'matching' if ignored else 'no'}")
    found = _without_unwritten(git.directory, parse_status(done.stdout))
    # git says so and goes on with exit code 0, as if the directory were empty.
    unread = [line.removeprefix("warning: ") for line in done.error.splitlines() if "could not open directory" in line]
    return replace(found, unread=tuple(unread)) if unread else found


def _without_unwritten(root: Path, found: Status) -> Status:
    """Leave out files that hold, byte by byte, the blob that HEAD and the index have for them.

    git calls a file modified where attributes or filters would store it as something else (CRLF that was committed
    before ``eol`` was set, a large file before LFS), however untouched it is. Whoever works there did not write it.
    """
    staged = {item.path for item in found.staged}
    same = {item.path for item in found.edited if item.path not in staged and _holds(root, item)}
    if not same:
        return found
    changed, unstaged = (tuple(path for path in paths if path not in same) for paths in (found.changed, found.unstaged))
    return replace(found, changed=changed, unstaged=unstaged)


def _holds(root: Path, item: Staged) -> bool:
    import hashlib  # noqa: PLC0415 - loads OpenSSL, which hardly any call needs

    kind = hashlib.sha1 if len(item.oid) == 40 else hashlib.sha256
    try:
        descriptor = os.open(os.fsencode(root) + b"/" + item.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            digest = kind(b"blob %d\0" % os.fstat(descriptor).st_size, usedforsecurity=False)
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return False
    return digest.hexdigest() == item.oid


def parse_status(output: bytes) -> Status:
    """Read the output of ``git status --porcelain=v2 --branch -z`` with renames off."""
    head = branch = None
    lists: dict[str, list[bytes]] = {
        name: [] for name in ("changed", "unstaged", "unmerged", "untracked", "ignored", "nested")
    }
    staged: list[Staged] = []
    edited: list[Staged] = []
    for line in output.split(b"\0"):
        kind, _, rest = line.partition(b" ")
        if kind == b"#":
            key, _, value = rest.partition(b" ")
            if key == b"branch.oid" and value != b"(initial)":
                head = value.decode("ascii")
            elif key == b"branch.head" and value != b"(detached)":
                branch = "refs/heads/" + os.fsdecode(value)
        elif kind in _TRACKED_FIELDS:
            fields = line.split(b" ", _TRACKED_FIELDS[kind])
            _tracked(fields, lists)
            if kind == b"1" and fields[1][:1] != b".":
                staged.append(Staged(fields[8], int(fields[4], 8), fields[7].decode("ascii")))
            if kind == b"1" and fields[1][1:] == b"M" and fields[4] == fields[5] and fields[4][:3] == b"100":
                edited.append(Staged(fields[8], int(fields[4], 8), fields[7].decode("ascii")))
        elif kind == b"?":
            lists["nested" if rest.endswith(b"/") else "untracked"].append(rest.removesuffix(b"/"))
        elif kind == b"!":
            lists["ignored"].append(rest.removesuffix(b"/"))
    return Status(
        head,
        branch,
        changed=tuple(lists["changed"]),
        unstaged=tuple(lists["unstaged"]),
        unmerged=tuple(lists["unmerged"]),
        untracked=tuple(lists["untracked"]),
        ignored=tuple(lists["ignored"]),
        nested=tuple(lists["nested"]),
        staged=tuple(staged),
        edited=tuple(edited),
    )


def _tracked(fields: list[bytes], lists: dict[str, list[bytes]]) -> None:
    states, submodule, path = fields[1], fields[2], fields[-1]
    # S<commit changed><content modified><untracked content>: only the commit can be recorded here.
    if submodule[:1] == b"S" and submodule[2:] != b"..":
        lists["nested"].append(path)
        if submodule[1:2] == b"." and states[:1] == b".":
            return
    if fields[0] == b"u":
        lists["unmerged"].append(path)
        return
    lists["changed"].append(path)
    if states[1:] != b".":
        lists["unstaged"].append(path)


def reveal_hidden(git: Git, root: Path) -> None:
    """Clear the assume-unchanged and skip-worktree bits of the index in use, since edits under them are not seen.

    With a sparse checkout the files that it leaves out keep theirs: they are absent, not deleted.
    """
    assumed, skipped = [], []
    for line in git.run("ls-files", "-v", "-z").stdout.split(b"\0"):
        tag, path = line[:1], line[2:]
        if tag.islower():
            assumed.append(path)
        if tag in (b"S", b"s"):
            skipped.append(path)
    if skipped and git.run("config", "--type=bool", "--get", "core.sparseCheckout", ok=(0, 1)).text == "true":
        base = os.fsencode(root)
        skipped = [path for path in skipped if os.path.lexists(base + b"/" + path)]
    for option, paths in (("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)):
        if paths:
            git.run("update-index", option, "-z", "--stdin", stdin=b"".join(path + b"\0" for path in paths))
