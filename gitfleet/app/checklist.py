"""Pure: the points of a closeout, from a run's record and a few facts about the repository as it is now.

A point holds only where something says so; what cannot be told does not hold. Usage is the exception that is none:
where an agent reports no tokens, "not measured" is the whole truth, and nothing is missing. One that does has rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.model.evidence import Verdict
from gitfleet.model.reports import CloseoutItem, CloseoutRun, Point
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.model.usage import Truth
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.model.evidence import Attempt
    from gitfleet.model.run import Run
    from gitfleet.model.usage import UsageSummary

BRANCHES = "refs/heads/"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the repository says of a run.

    ``session`` is where its session stands, none where nothing says. ``target`` is the ref that was asked for the
    commit, and ``reachable`` its answer; ``present`` says whether the commit is in this clone at all. ``landed_tree``
    is the tree that landed, without ``.planning``, empty where this clone cannot tell. ``slot`` and ``set_aside`` are
    trees that the run still has. ``rows`` are the sums of usage rows by attempt, none where there are only records.
    """

    session: SessionState | None
    target: str = ""
    reachable: bool = False
    present: bool = False
    landed_tree: str = ""
    claimed: bool = False
    slot: str = ""
    set_aside: str = ""
    rows: Mapping[int, UsageSummary] | None = None


def checklist(run: Run, facts: Facts) -> CloseoutRun:
    """Every point of one run."""
    items = (
        _handoff(run),
        _gate(run),
        _checks(run, facts),
        _commit(run, facts),
        _claim(run, facts),
        _worktree(run, facts),
        _usage(run, facts),
    )
    return CloseoutRun(
        task=run.task, instance=run.instance, state=run.state, ok=all(item.ok for item in items), items=items
    )


def going_on(session: str, state: SessionState | None) -> str:
    """The command that takes a session further; empty where it is over or not known here."""
    match state:
        case SessionState.NEEDS_CONTINUE:
            return f"gitfleet continue {session}"
        case SessionState.PAUSED | SessionState.DRAINING:
            return f"gitfleet resume {session}"
        case SessionState.ACTIVE:
            return f"gitfleet status {session}"
        case SessionState.COMPLETED | None:
            return ""


def approval(run: Run) -> str:
    """The command that lets a run go on which is parked; empty for any other."""
    return f"gitfleet approve {run.instance}" if run.parked is not None and run.waiting else ""


def _onward(run: Run, facts: Facts) -> str:
    return approval(run) or going_on(run.session, facts.session)


def _nothing_to_land(run: Run) -> bool:
    return run.state is RunState.LANDED and run.merge is None


def _handoff(run: Run) -> CloseoutItem:
    if run.handoff is not None:
        return CloseoutItem(point=Point.HANDOFF, ok=True, found=f"reported, by {run.handoff_source.value}")
    mend = "the agent writes one to $GITFLEET_HANDOFF, the next time" if run.attempts else ""
    return CloseoutItem(point=Point.HANDOFF, ok=False, found="none was reported", mend=mend)


def _gate(run: Run) -> CloseoutItem:
    if run.gate is None:
        return CloseoutItem(point=Point.GATE, ok=False, found="it never came to the gate", mend=_look(run))
    if run.gate.passed:
        found = f"passed, {plural(run.gate.commits, 'commit')}"
        return CloseoutItem(point=Point.GATE, ok=True, found=found)
    found = f"refused, {plural(len(run.gate.violations), 'path')} outside"
    return CloseoutItem(point=Point.GATE, ok=False, found=found, mend=_look(run))


def _checks(run: Run, facts: Facts) -> CloseoutItem:
    def item(found: str, mend: str = "", *, ok: bool = False) -> CloseoutItem:
        return CloseoutItem(point=Point.CHECKS, ok=ok, found=found, mend=mend)

    known = run.verification
    if _nothing_to_land(run):
        return item("nothing to land", ok=True)
    if known is None:
        return item("they never ran on its work", _look(run))
    if known.verdict is Verdict.UNVERIFIED:
        found = "no check applies to what changed" if known.checks else "no checks are configured"
        return item(f"unverified: {found}", "" if known.checks else "set verify.commands in .planning/config.yaml")
    failed = [check.name + " (as on the target)" * check.was_red for check in known.checks if check.red]
    if failed:
        return item(f"{known.verdict.value}: {', '.join(failed)} {'fails' if len(failed) == 1 else 'fail'}", _look(run))
    passed = f"passed on tree {known.tree[:12]}"
    if run.merge is not None and facts.landed_tree == known.tree:
        return item(passed + ", from the cache" * known.cached, ok=True)
    return item(*_elsewhere(run, facts, passed))


