"""The local host: a warden process per attempt on this machine.

The host takes the attempt's lock itself and hands it to the warden as a descriptor, so there is no moment at which a
started attempt is not held: a coordinator that dies anywhere in between leaves either nothing or a warden.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitfleet.errors import GitfleetError, Kind
from gitfleet.runtime import attempt
from gitfleet.runtime.environment import temporary_directory
from gitfleet.runtime.hosts.base import Handle, HostStatus, LaunchSpec, LogSlice, Pulse
from gitfleet.runtime.hosts.ends import recorded_end, settle
from gitfleet.runtime.hosts.spec import document, make_temporary, text
from gitfleet.runtime.output import LOG_LIMIT, read_log
from gitfleet.runtime.passing import tell
from gitfleet.runtime.processes import Process, send
from gitfleet.runtime.pulse import read_pulse
from gitfleet.runtime.tables import open_table
from gitfleet.runtime.tree import NONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitfleet.model.evidence import Exit
    from gitfleet.runtime.processes import Table

# Isolated, without site: nothing of the user's Python set-up takes part, and a warden starts in some 15 ms.
INTERPRETER: Final = (sys.executable, "-I", "-S", "-X", "utf8")

# Somebody who looks whether the lock is held holds it for some microseconds; a warden holds it for longer.
_PROBE_SECONDS = 0.1

_WARDEN = Path(__file__).parent.parent / "warden" / "__main__.py"
_HELD_BACK = {signal.SIGTERM, signal.SIGUSR1, signal.SIGINT}


class LocalHost:
    """Runs attempts on this machine; its methods may be called from any thread."""

    def __init__(
        self,
        *,
        interpreter: Sequence[str] = INTERPRETER,
        now: Callable[[], float] = time.time,
        nonce: Callable[[], str] = secrets.token_hex,
    ) -> None:
        """Build a host.

        ``interpreter`` starts wardens, ``now`` gives POSIX seconds for ends that the host declares, and ``nonce`` a
        random word for each attempt.
        """
        self._interpreter = tuple(interpreter)
        self._now = now
        self._nonce = nonce
        self._children: dict[Path, subprocess.Popen[bytes]] = {}

    def start(self, spec: LaunchSpec) -> Handle:
        """Start an attempt; it returns once the attempt is held, whatever happens to the coordinator afterwards.

        Raises ``GitfleetError`` when the attempt is held or over already, or the system starts no more processes.
        """
        with self._lock(spec.directory, until=time.monotonic() + _PROBE_SECONDS) as lock:
            if lock is None:
                raise _refusal(spec, "another process holds it")
            if (spec.directory / attempt.EXIT).exists():
                raise _refusal(spec, "it is over already")
            told = document(spec) | {"nonce": self._nonce(), "temporary": make_temporary(spec)}
            attempt.write_json(str(spec.directory), attempt.SPEC, told)
            self._children[spec.directory] = self._spawn(spec, lock)
        return Handle(spec.instance, spec.attempt, spec.directory)

    def _spawn(self, spec: LaunchSpec, lock: int) -> subprocess.Popen[bytes]:
        if not spec.secrets:
            return self._spawn_warden(spec.directory, lock)
        told = tell(spec.secrets)
        try:
            return self._spawn_warden(spec.directory, lock, told)
        finally:
            os.close(told)

    def _spawn_warden(self, directory: Path, *descriptors: int) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in (NONCE, "PATH") if name in os.environ}
        # The mask is inherited: a stop that comes while the warden's interpreter starts waits until it can be heard.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
        try:
            with (directory / attempt.TROUBLE).open("wb") as trouble:
                return subprocess.Popen(
                    [*self._interpreter, _WARDEN, directory, *map(str, descriptors)],
                    cwd="/",
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=trouble,
                    start_new_session=True,
                    pass_fds=descriptors,
                )
        except OSError as error:
            raise GitfleetError(
                Kind.ENVIRONMENT,
                "no-warden",
                f"The system starts no process for an agent: {error.strerror}.",
                hint="Lower waves.max_agents, or raise the limit on processes.",
            ) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def adopt(self, instance: str, attempt: int, directory: Path) -> Handle:
        """Take up an attempt that another coordinator started."""
        return Handle(instance, attempt, directory)

    def status(self, handle: Handle) -> HostStatus:
        """Say how the attempt stands now, without waiting."""
        seen = read_pulse(str(handle.directory / attempt.PULSE))
        pulse = Pulse(*seen) if seen else None
        # The order matters: a warden writes the end before it lets go.
        alive = self._held(handle)
        recorded = recorded_end(handle)
        return HostStatus(alive=alive and recorded is None, exit=recorded, pulse=pulse)

    def _held(self, handle: Handle) -> bool:
        if not (handle.directory / attempt.LOCK).exists():
            return False
        descriptor = attempt.open_lock(str(handle.directory))
        try:
            return not attempt.take(descriptor, shared=True)
        finally:
            os.close(descriptor)

    def wait(self, handle: Handle) -> Exit:
        """Wait for the end. Where the warden was killed this clears the tree and declares the attempt lost."""
        child = self._children.get(handle.directory)
        if child is not None:
            child.wait()
            self._children.pop(handle.directory, None)
        with self._lock(handle.directory, wait=True):
            return settle(handle, self._now)

    def wait_for(self, handle: Handle, seconds: float) -> Exit | None:
        """Wait like ``wait``, at most so many seconds; none when it still runs then."""
        until = time.monotonic() + seconds
        child = self._children.get(handle.directory)
        if child is not None:
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            self._children.pop(handle.directory, None)
        with self._lock(handle.directory, until=until) as lock:
            return None if lock is None else settle(handle, self._now)

    def declare_lost(self, handle: Handle) -> Exit | None:
        """Settle an attempt that nobody holds; none when a warden still holds it."""
        with self._lock(handle.directory, until=time.monotonic() + _PROBE_SECONDS) as lock:
            return None if lock is None else settle(handle, self._now)

    @contextmanager
    def _lock(self, directory: Path, *, wait: bool = False, until: float | None = None) -> Iterator[int | None]:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = attempt.open_lock(str(directory))
        try:
            held = attempt.take(descriptor, wait=wait and until is None)
            nap = 0.001
            while not held and until is not None and (left := until - time.monotonic()) > 0:
                time.sleep(min(nap, left))
                nap = min(nap * 2, 0.05)
                held = attempt.take(descriptor)
            yield descriptor if held else None
        finally:
            # Closing frees the lock, unless a warden was given the descriptor: then it holds on.
            os.close(descriptor)

    def log(self, handle: Handle, offset: int = 0, size: int = 65536) -> LogSlice:
        """Read at most ``size`` bytes of output from ``offset`` on; a negative offset counts from the end."""
        spec = attempt.read_json(str(handle.directory), attempt.SPEC) or {}
        limit = int(spec.get("log_limit", LOG_LIMIT))
        return LogSlice(*read_log(str(handle.directory / attempt.LOG), limit, offset, size))

    def interrupt(self, handle: Handle) -> bool:
        """Send the agent what Ctrl-C sends; says whether there was a warden to ask."""
        self.proceed(handle)
        return self._signal(handle, signal.SIGUSR1)

    def pause(self, handle: Handle, seconds: float, why: str, *, again: bool = False) -> bool:
        """Ask the warden to stop the agent's processes where they are; ``again``: unless that was taken back since."""
        if again and not (handle.directory / attempt.HOLD).exists():
            return False
        attempt.replace(str(handle.directory), attempt.HOLD, f"{time.monotonic() + seconds:.3f}\n{why}".encode())
        return True

    def proceed(self, handle: Handle) -> bool:
        """Let a paused agent go on; says whether there was a pause to take back."""
        held = (handle.directory / attempt.HOLD).exists()
        (handle.directory / attempt.HOLD).unlink(missing_ok=True)
        return held

    def stop(self, handle: Handle, *, reason: str = "") -> None:
        """Ask for the ladder; the end comes through ``wait``.

        With the reason ``stalled`` or ``budget`` the end says so, whoever reads it.
        """
        try:
            # The file holds even where the warden has not said yet who it is.
            attempt.replace(str(handle.directory), attempt.STOP, reason.encode())
        except OSError:
            # A full disk keeps nobody from being stopped, only the reason from being known.
            if not self._signal(handle, signal.SIGTERM):
                raise
        else:
            self._signal(handle, signal.SIGTERM)

    def revive(self, handle: Handle) -> bool:
        """Let a warden go on that somebody stopped (``SIGSTOP``); says whether it was stopped."""
        found = self._find(handle)
        if found is None:
            return False
        table, warden = found
        now = table.look(warden.pid)
        stopped = now is not None and now.start == warden.start and now.state in {"T", "t"}
        return stopped and send(table, warden, signal.SIGCONT)

    def abandon(self, handle: Handle) -> bool:
        """Kill a warden that does not move any more, so that ``wait`` finds its attempt lost and clears its tree."""
        return self._signal(handle, signal.SIGKILL)

    def _signal(self, handle: Handle, number: int) -> bool:
        found = self._find(handle)
        # One that somebody stopped hears nothing until it is continued.
        return found is not None and send(*found, number) and (send(*found, signal.SIGCONT) or True)

    def _find(self, handle: Handle) -> tuple[Table, Process] | None:
        """The warden that holds the attempt, as it can be signalled; none when nobody does, or nobody here."""
        warden = attempt.read_json(str(handle.directory), attempt.WARDEN)
        if warden is None or not self._held(handle):
            return None
        spec = attempt.read_json(str(handle.directory), attempt.SPEC) or {}
        table = open_table(spec.get("processes"))
        identity = Process(pid=warden["pid"], parent=0, start=warden["start"], state="", name="warden", terminal=False)
        return (table, identity) if warden["boot"] == table.boot() else None

    def move_deadline(self, handle: Handle, seconds: float) -> None:
        """Set the deadline to so many awake seconds from the start of the attempt."""
        attempt.replace(str(handle.directory), attempt.DEADLINE, f"{seconds:.3f}\n".encode())

    def clean_up(self, handle: Handle) -> None:
        """Remove the temporary directory of an ended attempt; log and end stay."""
        if recorded_end(handle) is None:
            return
        spec = attempt.read_json(str(handle.directory), attempt.SPEC)
        # The directory is made first: without a spec, a host was killed between the two.
        temporary = spec.get("temporary") if spec is not None else text(temporary_directory(handle.directory))
        if temporary:
            shutil.rmtree(temporary.encode("utf-8", "surrogateescape"), ignore_errors=True)


def _refusal(spec: LaunchSpec, reason: str) -> GitfleetError:
    return GitfleetError(
        Kind.BUSY,
        "attempt-held",
        f"Attempt {spec.attempt} of {spec.instance} was not started: {reason}.",
        hint="`gitfleet status` shows which coordinator runs the session.",
    )
