"""Checks of a session: each runs under a warden of its own, and can be stopped with the session."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.model.run import CheckResult
from gitfleet.runtime.environment import check_environment
from gitfleet.runtime.hosts.base import LaunchSpec
from gitfleet.runtime.tail import last_lines
from gitfleet.store.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitfleet.parts import Parts
    from gitfleet.model.plan import Check
    from gitfleet.runtime.hosts.base import Handle

TAIL_BYTES = 4096
TAIL_LINES = 20


@dataclass(slots=True)
class CheckRunner:
    """Runs checks for one session; ``stop`` ends the one that runs and makes every later one say "interrupted"."""

    parts: Parts
    session: str
    _stopped: bool = False
    _live: dict[str, Handle] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def one(self, check: Check, directory: Path, label: str) -> CheckResult | None:
        """Run ``check`` in ``directory``; None when the session was stopped meanwhile."""
        with self._lock:
            if self._stopped:
                return None
            number = _next_number(self.parts.layout.attempts(label, 1).parent)
            home = self.parts.layout.attempts(label, number)
            make_directory(home)
        seconds = check.timeout_seconds or self.parts.config.timeouts.verify
        spec = LaunchSpec(
            instance=label,
            attempt=number,
            directory=home,
            argv=("sh", "-c", check.run),
            cwd=directory,
            env=check_environment(self.parts.caller, self.session, directory=home),
            stdin=None,
            deadline_seconds=seconds,
        )
        handle = self.parts.host.start(spec)
        with self._lock:
            self._live[label] = handle
            stopped = self._stopped
        if stopped:
            self.parts.host.stop(handle)
        exit_ = self.parts.host.wait(handle)
        with self._lock:
            self._live.pop(label, None)
            if self._stopped and exit_.reason != "exited":
                return None
        tail = last_lines(self.parts.host, handle, lines=TAIL_LINES, limit=TAIL_BYTES)
        if exit_.reason == "spawn-failed":
            tail = exit_.message
        return CheckResult(
            name=check.title,
            run=check.run,
            exit_code=exit_.code,
            signal=exit_.signal,
            timed_out=exit_.reason == "deadline",
            seconds=exit_.seconds or 0.0,
            tail=tail,
        )

    def run_all(self, checks: Sequence[Check], directory: Path, instance: str) -> tuple[CheckResult, ...]:
        """Run a task's own checks in its worktree, in order, up to the first red one."""
        results: list[CheckResult] = []
        for check in checks:
            result = self.one(check, directory, f"{instance}-check")
            if result is None:
                break
            results.append(result)
            if not result.green:
                break
        return tuple(results)

    def stop(self) -> None:
        """End what runs, with the ladder, and let nothing start any more."""
        with self._lock:
            self._stopped = True
            live = list(self._live.values())
        for handle in live:
            self.parts.host.stop(handle)


def _next_number(directory: Path) -> int:
    try:
        numbers = [int(entry.name) for entry in directory.iterdir() if entry.name.isdigit()]
    except FileNotFoundError:
        return 1
    return max(numbers, default=0) + 1
