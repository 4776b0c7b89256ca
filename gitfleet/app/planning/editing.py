"""A plan in the person's own editor: opened again while it is not valid, with what is wrong at its head.

What was typed is never thrown away: it stays in the file, whose name every refusal says.
"""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

from gitfleet.app.planning.direction import kept
from gitfleet.app.sessions.wave import prepare
from gitfleet.errors import GitfleetError, Kind
from gitfleet.runtime.shell import run
from gitfleet.store.documents.reading import MAX_BYTES
from gitfleet.store.files import read_regular, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitfleet.app.planning.direction import Planned
    from gitfleet.errors import Problem

_WRONG = b"#! "
"""How the lines begin that say what is wrong; they are taken out again."""


def edit(planned: Planned, editor: Sequence[str], environment: Mapping[str, str]) -> Planned:
    """Let a person edit the plan with what ``editor_of`` gave; gives the one that they made of it.

    Raises ``GitfleetError``: ``editor-failed``, ``nothing-left`` where the file was emptied (it holds what was there
    before then), and ``invalid-plan`` where it was left as it is though it is wrong.
    """
    path, workspace = planned.path, planned.preparation.workspace
    argv = (*editor, str(path))
    shown = before = planned.request.plan_bytes
    while True:
        write_private(path, shown)
        _open(argv, path, environment)
        typed = _bytes(path, before)
        body = b"".join(line for line in typed.splitlines(keepends=True) if not line.startswith(_WRONG))
        if not any(line.strip() and not line.lstrip().startswith(b"#") for line in body.splitlines()):
            write_private(path, before)
            message = "The plan was emptied in the editor; nothing was started."
            raise kept(GitfleetError(Kind.NEEDS_PERSON, "nothing-left", message), path)
        write_private(path, body)
        request = dataclasses.replace(planned.request, plan_bytes=body)
        try:
            preparation = prepare(workspace, request)
        except GitfleetError as error:
            # An editor that is a script types the same again and again.
            if error.kind is not Kind.DOCUMENT or body == before or typed == shown:
                raise kept(error, path) from error
            shown, before = _told(error) + body, body
            continue
        return dataclasses.replace(planned, preparation=preparation, request=request, unread=())


def editor_of(environment: Mapping[str, str], *, terminal: bool) -> Sequence[str]:
    """The editor as git starts it: words of the shell, with the file behind them (git-var, GIT_EDITOR).

    Raises ``GitfleetError`` (``no-editor``); vi, where none is named, needs a ``terminal``.
    """
    said = environment.get("VISUAL") or environment.get("EDITOR") or (shutil.which("vi") if terminal else None)
    if not said:
        why = "there is no vi" if terminal else "there is no terminal for vi"
        message = f"There is no editor: neither VISUAL nor EDITOR is set, and {why}."
        raise GitfleetError(Kind.ENVIRONMENT, "no-editor", message, hint="Set EDITOR, or write the plan with -o.")
    return ("sh", "-c", f'{said} "$@"', said)


def _open(argv: Sequence[str], path: Path, environment: Mapping[str, str]) -> None:
    try:
        code = run(argv, path.parent, environment)
    except OSError as error:
        code, why = 127, f" ({error.strerror})"
    else:
        why = ""
    if code:
        message = f"The editor ended with exit code {code}{why}; nothing was started."
        raise GitfleetError(Kind.NEEDS_PERSON, "editor-failed", message, hint=f"The plan is kept: {path}")


def _bytes(path: Path, before: bytes) -> bytes:
    try:
        return read_regular(path, MAX_BYTES + 1)
    except FileNotFoundError:  # which says that it is not wanted
        write_private(path, before)
        return b""
    except OSError as error:
        message = f"{path} cannot be read after it was edited: {error.strerror}; nothing was started."
        raise GitfleetError(Kind.NEEDS_PERSON, "editor-failed", message) from error


def _told(error: GitfleetError) -> bytes:
    """What is wrong, as lines for the head of the file, with the lines of the file that they make it."""
    problems = error.problems
    head = [f"{error.message} Mend it, save and leave; leave it as it is to give up."]
    offset = len(head) + max(len(problems), 1)
    lines = [_line(problem, offset) for problem in problems] or [error.hint or "(no place is known)"]
    return b"".join(_WRONG + " ".join(line.split()).encode("utf-8", "replace") + b"\n" for line in (*head, *lines))


def _line(problem: Problem, offset: int) -> str:
    line = None if problem.line is None else problem.line + offset
    return str(dataclasses.replace(problem, document="the plan" if line is None else "line ", line=line)).replace(
        "line :", "line ", 1
    )
