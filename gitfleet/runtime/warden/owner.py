"""The warden's life: take the lock, start the agent, copy its output, enforce the deadline, clear up, write the end.

Seconds are awake seconds (``time.monotonic``: Linux and macOS both leave out the time a machine sleeps), so a laptop
that was shut does not use up a deadline.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

from gitfleet.runtime import attempt, ladder
from gitfleet.runtime.output import BoundedLog
from gitfleet.runtime.passing import hear
from gitfleet.runtime.tables import open_table
from gitfleet.runtime.tree import NONCE
from gitfleet.runtime.warden.deadline import Deadline
from gitfleet.runtime.warden.heart import Heart
from gitfleet.runtime.warden.hold import Hold
from gitfleet.runtime.warden.spawn import SpawnFailed, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from gitfleet.runtime.processes import Process

_TICK = 0.5
_GIVE_UP = 120.0
_CHUNK = 65536
_CHUNKS_A_ROUND = 32


def main(arguments: list[str]) -> None:
    """Own the attempt in the directory given first.

    The second argument is a descriptor that holds its lock, the third one that gives the agent's secrets.
    """
    directory = arguments[0]
    lock = int(arguments[1]) if len(arguments) > 1 else attempt.open_lock(directory)
    os.set_inheritable(lock, False)
    if not attempt.take(lock) or os.path.exists(os.path.join(directory, attempt.EXIT)):
        return
    spec = attempt.read_json(directory, attempt.SPEC)
    if spec is None:
        return
    # In memory alone: the document that says what to run never holds them.
    spec["env"] |= hear(int(arguments[2])) if len(arguments) > 2 else {}
    warden = Warden(directory, spec)
    warden.run()
    # Nothing is left to do that an orderly end of the interpreter would do, and it would take 3 ms.
    sys.stderr.flush()
    os._exit(0)


class Warden:
    """One attempt's owner."""

    def __init__(self, directory: str, spec: dict[str, Any]) -> None:
        """Take charge; from here on a signal is heard."""
        self._directory = directory
        self._spec = spec
        self._asked_to_stop = False
        self._listen()
        self._table = open_table(spec.get("processes"))
        if spec.get("subreaper", True):
            _adopt_orphans()
        self._started = time.time()
        self._awake = time.monotonic()
        self._ended: tuple[float, float] | None = None
        self._status: int | None = None
        self._agent = 0
        self._reader = -1
        self._poll = select.poll()
        self._poll.register(self._wakeup, select.POLLIN)
        self._log = BoundedLog.wanted(self._path(attempt.LOG), spec)
        self._heart = Heart(self._path(attempt.PULSE), stall=spec.get("stall_seconds"), started=self._awake)
        self._hold = Hold(directory, self._heart)
        self._deadline = Deadline(directory, spec.get("deadline_seconds"))
        self._introduce()
        attempt.reserve_end(directory)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _listen(self) -> None:
        self._wakeup, writer = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_interrupt)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        # The host started us with TERM and USR1 held back, so that none arrives before there is somebody to hear it.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _on_stop(self, *_: object) -> None:
        self._asked_to_stop = True

    def _on_interrupt(self, *_: object) -> None:
        if self._agent and self._ended is None:
            # It is not reaped yet, so its pid is still its own; all of its group may be dead, though.
            with contextlib.suppress(OSError):
                os.killpg(self._agent, signal.SIGINT)
                # A stopped agent hears nothing until it is continued.
                os.killpg(self._agent, signal.SIGCONT)

    def _introduce(self) -> None:
        """Say who we are, and from when on processes can belong to the attempt: the agent's start, once it has one."""
        myself = self._table.look(os.getpid())
        start = myself.start if myself else 0
        agent = self._table.look(self._agent) if self._agent else None
        since = agent.start if agent else start
        facts: dict[str, Any] = {"pid": os.getpid(), "start": start, "boot": self._table.boot(), "since": since}
        facts |= {"awake": round(self._awake, 3), "stall": self._spec.get("stall_seconds")}
        attempt.write_json(self._directory, attempt.WARDEN, facts)
        self._tree = ladder.tree_of(self._table, self._spec, since=since, root=os.getpid())

    def run(self) -> None:
        """See the attempt through to its end."""
        if self._told_to_stop():
            self._write_exit(
                attempt.stop_reason(self._directory), ladder.Climbed(), "It was stopped before the agent started."
            )
            return
        try:
            self._start()
        except SpawnFailed as failed:
            self._write_exit("spawn-failed", ladder.Climbed(), str(failed))
            return
        try:
            self._see_through()
        except BaseException:
            # A defect here must not leave an agent without an owner; what is written of its end is `lost`.
            ladder.climb(self._tree, ladder.LEFTOVER_LADDER)
            raise

    def _see_through(self) -> None:
        reason = self._watch()
        climbed = ladder.Climbed()
        if reason == "exited":
            self._drain(float(self._spec.get("drain_seconds", 2.0)))
            if not ladder.gone(self._tree):
                climbed = self._climb("leftover_ladder", ladder.LEFTOVER_LADDER)
        else:
            climbed = self._climb("ladder", ladder.STOP_LADDER)
        self._pump(0)
        if self._ended is None:
            self._ended = (time.time(), time.monotonic())
        self._write_exit(reason, climbed)

    def _start(self) -> None:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        try:
            environment = dict(self._spec["env"])
            outer = os.environ.get(NONCE)
            environment[NONCE] = f"{outer}/{self._spec['nonce']}" if outer else self._spec["nonce"]
            self._agent = spawn(
                self._spec["argv"],
                directory=self._spec["worktree"],
                environment=environment,
                stdin=self._spec.get("stdin") or os.devnull,
                output=writer,
            )
        finally:
            os.close(writer)
        self._reader = reader
        self._poll.register(reader, select.POLLIN)
        self._introduce()

    def _watch(self) -> str:
        """Let the agent work until it ends or has to; returns the reason."""
        while True:
            if self._ended is not None:
                return "exited"
            if self._told_to_stop():
                return attempt.stop_reason(self._directory)
            deadline, stood = self._deadline.look(), self._hold.look(self._tree)
            left = _TICK if deadline is None else self._awake + deadline + stood - time.monotonic()
            if left <= 0:
                return "deadline"
            self._pump(min(_TICK, left))

    def _told_to_stop(self) -> bool:
        return self._asked_to_stop or os.path.exists(self._path(attempt.STOP))

    def _drain(self, seconds: float) -> None:
        """Read what is still in the pipe; somebody else may hold its other end for ever."""
        until = time.monotonic() + seconds
        while self._reader >= 0 and (left := until - time.monotonic()) > 0:
            self._pump(left)

    def _climb(self, name: str, otherwise: tuple[tuple[str, float], ...]) -> ladder.Climbed:
        steps = [(str(signal_name), float(seconds)) for signal_name, seconds in self._spec.get(name) or otherwise]

        def left_over(process: Process) -> bool:
            return self._ended is not None and process.pid != self._agent

        return ladder.climb(self._tree, steps, pause=self._pump, counts=left_over)

    def _pump(self, seconds: float) -> None:
        """Wait for output, a signal or the end of a child, at most so many seconds, and deal with it."""
        for descriptor, _ in self._poll.poll(max(seconds, 0) * 1000):
            if descriptor == self._wakeup:
                _empty(self._wakeup)
            else:
                self._copy()
        self._reap()
        self._heart.beat(self._tree, self._agent)

    def _copy(self) -> None:
        for _ in range(_CHUNKS_A_ROUND):
            try:
                data = os.read(self._reader, _CHUNK)
            except BlockingIOError:
                break
            if not data:
                self._poll.unregister(self._reader)
                os.close(self._reader)
                self._reader = -1
                break
            self._log.write(data)
            self._heart.came(self._log.total)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._agent:
                self._status = status
                self._ended = (time.time(), time.monotonic())

    def _write_exit(self, reason: str, climbed: ladder.Climbed, message: str = "") -> None:
        import resource  # noqa: PLC0415 - needed once, at the end

        wall, awake = self._ended or (time.time(), time.monotonic())
        result: dict[str, Any] = {"reason": reason}
        if self._status is not None:
            code = os.waitstatus_to_exitcode(self._status)
            result["code" if code >= 0 else "signal"] = abs(code)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        result |= {
            "started": attempt.instant(self._started),
            "ended": attempt.instant(wall),
            "seconds": round(awake - self._awake, 3),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
            # Bytes on macOS, KiB everywhere else (getrusage(2)).
            "max_rss_kib": usage.ru_maxrss // 1024 if sys.platform == "darwin" else usage.ru_maxrss,
        }
        result |= ladder.account(self._tree, climbed, message) | self._log.account()
        self._insist(result)

    def _insist(self, result: dict[str, Any]) -> None:
        """Write the end, again where the disk refuses it: nobody else knows it. Given up, the attempt is lost."""
        until = time.monotonic() + _GIVE_UP
        while True:
            try:
                attempt.write_end(self._directory, result)
            except OSError:
                if not os.path.isdir(self._directory) or time.monotonic() >= until:
                    raise
            else:
                return
            self._pump(_TICK)


def _adopt_orphans() -> None:
    """Become the parent of every orphan below, where the system offers it; elsewhere the nonce finds them."""
    import ctypes  # noqa: PLC0415 - only where there is something to call

    # PR_SET_CHILD_SUBREAPER of prctl(2), Linux 3.4; there is no such call on macOS.
    call = getattr(ctypes.CDLL(None), "prctl", None)
    if call is not None:
        call(36, 1, 0, 0, 0)


def _empty(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        return
