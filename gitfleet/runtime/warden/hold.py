"""An attempt that is paused: its processes are stopped where they are, and go on where they stopped.

The coordinator asks with a file that says until when (awake seconds) and why, and renews it. So whatever becomes of
the coordinator, nobody is left standing: the pause ends when the file goes or its time is over. What is true is in a
file of the warden's own, ``paused``, taken away only once the processes go on and have shown life, so that nobody calls
them silent in between. The time that they stood does not count for the deadline.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from gitfleet.runtime import attempt, ladder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.runtime.processes import Process
    from gitfleet.runtime.tree import Tree
    from gitfleet.runtime.warden.heart import Heart


class Hold:
    """Stops and continues the processes of one attempt."""

    def __init__(self, directory: str, heart: Heart, *, awake: Callable[[], float] = time.monotonic) -> None:
        """Begin with an attempt that runs; ``heart`` is told when it goes on."""
        self._directory = directory
        self._heart = heart
        self._awake = awake
        self._stood = 0.0
        self._since: float | None = None
        self._stopped: list[Process] = []

    def look(self, tree: Tree) -> float:
        """Do what is asked, if anything is; the seconds that the attempt has stood so far."""
        now = self._awake()
        wanted = attempt.read_hold(self._directory)
        asked = wanted is not None and now < wanted[0]
        if asked and self._since is None:
            self._since = now
            self._say((wanted[1] if wanted else "") or "it was asked for")
            # The oldest first, so that no shell sees a child of its own stop and takes it for a suspended job.
            members = sorted(tree.members(), key=lambda process: (process.start, process.pid))
            self._stopped = ladder.freeze(tree, members)
        elif not asked and self._since is not None:
            tree.table.signal(self._stopped[::-1], signal.SIGCONT)
            self._stood += self._awake() - self._since
            self._since, self._stopped = None, []
            self._heart.woke()
            with contextlib.suppress(OSError):
                attempt.replace(self._directory, attempt.STOOD, f"{self._stood:.3f}\n".encode())
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._directory, attempt.PAUSED))
        return self._stood + (now - self._since if self._since is not None else 0.0)

    def _say(self, why: str) -> None:
        # On a full disk it is paused all the same; that it is silent will be said instead.
        with contextlib.suppress(OSError):
            attempt.replace(self._directory, attempt.PAUSED, why.encode())
