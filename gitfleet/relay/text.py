"""Text of agents, made harmless: bounded, without control characters, and unable to break the Markdown around it.

What agents print is hostile input. Nothing here judges what it says; that it is data and not an instruction is for
the prompt to say.
"""

from __future__ import annotations

import re

# CSI and OSC sequences (ECMA-48) and two-character escapes; an unfinished one loses its introducer below.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]|\x9b[0-?]*[ -/]*[@-~]")
# C0 but tab and newline, DEL, C1, and characters that reorder or hide the text around them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SPACE = re.compile(r"\s+")
_SPECIAL = re.compile(r"[\\`*\[\]|]")
_BACKTICKS = re.compile(r"`+")


def plain(data: bytes | str) -> str:
    """Text without escape sequences and control characters; a line feed alone ends a line."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    # Lone surrogates cannot be written as UTF-8 again.
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode("utf-8")


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most ``limit`` characters; a cut is marked with an ellipsis."""
    line = _SPACE.sub(" ", plain(text)).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def inline(text: str, limit: int = 300) -> str:
    """Text for a Markdown line or table cell; it shows as it is and cannot end its cell, line or paragraph."""
    line = one_line(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", line)


def code(text: str, limit: int = 200) -> str:
    """A Markdown code span that its content cannot close; pipes are escaped for tables."""
    line = one_line(text, limit)
    if not line:
        return ""
    if "|" in line and "\\" in line:
        # In a table a backslash before an escaped pipe frees the pipe, and a code span has no escapes to add.
        return inline(line, limit)
    fence = "`" * (longest_backticks(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}".replace("|", "\\|")


def longest_backticks(text: str) -> int:
    """Length of the longest run of backticks in a text."""
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)


def fence(text: str) -> str:
    """A run of backticks, at least three, that no line inside the text can close."""
    return "`" * max(3, longest_backticks(text) + 1)
