"""The verification cache: trees that were green, by tree, checks and environment; and targets that were seen red.

Only a hint, and never the authority: an entry that is damaged, old or of another shape counts as absent, and nothing
that goes wrong here fails anybody. An entry appears whole by one rename, and carries a digest of itself, so neither a
crash nor a flipped bit makes a tree green. Writers need no lock: two that write one entry write the same verdict.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.model.base import Document, encode, instant
from gitfleet.model.evidence import Verdict, Verification
from gitfleet.store.files import is_temporary, make_directory, names, read_regular, write_durable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitfleet.store.layout import Layout

MOST_ENTRIES = 500
"""Entries of a kind that are kept; the oldest go first."""

MOST_SECONDS = 14 * 86_400.0
"""How long a green tree counts; what checks depend on and nobody named drifts with time."""

_MOST_BYTES = 1 << 20
_UNFINISHED_SECONDS = 3_600.0


class GreenTree(Document, frozen=True, kw_only=True):
    """One entry: a tree on which every check was green, in one environment."""

    key: str
    at: str
    digest: str
    verification: Verification


class RedTarget(Document, frozen=True, kw_only=True):
    """A target's own tree that failed; ``command`` is what failed on it."""

    tree: str
    checks: str
    command: str
    at: str


@dataclass(frozen=True, slots=True)
class VerifyCache:
    """The cache of one repository; ``now`` gives POSIX seconds."""

    layout: Layout
    now: Callable[[], float] = time.time

    # Green trees ---------------------------------------------------------------------------------------------------

    def recall(self, tree: str, environment: str) -> Verification | None:
        """The green verification of a tree in this environment, its evidence marked as cached."""
        key = _key(tree, environment)
        path = self.layout.verify_cache / f"green-{key}.json"
        try:
            if not 0 <= self.now() - path.stat().st_mtime <= MOST_SECONDS:
                return None
            entry = msgspec.json.decode(read_regular(path, _MOST_BYTES), type=GreenTree)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        found = entry.verification
        if entry.key != key or entry.digest != _digest(found) or found.tree != tree or not _green(found):
            return None
        checks = tuple(msgspec.structs.replace(check, cached=True) for check in found.checks)
        return msgspec.structs.replace(found, checks=checks)

    def remember(self, verification: Verification, environment: str) -> bool:
        """Keep a green verification; says whether it is kept. A red one is not taken."""
        if not _green(verification):
            return False
        key = _key(verification.tree, environment)
        entry = GreenTree(key=key, at=instant(self.now()), digest=_digest(verification), verification=verification)
        return self._write(f"green-{key}.json", encode(entry))

    # Red targets ---------------------------------------------------------------------------------------------------

    def note_red(self, tree: str, checks: str, command: str) -> bool:
        """Note that a target's own tree fails these checks."""
        note = RedTarget(tree=tree, checks=checks, command=command, at=instant(self.now()))
        return self._write(f"red-{_key(tree, checks)}.json", encode(note))

    def red(self, tree: str, checks: str) -> RedTarget | None:
        """The note on a tree that fails these checks."""
        try:
            note = msgspec.json.decode(
                read_regular(self.layout.verify_cache / f"red-{_key(tree, checks)}.json", _MOST_BYTES), type=RedTarget
            )
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return note if (note.tree, note.checks) == (tree, checks) else None

    def forget_red(self, tree: str, checks: str) -> None:
        """The tree was green: the note is void."""
        with suppress(OSError):
            (self.layout.verify_cache / f"red-{_key(tree, checks)}.json").unlink(missing_ok=True)

    def any_red(self) -> bool:
        """Whether there is a note at all."""
        with suppress(OSError):
            return any(name.startswith("red-") for name in names(self.layout.verify_cache))
        return False

    # Bounds --------------------------------------------------------------------------------------------------------

    def prune(self) -> None:
        """Remove what is too old, what is too much, and unfinished writes of the dead."""
        now = self.now()
        kinds: dict[str, list[tuple[float, Path]]] = {}
        for path, changed in self._files():
            kind = path.name.partition("-")[0]
            limit = _UNFINISHED_SECONDS if is_temporary(path.name) else MOST_SECONDS
            if now - changed > limit:
                _remove(path)
            elif not is_temporary(path.name):
                kinds.setdefault(kind, []).append((changed, path))
        for found in kinds.values():
            for _, path in sorted(found)[: max(len(found) - MOST_ENTRIES, 0)]:
                _remove(path)

    def clear(self, until: float, *, dry_run: bool) -> tuple[int, int]:
        """Remove what was written by then; how many files, and their bytes."""
        count = size = 0
        for path, changed in self._files():
            if changed <= until:
                with suppress(OSError):
                    size += path.lstat().st_size
                    count += 1
                    if not dry_run:
                        path.unlink()
        return count, size

    def _files(self) -> Iterator[tuple[Path, float]]:
        try:
            found = sorted(self.layout.verify_cache.iterdir())
        except OSError:
            return
        for path in found:
            with suppress(OSError):
                yield path, path.lstat().st_mtime

    def _write(self, name: str, data: bytes) -> bool:
        try:
            make_directory(self.layout.verify_cache)
            write_durable(self.layout.verify_cache / name, data)
            self.prune()
        except OSError:
            # A full disk, rights, a file in its place: then nothing is remembered.
            return False
        return True


def _green(found: Verification) -> bool:
    """Whether every check was green at once: one that timed out first may do so again."""
    ran = bool(found.checks) and all(check.green and not check.retried for check in found.checks)
    return found.verdict is Verdict.VERIFIED and ran


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(), usedforsecurity=False).hexdigest()


def _digest(verification: Verification) -> str:
    return hashlib.sha256(encode(verification), usedforsecurity=False).hexdigest()


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
