"""Conflicts resolved in a worktree: the merge that an agent or a person finds under way, and what they made of it.

Runs in worker threads. It writes no books. A person's resolution that is not good is never sealed off: the run stays
held, and is told why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.gating import bounds_of, extension
from gitfleet.coordinator.attempt.verdicts import Judgement
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.changes import file_changes, numstat
from gitfleet.git.command import GitFailed, TimedOut
from gitfleet.git.merging import Conflicted, Merged, begin, marked, merge, unmerged
from gitfleet.git.private_index import merge_heads
from gitfleet.git.refs import HEADS, Updated
from gitfleet.git.worktrees import locate
from gitfleet.integrate import gate
from gitfleet.integrate.resolutions import faults
from gitfleet.integrate.verify import describe_red
from gitfleet.model.conflict import ConflictKind
from gitfleet.model.paths import quote_path, unquote_path
from gitfleet.model.run import Failure, FailureSource, RunState
from gitfleet.recovery.keeping import keep_tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.git.collect import Collected
    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.git.worktrees import Worktree
    from gitfleet.model.conflict import Resolution
    from gitfleet.model.evidence import Attempt, CheckResult, FileChange, GateReport
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope

_NAMED = 10
_COMMIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """The conflict is resolved: ``tip`` merges ``onto`` into the run's work, and passed gate and the task's checks.

    ``by_person`` is false where nothing conflicts any more, since the target changed.
    """

    tip: str
    onto: str
    files: tuple[FileChange, ...]
    gate: GateReport
    checks: tuple[CheckResult, ...]
    by_person: bool
    extended: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The conflict stands; ``why`` is a sentence about what a person did so far, empty where that is nothing."""

    why: str = ""


def merge_target(parts: Parts, worktree: Worktree, target: str, *, remember: bool = False) -> None:
    """Leave the merge of a commit of the target under way in a tree; raises ``GitfleetError`` and ``GitFailed``."""
    try:
        begin(worktree.git(parts.repository.git), target, remember=remember)
    except TimedOut as error:
        message = f"merging {target[:12]} did not end within {error.timeout:.0f} s; a merge driver hangs"
        raise GitfleetError(Kind.ENVIRONMENT, "merge-hangs", message) from error


def judge_resolver(parts: Parts, run: Run, before: Attempt, work: Collected) -> Judgement:
    """Hold what an agent made of a conflict against the conflict, and against nothing but its paths."""
    with parts.open_objects() as objects:
        why = faults(
            parts.repository.git,
            objects,
            tip=before.tip,
            onto=run.base,
            result=work.tip,
            unmerged=work.unmerged,
            narrow=True,
        )
    if not why:
        return Judgement(RunState.GATED)
    message = f"It did not resolve the conflict: {why}."
    return Judgement(RunState.FAILED, Failure(source=FailureSource.TASK, code="unresolved", message=message))


def look(
    parts: Parts, task: Task, run: Run, scope: Scope, checks: CheckRunner, *, target: str
) -> Resolved | Unresolved:
    """What a person made of a held conflict since; may be repeated, what is committed once is found again."""
    try:
        with parts.open_objects() as objects:
            if run.resolution is None or not run.resolution.ready:
                return _cleared(parts, objects, run, target)
            found = _take(parts, objects, run, run.resolution)
            if isinstance(found, Unresolved):
                return found
            return _hold_against(parts, objects, task, run, scope, checks, found, target)
    except (GitFailed, OSError, TimedOut) as error:
        return Unresolved(f"What was resolved could not be read: {error}.")


def _cleared(parts: Parts, objects: Objects, run: Run, target: str) -> Resolved | Unresolved:
    """Nobody began to resolve it; it goes on where it does not conflict with the target as it is now."""
    now = parts.refs.read(target)
    base = now and objects.merge_base(now, run.tip)
    textual = all(one.kind is not ConflictKind.OUTSIDE_SCOPE for one in run.conflicts)
    if not now or not base or not textual or run.gate is None:
        return Unresolved()
    if not isinstance(merge(parts.repository.git, now, run.tip), Merged):
        return Unresolved()
    return Resolved(run.tip, run.base, run.files, run.gate, run.checks, by_person=False)


def _take(parts: Parts, objects: Objects, run: Run, begun: Resolution) -> str | Unresolved:
    """The commit that a person made, or the one that is made now of what they staged."""
    branch = HEADS + run.branch
    worktree = locate(parts.repository, tree_of(parts, run))
    if worktree is None or not worktree.path.is_dir():
        # The tree is gone; what was committed on the branch is not.
        tip = parts.refs.read(branch)
        return tip if tip and tip != begun.tip else Unresolved(f"The worktree of {run.task} is gone.")
    git = worktree.git(parts.repository.git)
    under_way = bool(merge_heads(worktree.git_dir))
    why = _unfinished(parts, git, begun, under_way=under_way)
    if why:
        return Unresolved(why)
    if under_way:
        # What is in the index is in a snapshot as well, should anything below go wrong.
        keep_tree(parts, objects, run, "resolved")
        message = f"Merge {begun.onto[:12]} of the target into {run.branch}"
        git.run("commit", "--quiet", "--no-verify", "--cleanup=strip", "-m", message, timeout=_COMMIT_SECONDS)
    head = git.run("rev-parse", "--verify", "HEAD^{commit}").text
    if head == begun.tip:
        return Unresolved("Nothing was committed there.")
    at = parts.refs.read(branch)
    if at != head and not (
        at is not None
        and objects.is_ancestor(at, head)
        and isinstance(parts.refs.update(branch, head, at, why="gitfleet: resolved"), Updated)
    ):
        return Unresolved(f"Its HEAD is not on {run.branch}, which has other commits.")
    return head


