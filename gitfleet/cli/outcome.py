"""How a session ended: the table, the red checks, and the handoff block that closes the output of ``wave``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gitfleet.cli.gate import way_on
from gitfleet.cli.output import Block, Line, Table
from gitfleet.cli.text import ended, headed
from gitfleet.model.conflict import described, paths_of
from gitfleet.model.evidence import WIP
from gitfleet.model.reports import FinalHandoff, RunRow, WaveReport
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState, weakest
from gitfleet.model.words import plural
from gitfleet.planner.retries import worth_telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.app.sessions.outcome import Outcome
    from gitfleet.cli.output import Piece
    from gitfleet.model.evidence import CheckResult
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session


def report(outcome: Outcome) -> WaveReport:
    """Fold the outcome into the report."""
    session, runs = outcome.session, outcome.runs
    return WaveReport(
        session=session.id,
        state=session.state,
        target=session.target,
        exit_code=int(outcome.exit_code),
        reason=session.reason,
        verdict=weakest(landing.verdict for landing in session.landings) if session.landings else None,
        runs=tuple(row(run) for run in sorted(runs.values(), key=lambda run: run.wave)),
        landings=session.landings,
        red=_red(runs),
        handoff=_handoff(session, runs),
        proof=outcome.proof,
    )


def row(run: Run) -> RunRow:
    """Give the row of one run."""
    violations = run.gate.violations if run.gate else ()
    reason = run.failure.message if run.failure else run.receipt.reason if run.receipt else ""
    if run.state is RunState.CONFLICTED and run.conflicts and not run.failure:
        reason = "conflicts in " + ", ".join(paths_of(run.conflicts))
    return RunRow(
        task=run.task,
        instance=run.instance,
        wave=run.wave,
        state=run.state,
        files=run.files,
        branch=run.branch,
        commit=run.merge.commit if run.merge else "",
        reason=reason,
        violations=tuple(
            f"{one.path} ({one.reason}{', ' + one.outcome if one.outcome != 'refused' else ''})" for one in violations
        ),
        conflicts=run.conflicts,
        retries=tuple(
            f"attempt {attempt.number}: {attempt.outcome or 'no end on record'}, {attempt.retry}"
            for attempt in run.attempts
            if worth_telling(attempt)
        ),
    )


def view(report: WaveReport) -> Iterator[Piece]:
    """Draw the end of a session."""
    yield Line()
    yield Line(headline(report), "bold green" if report.exit_code == 0 else "bold yellow")
    if report.proof:
        yield Line("It was a proof: a script that spends nothing stood in for every agent, and nothing landed.")
    yield Table(
        ("task", "state", "wave", "files", "merge"),
        [
            (run.task, run.state.value, str(run.wave), str(len(run.files)), run.commit[:12] or "-")
            for run in report.runs
        ],
    )
    # Below the table and not in it: a sentence in a narrow column cannot be read. A merge speaks for itself.
    for run in report.runs:
        if run.reason and not run.commit:
            yield Line(f"{run.task}: {_first(run.reason)}")
        yield from (Line(f"{run.task}: {_first(line)}") for line in run.retries)
    for check in report.red:
        yield Line()
        yield Line(f"check failed: {check.name or check.run}: {_end(check)}", "bold red")
        if check.name and check.name != check.run:
            yield Line(f"  {check.run}")
        if check.tail:
            yield Block(check.tail, "  | ")
    yield Line()
    yield from handoff(report.handoff)


def headline(report: WaveReport) -> str:
    """Answer in one line whether anything needs a person: a halt, then conflicts, then whatever else did not land."""
    target = report.target.removeprefix("refs/heads/")
    done = _landed(report, target)
    if report.state in {SessionState.NEEDS_CONTINUE, SessionState.PAUSED}:
        return f"It needs you: {ended(report.reason or 'the session stopped before its end')} {done}."
    counts = Counter(run.state for run in report.runs)
    bad = sum(counts.values()) - counts[RunState.LANDED] - counts[RunState.CANCELLED]
    if counts[RunState.CONFLICTED]:
        return f"It needs you: {plural(counts[RunState.CONFLICTED], 'run')} in conflict with {target}. {done}."
    if report.exit_code and bad:
        how = ", ".join(
            f"{counts[state]} {state.value}"
            for state in RunState
            if counts[state] and state not in {RunState.LANDED, RunState.CANCELLED}
        )
        return f"It needs you: {plural(bad, 'run')} did not land ({how}). {done}."
    return f"Nothing needs you: {done}."


def _landed(report: WaveReport, target: str) -> str:
    count = sum(1 for run in report.runs if run.state is RunState.LANDED)
    if report.verdict is None:
        return "Nothing landed" if not count else f"{count} of {plural(len(report.runs), 'run')} had nothing to land"
    word = str(report.verdict)
    if any(landing.cached for landing in report.landings):
        word += ", from the cache" if all(landing.cached for landing in report.landings) else ", partly from the cache"
    return f"{count} of {plural(len(report.runs), 'run')} landed on {target} ({word})"


def handoff(block: FinalHandoff) -> Iterator[Piece]:
    """Draw the block that scripts and agents look for."""
    yield Line("---HANDOFF---")
    yield Line(f"- session: {block.session}", copy=True)
    for name, items in (
        ("built", block.built),
        ("discoveries", block.discoveries),
        ("conflicts", block.conflicts),
        ("next", block.next),
    ):
        yield Line(f"- {name}: none" if not items else f"- {name}:")
        yield from (Line(f"  - {item}", copy=True) for item in items)
    yield Line(f"- reversibility: {block.reversibility}", copy=True)
    yield Line("---")


def _handoff(session: Session, runs: dict[str, Run]) -> FinalHandoff:
    landed = [run for run in runs.values() if run.state is RunState.LANDED]
    reports = [(run, run.handoff) for run in runs.values() if run.handoff]
    built = [f"{run.task}: {item}" for run, said in reports if run.state is RunState.LANDED for item in said.built]
    silent = [
        f"{run.task}: {plural(len(run.files), 'file')} changed"
        for run in landed
        if run.files and not (run.handoff and run.handoff.built)
    ]
    clashed = [run for run in runs.values() if run.state is RunState.CONFLICTED]
    conflicts = [f"{run.task}: {described(one)}" for run in clashed for one in run.conflicts]
    conflicts += [f"{run.task}: {run.failure.message}" for run in clashed if run.failure and not run.conflicts]
    conflicts += [f"{run.task}: {item}" for run, said in reports for item in said.conflicts]
    following = [f"{run.task}: {item}" for run, said in reports for item in said.remaining]
    following[:0] = [
        f"gitfleet resolve {run.instance} opens a tree with the merge of {run.task}; or gitfleet restart {run.instance}"
        for run in clashed
    ]
    if session.state is not SessionState.COMPLETED:
        following.insert(0, f"gitfleet continue {session.id}")
    if session.state is SessionState.PAUSED:
        following.insert(0, f"gitfleet resume {session.id}")
    following[:0] = [
        f"gitfleet approve {run.instance} lets {run.task} go on, which {run.parked.why}"
        for run in runs.values()
        if run.parked is not None and run.waiting
    ]
    branch = session.target.removeprefix("refs/heads/")
    if landed and branch == f"gitfleet/{session.id}":
        following.append(f"review {branch}, then merge it: git merge {branch}")
    following += [
        f"{run.task} spilled {plural(run.gate.outside, 'path')}: git diff {run.gate.spilled}^1 {run.gate.spilled}"
        for run in runs.values()
        if run.gate and run.gate.spilled
    ]
    following += [
        _left(run) for run in runs.values() if run.sealed and run.state not in {RunState.LANDED, RunState.CANCELLED}
    ]
    merges = " ".join(run.merge.commit[:12] for run in reversed(landed) if run.merge)
    way = f"{session.reversibility.value}"
    if merges:
        way += f"; to take it back: git revert -m 1 {merges}"
    return FinalHandoff(
        session=session.id,
        built=tuple(built + silent),
        discoveries=tuple(f"{run.task}: {fact.fact}" for run, said in reports for fact in said.discoveries),
        conflicts=tuple(conflicts),
        next=tuple(following),
        reversibility=way,
    )


def _left(run: Run) -> str:
    """Say of a run that is over and did not land where its work is, and which command tells more."""
    if not run.branch:
        reason = f": {run.failure.message}" if run.failure else ""
        return f"{run.task} did not run ({run.state.value}{reason})"
    own = run.failure is not None and run.failure.code in {"out-of-scope", "check-failed"}
    tell = f"gitfleet inspect {run.instance}" if own else f"gitfleet logs {run.instance}"
    kept = run.attempts[-1].snapshots if run.attempts else ()
    # One place is enough here: what a snapshot holds beyond the branch (ignored files), `inspect` tells.
    if run.files:
        work = f"its work is on {run.branch}"
    elif kept:
        work = f"its work is kept: gitfleet rescue show {kept[-1].removeprefix(WIP)}"
    else:
        work = "it changed nothing"
    if run.state is RunState.REJECTED:
        work += f"; {way_on(run)}"
    return f"{run.task} did not land ({run.state.value}); {work}; see: {tell}"


def _red(runs: dict[str, Run]) -> tuple[CheckResult, ...]:
    seen: dict[tuple[str, str], CheckResult] = {}
    for run in runs.values():
        checks = (*run.checks, *(run.verification.checks if run.verification else ()))
        for check in checks:
            if check.red:
                seen.setdefault((check.run, check.tail), check)
    return tuple(seen.values())


def _end(check: CheckResult) -> str:
    if check.timed_out:
        return f"timed out after {check.seconds:.0f} s"
    if check.wrote:
        return "it changed tracked files: " + ", ".join(check.wrote)
    how = f"signal {check.signal}" if check.signal else f"exit code {check.exit_code}"
    return how + ", as on the target" * check.was_red


def _first(reason: str) -> str:
    return headed(reason) or "-"
