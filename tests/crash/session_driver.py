"""Runs the command line, and dies by SIGKILL at the n-th change of a name in the file system.

Every durable step of the coordinator ends in a rename, a link or a removal; an audit hook sees each before it is done.
"""

from __future__ import annotations

import os
import signal
import sys

from gitfleet.__main__ import main

EVENTS = frozenset({"os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "subprocess.Popen"})


def arm(deadly: int, tally: str) -> None:
    """Die at the event with this number; 0 never dies and leaves the number of events in the file ``tally``."""
    seen = 0

    def watch(event: str, _: object) -> None:
        nonlocal seen
        if event in EVENTS:
            seen += 1
            if seen == deadly:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    if not deadly:
        import atexit  # noqa: PLC0415 - only the counting run needs it

        atexit.register(lambda: os.write(os.open(tally, os.O_WRONLY | os.O_CREAT, 0o600), str(seen).encode()))


if __name__ == "__main__":
    arm(int(sys.argv[1]), sys.argv[2])
    raise SystemExit(main(sys.argv[3:]))
