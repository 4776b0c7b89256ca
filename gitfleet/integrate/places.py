"""What lies at a place on disk, as one digest: two digests are equal when a check could not tell the places apart.

Content is read up to a budget; what is larger counts by its size, times and inode, which say of a file that nobody
touched it that nobody touched it. Nothing is opened that could block: a pipe, a socket and a device count by their
kind. A link counts by what it says; the one that was named also by what it leads to, a link below it by the identity
of what it leads to.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.store.files import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT_BYTES = 64 << 20
"""Bytes that are read for one fingerprint."""

ENTRIES = 200_000
"""Files and directories that are looked at for one fingerprint."""

_BLOCK = 1 << 20


class TooMany(Exception):  # noqa: N818 - reads as the sentence it is
    """There are more files at a place than are looked at."""


@dataclass(slots=True)
class Digests:
    """Digests of places, within one budget."""

    bytes_left: int = CONTENT_BYTES
    entries_left: int = ENTRIES

    def of(self, place: Path) -> str:
        """The digest of a place, which need not exist; raises ``OSError`` and ``TooMany``."""
        found = hashlib.sha256(usedforsecurity=False)
        for fact in self._facts(os.fsencode(place)):
            found.update(len(fact).to_bytes(8, "big") + fact)
        return found.hexdigest()

    def _facts(self, place: bytes) -> Iterator[bytes]:
        if os.path.islink(place):
            yield os.readlink(place)
            place = os.path.realpath(place)
            yield place
        left = [place]
        while left:
            path = left.pop()
            self.entries_left -= 1
            if self.entries_left < 0:
                raise TooMany
            # By the place that was named, not by where it is: a copy of it elsewhere is the same.
            yield path[len(place) :]
            try:
                facts = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                yield b"absent"
                continue
            yield f"{facts.st_mode:o}".encode()
            if stat.S_ISDIR(facts.st_mode):
                left += sorted((os.path.join(path, name) for name in os.listdir(path)), reverse=True)
            elif stat.S_ISLNK(facts.st_mode):
                yield os.readlink(path)
                yield _behind(path)
            elif stat.S_ISREG(facts.st_mode):
                yield self._content(path, facts)

    def _content(self, path: bytes, facts: os.stat_result) -> bytes:
        if facts.st_size > self.bytes_left:
            return _identity(facts)
        found = hashlib.sha256(usedforsecurity=False)
        descriptor = open_regular(os.fsdecode(path), os.O_RDONLY)
        try:
            while block := os.read(descriptor, _BLOCK):
                self.bytes_left -= len(block)
                if self.bytes_left < 0:
                    # It grows while it is read, as some files of the system do for ever.
                    raise TooMany
                found.update(block)
        finally:
            os.close(descriptor)
        return found.digest()


def identity(place: str) -> str:
    """Which file or directory lies at a place, and when it last changed; says so when there is none."""
    try:
        return _identity(os.stat(place)).decode()
    except OSError:
        return "absent"


def _identity(facts: os.stat_result) -> bytes:
    times = f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}"
    return f"{facts.st_dev} {facts.st_ino} {times}".encode()


def _behind(link: bytes) -> bytes:
    return identity(os.fsdecode(link)).encode()
