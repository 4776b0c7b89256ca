"""Reading files of the state, with one way to say that a file is missing or damaged.

Decoding checks structure and identity; it has no checksum, so a changed digit inside a valid document goes unseen.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import decode
from gitfleet.store.files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.store.layout import Layout

T = TypeVar("T")

UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
"""What a decoder raises on bytes that are not the document; ``UnicodeDecodeError`` is a ``ValueError``."""


def read_document(layout: Layout, path: Path, kind: type[T], session: str) -> T:
    """Decode one JSON file of the state; raises ``GitfleetError`` (``damaged-state``) naming the file."""
    try:
        return decode(read_bytes(layout, path, session), kind)
    except UNREADABLE as error:
        raise damaged(layout, path, session, str(error)) from error


def read_bytes(layout: Layout, path: Path, session: str) -> bytes:
    """Content of a file that must be there; raises ``GitfleetError`` (``damaged-state``) naming it."""
    try:
        return read_regular(path)
    except OSError as error:
        raise damaged(layout, path, session, error.strerror or str(error)) from error


def damaged(layout: Layout, path: Path, session: str, why: str) -> GitfleetError:
    """Refuse for a file of the state that cannot be read, with the command to restore it."""
    relative = path.relative_to(layout.state).as_posix()
    saved = f"refs/gitfleet/state/{session}:{relative}"
    restore = f"git show {shlex.quote(saved)} > {shlex.quote(str(path))}"
    return GitfleetError(
        Kind.NEEDS_PERSON,
        "damaged-state",
        f"the state file {path} cannot be read: {why}",
        hint=f"keep a copy of it, then bring back the content saved at the last wave boundary with: {restore}",
    )


def unreadable(path: Path, why: str, hint: str) -> GitfleetError:
    """Refuse for a file of ours that no ref holds a copy of; ``hint`` says what becomes of the session without it."""
    return GitfleetError(
        Kind.NEEDS_PERSON, "damaged-state", f"the file {path} cannot be read: {why}", hint=f"move it aside: {hint}"
    )
