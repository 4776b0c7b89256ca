"""Who holds a lock, as it wrote itself down, and what can be said about it from here.

The facts may be stale while a lock is free, and wrong where the holder could not write them (a full disk). A pid means
something only on the machine, in the boot and in the pid namespace it comes from: anywhere else its process is unknown,
never dead. Nothing here signals anybody.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

import msgspec

from gitfleet.model.base import Document, decode, encode, instant


class Holder(Document, frozen=True, kw_only=True):
    """Who holds a lock, as it wrote itself down."""

    pid: int
    host: str
    command: str = ""
    since: str = ""
    boot: str = ""
    started: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        """Name it for people."""
        if not self.pid:
            return "another process"
        who = f"process {self.pid} on {self.host}"
        if self.command:
            who += f" ({self.command})"
        return f"{who}, since {self.since}" if self.since else who


class Life(Enum):
    """What can be said of the process that a holder names."""

    LIVING = "living"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a holder lives; ``why`` it cannot be told, as a clause, where it cannot."""

    life: Life
    why: str = ""


def present(command: str) -> Holder:
    """Facts about this process."""
    boot, started = _own_identity(os.getpid())
    return Holder(
        pid=os.getpid(),
        host=os.uname().nodename,
        command=command[:200],
        since=instant(time.time()),
        boot=boot,
        started=started,
        namespace=pid_namespace(),
    )


def judge(holder: Holder) -> Judgement:
    """Say whether the process that a holder names lives."""
    if not (holder.pid > 0 and holder.started and holder.boot):
        return Judgement(Life.UNKNOWN, "it did not say who it is")
    if holder.host != os.uname().nodename:
        return Judgement(Life.UNKNOWN, f"it runs on {holder.host}, and this is {os.uname().nodename}")
    boot, started = process_identity(holder.pid)
    if holder.boot != (boot or process_identity(os.getpid())[0]):
        return Judgement(Life.UNKNOWN, f"it is of another boot of {holder.host}, or of another machine of that name")
    if holder.namespace != pid_namespace():
        return Judgement(Life.UNKNOWN, "it runs in another container (a pid namespace of its own)")
    return Judgement(Life.LIVING if started == holder.started and not _zombie(holder.pid) else Life.DEAD)


def process_identity(pid: int) -> tuple[str, str]:
    """Boot id and start time of a process, which together with the pid tell it from a later one; empty if unknown."""
    with suppress(OSError, IndexError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The command's name may hold spaces and parentheses; field 22 counts from behind its last parenthesis.
        return boot, Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode("ascii")
    import psutil  # noqa: PLC0415 - heavy, and only needed where /proc is missing or the process is gone

    with suppress(psutil.Error):
        return str(int(psutil.boot_time())), repr(psutil.Process(pid).create_time())
    return "", ""


@lru_cache(maxsize=1)
def _own_identity(pid: int) -> tuple[str, str]:
    """Boot id and start time of this process, looked up once; a fork has another pid."""
    return process_identity(pid)


def pid_namespace() -> str:
    """Name the space that pids here are numbers of; empty where a system has only one."""
    if not sys.platform.startswith("linux"):
        return ""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def write(descriptor: int, holder: Holder) -> None:
    """Put the facts into a lock file that this process holds."""
    # A full disk must not keep a free lock from being taken.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, encode(holder), 0)


def read(descriptor: int) -> Holder:
    """Read the facts; those of nobody when the lock was taken a moment ago and nothing is written down yet."""
    try:
        return decode(os.pread(descriptor, 4096, 0), Holder)
    except (msgspec.MsgspecError, ValueError):
        return Holder(pid=0, host="")


def _zombie(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent to notice: it holds nothing any more."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    import psutil  # noqa: PLC0415 - as above

    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return False
