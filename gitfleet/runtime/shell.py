"""A person's own shell, or a login, in the foreground: no warden, no deadline, no log. gitfleet only waits for it."""

from __future__ import annotations

import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGHUP)
_GRACE_SECONDS = 5.0


def run(argv: Sequence[str], directory: Path, environment: Mapping[str, str], *, output: int | None = None) -> int:
    """Run a program in a directory with the caller's terminal and give its exit code, as a shell would report it.

    ``output`` is a descriptor for its standard output, if not the caller's. Ctrl-C belongs to the program while it
    runs; within `ended_by_signals` a termination ends it first. Raises ``OSError`` when it cannot be started.
    """
    started, early = False, list[int]()
    handled = {number: one for number in _ENDS if callable(one := signal.getsignal(number))}

    def handle(number: int, frame: FrameType | None) -> None:
        # Not while it is being started: it would run, and nobody knew of it.
        if started:
            handled[signal.Signals(number)](number, frame)
        else:
            early.append(number)

    # A handler and not SIG_IGN: an ignored signal stays ignored across exec, a handled one becomes the default again.
    before = {signal.SIGINT: signal.signal(signal.SIGINT, lambda _number, _frame: None)}
    before |= {number: signal.signal(number, handle) for number in handled}
    try:
        with subprocess.Popen(
            list(argv), cwd=directory, env=dict(environment), stdout=output, restore_signals=True
        ) as process:
            try:
                started = True
                for number in early:
                    handle(number, None)
                code = process.wait()
            except BaseException:
                _end(process)
                raise
    finally:
        for number, one in before.items():
            signal.signal(number, one)
    return code if code >= 0 else 128 - code


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Have a termination or a hang-up raise ``KeyboardInterrupt``, so that what was begun is taken back.

    A second one changes nothing: what is taken back is, whole. A hang-up that was to be ignored (``nohup``) is ignored.
    """
    ended = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal ended
        if not ended:
            ended = True
            raise KeyboardInterrupt

    before = {number: one for number in _ENDS if (one := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the program to end, and end it where it does not."""
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
