"""Commands that a person wants run when something happens; what they do or fail to do never matters to a session.

Each runs with ``sh -c`` in a session of its own, without a terminal, without input, with its output thrown away, and
for a bounded time. They run one after the other, in a thread of their own: the coordinator waits for them only at its
end.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SECONDS = 10.0
"""How long one command may take before it is killed, with everything in its process group."""

WAITING = 32
"""How many notices may wait; what comes while as many wait is dropped, since nobody reads so many."""

_TOO_LONG = "it did not end in time"


@dataclass(slots=True)
class Commands:
    """Runs the commands for each notice."""

    lines: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    seconds: float = SECONDS
    failures: list[str] = field(default_factory=list)
    _hung: set[str] = field(default_factory=set)
    _queue: queue.Queue[Mapping[str, str] | None] = field(default_factory=lambda: queue.Queue(WAITING))
    _thread: threading.Thread | None = None

    def tell(self, variables: Mapping[str, str]) -> None:
        """Run all commands with these variables added to their environment; returns at once."""
        if not self.lines:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(dict(variables))

    def finish(self) -> None:
        """Wait for what was told, each command at most its time."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (variables := self._queue.get()) is not None:
            for line in self.lines:
                if line in self._hung:
                    continue
                why = _run(line, self.directory, {**self.environment, **variables}, self.seconds)
                if why:
                    self.failures.append(f"{line}: {why}")
                if why == _TOO_LONG:
                    # Once is enough: the end of a session must not wait for it again and again.
                    self._hung.add(line)


def _run(line: str, directory: Path, environment: Mapping[str, str], seconds: float) -> str:
    """Run one command; why it did not succeed, empty when it did."""
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", line],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return str(error)
    with process:
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return _TOO_LONG
    return f"exit code {code}" if code else ""
