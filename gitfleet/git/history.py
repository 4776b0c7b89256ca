"""Which files each of the newest commits changed: one git process, and from then on only what is new.

Merges are left out, since what they bring is told by the commits that they bring; so are commits without a parent, and
with them the border of a shallow clone. File names and trees are compared and never contents: a file that was moved as
it was keeps its history, one that was moved and changed at once begins anew. A partial clone is not made to fetch.

Not promised: all of history. The newest commits are read, for a bounded time, and the result says what was read.
Commits count by the time that their committer noted.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

from gitfleet.model.history import Change, Cut, History

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.git.command import Git, Server

COMMITS = 5000
"""Newest commits that are read and kept."""

FILES = 30
"""A commit over more files is a move, a format or an import; the bound is that of Zimmermann et al., 2004 (ROSE)."""

MOVES = 2000
"""Moved files that are kept of one commit."""

SECONDS = 5.0
BYTES = 64 << 20

_OPTIONS = (
    "-z",
    "--name-status",
    "-M100%",
    "--min-parents=1",
    "--max-parents=1",
    "--left-right",
    "--format=%m%H:%ct",
    # What a person's configuration might add to it, or change about it.
    "--no-show-signature",
    "--no-color",
    "--no-relative",
    "--no-ext-diff",
    "--no-textconv",
    "--ignore-submodules=none",
    "-O/dev/null",
)
# A file of a person's may say that moved copies are looked for, or that there is a limit to moves; and a clone without
# all trees would ask its remote for each one that is missing (GIT_NO_LAZY_FETCH is heard by git 2.44 and newer).
_SETTINGS = ("diff.renameLimit=0", "log.showRoot=true")
_OFFLINE = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": ""}


def read_history(git: Git, tip: str, known: History | None = None, *, seconds: float = SECONDS) -> History:
    """Read the newest changes that lead to a commit.

    ``known`` is an earlier answer, of this branch or another: only what differs is read then, in one call, and none
    where nothing does. ``seconds`` bounds each of at most two calls.
    """
    if known is not None and known.tip == tip:
        return known
    if known is not None:
        again = _read(git, f"{known.tip}...{tip}", seconds)
        if again is not None and again.cut is Cut.NONE:
            joined = _joined(tip, known, again)
            if joined is not None:
                return joined
    found = _read(git, tip, seconds)
    return History(tip, cut=Cut.MISSING) if found is None else History(tip, tuple(found.kept), found.cut)


def _joined(tip: str, known: History, again: _Reading) -> History | None:
    """What was known without what the branch lost, and with what it gained; none where too much was lost."""
    kept = [change for change in known.changes if change.commit not in again.lost]
    if known.cut is not Cut.NONE and 4 * len(kept) < 3 * len(known.changes):
        return None
    # Stable, so that commits of one second keep the order that git gave them, new ones first.
    changes = sorted([*again.kept, *kept], key=lambda change: -change.when)
    cut = Cut.COMMITS if len(changes) > COMMITS else known.cut
    return History(tip, tuple(changes[:COMMITS]), cut)


class _Reading:
    """What one call said: changes that lead to the new tip, newest first, and commits that do not any more."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.kept: list[Change] = []
        self.lost: set[str] = set()


def _read(git: Git, what: str, seconds: float) -> _Reading | None:
    """Read a range or all that leads to a commit; none where git could not say anything."""
    door = git.having(*_SETTINGS, **_OFFLINE)
    server = door.serve("log", *_OPTIONS, f"--max-count={COMMITS + 1}", "--end-of-options", what, "--")
    with server:
        data, cut = _drain(server, seconds)
        if cut is not Cut.NONE:
            server.kill()
    if server.returncode and cut is Cut.NONE:
        if not data:
            return None
        cut = Cut.MISSING
    reading = _Reading(cut)
    for count, (gone, change) in enumerate(_changes(data, whole=cut is Cut.NONE)):
        if count == COMMITS:
            reading.cut = Cut.COMMITS
            break
        if gone:
            reading.lost.add(change.commit)
        else:
            reading.kept.append(change)
    return reading


def _drain(server: Server, seconds: float) -> tuple[bytes, Cut]:
    descriptor = server.stdout.fileno() if server.stdout is not None else -1
    deadline = time.monotonic() + seconds
    data = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return bytes(data), Cut.SECONDS
        block = os.read(descriptor, 1 << 20)
        if not block:
            return bytes(data), Cut.NONE
        data += block
        if len(data) > BYTES:
            return bytes(data), Cut.BYTES


def _changes(data: bytes, *, whole: bool) -> Iterator[tuple[bool, Change]]:
    """Each change, and whether the branch lost it; parsed by place alone, since a path may look like anything.

    The last commit of an output that was cut is dropped.
    """
    fields = data.split(b"\0")[:-1]
    at = 0
    while at < len(fields):
        header = fields[at]
        at += 1
        paths: list[bytes] = []
        moved: list[tuple[bytes, bytes]] = []
        while at < len(fields) and fields[at][:1] not in (b"<", b">"):
            # The first status of a commit comes after a newline.
            if fields[at].lstrip(b"\n")[:1] == b"R":
                moved += zip(fields[at + 1 : at + 2], fields[at + 2 : at + 3], strict=False)
                at += 1
            paths += fields[at + 1 : at + 2]
            at += 2
        if whole or at < len(fields):
            yield header[:1] == b"<", _change(header[1:], paths, moved)


def _change(facts: bytes, paths: list[bytes], moved: list[tuple[bytes, bytes]]) -> Change:
    commit, _, when = facts.partition(b":")
    large = len(paths) > FILES
    return Change(commit.decode("ascii"), int(when), () if large else tuple(paths), tuple(moved[:MOVES]), large=large)
