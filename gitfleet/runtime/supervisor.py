"""Attempts under way: each has a thread that waits for its end and puts it on one queue.

The supervisor knows nothing of tasks or waves. It holds no truth either: a coordinator that dies takes its supervisor
along, and the next one adopts what still runs.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.runtime.tail import last_lines

if TYPE_CHECKING:
    from gitfleet.model.run import Exit
    from gitfleet.runtime.hosts.base import Handle, Host, LaunchSpec


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt came to its end; ``key`` is what it was started under."""

    key: str
    handle: Handle
    exit: Exit


@dataclass(frozen=True, slots=True)
class Checked:
    """A check ran; ``tail`` holds the last lines of its output as plain text."""

    exit: Exit
    tail: str


class Supervisor:
    """Starts attempts on a host and reports their ends on ``ended``; safe to use from several threads."""

    def __init__(self, host: Host) -> None:
        """Build a supervisor with nothing under way."""
        self.host = host
        self.ended: queue.Queue[Ended] = queue.Queue()
        self._live: dict[str, Handle] = {}
        self._change = threading.Condition()
        self._stopping = False

    def start(self, key: str, spec: LaunchSpec) -> Handle:
        """Start an attempt; its end comes as ``Ended(key, ...)`` on the queue.

        Raises ``GitfleetError`` when the attempt is held by another process or over, or everything is being stopped.
        """
        handle = self._begin(key, spec)
        self._watch(key, handle)
        return handle

    def adopt(self, key: str, handle: Handle) -> None:
        """Take up an attempt that another coordinator started; its end comes like any other."""
        with self._change:
            self._live[key] = handle
        self._watch(key, handle)

    def live(self) -> dict[str, Handle]:
        """Say what is under way now, by key."""
        with self._change:
            return dict(self._live)

    def stop(self, key: str) -> bool:
        """Ask for the ladder on one attempt; false when it is not under way."""
        handle = self.live().get(key)
        if handle is None:
            return False
        self.host.stop(handle)
        return True

    def stop_all(self, timeout: float) -> tuple[str, ...]:
        """Climb the ladder on everything at once and wait, at most ``timeout`` seconds; the keys that still run.

        Nothing starts afterwards. The ends are on the queue as always; a warden that is left goes on by itself.
        """
        with self._change:
            self._stopping = True
            handles = list(self._live.values())
        for handle in handles:
            self.host.stop(handle)
        with self._change:
            self._change.wait_for(lambda: not self._live, timeout)
            return tuple(self._live)

    def run_check(self, key: str, spec: LaunchSpec) -> Checked:
        """Run a command under a warden and wait for it; an interrupt stops it before it goes on its way."""
        handle = self._begin(key, spec)
        try:
            ended = self.host.wait(handle)
        except BaseException:
            self.host.stop(handle)
            raise
        finally:
            self._end(key)
        return Checked(ended, last_lines(self.host, handle))

    def _begin(self, key: str, spec: LaunchSpec) -> Handle:
        with self._change:
            if self._stopping:
                raise GitfleetError(
                    Kind.INTERRUPTED, "stopping", f"{key} was not started: everything is being stopped."
                )
            handle = self.host.start(spec)
            self._live[key] = handle
            return handle

    def _watch(self, key: str, handle: Handle) -> None:
        threading.Thread(target=self._wait, args=(key, handle), name=f"wait for {key}", daemon=True).start()

    def _wait(self, key: str, handle: Handle) -> None:
        ended = self.host.wait(handle)
        self.ended.put(Ended(key, handle, ended))
        self._end(key)

    def _end(self, key: str) -> None:
        with self._change:
            self._live.pop(key, None)
            self._change.notify_all()
