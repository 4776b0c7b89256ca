"""The attempts of a run, for people: how each ended, who did it, what it used, what the guard saw, what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.cli.output import Line
from gitfleet.cli.text import size, spent, took
from gitfleet.model.evidence import WIP
from gitfleet.model.usage import Truth
from gitfleet.model.words import dollars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.evidence import Attempt, Exit
    from gitfleet.model.reports import InspectReport
    from gitfleet.model.tampering import Tampering


def attempts(report: InspectReport) -> Iterator[Piece]:
    """Draw every attempt of a run, with its files."""
    records = {attempt.number: attempt for attempt in report.run.attempts}
    for files in report.attempts:
        attempt = records.get(files.number)
        yield Line(f"  attempt {files.number}: {_end(attempt) if attempt else 'no record'}")
        yield from _worker(attempt) if attempt else ()
        yield from _processes(attempt.exit) if attempt and attempt.exit else ()
        if attempt and attempt.message and attempt.message != (report.run.failure and report.run.failure.message):
            yield Line(f"    {attempt.message}")
        if attempt and attempt.retry:
            yield Line(f"    {attempt.retry}")
        for denied in attempt.denied if attempt else ():
            yield Line(f"    {'not allowed:':<14}{denied.full}", hang=14)
        for one in attempt.tampered if attempt else ():
            yield from _tampering(one)
        for ref in attempt.snapshots if attempt else ():
            yield Line(f"    {'kept:':<12}gitfleet rescue show {ref.removeprefix(WIP)}", copy=True)
        for what in attempt.unkept if attempt else ():
            yield Line(f"    {'not kept:':<12}{what}", "yellow")
        for name, path in (("log", files.log), ("prompt", files.prompt), ("handoff", files.handoff)):
            if path:
                yield Line(f"    {name + ':':<12}{path}")


def _tampering(one: Tampering) -> Iterator[Piece]:
    """What the guard of an attempt refused or found changed, and the command that puts it back."""
    where = f"{one.name} ({one.by})" if one.by else one.name
    others = f", also while {', '.join(one.others)} ran" if one.others else ""
    yield Line(f"    {one.outcome + ':':<12}{one.kind} {where}{others}", "yellow")
    if one.restore:
        yield Line(f"    {'restore:':<12}{one.restore}", copy=True)


def _end(attempt: Attempt) -> str:
    reduced = ", reduced prompt" if attempt.reduced else ""
    if attempt.exit is None:
        return (f"{attempt.outcome}, never ran" if attempt.outcome else f"since {attempt.started}") + reduced
    how = f"signal {attempt.exit.signal}" if attempt.exit.signal else f"exit code {attempt.exit.code}"
    if attempt.exit.signal is None and attempt.exit.code is None:
        how = "no exit code"
    return f"{attempt.outcome or attempt.exit.reason}, {how}, {took(attempt.exit.seconds)}{reduced}"


def _worker(attempt: Attempt) -> Iterator[Piece]:
    """Who did it, where that is more than a command, and what it used."""
    facts = (attempt.agent, *((f"account {attempt.account}",) if attempt.account else ()), attempt.model)
    if attempt.account or attempt.model:
        yield Line(f"    {'agent:':<12}{', '.join(fact for fact in facts if fact)}")
    if attempt.cli_session:
        went_on = ", gone on with" if attempt.continues == attempt.cli_session else ""
        yield Line(f"    {'session:':<12}{attempt.cli_session}{went_on}")
    if (used := attempt.usage) is not None:
        cost = "" if used.tokens.cost_usd is None else f", {dollars(used.tokens.cost_usd)}"
        said = f"{spent(used.turns, used.tool_calls, used.tokens.total)}{cost}"
        yield Line(f"    {'used:':<12}{said}{'' if used.truth is Truth.EXACT else ', not measured whole'}")


def _processes(end: Exit) -> Iterator[Piece]:
    """What its processes took of the machine; nothing where nobody could measure it."""
    if end.cpu_seconds is not None:
        most = "" if end.max_rss_kib is None else f", at most {size(end.max_rss_kib * 1024)} of memory in one of them"
        yield Line(f"    {'processes:':<12}{took(end.cpu_seconds)} of processor time{most}")
