"""Asking a person before something happens; without a terminal to ask in, ``--yes`` must have said it."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from gitfleet.cli.output import is_terminal
from gitfleet.errors import GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence


def consent(
    *,
    yes: bool,
    ask: bool,
    question: str = "Start?",
    nothing: str = "nothing was started",
    unread: Sequence[str] = (),
) -> None:
    """Return once a person agreed; raises ``GitfleetError`` (``no-consent``, exit 3) otherwise.

    ``nothing`` says in the refusal what did not happen. ``unread`` is what ``yes`` does not answer, since nobody can
    have seen it when they said so (``unread``, exit 3, where nobody can be asked).
    """
    if yes and not unread:
        return
    if not (ask and is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        if yes:
            raise GitfleetError(
                Kind.NEEDS_PERSON,
                "unread",
                f"Nobody has read what the planner wrote, and --yes does not answer for it: {'; '.join(unread)}. "
                f"{nothing.capitalize()}.",
                hint="Read the plan, then run it: gitfleet wave PLAN --yes.",
            )
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "no-consent",
            f"This needs consent, and there is no terminal to ask in; {nothing}.",
            hint="Give it with --yes" + (", or look first with --dry-run." if question == "Start?" else "."),
        )
    forget_typed()
    if not click.confirm(question, default=False):
        raise GitfleetError(Kind.NEEDS_PERSON, "no-consent", f"Consent was not given; {nothing}.")


def forget_typed() -> None:
    """Drop what was typed before the question was there to be read: it was no answer to it."""
    import termios  # noqa: PLC0415 - only a terminal has it

    with contextlib.suppress(termios.error, OSError):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
