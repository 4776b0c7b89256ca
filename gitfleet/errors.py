"""The one expected error, and the one place where exit codes are decided.

Expected outcomes of an operation are values, not exceptions. A ``GitfleetError`` is a refusal at the command
boundary: a sentence that says what happened to which thing, and what to do next. Anything else that escapes is a
defect in gitfleet.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExitCode(IntEnum):
    """Process exit codes; scripts rely on them, so a number is never reused."""

    DONE = 0
    RUNS_FAILED = 1
    USAGE = 2
    NEEDS_PERSON = 3
    ENVIRONMENT = 4
    BUSY = 5
    DEFECT = 70
    INTERRUPTED = 130


class Kind(StrEnum):
    """What sort of refusal an error is; each kind has exactly one exit code."""

    RUNS_FAILED = "runs-failed"
    USAGE = "usage"
    DOCUMENT = "document"
    NEEDS_PERSON = "needs-person"
    ENVIRONMENT = "environment"
    BUSY = "busy"
    INTERRUPTED = "interrupted"
    DEFECT = "defect"

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a command that ends with an error of this kind."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Kind.RUNS_FAILED: ExitCode.RUNS_FAILED,
    Kind.USAGE: ExitCode.USAGE,
    Kind.DOCUMENT: ExitCode.USAGE,
    Kind.NEEDS_PERSON: ExitCode.NEEDS_PERSON,
    Kind.ENVIRONMENT: ExitCode.ENVIRONMENT,
    Kind.BUSY: ExitCode.BUSY,
    Kind.INTERRUPTED: ExitCode.INTERRUPTED,
    Kind.DEFECT: ExitCode.DEFECT,
}


RUN_OUT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EFBIG})
"""What the machine has no more of: space, files, processes, memory. It passes, and is nobody's failure."""

NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""What the machine does not let this user do."""

IN_THE_WAY = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})
"""Something else stands where a file of ours belongs."""

BROKEN_DISK = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV, errno.ENOLCK, errno.EBUSY})
"""The disk, or the server behind it, does not answer as it should."""

REFUSED_BY_MACHINE = RUN_OUT | NOT_ALLOWED | IN_THE_WAY | BROKEN_DISK
"""Numbers of errors that say something about the machine, and nothing about gitfleet."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one place of one document.

    ``line`` and ``column`` count from 1 and are ``None`` where the format has no positions. ``path`` is the place in
    the data, such as ``tasks[2].scope[0]``; it is empty for the document as a whole.
    """

    document: str
    path: str
    message: str
    expected: str = ""
    hint: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """One line: ``file:line:column: place: message (expected ...). hint``."""
        place = self.document
        if self.line is not None:
            place += f":{self.line}"
            if self.column is not None:
                place += f":{self.column}"
        parts = [place, self.path] if self.path else [place]
        text = ": ".join([*parts, self.message])
        if self.expected:
            text += f" (expected {self.expected})"
        if self.hint:
            text += f"; {self.hint}"
        return text


class GitfleetError(Exception):
    """A refusal that a person can act on.

    ``code`` is stable and machine-readable (``not-a-repository``), ``message`` is a sentence, ``hint`` says what to do
    next. ``problems`` carries every placed error of a document, never only the first.
    """

    def __init__(
        self, kind: Kind, code: str, message: str, *, hint: str = "", problems: Sequence[Problem] = ()
    ) -> None:
        """Build the refusal; see the class for the meaning of the arguments."""
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a command that ends with this error."""
        return self.kind.exit_code
