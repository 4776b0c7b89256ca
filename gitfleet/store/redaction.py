"""Makes a document fit to be published: no local paths, no process ids, bounded output.

Only what it is told (local directories, secret values) is replaced; it cannot recognise a secret it does not know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitfleet.model.evidence import CheckResult, Exit
    from gitfleet.model.run import Run

DocumentT = TypeVar("DocumentT", bound=msgspec.Struct)

TAIL_LIMIT = 4000
"""Characters of a check's output that a record keeps."""

_SHORT = 7

_IDENTITY = frozenset(
    {
        *("schema", "session", "task", "instance", "agent", "account", "cli_session"),
        *("branch", "worktree", "scope", "extended", "depends_on", "snapshots"),
    }
)
"""Fields that other documents, refs and directories are found by: with another value a document would be lost."""


class Redaction:
    """Replaces local strings by names for them: ``{"/home/jo/app.fleet": "<worktrees>"}``."""

    def __init__(self, local: Mapping[str, str], values: Mapping[str, str] | None = None) -> None:
        """Prepare for local directories, and for ``values`` (of variables) that are replaced wherever they stand.

        Directories of fewer than three characters (such as ``/``) and values of fewer than eight are not replaced.
        """
        directories = {found: name for found, name in local.items() if len(found) > 2}
        secrets = {found: name for found, name in (values or {}).items() if len(found) > _SHORT}
        self._names = {**directories, **secrets}
        longest_first = sorted(self._names, key=len, reverse=True)
        pattern = "|".join(re.escape(found) if found in secrets else _bounded_path(found) for found in longest_first)
        self._pattern = re.compile(pattern) if pattern else None

    def text(self, text: str) -> str:
        """The text with every local string replaced."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._names[match.group()], text)

    def document(self, document: DocumentT) -> DocumentT:
        """The document with every local string in it replaced, but for what it is known by."""
        return document if self._pattern is None else _changed(document, self.text)

    def run(self, run: Run) -> Run:
        """The run as a record holds it: without process ids and with bounded output as well."""
        attempts = tuple(
            msgspec.structs.replace(attempt, exit=None if attempt.exit is None else _exit(attempt.exit))
            for attempt in run.attempts
        )
        verification = run.verification
        if verification is not None:
            verification = msgspec.structs.replace(verification, checks=_bounded(verification.checks))
        return self.document(
            msgspec.structs.replace(run, attempts=attempts, checks=_bounded(run.checks), verification=verification)
        )


class Passing:
    """Replaces values in bytes that come piece by piece; the beginning of one is held back until more is known."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Prepare for ``values``, of which those with fewer than eight characters are not replaced."""
        known = {found.encode("utf-8", "surrogateescape"): name.encode() for found, name in values.items()}
        self._names = {found: name for found, name in known.items() if len(found) > _SHORT}
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if longest_first else None
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """What is known of the bytes so far."""
        data = self._rest + data
        keep = max((_begun(data, found) for found in self._names), default=0)
        return self._replaced(data, len(data) - keep)

    def finish(self) -> bytes:
        """What was held back."""
        return self._replaced(self._rest, len(self._rest))

    def _replaced(self, data: bytes, end: int) -> bytes:
        """The bytes before ``end``, and any value that begins there; the others are the rest."""
        pieces, at = [], 0
        for match in self._pattern.finditer(data) if self._pattern else ():
            if match.start() >= end:
                break
            pieces += [data[at : match.start()], self._names[match.group()]]
            at = match.end()
        end = max(at, end)
        self._rest = data[end:]
        return b"".join((*pieces, data[at:end]))


def _begun(data: bytes, value: bytes) -> int:
    """How many bytes at the end of ``data`` may be the beginning of a value that is not whole yet."""
    lengths = range(min(len(value) - 1, len(data)), 0, -1)
    return next((length for length in lengths if data.endswith(value[:length])), 0)


def _bounded_path(path: str) -> str:
    # A directory must end where it ends: /home/jo is not part of /home/jonas. One like /root or /tmp must also begin
    # there, not being part of chroot/root; after a letter it counts in an option alone, such as -I/root/include.
    begin = r"(?:(?<![A-Za-z0-9_.~>-])|(?<=[\s\"'\[,]-[A-Za-z]))" if path.count("/") == 1 else ""
    return f"{begin}{re.escape(path)}(?![A-Za-z0-9_-])"


def _exit(end: Exit) -> Exit:
    return msgspec.structs.replace(end, leftovers=_counted(end.leftovers), remaining=_counted(end.remaining))


def _counted(processes: tuple[str, ...]) -> tuple[str, ...]:
    """Say how many processes there were: their ids and command lines are this machine's."""
    if not processes:
        return ()
    return ("1 process",) if len(processes) == 1 else (f"{len(processes)} processes",)


def _bounded(checks: tuple[CheckResult, ...]) -> tuple[CheckResult, ...]:
    return tuple(msgspec.structs.replace(check, tail=check.tail[-TAIL_LIMIT:]) for check in checks)


def _changed(document: DocumentT, change: Callable[[str], str]) -> DocumentT:
    names = (name for name in document.__struct_fields__ if name not in _IDENTITY)
    return msgspec.structs.replace(document, **{name: _mapped(getattr(document, name), change) for name in names})


def _mapped(value: object, change: Callable[[str], str]) -> object:
    if type(value) is str:  # a member of an enumeration is a word of ours
        return change(value)
    if isinstance(value, msgspec.Struct):
        return _changed(value, change)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(item, change) for item in value)
    return value
