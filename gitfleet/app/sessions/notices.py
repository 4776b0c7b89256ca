"""When a person who is not looking is told, and how: the bell, a desktop notice of the terminal, commands of theirs.

Nothing here may change how a session goes: it is told from outside of the coordinator, by the events that it writes.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.errors import ExitCode
from gitfleet.git.command import LOCAL_VARIABLES
from gitfleet.model.config import NotifyOn
from gitfleet.model.event import EventKind
from gitfleet.model.run import SEALED, RunState
from gitfleet.model.session import SessionState
from gitfleet.runtime.notify import Commands

if TYPE_CHECKING:
    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.observer import Observer
    from gitfleet.model.event import Event
    from gitfleet.model.reports import Progress
    from gitfleet.parts import Parts

MESSAGE_CHARACTERS = 200

_FAILED = frozenset(str(state) for state in SEALED - {RunState.LANDED, RunState.SKIPPED, RunState.CANCELLED})


@dataclass(slots=True)
class Notices:
    """An observer that passes everything on, and tells a person what the config says they want to be told."""

    parts: Parts
    session: str
    observer: Observer
    _commands: Commands
    _asked: dict[str, str] = field(default_factory=dict)

    @property
    def wants_progress(self) -> bool:
        """Ask the one that watches."""
        return self.observer.wants_progress

    def event(self, event: Event) -> None:
        """Pass it on; tell of a run that ended without a landing, and of one that waits for a person."""
        self.observer.event(event)
        if event.task and event.kind is not EventKind.AGENT_COMPLETE and event.status in _FAILED:
            self._tell(NotifyOn.FAILED, event.message, ExitCode.RUNS_FAILED)
        if event.kind is EventKind.WAITING and event.status == NotifyOn.NEEDS_PERSON:
            self._asked[event.task] = event.message
            self._tell(NotifyOn.NEEDS_PERSON, event.message, ExitCode.NEEDS_PERSON)

    def progress(self, progress: Progress) -> None:
        """Pass it on."""
        self.observer.progress(progress)

    def notice(self, message: str, *, bell: bool, desktop: bool) -> None:
        """Pass it on."""
        self.observer.notice(message, bell=bell, desktop=desktop)

    def stopped(self, reason: str, code: ExitCode) -> None:
        """Tell that the session waits for a person."""
        self._tell(NotifyOn.NEEDS_PERSON, reason, code)

    def ended(self, books: Books, code: ExitCode) -> None:
        """Tell how the session stands at the end of the command, wait for the commands, and keep what failed of them.

        A person who pressed Ctrl-C is there already, and is told nothing.
        """
        wanted = self.parts.config.notify.on
        landed = f"{books.counts()[RunState.LANDED]} of {len(books.runs)} landed"
        waiting = {run.task for run in books.runs.values() if run.waiting}
        if waiting <= self._asked.keys() and any(told in books.session.reason for told in self._asked.values()):
            pass  # it stopped for what they were told of when it came up
        elif code is ExitCode.NEEDS_PERSON and NotifyOn.NEEDS_PERSON in wanted:
            self._tell(NotifyOn.NEEDS_PERSON, books.session.reason or f"{landed}, and something waits for you", code)
        elif code is not ExitCode.INTERRUPTED and books.session.state is SessionState.COMPLETED:
            self._tell(NotifyOn.END, f"completed, {landed}", code)
        self.finish(books)

    def finish(self, books: Books) -> None:
        """Wait for the commands; what failed of them goes to the journal."""
        self._commands.finish()
        for failure in self._commands.failures:
            with suppress(OSError):
                books.event(EventKind.ERROR, f"a command of notify.commands failed: {failure}", status="not-notified")

    def _tell(self, on: NotifyOn, message: str, code: ExitCode) -> None:
        notify = self.parts.config.notify
        if on not in notify.on:
            return
        words = plain(f"gitfleet: {self.session}: {message}")
        self.observer.notice(words, bell=notify.bell, desktop=notify.osc9)
        self._commands.tell(
            {
                "GITFLEET_EVENT": on.value,
                "GITFLEET_SESSION": self.session,
                "GITFLEET_MESSAGE": words,
                "GITFLEET_EXIT": str(int(code)),
            }
        )


def notices(parts: Parts, session: str, observer: Observer) -> Notices:
    """Watch a session for a person; ``observer`` is who else watches."""
    # A repository that the caller's environment names is not the one that a person's command should work on.
    environment = {name: value for name, value in parts.caller.items() if name not in LOCAL_VARIABLES}
    directory = parts.repository.worktree or parts.repository.common_dir
    return Notices(parts, session, observer, Commands(parts.config.notify.commands, directory, environment))


def plain(text: str) -> str:
    """One line without anything that a terminal would obey, of bounded length."""
    kept = "".join(" " if char in "\t\r\n" else char for char in text)
    kept = "".join(char for char in kept if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})
    return kept if len(kept) <= MESSAGE_CHARACTERS else kept[: MESSAGE_CHARACTERS - 3] + "..."
