"""Locks between processes, and the proofs that functions ask for.

A lock is an exclusive ``flock`` on a file that is never unlinked. Liveness is the held lock alone: it is free once
the holder *and every process that was given its descriptor* are gone, because a release only closes the descriptor
and never unlocks it on behalf of others. That is how a freed session lock proves a dead coordinator's git children
gone. The facts inside the file (pid, host, command, since) serve messages only and may be stale while the lock is
free. Locks are between processes of one machine; a network file system is only as good as its ``flock``.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from gitfleet.errors import GitfleetError, Kind
from gitfleet.store import holders
from gitfleet.store.files import make_directory, open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitfleet.store.holders import Holder
    from gitfleet.store.layout import Layout

POLL_SECONDS = 0.001
"""A millisecond between tries: 3,000 hand-overs a second between 8 processes, at a p99 wait of 40 ms."""

GRACE_SECONDS = 0.05
"""Even a caller that does not wait tries this long: a status probe, or a fork between its two system calls in another
thread of the holder, keeps a free lock busy for a moment."""

LOCKED = "locked"
"""The code of the refusal where a lock is not free in time."""

BUSY_HINT = "wait until it is done, or end that process; a lock is free as soon as its holder is gone"


@dataclass(slots=True)
class LockProof:
    """Evidence that a lock is held; a function that needs the lock takes it as an argument.

    ``fd`` is closed on exec; a git child inherits the lock only when it is passed in ``pass_fds``.
    """

    path: Path
    fd: int
    held: bool = True

    def check(self) -> None:
        """Raise ``AssertionError`` once the lock was released: using a stale proof is a defect in gitfleet.

        Raises ``GitfleetError`` (``BUSY``, ``taken-over``) when the lock file is not the one that was locked any more:
        a person said that its holder is gone, which it is not.
        """
        if not self.held:
            msg = f"the lock {self.path.name} was released before this use of its proof"
            raise AssertionError(msg)
        mine = os.fstat(self.fd)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            there = None
        if there is None or not os.path.samestat(mine, there):
            raise GitfleetError(
                Kind.BUSY,
                "taken-over",
                f"The lock {self.path.name} was taken away from this process, which held it.",
                hint="Somebody said that it is gone, with --owner-is-gone; `gitfleet status` shows who goes on.",
            )


class SessionLock(LockProof):
    """Held by the one process that coordinates a session."""


class ClaimsLock(LockProof):
    """Held around check and write of claims."""


class WorktreesLock(LockProof):
    """Held around ``git worktree add``."""


class TargetLock(LockProof):
    """Held from candidate to landing, one per target."""


ProofT = TypeVar("ProofT", bound=LockProof)


@contextmanager
def hold(path: Path, *, timeout: float, what: str, command: str = "") -> Iterator[LockProof]:
    """Hold the lock at ``path``; see ``hold_as`` for arguments and errors."""
    with hold_as(LockProof, path, timeout=timeout, what=what, command=command) as proof:
        yield proof


@contextmanager
def hold_as(
    kind: type[ProofT],
    path: Path,
    *,
    timeout: float,
    what: str,
    command: str = "",
    sleep: Callable[[float], None] = time.sleep,
    hint: str = BUSY_HINT,
) -> Iterator[ProofT]:
    """Hold a lock and give the proof of this kind.

    ``timeout`` is in seconds; ``what`` names the thing that is locked in messages (``session auth-k3f9qm``);
    ``command`` is what others are told that the holder does, ``hint`` what one who cannot have it may do. Raises
    ``GitfleetError`` (``BUSY``, ``locked``) that names the holder when the lock is not free in time.
    """
    # Imported here because a reader (status, events) never takes a lock and must not pay for it.
    from filelock import lock_descriptor  # noqa: PLC0415

    make_directory(path.parent)
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    try:
        deadline = time.monotonic() + max(timeout, GRACE_SECONDS)
        while not lock_descriptor(descriptor, blocking=False):
            if time.monotonic() >= deadline:
                raise busy(path, what, hint)
            sleep(POLL_SECONDS)
        holders.write(descriptor, holders.present(command))
        proof = kind(path, descriptor)
        try:
            yield proof
        finally:
            proof.held = False
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder(path: Path) -> Holder | None:
    """Who holds the lock at ``path`` now, or ``None`` when it is free; the lock is not taken."""
    try:
        descriptor = open_regular(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        try:
            # A shared try, so that two probes do not report each other; the close below ends it.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return holders.read(descriptor)
        return None
    finally:
        os.close(descriptor)


def busy(path: Path, what: str, hint: str = BUSY_HINT) -> GitfleetError:
    """The refusal that names who holds a lock."""
    facts = holder(path)
    who = str(facts or "another process")
    if facts is not None and holders.judge(facts).life is holders.Life.DEAD:
        who = f"a process that was started by {who}, which itself has ended"
    return GitfleetError(
        Kind.BUSY,
        LOCKED,
        f"{what} is held by {who}",
        hint=hint,
    )


@contextmanager
def session_lock(layout: Layout, session: str, *, timeout: float = 0.0, command: str = "") -> Iterator[SessionLock]:
    """Become the one coordinator of a session."""
    path = layout.session_lock(session)
    hint = (
        "`gitfleet status` shows what it does. "
        f"`gitfleet continue {session} --take-over` ends that process, and goes on from where it is."
    )
    what = f"session {session}"
    with hold_as(SessionLock, path, timeout=timeout, what=what, command=command, hint=hint) as proof:
        yield proof


@contextmanager
def claims_lock(layout: Layout, *, timeout: float = 30.0, command: str = "") -> Iterator[ClaimsLock]:
    """Hold the claims of the repository still; for the milliseconds of a check and a write."""
    with hold_as(ClaimsLock, layout.lock("claims"), timeout=timeout, what="the claims table", command=command) as proof:
        yield proof


@contextmanager
def worktrees_lock(layout: Layout, *, timeout: float = 60.0, command: str = "") -> Iterator[WorktreesLock]:
    """Be the only one that adds or removes worktrees; git's own parallel creation races."""
    path = layout.lock("worktrees")
    with hold_as(WorktreesLock, path, timeout=timeout, what="the list of worktrees", command=command) as proof:
        yield proof
