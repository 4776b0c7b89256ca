"""Ending agents that run: what is in their trees is kept first, since some tidy up when they are told to stop.

The agent is at work meanwhile, so what is kept is what one reading saw; what it leaves at its end is kept again. A
person who stops a session is not held up by a large tree: after ``KEEP_SECONDS`` the agents are told all the same. A
deadline is its warden's, who knows nothing of git: before that one nothing is kept.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.attempts import handle_of
from gitfleet.errors import GitfleetError
from gitfleet.git.command import GitFailed
from gitfleet.recovery.keeping import keep_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

KEEP_SECONDS = 5.0


def end_all(parts: Parts, runs: Sequence[Run], why: str) -> None:
    """Keep what these running attempts have, all at the same time, and tell each to stop; they end by themselves."""
    threads = [end(parts, run, why) for run in runs]
    latest = time.monotonic() + KEEP_SECONDS
    for thread, run in zip(threads, runs, strict=True):
        thread.join(max(0.0, latest - time.monotonic()))
        if thread.is_alive():
            parts.host.stop(handle_of(parts, run))


def end(parts: Parts, run: Run, why: str, *, reason: str = "") -> threading.Thread:
    """Keep what a running attempt has and tell it to stop, in another thread.

    ``why`` goes with what is kept, ``reason`` with the attempt's end (see ``Host.stop``).
    """
    handle = handle_of(parts, run)

    def work() -> None:
        # What could not be kept is still in the tree, unless the agent itself takes it away.
        with suppress(GitfleetError, GitFailed, OSError), parts.open_objects() as objects:
            keep_tree(parts, objects, run, why)
        with suppress(OSError):  # it ended meanwhile, and nobody is there to be told
            parts.host.stop(handle, reason=reason)

    thread = threading.Thread(target=work, daemon=True, name="gitfleet-ending")
    thread.start()
    return thread
