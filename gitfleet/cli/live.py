"""Watching a session: plain lines in a pipe, a live table in a terminal, and Ctrl-C.

An observer must never end the session it watches: a closed pipe silences it, nothing more.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from gitfleet.cli.output import STATE_STYLES, console, folded, is_terminal
from gitfleet.cli.terminal import SHOW_CURSOR, Lending, say, silence, silence_closed_terminals, terminals
from gitfleet.cli.text import count, duration, headed, inline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.model.event import Event
    from gitfleet.model.reports import AgentProgress, Progress

INTERRUPTED = 130
CLASHES_SHOWN = 6
CLOCK_WIDTH = len("23:59:59 ")


def sentence(event: Event) -> str:
    """Write an event as one line: local time, wave, what happened."""
    from gitfleet.model.base import seconds_of  # noqa: PLC0415 - keeps this module cheap for completion
    from gitfleet.model.event import EventKind  # noqa: PLC0415

    clock = time.strftime("%H:%M:%S", time.localtime(seconds_of(event.at)))
    # The message that starts a wave names it itself.
    of_wave = event.kind in {EventKind.WAVE_START, EventKind.WAVE_COMPLETE}
    where = f"wave {event.wave}: " if event.wave is not None and not of_wave else ""
    return f"{clock} {where}{headed(event.message)}"


def telling(event: Event) -> bool:
    """Whether a person who watches needs the event; ``gitfleet events`` shows every one.

    The end of an agent repeats what the line after it says: that its work passed the gate, or how it failed.
    """
    from gitfleet.model.event import EventKind  # noqa: PLC0415

    if event.kind is EventKind.SHUTDOWN:
        return event.status not in {"no-dispatch", "released"}
    return event.kind is not EventKind.AGENT_COMPLETE or event.status == "interrupted"


class Silent:
    """Watches without a word, for ``--json``."""

    wants_progress = False

    def event(self, event: Event) -> None:
        """Say nothing."""

    def progress(self, progress: Progress) -> None:
        """Say nothing."""

    def notice(self, message: str, *, bell: bool, desktop: bool) -> None:
        """Say nothing: there is no terminal."""


class Lines:
    """One line an event, for pipes and logs.

    A thread writes them: a pager that is not read on, or a pipe that nobody reads, must not hold the session up.
    """

    wants_progress = False

    def __init__(self) -> None:
        """Write to standard output, for as long as somebody reads it."""
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, daemon=True, name="gitfleet-lines")
        self._writer.start()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                sys.stdout.write(line)
                sys.stdout.flush()
            except OSError:
                # A closed pipe or terminal, or a full disk behind it: whatever it is, the session goes on.
                silence(1)
                return

    def event(self, event: Event) -> None:
        """Write the event."""
        if telling(event):
            self._lines.put(inline(sentence(event)) + "\n")

    def progress(self, progress: Progress) -> None:
        """Say nothing: a pipe gets events."""

    def notice(self, message: str, *, bell: bool, desktop: bool) -> None:
        """Say nothing: a pipe has no bell."""

    def close(self) -> None:
        """Wait until everything is written; what follows on standard output is then in order."""
        self._lines.put(None)
        self._writer.join()


class Table:
    """A row an agent and a bar for the wave, below the events as they come."""

    wants_progress = True

    def __init__(self, live: Live, target: Console) -> None:
        """Draw into a running live display."""
        self._live = live
        self._console = target
        self.lending = Lending(live.stop, self._again)

    def event(self, event: Event) -> None:
        """Write the event above the table."""
        if telling(event):
            with self._drawing():
                for line in folded(inline(sentence(event)), self._console.width, CLOCK_WIDTH):
                    self._console.print(line, soft_wrap=True)

    def progress(self, progress: Progress) -> None:
        """Draw the table again."""
        with self._drawing():
            self._live.update(drawing(progress), refresh=True)

    def _again(self) -> None:
        self._live.start(refresh=True)

    @contextlib.contextmanager
    def _drawing(self) -> Iterator[None]:
        """Draw for as long as there is a terminal."""
        with self.lending.drawing():
            try:
                yield
            except OSError:
                silence(1)

    def notice(self, message: str, *, bell: bool, desktop: bool) -> None:
        """Ring, and ask the terminal for a desktop notice; neither moves its cursor."""
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), attention(message, os.environ, bell=bell, desktop=desktop))


def attention(message: str, environment: Mapping[str, str], *, bell: bool, desktop: bool) -> bytes:
    """Give the bytes that make a terminal ring and show a notice.

    A console that knows no OSC shows it as text and gets none; tmux passes it on where `allow-passthrough` is set.
    """
    sequence = f"\x1b]9;{message}\x07".encode()
    if environment.get("TMUX"):
        sequence = b"\x1bPtmux;" + sequence.replace(b"\x1b", b"\x1b\x1b") + b"\x1b\\"
    if not desktop or environment.get("TERM", "") in {"", "dumb", "linux"}:
        sequence = b""
    return b"\x07" * bell + sequence


def drawing(progress: Progress) -> Group:
    """Draw a session at one moment."""
    from rich.console import Group  # noqa: PLC0415
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table as Grid  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from gitfleet.cli.status_view import predicted, waiting  # noqa: PLC0415

    rows = Grid(box=None, pad_edge=False, header_style="bold")
    # One row an agent, whatever the width: a long name is cut before a number is.
    rows.add_column("task", overflow="ellipsis")  # an id has no space to wrap at
    used = any(agent.turns is not None for agent in progress.agents)
    for column in ("state", "elapsed", "last\nactivity", "files", "lines", *("turns", "tools", "tokens") * used):
        rows.add_column(column, no_wrap=True)
    for agent in progress.agents:
        lines = "-" if agent.added is None else f"+{agent.added} -{agent.removed or 0}"
        rows.add_row(
            Text(inline(agent.task)),
            _state(agent),
            duration(agent.elapsed_seconds),
            duration(agent.last_activity_seconds),
            "-" if agent.files is None else str(agent.files),
            lines,
            *(count(agent.turns), count(agent.tool_calls), count(agent.tokens)) * used,
        )
    bar = Grid.grid(padding=(0, 1))
    bar.add_row(
        Text(f"wave {progress.wave} of {progress.waves}"),
        ProgressBar(total=max(progress.total, 1), completed=progress.done, width=30),
        Text(f"{progress.done} of {progress.total} done", no_wrap=True),
    )
    doing = [Text(inline(progress.activity), style="dim", no_wrap=True, overflow="ellipsis")]
    rest = [Text(inline(waiting(run)), style="dim", no_wrap=True, overflow="ellipsis") for run in progress.waiting]
    clashes = [predicted(row) for row in progress.predictions[:CLASHES_SHOWN]]
    rest += [Text(inline(line), style="yellow", no_wrap=True, overflow="ellipsis") for line in clashes]
    return Group(*[rows] * bool(progress.agents), *rest, bar, *doing * bool(progress.activity))


def _state(agent: AgentProgress) -> Text:
    """The run's state, or while its agent runs what that does."""
    from rich.text import Text  # noqa: PLC0415

    if agent.activity is None:
        return Text(inline(agent.state), style=STATE_STYLES.get(agent.state, ""))
    quiet = " (quiet)" if agent.note.startswith("quiet") else ""
    return Text(agent.activity.value + quiet, style=STATE_STYLES.get(agent.activity.value, ""))


