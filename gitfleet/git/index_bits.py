"""Whether an index can hide edits: read from the file itself, since asking git costs a process for every attempt.

Only a plain index is understood (versions 2 and 3 with SHA-1 names); of any other this says that it may hide
something, and the caller asks git. Never promised: that something *is* hidden.
"""

from __future__ import annotations

import hashlib
import struct

_HEADER = struct.Struct(">4sII")
_FLAGS = struct.Struct(">H")
_OID = 20
# Ten words of stat data, the object name, then the flags (gitformat-index).
_FLAGS_AT = 40 + _OID
_ASSUMED, _EXTENDED, _LENGTH = 0x8000, 0x4000, 0x0FFF
_SKIPPED = 0x4000
_PLAIN_EXTENSIONS = frozenset({b"TREE", b"REUC", b"UNTR", b"EOIE", b"IEOT", b"FSMN"})


def may_hide(data: bytes) -> bool:
    """Whether edits may go unseen under this index: an assume-unchanged or skip-worktree bit, or a form not known here.

    ``data`` is the whole file.
    """
    # The checksum tells an index of SHA-256 names, whose entries would be misread, and a torn one.
    if len(data) < _HEADER.size + _OID or hashlib.sha1(data[:-_OID], usedforsecurity=False).digest() != data[-_OID:]:
        return True
    magic, version, count = _HEADER.unpack_from(data)
    if magic != b"DIRC" or version not in (2, 3):
        return True
    at = _HEADER.size
    try:
        for _ in range(count):
            flags = _FLAGS.unpack_from(data, at + _FLAGS_AT)[0]
            if flags & _ASSUMED:
                return True
            name = at + _FLAGS_AT + _FLAGS.size
            if flags & _EXTENDED:
                if _FLAGS.unpack_from(data, name)[0] & _SKIPPED:
                    return True
                name += _FLAGS.size
            length = flags & _LENGTH
            end = name + length if length < _LENGTH else data.index(b"\0", name + length)
            # One to eight NULs bring an entry to a multiple of eight bytes.
            at += (end - at + 8) & ~7
        return _has_others(data, at)
    except (struct.error, ValueError):
        return True


def _has_others(data: bytes, at: int) -> bool:
    """Whether there is an extension that says more about entries, such as the link of a split index."""
    end = len(data) - _OID
    while at < end:
        if data[at : at + 4] not in _PLAIN_EXTENSIONS:
            return True
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "big")
    return at != end
