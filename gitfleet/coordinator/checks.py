"""Checks of a session: each runs under a warden of its own, and can be stopped with the session."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gitfleet.integrate.verify import twice
from gitfleet.integrate.when import left_out, skipped
from gitfleet.model.evidence import CheckResult
from gitfleet.runtime.environment import check_environment
from gitfleet.runtime.hosts.base import LaunchSpec
from gitfleet.runtime.tail import last_lines
from gitfleet.store.files import make_directory
from gitfleet.store.layout import check_label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitfleet.model.plan import Check
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle

LOST_AGAIN = 2
"""How often a check whose warden was killed is run again before it counts as failed."""


@dataclass(slots=True)
class CheckRunner:
    """Runs checks for one session; ``stop`` ends those that run and makes every later one say "interrupted"."""

    parts: Parts
    session: str
    _stopped: bool = False
    _live: dict[Path, Handle] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def one(self, check: Check, directory: Path, label: str) -> CheckResult | None:
        """Run ``check`` in ``directory``; None when the session was stopped meanwhile.

        A check whose warden was killed said nothing about the work: it is run again, some times.
        """
        result, lost = self._once(check, directory, label)
        for _ in range(LOST_AGAIN):
            if not lost:
                break
            result, lost = self._once(check, directory, label)
        return result

    def _once(self, check: Check, directory: Path, label: str) -> tuple[CheckResult | None, bool]:
        """Run it; the second value says whether its end was lost."""
        with self._lock:
            if self._stopped:
                return None, False
            home = self._new_home(label)
            argv = ("sh", "-c", check.run)
            spec = LaunchSpec(
                instance=label,
                attempt=int(home.name),
                directory=home,
                argv=argv,
                cwd=directory,
                env=check_environment(
                    self.parts.caller, self.session, directory=home, port_base=self._port_base(directory)
                ),
                deadline_seconds=check.timeout_seconds or self.parts.config.timeouts.verify,
                digest=True,
            )
            handle = self.parts.host.start(spec)
            self._live[home] = handle
        ended = self.parts.host.wait(handle)
        with self._lock:
            self._live.pop(home, None)
            interrupted = self._stopped_by_now() and ended.reason != "exited"
        if interrupted:
            return None, False
        tail = last_lines(self.parts.host, handle)
        self.parts.host.clean_up(handle)
        result = CheckResult(
            name=check.title,
            run=check.run,
            exit_code=ended.code,
            signal=ended.signal,
            timed_out=ended.reason == "deadline",
            seconds=round(ended.seconds or 0.0, 3),
            tail=tail or ended.message,
            argv=argv,
            output_sha256=ended.output_sha256,
            output_bytes=ended.output_bytes,
        )
        return result, ended.reason == "lost"

    def run_all(
        self, checks: Sequence[Check], directory: Path, instance: str, changed: Sequence[bytes]
    ) -> tuple[CheckResult, ...] | None:
        """Run a task's own checks in its worktree, in order, up to the first red one; None when stopped meanwhile.

        ``changed`` are the paths that the run changed, which decide about checks with ``when``.
        """
        results: list[CheckResult] = []
        for check in checks:
            if left_out(check, changed, fold=self.parts.fold):
                results.append(skipped(check))
                continue
            # Nothing is put back before it runs again: these are the run's own files.
            result = twice(partial(self.one, check, directory, check_label(instance)), lambda: None)
            if result is None:
                return None
            results.append(result)
            if result.red:
                break
        return tuple(results)

    def _port_base(self, directory: Path) -> int:
        """The ports of the tree in which a check runs: its run's, or the integration worktree's own."""
        held = self.parts.trees.leases.live().get(directory.name)
        return held.port_base if held is not None else 0

    def stop(self) -> None:
        """End what runs, with the ladder, and let nothing start any more."""
        with self._lock:
            self._stopped = True
            live = list(self._live.values())
        for handle in live:
            self.parts.host.stop(handle)

    def _stopped_by_now(self) -> bool:
        return self._stopped

    def _new_home(self, label: str) -> Path:
        parent = self.parts.layout.attempt(label, 1).parent
        try:
            numbers = [int(entry.name) for entry in parent.iterdir() if entry.name.isdigit()]
        except FileNotFoundError:
            numbers = []
        home = self.parts.layout.attempt(label, max(numbers, default=0) + 1)
        make_directory(home)
        return home
