"""The files of one attempt's directory, and the few ways in which they are written; standard library only.

=============  ==================================================================================================
``spec.json``   what to run: written once by the host before anything starts
``lock``        held by the warden for its life; whoever holds it decides about the attempt
``warden.json`` pid, start and boot of the warden, for signals (liveness is the lock alone), when the agent and the
                attempt started, and the stall period that it watches for
``out.log``     output of the agent, bounded
``pulse``       when output, CPU, children and the warden itself last showed life (``pulse.py``)
``deadline``    awake seconds from the start that the attempt may take; the coordinator may move it
``stop``        its presence asks the warden to stop the agent; a word in it is the reason that is recorded
``hold``        asks the warden to pause the agent: until when, in awake seconds, and why
``paused``      the warden's: the agent is paused, and why; not there when it runs
``stood``       seconds that it was paused so far, which the deadline does not count
``exit.json``   how it ended: written once, durably, into space that was taken at the start
``warden.log``  what went wrong in the warden itself, empty unless there is a defect
=============  ==================================================================================================
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SPEC = "spec.json"
LOCK = "lock"
WARDEN = "warden.json"
LOG = "out.log"
PULSE = "pulse"
DEADLINE = "deadline"
STOP = "stop"
HOLD = "hold"
PAUSED = "paused"
STOOD = "stood"
EXIT = "exit.json"
STALLED = "stalled"
"""The word in ``stop`` for an agent that showed no life any more."""
BUDGET = "budget"
"""The word in ``stop`` for an agent that used more than it may."""
TROUBLE = "warden.log"

_RESERVED = ".exit.json.reserved"
_RESERVED_BYTES = 4096


def open_regular(path: str, flags: int) -> int:
    """Open a file of an attempt, as an ``opener``: the agent may have put a pipe there, which would hold us up."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ENXIO, "it is not a regular file", path)
    return descriptor


def read_json(directory: str, name: str) -> dict[str, Any] | None:
    """Read one of the files, or none when it is not there or is no JSON object."""
    try:
        with open(os.path.join(directory, name), "rb", opener=open_regular) as file:
            data = json.load(file)
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def write_json(directory: str, name: str, data: dict[str, Any]) -> None:
    """Write one of the files whole, readable by its owner alone."""
    replace(directory, name, json.dumps(data, indent=2).encode() + b"\n")


def replace(directory: str, name: str, data: bytes) -> None:
    """Put a complete file in place; it need not survive a crash of the machine."""
    temporary = _temporary(directory, name)
    _write(temporary, data, sync=False)
    os.rename(temporary, os.path.join(directory, name))


def reserve_end(directory: str) -> None:
    """Take the space that the end will need, so that a disk which fills up meanwhile cannot keep it from being known.

    Where blocks are never written over (btrfs, ZFS) this helps less: the end is then tried until there is space.
    """
    with contextlib.suppress(OSError):
        _write(os.path.join(directory, _RESERVED), b" " * _RESERVED_BYTES, sync=False)


def write_end(directory: str, data: dict[str, Any]) -> bool:
    """Write the end durably unless there is one; says whether it was written. The caller holds the lock."""
    end, reserved = os.path.join(directory, EXIT), os.path.join(directory, _RESERVED)
    written = not os.path.lexists(end)
    if written:
        # Not unlinked where this fails: what it holds of the disk is what the next try needs.
        _write(reserved, json.dumps(data, indent=2).encode() + b"\n", sync=True)
        os.link(reserved, end)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(reserved)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return written


def began(directory: str) -> bool:
    """Whether its agent may have started: its warden says that it is there, and makes the log, before it starts one."""
    return any(os.path.lexists(os.path.join(directory, name)) for name in (WARDEN, LOG))


def stop_reason(directory: str) -> str:
    """Why the agent is to stop, as ``exit.json`` will say: the word of the one who asked, where it is a known one."""
    try:
        with open(os.path.join(directory, STOP), "rb", opener=open_regular) as file:
            word = file.read(64).decode("ascii", "replace").strip()
    except OSError:
        word = ""
    return word if word in {STALLED, BUDGET} else "stopped"


def read_hold(directory: str) -> tuple[float, str] | None:
    """Until when (awake seconds) the agent is to be paused, and why; none when it is not."""
    words = read_words(directory, HOLD).partition("\n")
    try:
        return float(words[0]), words[2]
    except ValueError:
        return None


def read_words(directory: str, name: str) -> str:
    """Read a short file of text; nothing where there is none."""
    try:
        with open(os.path.join(directory, name), "rb", opener=open_regular) as file:
            return file.read(4096).decode("utf-8", "replace")
    except OSError:
        return ""


def deadline_of(directory: str) -> float | None:
    """Awake seconds from its start that the attempt may take, as they stand now; none where it has no deadline."""
    try:
        return float(read_words(directory, DEADLINE))
    except ValueError:
        planned = (read_json(directory, SPEC) or {}).get("deadline_seconds")
    return None if planned is None else float(planned)


def open_lock(directory: str) -> int:
    """Open the lock file without taking the lock."""
    return os.open(os.path.join(directory, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def take(descriptor: int, *, wait: bool = False, shared: bool = False) -> bool:
    """Take the lock on an open lock file; says whether it is held now."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def instant(seconds: float) -> str:
    """Write POSIX seconds as an ISO 8601 instant in UTC with milliseconds (``datetime`` would cost the warden 3 ms)."""
    milliseconds = round(seconds * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03}Z"


def _temporary(directory: str, name: str) -> str:
    return os.path.join(directory, f".{name}.{os.getpid()}")


def _write(path: str, data: bytes, *, sync: bool) -> None:
    # Cut to its length at the end: what the file holds of the disk is kept while it is written over.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.ftruncate(descriptor, len(data))
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
