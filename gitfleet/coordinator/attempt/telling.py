"""What both sides changed where a run met a conflict, read from the objects that its record names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed
from gitfleet.git.refs import short
from gitfleet.relay.conflicts import HUNK_BYTES, HUNKS, Met

if TYPE_CHECKING:
    from gitfleet.model.conflict import Conflict, ConflictSide
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

_SUBMODULE = "160000"


def conflict_met(parts: Parts, run: Run, target: str) -> Met | None:
    """The conflict that a run's attempt is to be told of; none where it never met any."""
    met = run.conflict_met
    if met is None:
        return None
    sides = [
        (_change(parts, conflict, conflict.target), _change(parts, conflict, conflict.run))
        for conflict in met.conflicts[:HUNKS]
    ]
    return Met(met, sides, short(target), resolver=run.attempts[-1].resolver)


def _change(parts: Parts, conflict: Conflict, side: ConflictSide) -> str:
    """What a side changed, as a diff; the whole file where there was none before. Bounded."""
    if not side.blob or side.mode == _SUBMODULE:
        return ""
    git = parts.repository.git
    try:
        if conflict.base:
            options = ("--no-ext-diff", "--no-textconv", "--no-color", "--unified=3")
            text = git.run("diff", *options, conflict.base, side.blob).stdout
            # Without the header, which names blobs where a reader looks for a path.
            text = text[text.find(b"\n@@") + 1 :] if b"\n@@" in text else text
        else:
            text = git.run("cat-file", "blob", side.blob).stdout
    except GitFailed:
        return ""  # what was met is told all the same; the blob of a base that no commit holds may be gone
    if b"\0" in text:
        return "(binary)"
    cut = "\n(cut here)" if len(text) > HUNK_BYTES else ""
    return text[:HUNK_BYTES].decode("utf-8", "replace") + cut
