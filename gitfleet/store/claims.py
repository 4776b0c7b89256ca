"""Claims: which instance holds which scope now, over all sessions and processes of this repository.

Taking claims is all-or-nothing under one lock around check and write. What overlaps is decided by the caller's
``clash``, since scopes are the planner's. A claim of another clone warns and never blocks: clones share no lock. A
damaged claim file refuses everything (doubt means overlap); it is never skipped.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import encode
from gitfleet.model.claim import Claim, ExternalClaim
from gitfleet.store.damage import UNREADABLE, damaged, read_document
from gitfleet.store.files import (
    make_directory,
    names,
    read_regular,
    remove_all_durable,
    rename_durable,
    sweep,
    write_durable,
)
from gitfleet.store.locks import claims_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from gitfleet.store.layout import Layout
    from gitfleet.store.locks import ClaimsLock

Clash: TypeAlias = "Callable[[Claim, Claim | ExternalClaim], bytes | None]"
"""A path that is in both claims' scopes (a witness), or ``None`` when they are apart."""

EXTERNAL = ".planning/coordination/claims"
_EXTERNAL_LIMIT = 1 << 20
_READ_ONLY = "(read-only)"


@dataclass(frozen=True, slots=True)
class Granted:
    """All wanted claims are held now; ``warnings`` are overlapping claims of other clones."""

    claims: tuple[Claim, ...]
    warnings: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing was taken: ``wanted`` overlaps ``by`` at ``witness``; ``waits`` says that ``by`` itself only waits."""

    wanted: Claim
    by: Claim | ExternalClaim
    witness: bytes
    waits: bool = False


@dataclass(frozen=True, slots=True)
class External:
    """Claims of other tools in a worktree; ``notes`` say which files could not be read, and why."""

    claims: tuple[ExternalClaim, ...] = ()
    notes: tuple[str, ...] = ()


class Claims:
    """The table of live claims."""

    def __init__(self, layout: Layout, clone: str = "") -> None:
        """Work on this layout as the clone with this id (see ``clone_id``)."""
        self.layout = layout
        self.clone = clone

    def live(self) -> tuple[Claim, ...]:
        """Live claims, by instance; raises ``GitfleetError`` (``damaged-state``) naming an unreadable file."""
        claims = []
        directory = self.layout.claims
        for name in _json_names(directory):
            try:
                claims.append(self._read(name))
            except GitfleetError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    continue  # released since the directory was listed
                raise
        return tuple(claims)

    def damaged(self, session: str) -> tuple[str, ...]:
        """Instances of a session whose claims cannot be read."""
        mine = [name for name in _json_names(self.layout.claims) if name.startswith(f"fleet-{session}-")]
        found = []
        for name in mine:
            try:
                self._read(name)
            except GitfleetError as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    found.append(name.removesuffix(".json"))
        return tuple(found)

    def restore(self, proof: ClaimsLock, instance: str, claim: Claim | None) -> Path:
        """Put what cannot be read of an instance into the trash, and a claim in its place; where it lies now.

        For the one who coordinates the instance's session, and knows what it holds; ``None`` when that is nothing.
        """
        proof.check()
        make_directory(self.layout.trash)
        number = 1
        while os.path.lexists(trash := self.layout.trash / f"claim-{instance}.{number}"):
            number += 1
        rename_durable(self.layout.claim(instance), trash)
        if claim is not None:
            write_durable(self.layout.claim(instance), encode(claim))
        return trash

    def acquire(
        self,
        proof: ClaimsLock,
        wanted: Sequence[Claim],
        clash: Clash,
        external: Iterable[ExternalClaim] = (),
        ahead: Callable[[], Iterable[Claim]] = tuple,
    ) -> Granted | Held:
        """Take all of ``wanted`` or nothing.

        ``ahead`` gives what others wait for who came first; it is asked when no claim is in the way. An instance that
        holds a claim already may take it again with another scope. When a write fails part way, what was written is
        taken back before the error is raised; after a crash the session's recovery releases it.
        """
        proof.check()
        instances = {claim.instance for claim in wanted}
        live = [claim for claim in self.live() if claim.instance not in instances]
        foreign = [claim for claim in live if self._is_foreign(claim)]
        blocking: list[Claim | ExternalClaim] = [claim for claim in live if not self._is_foreign(claim)]
        blocking += external
        warnings: dict[str, Claim] = {}
        for claim in wanted:
            for other in blocking:
                witness = clash(claim, other)
                if witness is not None:
                    return Held(claim, other, witness)
            warnings |= {other.instance: other for other in foreign if clash(claim, other) is not None}
            blocking.append(claim)
        for other in ahead():
            for claim in wanted:
                witness = clash(claim, other)
                if witness is not None:
                    return Held(claim, other, witness, waits=True)
        self._write_all(wanted)
        return Granted(tuple(wanted), tuple(warnings.values()))

    def release(self, proof: ClaimsLock, instances: Iterable[str]) -> tuple[str, ...]:
        """Remove the claims of these instances; returns those that were held."""
        proof.check()
        places = {self.layout.claim(instance): instance for instance in instances}
        return tuple(places[path] for path in remove_all_durable(places))

    def sweep(self, proof: ClaimsLock) -> int:
        """Remove unfinished writes of killed processes; returns how many."""
        proof.check()
        return sweep(self.layout.claims)

    def _read(self, name: str) -> Claim:
        path = self.layout.claims / name
        claim = read_document(self.layout, path, Claim, _session_of(name))
        if f"{claim.instance}.json" != name:
            raise damaged(self.layout, path, claim.session, f"it is the claim of {claim.instance}")
        return claim

    def _is_foreign(self, claim: Claim) -> bool:
        return bool(claim.clone) and bool(self.clone) and claim.clone != self.clone

    def _write_all(self, wanted: Sequence[Claim]) -> None:
        make_directory(self.layout.claims)
        before = {path: read_regular(path) for path in map(self._path, wanted) if path.exists()}
        written: list[Path] = []
        try:
            for claim in wanted:
                written.append(self._path(claim))
                write_durable(self._path(claim), encode(claim))
        except BaseException:
            for path in written:
                if path in before:
                    write_durable(path, before[path])
                else:
                    path.unlink(missing_ok=True)
            raise

    def _path(self, claim: Claim) -> Path:
        return self.layout.claim(claim.instance)


def external(worktree: Path) -> External:
    """Claims that other tools keep in a worktree; broken files become notes, never errors.

    A scope written as one string may be a comma-separated list, or a path with commas: both readings are claimed.
    Entries marked ``(read-only)`` claim nothing.
    """
    directory = worktree / EXTERNAL
    claims: list[ExternalClaim] = []
    notes: list[str] = []
    try:
        found = _json_names(directory)
    except OSError as error:
        return External(notes=(f"{EXTERNAL} cannot be read: {error.strerror}",))
    for name in found:
        file = f"{EXTERNAL}/{name}"
        try:
            claims.append(_external_claim(directory / name, file))
        except (OSError, *UNREADABLE) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            notes.append(f"{file!r} is not a claim and was left out: {reason}")
    return External(tuple(claims), tuple(notes))


def clone_id(layout: Layout, new: Callable[[], str]) -> str:
    """The random id of this clone; ``new`` gives one the first time, and the first writer wins."""
    try:
        return _read_clone_id(layout)
    except FileNotFoundError:
        pass
    with claims_lock(layout):
        # No other file is written here, so what has a temporary name is of a writer that was killed.
        sweep(layout.root)
        try:
            return _read_clone_id(layout)
        except FileNotFoundError:
            write_durable(layout.clone_id, f"{new()}\n".encode())
    return _read_clone_id(layout)


def _read_clone_id(layout: Layout) -> str:
    try:
        return _clone_id(read_regular(layout.clone_id).decode("ascii"))
    except ValueError as error:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "damaged-state",
            f"the file {layout.clone_id} does not hold a clone id",
            hint="remove it; the next command makes a new one",
        ) from error


def _clone_id(text: str) -> str:
    """The id in a file; raises ``ValueError`` for anything that no writer of it wrote."""
    if re.fullmatch(r"[0-9A-Za-z_.-]+\n", text) is None:
        raise ValueError(text)
    return text.strip()


def _external_claim(path: Path, file: str) -> ExternalClaim:
    # Another tool's directory may hold anything: a link out of it, or a pipe that would never end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            msg = "it is not a regular file"
            raise ValueError(msg)
        data = stream.read(_EXTERNAL_LIMIT + 1)
    if len(data) > _EXTERNAL_LIMIT:
        msg = "it is larger than a mebibyte"
        raise ValueError(msg)
    content = msgspec.json.decode(data)
    if not isinstance(content, dict):
        msg = "it is not a JSON object"
        raise TypeError(msg)
    instance = content.get("instanceId")
    if not isinstance(instance, str) or not instance:
        msg = "it has no `instanceId`"
        raise ValueError(msg)
    return ExternalClaim(instance=instance, scope=_external_scope(content.get("scope")), file=file)


def _external_scope(scope: object) -> tuple[str, ...]:
    entries: list[str]
    if isinstance(scope, str):
        entries = [scope] if "," not in scope else [scope, *scope.split(",")]
    elif isinstance(scope, list) and all(isinstance(entry, str) for entry in scope):
        entries = scope
    else:
        msg = "its `scope` is neither a string nor a list of strings"
        raise ValueError(msg)
    written = (entry.strip() for entry in entries)
    return tuple(entry for entry in written if entry and not entry.endswith(_READ_ONLY))


def _session_of(name: str) -> str:
    """The session in the name of a claim's file, ``fleet-<session>-w<wave>-a<index>.json``."""
    return name.removeprefix("fleet-").rsplit("-", 2)[0]


def _json_names(directory: Path) -> list[str]:
    return [name for name in names(directory) if name.endswith(".json")]
