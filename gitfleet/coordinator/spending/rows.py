"""The usage rows of an attempt: derived from its stream, and on disk before the books say that it was taken in.

A row is known by instance, attempt, session of the agent's program, and turn, and follows from the log alone: one that
is written again after a crash is the same. Rows are exact where the stream is whole and came to the program's own end;
of an attempt that was cut off the answers that it told of are kept, and the sum is called not measured.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.registry import agent_for, as_done
from gitfleet.coordinator.attempt.attempts import handle_of
from gitfleet.coordinator.attempt.streams import transcript
from gitfleet.errors import GitfleetError
from gitfleet.model.usage import Truth, UsageRow, UsageRows, UsageSummary, summary
from gitfleet.runtime.attempt import began
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from collections.abc import Collection

    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.books import Books
    from gitfleet.model.evidence import Attempt, Exit
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

UNTOLD = "untold"
"""The turn of tools that were called before any usage was told."""


def rows_of(run: Run, attempt: Attempt, stream: Transcript, exit_: Exit | None) -> UsageRows:
    """The rows of one attempt: a row for each answer of a model, helpers' included."""

    def row(turn: str, **facts: object) -> UsageRow:
        known = {
            "session": run.session,
            "task": run.task,
            "instance": run.instance,
            "attempt": attempt.number,
            "cli_session": stream.cli_session,
            "turn": turn,
            "agent": attempt.agent or run.agent,
            "account": attempt.account,
            "model": stream.model,
            "at": attempt.started,
        }
        return UsageRow(**{**known, **facts})  # type: ignore[arg-type] # the names above are its fields

    rows = [
        row(
            turn,
            tokens=used.tokens,
            tool_calls=stream.calls.get(turn, 0),
            helper=used.helper,
            model=used.model or stream.model,
            truth=Truth.EXACT if used.exact else Truth.NOT_MEASURED,
        )
        for turn, used in stream.used.items()
    ]
    loose = stream.tool_calls - sum(one.tool_calls for one in rows)
    if loose:
        rows.append(row(UNTOLD, tool_calls=loose, truth=Truth.NOT_MEASURED, helper=True))
    never = exit_ is not None and exit_.never_ran
    end = stream.ended
    told = end is not None and (stream.whole or end.totals)
    exact = never or (told and all(one.truth is Truth.EXACT for one in rows))
    return UsageRows(rows=tuple(rows), truth=Truth.EXACT if exact else Truth.NOT_MEASURED)


def take_in(parts: Parts, run: Run, task: Task, stream: Transcript | None, exit_: Exit | None) -> UsageSummary | None:
    """Write the rows of a run's last attempt; gives their sum, for the books, which come after.

    ``stream`` is what was read of it, none where nobody came to read it. None where its agent reports nothing.
    """
    attempt = run.attempts[-1]
    stream = stream or _read(parts, run, task)
    if stream is None:
        return None
    rows = rows_of(run, attempt, stream, exit_)
    UsageStore(parts.layout).write(run.session, run.instance, attempt.number, rows)
    return summary(rows.rows, rows.truth)


def session_of(stream: Transcript | None) -> dict[str, str]:
    """What the books say of the session of an attempt's program, with its usage: who goes on with it counts on."""
    return {"cli_session": stream.cli_session, "model": stream.model} if stream is not None else {}


def catch_up(parts: Parts, books: Books, going_on: Collection[str]) -> None:
    """Take in what attempts used whose end never reached the books, because a crash came in between.

    ``going_on`` are tasks whose last attempt is still to be collected.
    """
    for run in [run for run in books.runs.values() if not run.sealed]:
        attempts = list(run.attempts)
        for place, attempt in enumerate(attempts):
            directory = parts.layout.attempt(run.instance, attempt.number)
            ends = place + 1 == len(attempts) and run.task in going_on
            # One that never began used nothing, though what it was to run is written down.
            if attempt.usage is not None or ends or not began(str(directory)):
                continue
            so_far = msgspec.structs.replace(run, attempts=tuple(attempts[: place + 1]))
            task = books.plan.task(run.task)
            stream = _read(parts, so_far, task)
            used = take_in(parts, so_far, task, stream, attempt.exit)
            attempts[place] = msgspec.structs.replace(attempt, usage=used, **session_of(stream))
        if tuple(attempts) != run.attempts:
            books.record(run.task, attempts=tuple(attempts))


def _read(parts: Parts, run: Run, task: Task) -> Transcript | None:
    with suppress(GitfleetError):  # the config no longer has its agent, or never had: nobody can say what it used
        return transcript(
            parts,
            handle_of(parts, run),
            agent_for(as_done(task, run.attempts[-1], parts.config), parts.config),
            run.attempts,
        )
    return None
