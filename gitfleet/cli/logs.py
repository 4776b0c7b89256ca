"""``gitfleet logs``: the output of an agent."""

from __future__ import annotations

import codecs
import sys
import time

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.names import LOG, SESSION
from gitfleet.cli.output import document
from gitfleet.cli.text import block
from gitfleet.errors import ExitCode, GitfleetError, Kind


@command(
    "logs",
    examples=(
        "gitfleet logs api-auth",
        "gitfleet logs -f fleet-auth-refactor-k3f9qm-w1-a1",
        "gitfleet logs api-auth --lines 20 --json",
        "gitfleet logs -f plan-k3f9qm",
    ),
)
@click.argument("run", type=LOG)
@click.option("--session", type=SESSION, help="Look for a task in this session.")
@click.option("--attempt", type=click.IntRange(min=1), help="The attempt; the newest unless given.")
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Only the last lines; all unless given.")
@click.option("-f", "--follow", is_flag=True, help="Stay until the attempt ends; with --json one document a line.")
@click.option("--raw", is_flag=True, help="Write the bytes as they are, control characters included.")
def COMMAND(  # noqa: N802
    call: Call, *, run: str, session: str | None, attempt: int | None, lines: int | None, follow: bool, raw: bool
) -> int:
    """Show the output of an agent, named by its INSTANCE or its TASK, or of a planner, by the name that status shows.

    Of an agent with a stream of its own, such as claude, it shows what was said, which tools were called, and what
    went wrong; --raw shows the stream itself, and so does --json. Colours and control characters are taken out, so
    that output cannot act on the terminal; --raw leaves them in. Keys and logins of your accounts are replaced by
    their names.
    """
    from gitfleet.app import logs  # noqa: PLC0415
    from gitfleet.store.redaction import Passing  # noqa: PLC0415

    if raw and call.json:
        raise GitfleetError(Kind.USAGE, "usage", "--raw writes bytes and --json a document; use one of them.")
    workspace = call.workspace()
    log = logs.find_log(workspace, run, session, attempt)
    shown = None if raw or call.json else logs.rendering(workspace, log)
    data, end = logs.tail(log, lines if shown is None else None)
    # Before anything is made of it: what is shortened for people would leave the beginning of a secret.
    passing = Passing(logs.secrets())
    data = passing.feed(data)
    if not follow:
        data += passing.finish()
        if call.json:
            from gitfleet.model.reports import LogReport  # noqa: PLC0415

            text = data.decode("utf-8", "replace")
            document(
                LogReport(
                    instance=log.instance,
                    attempt=log.attempt,
                    path=str(log.path),
                    size=end,
                    running=log.running,
                    text=text,
                )
            )
        else:
            data = data if shown is None else logs.last(shown.feed(data) + shown.finish(), lines)
            _Writer(call, log, raw=raw).finish(data)
        return ExitCode.DONE
    writer = _Writer(call, log, raw=raw)
    writer.write(data if shown is None else logs.last(shown.feed(data), lines))
    for piece in logs.follow(log, end, lambda: time.sleep(0.1)):
        chunk = passing.feed(piece)
        writer.write(chunk if shown is None else shown.feed(chunk))
    rest = passing.finish()
    writer.finish(rest if shown is None else shown.feed(rest) + shown.finish())
    return ExitCode.DONE


class _Writer:
    """Writes output as it comes; whole lines only, unless raw, so that a sequence is never cut in two."""

    def __init__(self, call: Call, log: object, *, raw: bool) -> None:
        self._call = call
        self._log = log
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._rest = ""

    def write(self, data: bytes) -> None:
        if self._raw:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        whole, newline, self._rest = (self._rest + self._decoder.decode(data)).rpartition("\n")
        if newline:
            self._lines(whole + newline)

    def finish(self, data: bytes = b"") -> None:
        self.write(data)
        rest = self._rest + self._decoder.decode(b"", final=True)
        if rest:
            self._lines(rest + "\n")

    def _lines(self, text: str) -> None:
        if not self._call.json:
            sys.stdout.write(block(text))
            sys.stdout.flush()
            return
        from gitfleet.app.logs import Log  # noqa: PLC0415
        from gitfleet.model.reports import LogLine  # noqa: PLC0415

        assert isinstance(self._log, Log)  # noqa: S101
        # A line feed alone ends a line: within one of an agent's stream a U+2028 may stand as it is.
        for line in text.removesuffix("\n").split("\n"):
            document(LogLine(instance=self._log.instance, attempt=self._log.attempt, text=line), line=True)
