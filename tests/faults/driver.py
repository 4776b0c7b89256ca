"""Runs the command line on a machine where something is wrong: a system that refuses, or a clock that jumps.

An audit hook of the interpreter sees every change of a name and every opening of a file just before it is done, and
may refuse it as the system would. The faults come as one JSON object: ``refuse`` (an errno's name), ``at`` (which
change below ``below`` is refused, counted from 1) and ``for`` (how many from there on; 0 refuses all that come).
``tally`` names a file for the number of changes. Its git children and wardens see a machine in order.

``jump`` moves the clock by so many seconds once the file ``when`` exists: here and in the wardens that are started.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from gitfleet.__main__ import main

CHANGES = frozenset({"os.rename", "os.link", "os.mkdir", "os.truncate"})
WARDEN = Path(__file__).with_name("warden_clock.py")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def refuse(faults: dict[str, Any]) -> None:
    """Refuse what was asked to be refused."""
    number = getattr(errno, faults["refuse"])
    first, count, below = int(faults["at"]), int(faults["for"]), str(faults["below"])
    seen = 0
    lock = threading.Lock()

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & WRITING:
                return
        elif event in CHANGES:
            path = arguments[0]
        else:
            return
        if not isinstance(path, str | bytes | os.PathLike) or not os.fsdecode(path).startswith(below):
            return
        with lock:
            seen += 1
            mine = seen
        if first and mine >= first and (not count or mine < first + count):
            raise OSError(number, os.strerror(number), os.fsdecode(path))

    sys.addaudithook(watch)
    if "tally" in faults:
        # Opened now: at the end nothing may be refused to us.
        tally = os.open(faults["tally"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        atexit.register(lambda: os.write(tally, str(seen).encode()))


def jump(seconds: float, when: str) -> None:
    """Let the clock jump once a file is there, also for wardens; what measures spans is left alone, as in real life."""
    true = time.time

    def shifted() -> float:
        return true() + (seconds if os.path.exists(when) else 0.0)  # noqa: PTH110 - asked a thousand times

    time.time = shifted
    # Imported only now: what it took for the clock is this one.
    from gitfleet.runtime.hosts import local  # noqa: PLC0415

    wrapped = (*local.INTERPRETER, str(WARDEN), str(seconds), when)
    local.LocalHost.__init__.__kwdefaults__["interpreter"] = wrapped  # type: ignore[index]


if __name__ == "__main__":
    wrong = json.loads(sys.argv[1])
    if "refuse" in wrong:
        refuse(wrong)
    if "jump" in wrong:
        jump(float(wrong["jump"]), str(wrong["when"]))
    raise SystemExit(main(sys.argv[2:]))
