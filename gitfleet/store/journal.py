"""The journal: what happened in a session, one JSON object a line, for people and ``gitfleet events``.

Each event is one append of one line, so several processes may write. It is not the authority: nothing is decided
from it, it is not flushed to the disk, and a line torn by a crash is skipped by readers and fenced off by the next
writer.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from gitfleet.model.base import decode, instant
from gitfleet.model.event import Event, EventKind
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import make_directory, open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitfleet.store.layout import Layout

POLL_SECONDS = 0.1


class Journal:
    """Writes the events of one session."""

    def __init__(self, layout: Layout, session: str, now: Callable[[], float]) -> None:
        """Append to this session's journal; ``now`` gives POSIX seconds."""
        self._path = layout.journal(session)
        self._session = session
        self._now = now

    def event(
        self,
        kind: EventKind,
        message: str,
        *,
        wave: int | None = None,
        task: str = "",
        instance: str = "",
        status: str = "",
    ) -> Event:
        """Append an event that happens now, and give it back."""
        event = Event(
            at=instant(self._now()),
            kind=kind,
            session=self._session,
            message=message,
            wave=wave,
            task=task,
            instance=instance,
            status=status,
        )
        self.append(event)
        return event

    def append(self, event: Event) -> None:
        """Append an event in one write."""
        make_directory(self._path.parent)
        line = msgspec.json.encode(event) + b"\n"
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        descriptor = open_regular(self._path, flags)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def read(layout: Layout, session: str) -> Iterator[Event]:
    """Events of a session, oldest first; unreadable lines are left out, and no journal is an empty one."""
    try:
        descriptor = open_regular(layout.journal(session), os.O_RDONLY)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb") as file:
        for line in file:
            event = _parse(line)
            if event is not None:
                yield event


def follow(
    layout: Layout,
    session: str,
    *,
    stop: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
    poll: float = POLL_SECONDS,
) -> Iterator[Event]:
    """Events of a session, from the first one and on as they come, polled every ``poll`` seconds.

    Ends when ``stop`` says so, after what was written until then; waits for a journal that is not there yet.
    """
    path = layout.journal(session)
    offset = 0
    while True:
        # Asked before reading, so that what was written before the stop is still given out.
        last = stop()
        data = _read_from(path, offset)
        whole = data[: data.rfind(b"\n") + 1]
        offset += len(whole)
        for line in whole.splitlines():
            event = _parse(line)
            if event is not None:
                yield event
        if last:
            return
        sleep(poll)


def _read_from(path: Path, offset: int) -> bytes:
    try:
        with open(path, "rb", opener=open_regular) as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return b""


def _parse(line: bytes) -> Event | None:
    if not line.strip():
        return None
    try:
        return decode(line, Event)
    except UNREADABLE:
        return None
