"""A real terminal: a pseudo-terminal with a small shell in it that has job control, as a person's has.

The shell runs one command in the foreground. It says ``[stopped]`` when that was stopped by Ctrl-Z and continues it on
``fg``; when its terminal is closed it hangs its job up, as shells do, and waits for its end.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SECONDS = 60.0
STOPPED, CONTINUE = b"[stopped]", "fg"

_SHELL = """
import fcntl, os, signal, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
signal.signal(signal.SIGHUP, lambda *_: os.killpg(job, signal.SIGHUP))
try:
    os.setpgid(job, job)
except OSError:
    pass
while True:
    _, status = os.waitpid(job, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        break
    os.tcsetpgrp(0, os.getpgrp())
    os.write(1, b"[stopped]\\n")
    sys.stdin.readline()
    os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
code = os.waitstatus_to_exitcode(status)
os._exit(code if code >= 0 else 128 - code)
"""


@dataclass
class Terminal:
    """A command in a terminal of 100 columns; ``shown`` is everything it wrote so far."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    shown: bytes = b""
    _near: int = field(init=False)
    _far: int = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Start the command."""
        self._near, self._far = pty.openpty()
        fcntl.ioctl(self._far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SHELL, *self.argv],
            cwd=self.cwd,
            env={**self.env, "TERM": "xterm-256color", "COLUMNS": "100"},
            stdin=self._far,
            stdout=self._far,
            stderr=self._far,
        )

    def until(self, text: bytes, *, after: int = 0) -> int:
        """Read until ``text`` was shown from the offset ``after`` on; gives the offset behind it."""
        deadline = time.monotonic() + SECONDS
        while (at := self.shown.find(text, after)) < 0:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._near], [], [], max(left, 0))
            assert ready, f"{text!r} was not shown; this was:\n{self.shown.decode(errors='replace')}"
            self.shown += os.read(self._near, 65536)
        return at + len(text)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._near, keys.encode())

    def signal(self, number: int) -> None:
        """Send a signal to the job, not to the shell."""
        os.killpg(os.tcgetpgrp(self._near), number)

    def close_window(self) -> None:
        """Close the terminal under whatever runs in it."""
        os.close(self._far)
        os.close(self._near)
        self._near = self._far = -1

    def wait(self, *, pressing: str = "") -> int:
        """Wait for the end of the job, reading what it shows meanwhile; gives its exit code.

        ``pressing`` is typed again whenever nothing happens, as a person does.
        """
        deadline = time.monotonic() + SECONDS
        while self._near >= 0 and self._process.poll() is None:
            assert time.monotonic() < deadline, self.shown.decode(errors="replace")
            if select.select([self._near], [], [], 1.0 if pressing else 0.05)[0]:
                self.shown += os.read(self._near, 65536)
            elif pressing and self._process.poll() is None:
                self.press(pressing)
        code = self._process.wait(SECONDS)
        while self._near >= 0 and select.select([self._near], [], [], 0)[0]:
            self.shown += os.read(self._near, 65536)
        return code

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed and works by lines, as a shell wants to find it."""
        flags = termios.tcgetattr(self._far)[3]
        return bool(flags & termios.ECHO and flags & termios.ICANON)

    @property
    def cursor_is_visible(self) -> bool:
        """Whether the cursor was shown last, if it was ever hidden."""
        return self.shown.rfind(b"\x1b[?25h") >= self.shown.rfind(b"\x1b[?25l")

    @property
    def on_alternate_screen(self) -> bool:
        """Whether the alternate screen was entered and not left."""
        return self.shown.rfind(b"\x1b[?1049h") > self.shown.rfind(b"\x1b[?1049l")

    def close(self) -> None:
        """End what is left."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for descriptor in (self._near, self._far):
            if descriptor >= 0:
                os.close(descriptor)
