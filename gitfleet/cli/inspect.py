"""``gitfleet inspect``: everything that is known about one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.attempts import attempts
from gitfleet.cli.command import Call, command
from gitfleet.cli.gate import gate
from gitfleet.cli.names import RUN, SESSION
from gitfleet.cli.output import Block, Line, Table
from gitfleet.cli.text import took
from gitfleet.errors import ExitCode
from gitfleet.model.evidence import WIP
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitfleet.cli.output import Piece
    from gitfleet.model.conflict import Conflict
    from gitfleet.model.evidence import CheckResult
    from gitfleet.model.reports import InspectReport
    from gitfleet.model.run import Run
    from gitfleet.model.session import Landing


@command(
    "inspect",
    examples=("gitfleet inspect api-auth", "gitfleet inspect fleet-auth-refactor-k3f9qm-w1-a1 --json"),
)
@click.argument("run", type=RUN)
@click.option("--session", type=SESSION, help="Look for a task in this session.")
def COMMAND(call: Call, *, run: str, session: str | None) -> int:  # noqa: N802
    """Show everything about one run, named by its INSTANCE or its TASK."""
    from gitfleet.app.inspect import inspect  # noqa: PLC0415

    report = inspect(call.workspace(), run, session)
    call.answer(report, lambda: view(report))
    return ExitCode.DONE


def view(report: InspectReport) -> Iterator[Piece]:
    """Draw the report, the verdict first."""
    run = report.run
    yield Line(f"{run.task}: {run.state.value}{_why(run)}", "bold")
    facts = [
        ("name", run.name),
        ("objective", run.objective),
        ("session", f"{run.session} ({report.session_state.value}), wave {run.wave}"),
        ("instance", run.instance or "not dispatched yet"),
        ("agent", f"{run.agent} ({run.kind.value})"),
        ("host", report.host),
        ("scope", ", ".join(run.scope) or "none: read-only"),
        ("depends on", ", ".join(run.depends_on)),
        ("tags", ", ".join(run.tags)),
        ("metadata", _pairs(run.metadata)),
        ("labels", _pairs(report.labels)),
        ("activity", _activity(report)),
        ("last pulse", report.last_pulse or "none"),
        ("latest event", f"{report.latest_event.at} {report.latest_event.message}" if report.latest_event else "none"),
        ("latest error", f"{report.latest_error.at} {report.latest_error.message}" if report.latest_error else "none"),
        ("not before", run.not_before),
        ("waits for", _permission(run)),
        ("granted", ", ".join(one.shown for one in run.grants)),
        ("extended by", ", ".join(run.extended)),
        ("branch", run.branch),
        ("tip", run.tip),
        ("worktree", report.worktree or ""),
        ("brief", report.brief or ""),
    ]
    if run.merge:
        facts.append(("merge", f"{run.merge.commit} on {run.merge.target}, landing {run.merge.landing}"))
    if report.landing:
        facts.append(("train", train_words(report.landing)))
    for name, value in facts:
        if value:
            yield Line(f"  {name + ':':<14}{value}", hang=14)
    yield from attempts(report)
    yield from _evidence(run)
    for step in _next(report):
        yield Line(f"next: {step}", copy=True)


def _pairs(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in facts.items())


def _permission(run: Run) -> str:
    """What a parked run waits for."""
    if run.parked is None:
        return ""
    if run.parked.approved:
        return f"approved, and waits to be started: {run.parked.words}"
    if run.parked.interrupted:
        return "a person, who interrupted it"
    return f"a person's permission: {run.parked.words}"


def _activity(report: InspectReport) -> str:
    if report.activity is None:
        return ""
    # A note may begin with the word itself, for where it stands alone.
    note = report.note.removeprefix(f"{report.activity.value}: ")
    return f"{report.activity.value} ({note})" if note else report.activity.value


def _sides(conflict: Conflict) -> Iterator[Piece]:
    for name, side in (("target", conflict.target), ("run", conflict.run)):
        yield Line(f"      {name}: {side.blob[:12] or 'nothing there'}")
        for change in side.changes:
            by = f" ({change.instance})" if change.instance else ""
            yield Line(f"        {change.commit[:12]} {change.subject}{by}")


def train_words(landing: Landing) -> str:
    """What the train of a landing did: on how many trees the checks ran, and who stayed behind."""
    train = landing.train
    words = [landing.verdict.value, f"{plural(train.checked, 'tree')} checked"]
    words += [
        f"{name} {', '.join(tasks)}" for name, tasks in (("ejected", train.ejected), ("held", train.held)) if tasks
    ]
    return ", ".join(words)


def _next(report: InspectReport) -> Iterator[str]:
    """Commands that lead on from here."""
    run = report.run
    if run.parked is not None and run.waiting:
        yield f"gitfleet approve {run.instance}"
        yield f"gitfleet approve {run.instance} --deny"
        yield f"gitfleet restart {run.instance}"
    if run.state is RunState.CONFLICTED and run.branch:
        yield f"gitfleet resolve {run.instance}"
        yield f"gitfleet restart {run.instance}"
    elif run.sealed and run.state is not RunState.LANDED and run.files:
        yield f"git diff {run.base[:12]} {run.branch}"
    if run.gate and run.gate.spilled:
        yield f"git diff {run.gate.spilled}^1 {run.gate.spilled}"
    if any(attempt.log for attempt in report.attempts):
        yield f"gitfleet logs {run.instance}"
    if run.state is not RunState.LANDED and run.attempts and run.attempts[-1].snapshots:
        yield f"gitfleet rescue show {run.attempts[-1].snapshots[-1].removeprefix(WIP)}"
    if report.worktree and run.state is not RunState.LANDED:
        yield f"gitfleet open {run.instance}"
    if report.session_state is SessionState.NEEDS_CONTINUE:
        yield f"gitfleet continue {run.session}"
    if report.session_state is SessionState.PAUSED:
        yield f"gitfleet resume {run.session}"


def _why(run: Run) -> str:
    if run.failure:
        return f" ({run.failure.source.value}, {run.failure.code}): {run.failure.message}"
    return f": {run.receipt.reason}" if run.receipt else ""


def _evidence(run: Run) -> Iterator[Piece]:
    yield from _said(run)
    yield from _files(run)
    yield from _verdicts(run)


def _said(run: Run) -> Iterator[Piece]:
    if run.handoff:
        groups = (
            ("built", run.handoff.built),
            ("decisions", run.handoff.decisions),
            ("discoveries", tuple(fact.fact for fact in run.handoff.discoveries)),
            ("remaining", run.handoff.remaining),
            ("failures", run.handoff.failures),
        )
        for name, items in groups:
            if items:
                yield Line(f"  {name}:")
                yield from (Line(f"    {item}") for item in items)


def _files(run: Run) -> Iterator[Piece]:
    if run.files:
        yield Line(f"  files: {plural(len(run.files), 'file')}")
        yield Table(
            ("    path", "change", "added", "removed"),
            [(f"    {file.path}", file.change, _count(file.added), _count(file.removed)) for file in run.files],
        )


def _verdicts(run: Run) -> Iterator[Piece]:
    if run.gate:
        yield from gate(run.gate)
    if run.conflicts:
        yield Line(f"  conflicts: {plural(len(run.conflicts), 'path')}")
        for conflict in run.conflicts:
            yield Line(f"    {conflict.path}: {conflict.kind}")
            yield from _sides(conflict)
    if run.resolution:
        how = f"as {run.resolution.commit[:12]}" if run.resolution.commit else "under way in its worktree"
        yield Line(f"  resolved by a person: {how}, with {run.resolution.onto[:12]} of the target")
    for check in run.checks:
        yield from _check("task check", check)
    if run.verification:
        yield Line(f"  verification: {run.verification.verdict.value}")
        for check in run.verification.checks:
            yield from _check("check", check)


def _check(title: str, check: CheckResult) -> Iterator[Piece]:
    if check.skipped:
        yield Line(f"  {title} {check.name or check.run}: skipped, {check.skipped}")
        return
    end = "timed out" if check.timed_out else f"exit code {check.exit_code}"
    word = "green" if check.green else "red, as it is on the target" if check.was_red else "red"
    again = (
        ", after it had timed out once" * check.retried + ", not run again: green before on this tree" * check.cached
    )
    yield Line(f"  {title} {check.name or check.run}: {word}, {end}, {took(check.seconds)}{again}")
    if check.output_sha256:
        yield Line(f"    output: {plural(check.output_bytes or 0, 'byte')}, sha256 {check.output_sha256}")
    if check.commit:
        yield Line(f"    ran on: tree {check.tree[:12]}, of commit {check.commit[:12]}")
    if check.red and check.tail:
        yield Block(check.tail, "    | ")


def _count(lines: int | None) -> str:
    return "binary" if lines is None else str(lines)
