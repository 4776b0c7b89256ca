"""Text of others made safe to print: agent output, task names, file names and messages of git.

A terminal obeys control characters, so a task name could clear the screen or rewrite the line above it. Everything
that gitfleet did not write itself goes through here before it reaches a terminal, a pipe or a table. The ``--json``
documents carry text as it is: JSON escapes control characters by itself.
"""

from __future__ import annotations

import re
import unicodedata

# CSI, OSC and DCS sequences with their terminators, then two-character escapes: what coloured output consists of.
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")
# C0 without newline and tab, DEL, C1, line and paragraph separators, bidirectional controls, and undecodable bytes.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

_SHORT_SECONDS = 10.0


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def inline(text: str) -> str:
    """Make text safe for one line: control characters, newlines and tabs become visible escapes."""
    return _UNSAFE.sub(_escape, text.replace("\n", "\\n").replace("\t", "\\t"))


def block(text: str) -> str:
    """Make program output safe and keep its lines: colours are dropped, a lone carriage return ends a line."""
    text = _SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSAFE.sub(_escape, text)


def width(text: str) -> int:
    """Columns that a terminal gives the text: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def duration(seconds: float | None) -> str:
    """Write a length of time for people, such as ``8s``, ``3m05s`` or ``2h10m``; ``-`` when it is not known."""
    if seconds is None:
        return "-"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def took(seconds: float | None) -> str:
    """Write how long something took; `0s` would say of a second's work that there was none."""
    return duration(seconds) if seconds is None or seconds >= _SHORT_SECONDS else f"{seconds:.1f}s"


def count(number: float | None) -> str:
    """Write a whole number for people; ``-`` when it is not known."""
    return "-" if number is None else f"{number:,.0f}"


def spent(turns: int | None, tool_calls: int | None, tokens: int | None) -> str:
    """Write what an agent used, such as ``1 turn, 0 tool calls, 1,204 tokens``; ``-`` stands for what is not known."""
    figures = ((turns, "turn"), (tool_calls, "tool call"), (tokens, "token"))
    return ", ".join(f"{count(number)} {noun}{'' if number == 1 else 's'}" for number, noun in figures)


def size(bytes_: int | None) -> str:
    """Write a number of bytes for people, such as ``812 B`` or ``3.4 MB``; ``-`` when it is not known."""
    if bytes_ is None:
        return "-"
    value = float(bytes_)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{bytes_} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def ended(text: str) -> str:
    """End a clause as a sentence, on one line: what is given line by line is joined."""
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    return line if line.endswith((".", "!", "?")) else f"{line}."


def headed(text: str) -> str:
    """The first line of what may go on for many, such as a failure with its output; the cut is marked."""
    first, _, more = text.strip().partition("\n")
    return f"{first.rstrip(': ')} ..." if more.strip() else first
