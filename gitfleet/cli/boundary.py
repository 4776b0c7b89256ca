"""The boundary of the program: errors become one message and one exit code, here and nowhere else.

A refusal is a sentence and what to do next. Anything else that escapes is a defect in gitfleet: the traceback goes to a
file (or to standard error with ``GITFLEET_TRACEBACK=1``), never into the face of a person. A reader that closed the
pipe ends the command quietly.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

from gitfleet.cli.terminal import NOBODY_READS, silence
from gitfleet.errors import BROKEN_DISK, IN_THE_WAY, NOT_ALLOWED, REFUSED_BY_MACHINE, RUN_OUT, GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CLOSED_PIPE = 128 + 13
"""What a shell reports for a program that SIGPIPE ended."""

CLOSED_TERMINAL = 128 + 1
"""What a shell reports for a program that SIGHUP ended."""


def guard(work: Callable[[], int], argv: Sequence[str]) -> int:
    """Run a command and give its exit code, whatever happens in it.

    ``argv`` decides, by ``--json``, how an error is written, since a usage error comes before options are parsed.
    """
    _writes_anything()
    as_json = "--json" in argv[: argv.index("--")] if "--" in argv else "--json" in argv
    try:
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:
        silence(1)
        return CLOSED_PIPE
    except GitfleetError as error:
        refusal = error
    except KeyboardInterrupt:
        refusal = GitfleetError(Kind.INTERRUPTED, "interrupted", "Interrupted.")
    except Exception as error:  # noqa: BLE001 - the last boundary: whatever it is, a person gets one message
        refusal = _as_refusal(error, argv)
    else:
        return code
    try:
        return report(refusal, as_json=as_json)
    except OSError as error:
        if error.errno not in NOBODY_READS:
            raise
        silence(1, 2)
        return CLOSED_PIPE if error.errno == errno.EPIPE else CLOSED_TERMINAL


def _writes_anything() -> None:
    """Let a locale without a letter write it as an escape: names of people and files are not a reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def report(error: GitfleetError, *, as_json: bool) -> int:
    """Write a refusal and give its exit code: JSON on standard output, or sentences on standard error."""
    if as_json:
        from gitfleet.cli.output import document  # noqa: PLC0415 - only an error pays
        from gitfleet.model.reports import ErrorReport  # noqa: PLC0415

        document(ErrorReport.of(error))
        return error.exit_code
    from gitfleet.cli.text import block, inline  # noqa: PLC0415

    lines = [f"gitfleet: {block(error.message)}"]
    lines += [f"  {inline(str(problem))}" for problem in error.problems]
    if error.hint:
        lines.append(block(error.hint))
    sys.stdout.flush()
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
    return error.exit_code


def _as_refusal(error: Exception, argv: Sequence[str]) -> GitfleetError:
    import click  # noqa: PLC0415 - only an error pays

    if isinstance(error, click.UsageError):
        return usage(error)
    if isinstance(error, click.Abort):
        return GitfleetError(Kind.INTERRUPTED, "interrupted", "Interrupted.")
    if isinstance(error, click.ClickException):
        return GitfleetError(Kind.USAGE, "usage", error.format_message())
    found = _found(error)
    if found is None:
        return defect(error, argv)
    if os.environ.get("GITFLEET_TRACEBACK") == "1":
        import traceback  # noqa: PLC0415

        traceback.print_exception(error)
    return found


def _found(error: Exception) -> GitfleetError | None:
    """What gitfleet met on this machine or in this repository; none where the fault is its own."""
    if isinstance(error, OSError) and error.errno in REFUSED_BY_MACHINE:
        return surroundings(error)
    if isinstance(error, MemoryError) or "can't start new thread" in str(error):
        message = "The machine has no memory, or no room for a thread, left for gitfleet."
        return GitfleetError(Kind.ENVIRONMENT, "exhausted", message, hint=_MENDING[0][1])
    if type(error).__module__.startswith(("gitfleet.git.", "_pygit2")):
        return _repository(error)
    return None


