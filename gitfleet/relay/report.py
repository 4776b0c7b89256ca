"""The reports for people: ``session.md`` and ``waves/w<n>.md``, as pure text from run records, verdict first.

They are derived and decide nothing; the run records hold the whole. A report is bounded, and says what it left out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gitfleet.model.conflict import paths_of
from gitfleet.model.evidence import WIP, Verdict
from gitfleet.model.run import FailureSource, RunState
from gitfleet.model.session import SessionState, weakest
from gitfleet.planner.retries import SET_UP, is_survey, worth_telling
from gitfleet.relay.text import code, inline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitfleet.model.conflict import Conflict
    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run
    from gitfleet.model.session import Landing, Session, TrainCounts

MAX_LINES = 128
"""Lines of a report's body; with at most 20 lines of front matter ``session.md`` stays within 150."""

_FAILED = frozenset({RunState.FAILED, RunState.REJECTED, RunState.TIMED_OUT, RunState.LOST})
_QUEUE_ROWS = 40
_RELAY_LINES = 16
_GAP_LINES = 8
_ITEMS = 3
_ITEM_LIMIT = 240
_PATHS = 8


def render_session(session: Session, plan: Plan, runs: Mapping[str, Run]) -> str:
    """Write the body of ``session.md`` in at most ``MAX_LINES`` lines.

    ``runs`` are by task id; tasks are shown in the plan's order, then those that only ``runs`` has.
    """
    ordered = _ordered(plan, runs)
    head = [f"# {inline(session.name)}: {verdict(session, ordered)}", ""]
    if session.reason:
        head += [f"Waits for a person: {inline(session.reason, 400)}", ""]
    if session.direction:
        head += [f"Direction: {inline(session.direction, 400)}", ""]
    queue = ["## Work Queue", "", *_queue(ordered)]
    relay = ["", "## Shared Context (Discovery Relay)", "", *_relay(ordered)]
    gaps = _gaps(ordered, plan)
    relay += ["", "## Gaps", "", *_fit(gaps, _GAP_LINES)] if gaps else []
    continuation = ["", "## Continuation State", "", *_continuation(session, ordered)]
    handoff = ["", "## Handoff", "", *_handoff(session, ordered)]
    used = sum(map(len, (head, queue, relay, continuation, handoff)))
    results = ["", "## Wave Results", *_fit(_results(ordered), MAX_LINES - used - 2)]
    return "\n".join([*head, *queue, *results, *relay, *continuation, *handoff, ""])


def render_wave(session: Session, number: int, runs: Mapping[str, Run]) -> str:
    """Write ``waves/w<number>.md``: what one landing, and the runs that ended with it, did.

    ``runs`` are the runs to tell about, by task id; the landing's facts are taken from the session when it has them.
    """
    ordered = sorted(runs.values(), key=lambda run: (run.wave, run.instance, run.task))
    landing = next((one for one in session.landings if one.number == number), None)
    lines = [f"# {inline(session.name)}, wave {number}: {_counts(ordered)}", ""]
    if landing is not None:
        lines += [f"{_landing_line(landing, session)}.", ""]
    lines += _queue(ordered)
    return "\n".join([*lines, *_fit(_results(ordered), MAX_LINES - len(lines)), ""])


def verdict(session: Session, runs: Iterable[Run]) -> str:
    """One clause: how many runs ended how, and whether what landed was verified."""
    text = _counts(runs)
    if session.landings:
        text += f", {weakest(landing.verdict for landing in session.landings)}"
    if session.state is SessionState.NEEDS_CONTINUE:
        text += "; needs a `gitfleet continue`"
    elif session.state is SessionState.ACTIVE:
        text += "; in progress"
    elif session.state is not SessionState.COMPLETED:
        text += f"; {session.state}"
    return text


def _counts(runs: Iterable[Run]) -> str:
    counts = Counter(run.state for run in runs)
    # Landed first, then as the life of a run goes.
    order = sorted(RunState, key=lambda state: state is not RunState.LANDED)
    return ", ".join(f"{counts[state]} {state}" for state in order if counts[state]) or "nothing ran"


def _ordered(plan: Plan, runs: Mapping[str, Run]) -> list[Run]:
    planned = [runs[task.id] for task in plan.tasks if task.id in runs]
    known = {run.task for run in planned}
    return planned + [runs[task] for task in sorted(runs) if task not in known]