def _elsewhere(run: Run, facts: Facts, passed: str) -> tuple[str, str]:
    """What is missing, and what mends it, where checks passed on something that is not known to be what landed."""
    if run.merge is None:
        return f"{passed}, which did not land", _onward(run, facts) or _look(run)
    if not facts.landed_tree:
        return f"{passed}; what landed is not in this clone", "git fetch --all"
    return f"{passed}, and tree {facts.landed_tree[:12]} landed", _look(run)


def _commit(run: Run, facts: Facts) -> CloseoutItem:
    def item(found: str, mend: str = "", *, ok: bool = False) -> CloseoutItem:
        return CloseoutItem(point=Point.COMMIT, ok=ok, found=found, mend=mend)

    if _nothing_to_land(run):
        return item("nothing to land", ok=True)
    if run.merge is None:
        why = f": {run.failure.code}" if run.failure else ": waits for a person" if approval(run) else ""
        return item(f"not landed, {run.state.value}{why}", _onward(run, facts) or _look(run))
    commit = run.merge.commit
    on = facts.target.removeprefix(BRANCHES)
    if facts.reachable:
        return item(f"{commit[:12]} on {on}", ok=True)
    if not facts.present:
        return item(f"landed, later rewritten: {commit[:12]} is not in this clone", "git fetch --all")
    return item(f"landed, later rewritten: {commit[:12]} is not on {on}", f"git merge {commit}")


def _claim(run: Run, facts: Facts) -> CloseoutItem:
    def item(found: str, mend: str = "", *, ok: bool = False) -> CloseoutItem:
        return CloseoutItem(point=Point.CLAIM, ok=ok, found=found, mend=mend)

    if facts.claimed:
        return item("still held", _onward(run, facts) or "gitfleet doctor --fix")
    if run.claim is None:
        return item("none was held", ok=True)
    if not run.claim.released:
        return item("no end on record", _onward(run, facts) or "gitfleet doctor")
    return item(f"released {run.claim.released}", ok=True)


def _worktree(run: Run, facts: Facts) -> CloseoutItem:
    if facts.set_aside:
        mend = f"gitfleet open {run.instance}, then gitfleet clean"
        return CloseoutItem(point=Point.WORKTREE, ok=False, found=f"set aside as {facts.set_aside}", mend=mend)
    if facts.slot:
        kept = (
            "gitfleet clean" if run.state is RunState.LANDED else f"gitfleet open {run.instance}, then gitfleet clean"
        )
        mend = _onward(run, facts) or kept
        return CloseoutItem(point=Point.WORKTREE, ok=False, found=f"it still has {facts.slot}", mend=mend)
    return CloseoutItem(point=Point.WORKTREE, ok=True, found="returned" if run.attempts else "it had none")


def _usage(run: Run, facts: Facts) -> CloseoutItem:
    ran = [attempt for attempt in run.attempts if attempt.exit is not None or attempt.usage is not None]
    missing = [str(attempt.number) for attempt in ran if _reports(attempt) and not _has_rows(attempt, facts)]
    if missing:
        found = f"no rows, or others than the record says, of attempt {', '.join(missing)}"
        mend = f"gitfleet usage {run.session} --reconcile"
        return CloseoutItem(point=Point.USAGE, ok=False, found=found, mend=mend)
    used = [attempt.usage for attempt in ran if attempt.usage is not None]
    exact = [one for one in used if one.truth is Truth.EXACT]
    tokens = sum(one.tokens.total for one in used)
    if ran and len(exact) == len(ran):
        return CloseoutItem(point=Point.USAGE, ok=True, found=f"{plural(tokens, 'token')}, exact")
    told = f"not measured, at least {plural(tokens, 'token')}" if used else "not measured"
    return CloseoutItem(point=Point.USAGE, ok=True, found=told if ran else "none: it never ran")


def _reports(attempt: Attempt) -> bool:
    """Whether its agent tells what it uses: one with an account, or with a session of its own program."""
    return bool(attempt.account or attempt.cli_session or attempt.usage)


def _has_rows(attempt: Attempt, facts: Facts) -> bool:
    if attempt.usage is None:
        return False
    return facts.rows is None or facts.rows.get(attempt.number) == attempt.usage


def _look(run: Run) -> str:
    return f"gitfleet inspect {run.instance or run.task}"
