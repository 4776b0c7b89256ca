"""The durable note that a landing is under way, and the directory with its lock sources and index copies.

It is written before the first lock is taken and removed after the last ref is written, so whatever a crash leaves
behind is found from here. An ``index-<n>`` file in the directory says that the n-th checkout was not brought along yet:
the rename that publishes it as the index takes it away in the same instant.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field, structs

from gitfleet.git.index import IndexLock, index_path, sync_directory
from gitfleet.integrate.landing.checkouts import Checkout
from gitfleet.model.base import Document, decode, encode
from gitfleet.model.paths import quote_path, unquote_path
from gitfleet.store.files import read_regular, write_durable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

INTENT_SCHEMA = "gitfleet/landing/v1"
_FILE = "intent.json"


class CheckoutNote(Document, frozen=True, kw_only=True):
    """A checkout that the landing brings along."""

    worktree: Annotated[str, Meta(description="Quoted absolute path of the checkout.")]
    git_dir: Annotated[str, Meta(description="Quoted absolute path of its git directory.")]
    pending: Annotated[tuple[str, ...], Meta(description="Paths that were in the way after the target moved.")] = ()

    @property
    def checkout(self) -> Checkout:
        """The checkout as a value."""
        return Checkout(_path(self.worktree), _path(self.git_dir))


class Intent(Document, frozen=True, kw_only=True, tag_field="schema", tag=INTENT_SCHEMA):
    """What a landing is about to do."""

    id: str
    target: Annotated[str, Meta(description="Full ref name.")]
    old: str
    new: str
    refs: Annotated[dict[str, str], Meta(description="Refs to write once the target has moved.")] = field(
        default_factory=dict
    )
    checkouts: tuple[CheckoutNote, ...] = ()

    def naming(self, target: str) -> Intent:
        """The same landing on what its target turned out to name."""
        return structs.replace(self, target=target)

    def holding(self, checkouts: Iterable[Checkout]) -> Intent:
        """The same intent with these checkouts and nothing pending in them."""
        return structs.replace(self, checkouts=tuple(_note(checkout) for checkout in checkouts))

    def joined_by(self, checkout: Checkout) -> Intent:
        """The same intent with one more checkout at the end."""
        return structs.replace(self, checkouts=(*self.checkouts, _note(checkout)))

    def leaving(self, number: int, paths: Sequence[bytes]) -> Intent:
        """The same intent, with the paths that are still in the way in one checkout."""
        note = structs.replace(self.checkouts[number], pending=tuple(quote_path(path) for path in paths))
        return structs.replace(self, checkouts=(*self.checkouts[:number], note, *self.checkouts[number + 1 :]))

    def pending(self, number: int) -> frozenset[bytes]:
        """What was left in the way in one checkout."""
        return frozenset(unquote_path(path) for path in self.checkouts[number].pending)


class Workspace:
    """The directory of one landing."""

    def __init__(self, directory: Path) -> None:
        """Nothing is created until ``write``."""
        self.directory = directory

    @contextmanager
    def held(self) -> Iterator[int | None]:
        """Hold the landing for this process; ``None`` when another process has it, which is then alive.

        The descriptor is for git children to keep open, so that a landing that can be held proves that no git call of
        an earlier holder still runs.
        """
        while True:
            self.directory.mkdir(parents=True, mode=0o700, exist_ok=True)
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The holder before may have removed the directory that was just opened.
                if not self._is(descriptor):
                    continue
                yield descriptor
            except BlockingIOError:
                yield None
            finally:
                os.close(descriptor)
            return

    def _is(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.directory.stat())
        except FileNotFoundError:
            return False

    def write(self, intent: Intent) -> None:
        """Make the intent durable."""
        sync_directory(self.directory.parent)
        write_durable(self.directory / _FILE, encode(intent))

    def read(self) -> Intent | None:
        """The intent; ``None`` when the landing died before it was written or after it was removed."""
        try:
            return decode(read_regular(self.directory / _FILE), Intent)
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        """Forget the landing: the intent last, so that a half-removed directory still says whose it is."""
        for path in self.directory.glob("*"):
            if path.name != _FILE:
                path.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def lock(self, number: int, checkout: Checkout) -> IndexLock:
        """The index lock of the n-th checkout."""
        return IndexLock(index_path(checkout.git_dir), self.directory / f"lock-{number}")

    def marker(self, number: int) -> Path:
        """The copy of the n-th checkout's index; while it is there, that checkout has not been brought along."""
        return self.directory / f"index-{number}"

    def scratch(self, name: str) -> Path:
        """A file name for an index that only this process reads; what an earlier process left there is dropped."""
        path = self.directory / f"scratch-{name}"
        for leftover in (path, path.with_name(path.name + ".lock")):
            leftover.unlink(missing_ok=True)
        return path


def pending(intents: Path) -> tuple[Path, ...]:
    """Directories of landings that did not finish, oldest name first; each is for ``recover``."""
    try:
        return tuple(sorted(path for path in intents.iterdir() if (path / _FILE).is_file()))
    except FileNotFoundError:
        return ()


def _note(checkout: Checkout) -> CheckoutNote:
    return CheckoutNote(
        worktree=quote_path(os.fsencode(checkout.worktree)), git_dir=quote_path(os.fsencode(checkout.git_dir))
    )


def _path(quoted: str) -> Path:
    return Path(os.fsdecode(unquote_path(quoted)))
