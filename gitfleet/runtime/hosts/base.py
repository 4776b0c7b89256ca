"""What a host is: a place that runs attempts, each under a warden of its own.

Everything that a host knows is on disk in the attempt's directory, so a handle survives the coordinator that made it:
whoever has the directory can adopt the attempt. A host starts, watches and stops processes; it never judges their work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gitfleet.runtime.ladder import LEFTOVER_LADDER, STOP_LADDER
from gitfleet.runtime.output import LOG_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitfleet.model.evidence import Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """What to run for one attempt, completely; nothing is taken from the coordinator's environment.

    ``directory`` is the attempt's own and is made where it is missing. ``env`` is the whole environment but for the
    attempt's nonce; ``secrets`` are added to it, and are written nowhere. ``stdin`` is a file, or none for
    ``/dev/null``. ``deadline_seconds`` are awake seconds from the start. ``stall_seconds`` is the period without any
    sign of life after which somebody will call it silent; none where nobody watches. ``log_limit`` is in bytes; with
    ``digest`` the end says the hash of the output. A ladder is signal names with the seconds that each is given.
    ``sweep`` says whether a process counts as the attempt's by working in ``cwd``: false where people work too.
    ``subreaper`` and ``processes`` (``proc`` or ``ps``) choose how the tree is followed; by default with what the
    system offers.
    """

    instance: str
    attempt: int
    directory: Path
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: Path | None = None
    deadline_seconds: float | None = None
    stall_seconds: float | None = None
    log_limit: int = LOG_LIMIT
    digest: bool = False
    ladder: tuple[tuple[str, float], ...] = STOP_LADDER
    leftover_ladder: tuple[tuple[str, float], ...] = LEFTOVER_LADDER
    drain_seconds: float = 2.0
    sweep: bool = True
    subreaper: bool = True
    processes: str | None = None


@dataclass(frozen=True, slots=True)
class Handle:
    """An attempt that a host has; the directory says everything that the host needs."""

    instance: str
    attempt: int
    directory: Path


@dataclass(frozen=True, slots=True)
class Pulse:
    """When an attempt last showed life, as its warden saw it.

    ``at`` is when output last came, in POSIX seconds, and ``size`` how many bytes there are so far. The rest are awake
    seconds of this boot: of the last ``output``, of ``cpu`` that counts as work, of ``children`` that came or went, of
    the last time that the wall clock ``stepped`` (0 for never), and of the warden's own ``beat``. ``kin`` counts the
    tree's processes, and ``stopped`` says that the agent's own one was stopped, both at the last look.
    """

    at: float
    size: int
    output: float
    cpu: float
    children: float
    stepped: float
    beat: float
    kin: int
    stopped: bool


@dataclass(frozen=True, slots=True)
class HostStatus:
    """How an attempt stands.

    ``alive``: a warden holds it. ``exit``: how it ended, once it did. Neither: its warden was killed, or it was never
    started. ``pulse`` is none until the warden has found its feet.
    """

    alive: bool
    exit: Exit | None
    pulse: Pulse | None


@dataclass(frozen=True, slots=True)
class LogSlice:
    """A bounded piece of output: ``offset`` is where it begins, ``next`` where to go on."""

    offset: int
    data: bytes = field(repr=False)

    @property
    def next(self) -> int:
        """Offset of the byte after the piece."""
        return self.offset + len(self.data)


class Host(Protocol):
    """A place that runs attempts."""

    def start(self, spec: LaunchSpec) -> Handle:
        """Start an attempt; it returns once the attempt is held, whatever happens to the coordinator afterwards.

        Raises ``GitfleetError`` when the attempt is held or over already, or the system starts no more processes.
        """

    def adopt(self, instance: str, attempt: int, directory: Path) -> Handle:
        """Take up an attempt that another coordinator started."""

    def status(self, handle: Handle) -> HostStatus:
        """Say how the attempt stands now, without waiting."""

    def wait(self, handle: Handle) -> Exit:
        """Wait for the end. Where the warden was killed this clears the tree and declares the attempt lost."""

    def wait_for(self, handle: Handle, seconds: float) -> Exit | None:
        """Wait like ``wait``, at most so many seconds; none when it still runs then."""

    def declare_lost(self, handle: Handle) -> Exit | None:
        """Settle an attempt that nobody holds: clear its tree, write ``lost`` unless its end is on record.

        Returns the end that is on record then, or none when a warden still holds the attempt.
        """

    def log(self, handle: Handle, offset: int = 0, size: int = 65536) -> LogSlice:
        """Read at most ``size`` bytes of output from ``offset`` on; a negative offset counts from the end."""

    def interrupt(self, handle: Handle) -> bool:
        """Send the agent what Ctrl-C sends; says whether there was a warden to ask."""

    def stop(self, handle: Handle, *, reason: str = "") -> None:
        """Ask for the ladder; the end comes through ``wait``.

        With the reason ``stalled`` or ``budget`` the end says so, whoever reads it.
        """

    def pause(self, handle: Handle, seconds: float, why: str, *, again: bool = False) -> bool:
        """Ask the warden to stop the agent's processes where they are, for so many awake seconds unless asked again.

        With ``again``, only where the pause was not taken back since; says whether it was asked for.
        """

    def proceed(self, handle: Handle) -> bool:
        """Let a paused agent go on; says whether there was a pause to take back."""

    def revive(self, handle: Handle) -> bool:
        """Let a warden go on that somebody stopped (``SIGSTOP``); says whether it was stopped."""

    def abandon(self, handle: Handle) -> bool:
        """Kill a warden that does not move any more, so that ``wait`` finds its attempt lost and clears its tree.

        Says whether there was one.
        """

    def move_deadline(self, handle: Handle, seconds: float) -> None:
        """Set the deadline to so many awake seconds from the start of the attempt."""

    def clean_up(self, handle: Handle) -> None:
        """Remove what an ended attempt needs no longer; log and end stay."""
