"""Paths are bytes inside; documents hold text, with git's C-quoting for what text cannot hold plainly.

A path is quoted when it is not UTF-8 or holds a quote, a backslash or a control character (git's rule with
``core.quotePath=false``), so that every path survives a round trip and a plain path stays readable.
"""

from __future__ import annotations

import re

_NAMED = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_BYTES = {name: code for code, name in _NAMED.items()}
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ESCAPE = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)


def quote_path(path: bytes) -> str:
    """Write a path for a document: as it is where possible, else C-quoted in double quotes."""
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is not None and not any(ord(char) < 32 or ord(char) == 127 or char in '"\\' for char in text):
        return text
    out = []
    for char in path.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if code in _NAMED:
            out.append("\\" + _NAMED[code])
        elif code < 32 or code == 127:
            out.append(f"\\{code:03o}")
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\{code - 0xDC00:03o}")
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def unquote_path(text: str) -> bytes:
    """Read a path back from a document; raises ``ValueError`` on a broken quotation."""
    if not text.startswith('"'):
        return text.encode("utf-8")
    if not _QUOTED.fullmatch(text):
        msg = f"unbalanced quotation in path {text}"
        raise ValueError(msg)

    def replace(match: re.Match[str]) -> str:
        token = match.group(1)
        if token in _BYTES:
            return chr(_BYTES[token])
        code = int(token, 8) if len(token) == 3 else 256
        if code > 255:
            msg = f"unknown escape \\{token} in path {text}"
            raise ValueError(msg)
        return chr(0xDC00 + code) if code >= 128 else chr(code)

    return _ESCAPE.sub(replace, text[1:-1]).encode("utf-8", "surrogateescape")