def _queue(runs: Sequence[Run]) -> list[str]:
    lines = ["| # | Campaign | Scope | Deps | Status | Wave | Agent |", "|---|---|---|---|---|---|---|"]
    numbers = {run.task: number for number, run in enumerate(runs, start=1)}
    for number, run in enumerate(runs[:_QUEUE_ROWS], start=1):
        title = (
            inline(run.task, 64) if run.name in {"", run.task} else f"{inline(run.task, 64)}: {inline(run.name, 80)}"
        )
        scope = _paths(run.scope, 4) or "(read-only)"
        deps = ", ".join(str(numbers.get(task, inline(task, 64))) for task in run.depends_on) or "none"
        cells = (str(number), title, scope, deps, str(run.state), str(run.wave), inline(run.agent, 40))
        lines.append(f"| {' | '.join(cells)} |")
    if len(runs) > _QUEUE_ROWS:
        lines += ["", f"{len(runs) - _QUEUE_ROWS} more tasks are left out here; `runs/` has them all."]
    return lines


def _results(runs: Sequence[Run]) -> list[str]:
    """Lines of the Wave Results section, wave by wave; runs that have not begun say nothing."""
    lines: list[str] = []
    begun = [run for run in runs if run.attempts or run.state is not RunState.QUEUED]
    for wave in sorted({run.wave for run in begun}):
        lines += ["", f"### Wave {wave} Results"]
        for run in (run for run in begun if run.wave == wave):
            lines += ["", f"#### Agent: {inline(run.instance or run.task, 120)}", "", *_result(run)]
    return lines


def _result(run: Run) -> list[str]:
    status = str(run.state)
    if run.failure is not None:
        status += f" ({inline(run.failure.code, 40)}: {inline(run.failure.message, _ITEM_LIMIT)})"
    lines = [f"- **Status:** {status}"]
    lines += [
        f"- **Attempt {attempt.number}:** {inline(attempt.outcome or 'no end on record', 40)}, "
        f"{inline(attempt.retry, _ITEM_LIMIT)}"
        for attempt in run.attempts
        if worth_telling(attempt)
    ]
    without = [one.words for one in run.attempts[-1].denied] if run.attempts else []
    if without and run.state is RunState.LANDED:
        lines.append(f"- **Not allowed:** {_items(without)}")
    if run.state is not RunState.LANDED and run.attempts and run.attempts[-1].snapshots:
        name = run.attempts[-1].snapshots[-1].removeprefix(WIP)
        lines.append(f"- **Kept:** its work, until it is pruned: {code(f'gitfleet rescue show {name}')}")
    if run.handoff is not None:
        no_change = (f"no change: {run.handoff.no_change}",) if run.handoff.no_change else ()
        groups = [
            ("Built", (*run.handoff.built, *no_change)),
            ("Decisions", run.handoff.decisions),
            ("Discoveries", tuple(fact.fact for fact in run.handoff.discoveries)),
        ]
        lines += [f"- **{name}:** {_items(items)}" for name, items in groups if items]
    if run.conflicts:
        lines.append(f"- **Conflicts:** {_clashes(run.conflicts)}")
    if run.files:
        lines.append(f"- **Files:** {_paths([file.path for file in run.files], _PATHS)}")
    return lines


def _clashes(conflicts: Sequence[Conflict]) -> str:
    """Paths in conflict, each with its kind and who is on the other side."""
    shown = "; ".join(
        f"{code(one.path, 120)} ({one.kind}{inline(f', with {one.others[0]}' if one.others else '', 120)})"
        for one in conflicts[:_PATHS]
    )
    return f"{shown}; and {len(conflicts) - _PATHS} more" if len(conflicts) > _PATHS else shown


def _relay(runs: Sequence[Run]) -> list[str]:
    lines = [
        f"- {inline(fact.fact, _ITEM_LIMIT)} ({inline(run.instance, 120)})"
        for run in runs
        if run.handoff is not None
        for fact in run.handoff.discoveries
    ]
    lines += [
        f"- decided: {inline(text, _ITEM_LIMIT)} ({inline(run.instance, 120)})"
        for run in runs
        if run.handoff is not None
        for text in run.handoff.decisions
    ]
    return _fit(lines, _RELAY_LINES) or ["Nothing was reported."]


def _gaps(runs: Sequence[Run], plan: Plan) -> list[str]:
    """What a wave, or the tasks behind one, had to go on without."""
    tasks = {task.id: task for task in plan.tasks}
    lines = []
    for run in runs:
        lines += [
            f"- wave {attempt.wave} went on without {inline(run.task, 64)}: {inline(attempt.message, _ITEM_LIMIT)} "
            f"({inline(attempt.retry, _ITEM_LIMIT)})"
            for attempt in run.attempts
            if attempt.outcome in SET_UP and attempt.wave is not None
        ]
        if run.task in tasks and run.state is RunState.TIMED_OUT and is_survey(tasks[run.task]):
            word = "what it reported until then" if run.handoff else "no report of it"
            lines.append(f"- research {inline(run.task, 64)} ran out of time; those behind it have {word}")
    return lines


