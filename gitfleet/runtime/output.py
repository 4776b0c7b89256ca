"""An attempt's output on disk: bounded, with its head and its tail kept and the cut between them marked.

``out.log`` never grows past its limit. When it is full, the newest part moves down to behind the head, in place, and a
mark of fixed width says how many bytes are missing. Offsets that readers use count bytes of output, so they stay
right across a cut. The log is evidence, not a record: it is not synced. Standard library only.
"""

from __future__ import annotations

import os
import re

from gitfleet.runtime.attempt import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from collections.abc import Mapping
    from typing import Any

LOG_LIMIT = 16 * 1024 * 1024
"""Bytes of output that an attempt keeps unless its spec says otherwise."""

SMALLEST_LIMIT = 4096

_MARK = b"\n[gitfleet: %20d bytes of output were cut here]\n"
MARK_SIZE = len(_MARK % 0)
_MARK_PATTERN = re.compile(rb"\n\[gitfleet: ( *\d+) bytes of output were cut here\]\n")
_COPY = 1024 * 1024


def head_size(limit: int) -> int:
    """Count the bytes at the beginning of the output that are never cut."""
    return limit // 4


class BoundedLog:
    """The writing side; a full disk loses output and never blocks or ends the agent."""

    def __init__(self, path: str, limit: int, *, digest: bool = False) -> None:
        """Start an empty log that stays within ``limit`` bytes (at least ``SMALLEST_LIMIT``).

        With ``digest`` everything that comes is hashed, what is cut later and what a full disk loses included.
        """
        self.limit = max(limit, SMALLEST_LIMIT)
        self.total = 0
        self._came = 0
        self._hash: hashlib._Hash | None = None
        if digest:
            import hashlib  # noqa: PLC0415 - loads OpenSSL, which no agent's warden needs

            self._hash = hashlib.sha256(usedforsecurity=False)
        self._size = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    @classmethod
    def wanted(cls, path: str, spec: Mapping[str, Any]) -> BoundedLog:
        """Start the log that an attempt's spec asks for."""
        return cls(path, int(spec.get("log_limit", LOG_LIMIT)), digest=bool(spec.get("digest")))

    def write(self, data: bytes) -> None:
        """Append output."""
        self.total += len(data)
        if self._hash is not None:
            self._hash.update(data)
            self._came += len(data)
        view = memoryview(data)
        try:
            while view:
                if self._size == self.limit:
                    self._cut(self.total - len(view))
                piece = view[: self.limit - self._size]
                written = os.pwrite(self._descriptor, piece, self._size)
                self._size += written
                view = view[written:]
        except OSError:
            # No space left, most likely. What is lost counts as cut: the agent must not notice.
            self.total -= len(view)

    def _cut(self, written: int) -> None:
        head = head_size(self.limit)
        keep = (self.limit - head - MARK_SIZE) // 2
        source, target = self._size - keep, head + MARK_SIZE
        # Downwards and from the front, so that no byte is overwritten before it is copied.
        for done in range(0, keep, _COPY):
            piece = os.pread(self._descriptor, min(_COPY, keep - done), source + done)
            os.pwrite(self._descriptor, piece, target + done)
        os.pwrite(self._descriptor, _MARK % (written - head - keep), head)
        os.ftruncate(self._descriptor, target + keep)
        self._size = target + keep

    def account(self) -> dict[str, str | int]:
        """What the end of the attempt says of the whole output; nothing where it was not hashed."""
        if self._hash is None:
            return {}
        return {"output_sha256": self._hash.hexdigest(), "output_bytes": self._came}

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_log(path: str, limit: int, offset: int, size: int) -> tuple[int, bytes]:
    """Read at most ``size`` bytes of output from ``offset`` on.

    ``limit`` is the log's. Returns the offset that was read from, which is later than the one asked for when that part
    was cut, and the bytes; the next offset is the sum. No bytes means that there is no more yet. A negative ``offset``
    counts from the end.
    """
    limit = max(limit, SMALLEST_LIMIT)
    head = head_size(limit)
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except OSError:
        return max(offset, 0), b""
    try:
        length = os.fstat(descriptor).st_size
        found = _MARK_PATTERN.fullmatch(os.pread(descriptor, MARK_SIZE, head))
        # Before the first cut, output that looks like the mark is output.
        cut = int(found[1]) if found and length > head + MARK_SIZE else None
        end = length if cut is None else length - MARK_SIZE + cut
        if offset < 0:
            offset = max(end + offset, 0)
        if cut is None:
            return offset, os.pread(descriptor, size, offset) if offset < end else b""
        if offset < head:
            return offset, os.pread(descriptor, min(size, head - offset), offset)
        offset = max(offset, head + cut)
        if offset >= end:
            return offset, b""
        return offset, os.pread(descriptor, size, offset - cut + MARK_SIZE)
    finally:
        os.close(descriptor)
