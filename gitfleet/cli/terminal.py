"""A terminal that goes away, or is lent to somebody else for a while.

A closed terminal gives EIO to whoever writes to it, a closed pipe gives EPIPE; neither may end a session that is under
way or keep it from being saved. Ctrl-Z leaves the terminal as it was found, and `fg` takes it back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

NOBODY_READS = frozenset({errno.EPIPE, errno.EIO})
SHOW_CURSOR = b"\x1b[?25h\n"
_OUTPUTS = (1, 2)


def silence(*descriptors: int) -> None:
    """Point standard streams at nothing, so that no later write to them fails."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    os.close(null)


def silence_closed_terminals(terminals: frozenset[int]) -> None:
    """Silence those of these outputs, which were terminals, whose terminal has been closed meanwhile."""
    silence(*(descriptor for descriptor in terminals if not os.isatty(descriptor)))


def terminals() -> frozenset[int]:
    """The outputs that are terminals now."""
    return frozenset(descriptor for descriptor in _OUTPUTS if os.isatty(descriptor))


def say(descriptor: int, words: bytes) -> None:
    """Write from a signal handler: nobody may be there, and nothing may be raised."""
    with contextlib.suppress(OSError):
        os.write(descriptor, words)


class Lending:
    """Gives the terminal back on Ctrl-Z, before the process is stopped, and takes it again once it goes on.

    ``leave`` and ``enter`` draw. While a drawing is under way (``drawing``) a Ctrl-Z waits for its end.
    """

    def __init__(self, leave: Callable[[], None], enter: Callable[[], None]) -> None:
        """Lend a terminal that ``leave`` cleans and ``enter`` draws on again."""
        self._leave, self._enter = leave, enter
        self._depth = 0
        self._asked = False

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draw without being stopped in the middle."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._asked and not self._depth:
                self._stop()

    @contextmanager
    def on_stop(self) -> Iterator[None]:
        """Lend the terminal whenever the process is stopped by Ctrl-Z."""
        before = signal.getsignal(signal.SIGTSTP)
        if before is not signal.SIG_DFL:
            # A shell without job control ignores it, and so do we.
            yield
            return
        signal.signal(signal.SIGTSTP, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGTSTP, before)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        if not self._depth:
            self._stop()

    def _stop(self) -> None:
        self._asked = False
        with contextlib.suppress(OSError):
            self._leave()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Stopped here, until somebody continues us.
        signal.signal(signal.SIGTSTP, self._handle)
        with contextlib.suppress(OSError):
            self._enter()
