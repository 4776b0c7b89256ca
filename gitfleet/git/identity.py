"""Who commits: the user's identity and signing, as git itself decides them.

Our commits carry what the user's own ``git commit`` would carry. Where git knows no identity it is refused here, before
anything starts, and not after an hour of agents' work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.command import GitFailed, TimedOut

if TYPE_CHECKING:
    from gitfleet.git.command import Git

SIGNING_SECONDS = 30.0

# Commit messages of ours are UTF-8; a legacy `i18n.commitEncoding` would label them as something else.
UTF8_MESSAGES = "i18n.commitEncoding=UTF-8"


@dataclass(frozen=True, slots=True)
class Signature:
    """``Name <email>`` as bytes, and the date only where the caller's environment fixes one (``GIT_AUTHOR_DATE``)."""

    who: bytes
    fixed_date: bytes | None = None

    def at(self, seconds: float) -> bytes:
        """The line of a commit for an instant in POSIX seconds, with the local offset from UTC."""
        if self.fixed_date is not None:
            return self.who + b" " + self.fixed_date
        offset = time.localtime(seconds).tm_gmtoff // 60
        sign = "-" if offset < 0 else "+"
        zone = f"{sign}{abs(offset) // 60:02d}{abs(offset) % 60:02d}"
        return self.who + f" {int(seconds)} {zone}".encode()


@dataclass(frozen=True, slots=True)
class Identity:
    """Author and committer of our commits."""

    author: Signature
    committer: Signature


class Committer:
    """Who commits in one repository and whether they sign: asked of git at the first commit, and then kept.

    A session asks once and stays with the answer, like with its configuration. Threads may share it.
    """

    def __init__(self, git: Git) -> None:
        """Ask through this door."""
        self._git = git

    @cached_property
    def identity(self) -> Identity:
        """See ``identity``."""
        return identity(self._git)

    @property
    def known(self) -> Identity:
        """The user's identity, or ours where git knows none: a copy of somebody's work must not fail over a name."""
        try:
            return self.identity
        except GitfleetError:
            ours = Signature(b"gitfleet <gitfleet@localhost>")
            return Identity(ours, ours)

    @cached_property
    def signs(self) -> bool:
        """See ``signs``."""
        return signs(self._git)


def identity(git: Git) -> Identity:
    """Ask git for the user's identity; raises ``GitfleetError`` (``no-identity``) with the command that sets one."""
    return Identity(
        _signature(git, "GIT_AUTHOR_IDENT", "GIT_AUTHOR_DATE"),
        _signature(git, "GIT_COMMITTER_IDENT", "GIT_COMMITTER_DATE"),
    )


def _signature(git: Git, variable: str, date_variable: str) -> Signature:
    try:
        line = git.run("var", variable).stdout.rstrip(b"\n")
    except GitFailed as error:
        why = error.completed.error.splitlines()
        raise GitfleetError(
            Kind.ENVIRONMENT,
            "no-identity",
            f"git does not know who commits here ({why[-1] if why else 'no identity'}).",
            hint='Set one: git config --global user.name "Your Name" && git config --global user.email you@example.com',
        ) from error
    who, _, date = line.rpartition(b"> ")
    return Signature(who + b">", date if git.sees(date_variable) else None)


def signs(git: Git) -> bool:
    """Whether the user signs commits (``commit.gpgSign``)."""
    done = git.run("config", "--type=bool", "--get", "commit.gpgSign", ok=(0, 1))
    return done.text == "true"


def probe_signing(git: Git, tree: str, *, seconds: float = SIGNING_SECONDS) -> None:
    """Sign one throw-away commit of ``tree``, since a key that waits for a passphrase would hang a landing.

    Raises ``GitfleetError`` (``signing-failed``) when it takes longer than ``seconds`` or fails. Leaves one
    unreachable commit object behind.
    """
    hint = (
        "Unlock the key (sign something once), or turn signing off for this repository: git config commit.gpgSign false"
    )
    try:
        git.having(UTF8_MESSAGES).run(
            "commit-tree", "-S", tree, stdin=b"gitfleet: can this key sign?\n", timeout=seconds
        )
    except TimedOut as error:
        message = f"Commits are signed here, and signing did not answer within {seconds:.0f} seconds."
        raise GitfleetError(Kind.ENVIRONMENT, "signing-failed", message, hint=hint) from error
    except GitFailed as error:
        message = f"Commits are signed here, and signing failed: {error.completed.error}"
        raise GitfleetError(Kind.ENVIRONMENT, "signing-failed", message, hint=hint) from error
