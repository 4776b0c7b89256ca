"""The end of a session: completed, or saved for a person to continue."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from gitfleet.coordinator.integration import Decided, land_pending, record_files
from gitfleet.git import worktrees
from gitfleet.integrate import landing
from gitfleet.model.base import encode
from gitfleet.model.config import Publish
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.relay.momentum import share

if TYPE_CHECKING:
    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.loop import Halt
    from gitfleet.parts import Parts


def close(parts: Parts, books: Books, halt: Halt | None) -> None:
    """Write how the session ended, release what it held, and take away a tree that holds nothing of anybody's."""
    if halt is not None:
        books.update(state=SessionState.NEEDS_CONTINUE, reason=halt.reason)
        books.event(EventKind.SESSION_END, f"session {books.session.id} waits: {halt.reason}", status="needs-continue")
        books.checkpoint("needs continue")
        return
    if books.session.state is not SessionState.COMPLETED:
        books.update(state=SessionState.COMPLETED, ended=books.now(), reason="")
    parts.state.write_text(
        parts.proof,
        books.session.id,
        f"momentum/{books.session.id}.json",
        encode(share(books.session, books.plan, books.runs)),
    )
    if parts.config.planning.publish is Publish.ALWAYS:
        _publish(parts, books)
    landed = books.counts()[RunState.LANDED]
    words = f"session {books.session.id} completed: {landed} of {len(books.runs)} landed"
    books.event(EventKind.SESSION_END, words, status="completed")
    books.checkpoint("closed")
    with contextlib.suppress(OSError):
        trash = worktrees.remove(parts.repository, parts.pool / f"fleet-{books.session.id}-integration")
        if trash is not None:
            shutil.rmtree(trash, ignore_errors=True)


def _publish(parts: Parts, books: Books) -> None:
    """Land the records alone when the session closed without a landing that could carry them."""
    base = parts.refs.read(books.session.target)
    if base is None:
        return
    decided = Decided(books.session, dict(books.runs), "")
    files = record_files(parts, decided, books.plan, base)
    if not files:
        return
    from gitfleet.git.objects import TreeEntry  # noqa: PLC0415

    changes = {path.encode(): TreeEntry(0o100644, parts.objects.write_blob(data)) for path, data in files.items()}
    tree = parts.objects.edit_tree(parts.objects.commit(base).tree, changes)
    message = f"gitfleet: {books.session.id} records\n\nGitfleet-Session: {books.session.id}\n"
    top = parts.objects.create_commit(tree, [base], message)
    number = len(books.session.landings) + 1
    outcome = land_pending(parts, books.session, number, base, top, lambda _: None)
    if not isinstance(outcome, landing.Landed):
        books.event(EventKind.ERROR, "the records were not published: the target is in use; the next landing takes them")