_GO_ON = "then `gitfleet continue` goes on with an open session."
_MENDING = (
    (RUN_OUT, f"Give it more of that (space, open files, processes, memory); {_GO_ON}"),
    (NOT_ALLOWED, f"Give this user the right to read and write it; {_GO_ON}"),
    (IN_THE_WAY, f"Something else stands there: move it aside; {_GO_ON}"),
    (BROKEN_DISK, f"See whether the disk is well, and `gitfleet doctor`; {_GO_ON}"),
)


def surroundings(error: OSError) -> GitfleetError:
    """Say of a refusal of the file system which file it is about; that is the machine's state, and no defect."""
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    message = f"{name or 'A file of the repository or its worktrees'} cannot be read or written: {error.strerror}."
    hint = next((hint for numbers, hint in _MENDING if error.errno in numbers), "")
    return GitfleetError(Kind.ENVIRONMENT, "file-system", message, hint=hint)


def _repository(error: Exception) -> GitfleetError | None:
    """Say what git could not do: what it found, and on which disk, is the repository's state."""
    from gitfleet.git.command import GitFailed  # noqa: PLC0415 - only an error pays
    from gitfleet.git.engine import MissingObject  # noqa: PLC0415

    if isinstance(error, GitFailed):
        message = f"git could not do what gitfleet needs: {error}."
    elif isinstance(error, MissingObject):
        message = f"The repository lacks an object, or it is damaged: {error}."
    elif type(error).__name__ == "GitError":
        message = f"The repository cannot be read or written: {error}."
    else:
        return None
    hint = f"`git fsck` says whether the repository is whole, and `df` whether its disk is full; {_GO_ON}"
    return GitfleetError(Kind.ENVIRONMENT, "git-failed", message, hint=hint)


def usage(error: Exception) -> GitfleetError:
    """Say a usage error of click in our words; ``error`` is a ``click.UsageError``."""
    import click  # noqa: PLC0415

    assert isinstance(error, click.UsageError)  # noqa: S101 - the caller has looked
    message = error.format_message()
    hint = ""
    if error.ctx is not None:
        hint = f"See `{error.ctx.command_path} -h`."
    code = "not-built-yet" if "not built yet" in message else "usage"
    return GitfleetError(Kind.USAGE, code, message, hint=hint)


def defect(error: Exception, argv: Sequence[str]) -> GitfleetError:
    """Keep the traceback of an unexpected exception and say where it is; ``argv`` says which repository is at hand."""
    import traceback  # noqa: PLC0415

    text = "".join(traceback.format_exception(error))
    name = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    message = f"A defect in gitfleet stopped this command ({name.splitlines()[0]})."
    if os.environ.get("GITFLEET_TRACEBACK") == "1":
        sys.stderr.write(text)
        return GitfleetError(Kind.DEFECT, "defect", message, hint="The traceback is above.")
    kept = _keep(text, _at_hand(argv))
    if kept is None:
        return GitfleetError(
            Kind.DEFECT, "defect", message, hint="Run it again with GITFLEET_TRACEBACK=1 to see the traceback."
        )
    return GitfleetError(Kind.DEFECT, "defect", message, hint=f"The traceback is in {kept}; please report it.")


def _at_hand(argv: Sequence[str]) -> str:
    """The directory that the command is about: the value of ``--repo``, else the current one."""
    for index, word in enumerate(argv):
        if word == "--repo" and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith("--repo="):
            return word.removeprefix("--repo=")
    return "."


def _keep(text: str, start: str) -> Path | None:
    """Write the traceback below the common directory of the repository around ``start``, else to a temporary one."""
    import tempfile  # noqa: PLC0415
    import time  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    name = time.strftime("defect-%Y%m%dT%H%M%S-") + f"{os.getpid()}.txt"
    places = [Path(tempfile.gettempdir())]
    try:
        from gitfleet.git.repository import discover  # noqa: PLC0415

        places.insert(0, discover(Path(start).absolute()).common_dir / "gitfleet")
    except Exception:  # noqa: BLE001, S110 - whatever broke may be what broke first; the temporary directory remains
        pass
    for place in places:
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            path = place / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return path
    return None
