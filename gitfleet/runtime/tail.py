"""The end of an attempt's output as people and records see it: plain text, a few lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitfleet.runtime.hosts.base import Handle, Host

LINES = 30
CHARACTERS = 4000

# CSI and OSC sequences, other escapes, then what is left of control characters but newline and tab.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def last_lines(host: Host, handle: Handle, *, lines: int = LINES, limit: int = CHARACTERS) -> str:
    """Read the last ``lines`` lines of an attempt's output, ``limit`` characters at most; see ``plain_tail``."""
    # Four bytes a character at most, and as much again for colours.
    return plain_tail(host.log(handle, -8 * limit, 8 * limit).data, lines, limit)


def plain_tail(data: bytes, lines: int = LINES, characters: int = CHARACTERS) -> str:
    """Give the last lines of some output: UTF-8 with replacements, without colours and control characters, bounded.

    A line that a carriage return overwrote (a progress bar) shows as it last was.
    """
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    kept = [_CONTROL.sub("", line.rstrip("\r").rsplit("\r", 1)[-1]).rstrip() for line in text.split("\n")]
    while kept and not kept[-1]:
        kept.pop()
    text = "\n".join(kept[-lines:])
    return text if len(text) <= characters else "…" + text[1 - characters :]
