"""What a person always grants to agents, by repository: in the user's own state, guarded by a lock.

A repository is known by the real path of its common directory, so neither a branch nor a copy of ``.git`` brings
permissions with it. A file that cannot be read grants nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import decode, encode
from gitfleet.model.parking import GrantsDocument, StandingGrant
from gitfleet.model.paths import quote_path
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import make_directory, read_regular, sweep, write_durable
from gitfleet.store.locks import hold
from gitfleet.store.user_state import user_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from gitfleet.store.layout import Layout

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Grants:
    """The standing permissions of one repository; ``file`` is the user's own."""

    file: Path
    repository: str

    @classmethod
    def of(cls, layout: Layout, environ: Mapping[str, str]) -> Grants:
        """Those of the repository with this layout, in the state of the user whose environment it is."""
        import hashlib  # noqa: PLC0415 - loads OpenSSL, which no reader of other things needs

        real = os.fsencode(os.path.realpath(layout.common_dir))
        name = f"{hashlib.sha256(real).hexdigest()[:32]}.json"
        return cls(user_state(environ) / "grants" / name, quote_path(real))

    def all(self) -> tuple[StandingGrant, ...]:
        """What is granted; nothing where the file is not there or cannot be read."""
        try:
            return self._read()
        except (OSError, *UNREADABLE):
            return ()

    def add(self, grants: Iterable[StandingGrant]) -> None:
        """Grant these, too; what is granted already stays as it is."""

        def more(known: tuple[StandingGrant, ...]) -> tuple[StandingGrant, ...]:
            have = {(one.agent, one.permission) for one in known}
            return (*known, *(one for one in grants if (one.agent, one.permission) not in have))

        self._change(more)

    def remove(self, chosen: Callable[[StandingGrant], bool]) -> tuple[StandingGrant, ...]:
        """Take back what ``chosen`` says; gives what was taken back."""
        gone: list[StandingGrant] = []

        def fewer(known: tuple[StandingGrant, ...]) -> tuple[StandingGrant, ...]:
            gone.extend(one for one in known if chosen(one))
            return tuple(one for one in known if not chosen(one))

        self._change(fewer)
        return tuple(gone)

    def _read(self) -> tuple[StandingGrant, ...]:
        try:
            found = decode(read_regular(self.file), GrantsDocument)
        except FileNotFoundError:
            return ()
        return found.grants if found.repository == self.repository else ()

    def _change(self, change: Callable[[tuple[StandingGrant, ...]], tuple[StandingGrant, ...]]) -> None:
        make_directory(self.file.parent)
        with hold(self.file.with_name("lock"), timeout=_SECONDS, what="the permissions that you gave"):
            sweep(self.file.parent)
            try:
                known = self._read()
            except (OSError, *UNREADABLE) as error:
                raise GitfleetError(
                    Kind.ENVIRONMENT,
                    "damaged-grants",
                    f"{self.file} cannot be read: {error}.",
                    hint="Remove it, and grant anew what you want: until then it grants nothing.",
                ) from error
            wanted = change(known)
            if wanted != known:
                document = GrantsDocument(repository=self.repository, grants=wanted)
                write_durable(self.file, encode(document), mode=0o600)
