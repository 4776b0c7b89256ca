"""Asking a person before something happens; without a terminal to ask in, ``--yes`` must have said it."""

from __future__ import annotations

import contextlib
import sys

import click

from gitfleet.cli.output import is_terminal
from gitfleet.errors import GitfleetError, Kind


def consent(*, yes: bool, ask: bool, question: str = "Start?", nothing: str = "nothing was started") -> None:
    """Return once a person agreed; raises ``GitfleetError`` (``no-consent``, exit 3) otherwise.

    ``nothing`` says in the refusal what did not happen.
    """
    if yes:
        return
    if not (ask and is_terminal(sys.stdin) and is_terminal(sys.stdout)):
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
