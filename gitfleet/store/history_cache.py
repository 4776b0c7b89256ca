"""What was read of history, kept so that the next command reads only what is new.

One file below ``cache/``, replaced whole; two commands that write at once leave the answer of one of them, and either
is right. It is compressed, and with that carries a checksum: one that is damaged, cut, too large or of another version
is no answer, and history is read again. Losing it loses nothing.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from gitfleet.model.history import History
from gitfleet.store.files import make_directory, read_regular, sweep, write_durable

if TYPE_CHECKING:
    from gitfleet.store.layout import Layout

VERSION = 1
FILE_BYTES = 16 << 20
UNPACKED_BYTES = 128 << 20


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    version: int
    history: History


def load_history(layout: Layout) -> History | None:
    """What was kept; none where there is nothing, or nothing that can be used."""
    try:
        packed = read_regular(layout.history_cache, FILE_BYTES + 1)
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(packed, UNPACKED_BYTES)
        if not unpacking.eof:
            return None
        kept = msgspec.msgpack.decode(data, type=_Kept)
    except (OSError, ValueError, zlib.error, msgspec.DecodeError):
        return None
    return kept.history if kept.version == VERSION else None


def keep_history(layout: Layout, history: History) -> None:
    """Keep it for the next command; a place that cannot be written, or a history too large to keep, is no error."""
    packed = zlib.compress(msgspec.msgpack.encode(_Kept(VERSION, history)), 1)
    if len(packed) > FILE_BYTES:
        return
    with suppress(OSError):
        make_directory(layout.history_cache.parent)
        # One that is still being written goes, too: then it is this one's answer that is kept.
        sweep(layout.history_cache.parent)
        write_durable(layout.history_cache, packed)