def _continuation(session: Session, runs: Sequence[Run]) -> list[str]:
    left = [run for run in runs if not run.sealed]
    blocked = [run.task for run in runs if run.state in {RunState.CONFLICTED, RunState.LOST, RunState.SKIPPED}]
    failures = Counter(run.failure.source for run in runs if run.failure is not None and run.state in _FAILED)
    restarted = sum(len(run.attempts) > 1 for run in runs)
    return [
        f"- State: {session.state}",
        *[f"- Failures: {', '.join(f'{failures[it]} {it}' for it in FailureSource if failures[it])}"] * bool(failures),
        *[f"- Restarted: {restarted} of {len(runs)}"] * bool(restarted),
        f"- Next wave: {min(run.wave for run in left) if left else 'none'}",
        f"- Left to do: {_tasks([run.task for run in left])}",
        f"- Blocked items: {_tasks(blocked)}",
        *_fit([_waits(run) for run in runs if run.parked is not None], _RELAY_LINES),
        f"- Target: {code(session.target)}",
    ]


def _waits(run: Run) -> str:
    """What a parked run waits for, with the command that lets it go on."""
    waits = run.parked
    if waits is None or waits.approved:
        return f"- {inline(run.task, 64)} was approved, and waits to be started"
    why = inline(waits.why, 2 * _ITEM_LIMIT)
    return f"- {inline(run.task, 64)} {why}, and waits for a person: {code(f'gitfleet approve {run.instance}')}"


def _handoff(session: Session, runs: Sequence[Run]) -> list[str]:
    built = [text for run in runs if run.state is RunState.LANDED and run.handoff for text in run.handoff.built]
    conflicts = sorted({path for run in runs for path in paths_of(run.conflicts)})
    remaining = [text for run in runs if run.handoff for text in run.handoff.remaining]
    lines = [
        f"- Landed: {_tasks([run.task for run in runs if run.state is RunState.LANDED])}",
        f"- Built: {_items(built, 6) or 'nothing was reported'}",
        f"- Conflicts: {_paths(conflicts, _PATHS) or 'none'}",
        f"- Remaining: {_items(remaining, 6) or 'nothing was reported'}",
        f"- Reversibility: {session.reversibility}",
    ]
    return lines + [f"- {_landing_line(landing, session)}" for landing in session.landings[-5:]]


def _landing_line(landing: Landing, session: Session) -> str:
    how = _HOW[landing.verdict] + " by checks that were green on this tree before" * landing.cached
    return (
        f"Landing {landing.number} on {code(session.target)}, {how}, candidate "
        f"{code(landing.candidate[:12])}{_took(landing.train)}"
    )


_HOW = {
    Verdict.VERIFIED: "verified",
    Verdict.NO_WORSE: "no-worse (a check is red that was red on the target before)",
    Verdict.UNVERIFIED: "unverified (no check ran)",
    Verdict.RED: "red",
}


def _took(train: TrainCounts) -> str:
    """What the train of a landing took, where it was more than one run of the checks."""
    words = [f"{train.checked} trees were checked"] if train.checked > 1 else []
    words += [f"{name} {_tasks(tasks)}" for name, tasks in (("ejected", train.ejected), ("held", train.held)) if tasks]
    return f"; {', '.join(words)}" if words else ""


def _tasks(tasks: Sequence[str]) -> str:
    shown = ", ".join(inline(task, 64) for task in tasks[:20])
    return (f"{shown} and {len(tasks) - 20} more" if len(tasks) > 20 else shown) or "none"


def _items(items: Sequence[str], limit: int = _ITEMS) -> str:
    shown = "; ".join(inline(item, _ITEM_LIMIT) for item in items[:limit])
    return f"{shown}; and {len(items) - limit} more" if len(items) > limit else shown


def _paths(paths: Sequence[str], limit: int) -> str:
    shown = ", ".join(code(path, 120) for path in paths[:limit])
    return f"{shown} and {len(paths) - limit} more" if len(paths) > limit else shown


def _fit(lines: list[str], limit: int) -> list[str]:
    """The first lines, and a sentence about the others when there are more than ``limit``."""
    if len(lines) <= limit:
        return lines
    kept = lines[: limit - 2]
    return [*kept, "", f"{len(lines) - len(kept)} more lines are left out here; `runs/` has them all."]
