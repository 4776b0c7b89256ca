"""A fair lock: whoever came first is served first, so that two sessions landing in turn do not starve each other.

Each waiter holds a numbered ticket file locked for as long as it waits. It tries for the lock itself only while no
lower ticket is held. The ticket of a dead waiter is free by then and is removed by the next one that looks. Order is
a courtesy; exclusion comes from the lock alone.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitfleet.store.files import make_directory
from gitfleet.store.locks import POLL_SECONDS, LockProof, TargetLock, busy, hold, hold_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gitfleet.store.layout import Layout


@contextmanager
def target_lock(
    layout: Layout,
    ref: str,
    *,
    timeout: float,
    command: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[TargetLock]:
    """Hold a target (a full ref name) from candidate to landing; first come, first served.

    ``timeout`` is in seconds and covers the queue and the lock. Raises ``GitfleetError`` (``BUSY``, ``locked``).
    """
    from filelock import lock_descriptor  # noqa: PLC0415 - readers of this module's neighbours must not pay for it

    path = layout.target_lock(ref)
    queue = path.with_suffix(".queue")
    make_directory(queue)
    deadline = time.monotonic() + timeout
    what = f"the target {ref}"
    ticket, descriptor = _take_ticket(path, queue)
    waiting = True
    try:
        while not _is_first(path, queue, ticket, lock_descriptor):
            if time.monotonic() >= deadline:
                raise busy(path, what)
            sleep(POLL_SECONDS * 5)
        remaining = max(0.0, deadline - time.monotonic())
        with hold_as(TargetLock, path, timeout=remaining, what=what, command=command, sleep=sleep) as proof:
            # Exactly once: the number is free afterwards, and the next waiter may get it.
            _give_back(queue, ticket)
            waiting = False
            yield proof
    finally:
        if waiting:
            _give_back(queue, ticket)
        os.close(descriptor)


def _take_ticket(path: Path, queue: Path) -> tuple[int, int]:
    with _counter(path):
        number = max(_tickets(queue), default=0) + 1
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(queue / f"{number:08d}", flags, 0o600)
        from filelock import lock_descriptor  # noqa: PLC0415 - see target_lock

        # Nobody else can hold it: whoever looks at tickets holds the counter.
        lock_descriptor(descriptor, blocking=False)
        return number, descriptor


def _is_first(path: Path, queue: Path, ticket: int, try_lock: Callable[..., bool]) -> bool:
    earlier = [number for number in _tickets(queue) if number < ticket]
    if not earlier:
        return True
    with _counter(path):
        for number in earlier:
            try:
                descriptor = os.open(queue / f"{number:08d}", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                if not try_lock(descriptor, blocking=False):
                    return False
                _give_back(queue, number)
            finally:
                os.close(descriptor)
    return True


def _counter(path: Path) -> AbstractContextManager[LockProof]:
    return hold(path.with_suffix(".counter"), timeout=10.0, what="the queue of a target")


def _tickets(queue: Path) -> list[int]:
    return sorted(int(entry.name) for entry in os.scandir(queue) if entry.name.isdecimal())


def _give_back(queue: Path, ticket: int) -> None:
    (queue / f"{ticket:08d}").unlink(missing_ok=True)