def _unfinished(parts: Parts, git: Git, begun: Resolution, *, under_way: bool) -> str:
    """Why what is in the tree is no resolution yet, as a sentence; empty where it may be one."""
    left = unmerged(git) if under_way else ()
    if left:
        return f"{_names(left)} {'is' if len(left) == 1 else 'are'} still in conflict there."
    loose = [path for path in _lines(git, "diff", "--name-only", "-z", "--no-ext-diff") if path]
    if loose:
        return f"{_names(loose)} {'was' if len(loose) == 1 else 'were'} edited there and not staged."
    if not under_way:
        return ""
    if isinstance(merge(parts.repository.git, begun.tip, begun.onto), Merged):
        return "The merge there is clean, so only `git commit` says that it is what you want."
    marks = _staged_markers(git, begun)
    return f"{_names(marks)} {'has' if len(marks) == 1 else 'have'} conflict markers there." if marks else ""


def _staged_markers(git: Git, begun: Resolution) -> list[bytes]:
    """Files with markers among what is staged and differs from both sides."""
    ours = set(_lines(git, "diff", "--cached", "--name-only", "-z", "--no-ext-diff", "--diff-filter=d", begun.tip))
    theirs = set(_lines(git, "diff", "--cached", "--name-only", "-z", "--no-ext-diff", "--diff-filter=d", begun.onto))
    both = sorted((ours & theirs) - {b""})
    found = []
    for path in both:
        shown = git.run("cat-file", "blob", b":0:" + path, ok=(0, 128)).stdout
        if marked(shown):
            found.append(path)
    return found


def _hold_against(
    parts: Parts, objects: Objects, task: Task, run: Run, scope: Scope, checks: CheckRunner, tip: str, target: str
) -> Resolved | Unresolved:
    begun = run.resolution
    assert begun is not None  # noqa: S101 - only what was begun is taken
    git = parts.repository.git
    why = faults(git, objects, tip=begun.tip, onto=begun.onto, result=tip, narrow=False)
    if why:
        # A rebase, or a reset to somewhere else: said with the way back, since `resolve` takes nothing away.
        back = "" if objects.is_ancestor(begun.tip, tip) else f"; `git reset --hard {begun.tip[:12]}` there goes back"
        return Unresolved(f"What was committed is no resolution: {why}{back}.")
    known = parts.refs.read(target) or begun.onto
    bounds = bounds_of(parts, objects, task, run, scope)
    found = gate.inspect(git, objects, base=begun.onto, tip=tip, target=known, bounds=bounds)
    extended, claimed = run.extended, run.claim.scope if run.claim else ()
    clashing = _clashing(git, run, begun)
    if not found.passed:
        paths = ", ".join(f"{one.path} ({one.reason})" for one in found.report().violations[:_NAMED])
        why = f"What was committed changes what the run must not: {paths}."
        # That the run may change a path in conflict outside of its scope is for a person to say, and here it is said.
        if not found.only_border or any(quote_path(one.path) not in clashing for one in found.violations):
            return Unresolved(why)
        grown = extension(parts, run, bounds, found.violations)
        if isinstance(grown, str):
            return Unresolved(f"{why} Its claim did not grow: {grown}.")
        extended, claimed = grown
    files = file_changes(numstat(git, begun.onto, tip))
    own: tuple[CheckResult, ...] = ()
    if task.verify and files:
        ran = checks.run_all(
            task.verify, tree_of(parts, run), run.instance, [unquote_path(file.path) for file in files]
        )
        if ran is None:
            return Unresolved("Its checks were interrupted.")
        red = next((check for check in ran if not check.green), None)
        if red is not None:
            return Unresolved(f"What was committed fails its own check: {describe_red(red)}")
        own = ran
    report = found.report("" if found.passed else "extended")
    return Resolved(tip, begun.onto, files, report, own, by_person=True, extended=extended, claimed=claimed)


def _clashing(git: Git, run: Run, begun: Resolution) -> set[str]:
    """The paths that the conflict is about, those that git only names beside them included."""
    auto = merge(git, begun.tip, begun.onto)
    beside = auto.named if isinstance(auto, Conflicted) else ()
    return {*(one.path for one in run.conflicts), *(quote_path(path) for path in beside)}


def _lines(git: Git, *args: str) -> list[bytes]:
    return git.run(*args).stdout.split(b"\0")


def _names(paths: Sequence[bytes]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{', '.join(quote_path(path) for path in paths[:_NAMED])}{more}"