@contextlib.contextmanager
def watching(*, as_json: bool) -> Iterator[Observer]:
    """Give the observer that fits where the output goes."""
    if as_json:
        yield Silent()
    elif not is_terminal(sys.stdout):
        lines = Lines()
        try:
            yield lines
        finally:
            lines.close()
    else:
        from rich.live import Live  # noqa: PLC0415 - only a terminal pays

        target = console()
        # Drawn by the coordinator's own thread, which knows what to do when the terminal has gone.
        with Live(console=target, auto_refresh=False, transient=True) as live:
            table = Table(live, target)
            with table.lending.on_stop():
                yield table


WHY = {
    signal.SIGINT: "it was interrupted",
    signal.SIGTERM: "it was terminated",
    signal.SIGHUP: "its terminal was closed",
}


@contextlib.contextmanager
def stopping(interrupts: Interrupts) -> Iterator[None]:
    """Turn the first Ctrl-C, termination or hang-up into a request to stop, and the second into an end at once.

    A hang-up that was to be ignored (``nohup``) is ignored: the session goes on.
    """
    drawn_on = terminals()

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            silence_closed_terminals(drawn_on)
            if interrupts.requested:
                # Closing a terminal right after a Ctrl-C in it is no second Ctrl-C.
                return
        if interrupts.requested:
            if 1 in drawn_on:
                say(1, SHOW_CURSOR)  # the live table hides the cursor
            os._exit(INTERRUPTED)
        interrupts.request(WHY[signal.Signals(number)])
        # In a terminal the event says it, above the live table, which a raw write would tear.
        if not is_terminal(sys.stdout):
            say(2, b"gitfleet: stopping agents and saving; interrupt again to leave at once.\n")

    numbers = [number for number in WHY if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
