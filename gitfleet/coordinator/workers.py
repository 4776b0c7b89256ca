"""Worker threads: each does one thing and puts one message into the coordinator's inbox."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.coordinator.messages import BrokenMessage, Message

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Workers:
    """Threads of one coordinator; only its own thread calls these methods."""

    _inbox: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    _working: int = 0

    def __post_init__(self) -> None:
        """Keep what threads allocate together."""
        _share_arenas()

    @property
    def busy(self) -> bool:
        """Whether a message is still to come."""
        return self._working > 0

    def submit(self, work: Callable[[], Message]) -> None:
        """Let a thread do ``work``; what it gives, or how it broke, is a message."""

        def guarded() -> None:
            try:
                self._inbox.put(work())
            except BaseException as error:  # noqa: BLE001 - it is raised again in the coordinator's own thread
                self._inbox.put(BrokenMessage(error))

        self._working += 1
        threading.Thread(target=guarded, daemon=True, name="gitfleet-worker").start()

    def take(self, seconds: float) -> Message | None:
        """The next message; none when so many seconds went by without one."""
        try:
            message = self._inbox.get(timeout=seconds)
        except queue.Empty:
            return None
        self._working -= 1
        return message


def _share_arenas() -> None:
    """Let all threads allocate from two arenas, where the C library has a say in it.

    glibc gives threads up to eight arenas a core and hardly ever gives memory back from them: over a thousand tasks a
    coordinator grew by as much again as its books.
    """
    import ctypes  # noqa: PLC0415 - only a coordinator pays for it

    call = getattr(ctypes.CDLL(None), "mallopt", None)
    if call is not None:
        call(-8, 2)  # M_ARENA_MAX of malloc.h
