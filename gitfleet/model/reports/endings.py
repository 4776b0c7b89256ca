"""How sessions and changes to them ended: wave, continue, add, cancel, open, resolve, demo."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.conflict import Conflict
from gitfleet.model.evidence import CheckResult, FileChange, Verdict
from gitfleet.model.reports.answers import Report
from gitfleet.model.run import RunState
from gitfleet.model.session import Landing, SessionState


class RunRow(Report, frozen=True, kw_only=True):
    """One run in the table that ends a session."""

    task: str
    instance: str = ""
    wave: int
    state: RunState
    files: tuple[FileChange, ...] = ()
    branch: str = ""
    commit: Annotated[str, Meta(description="Its merge commit on the target, when it landed.")] = ""
    reason: str = ""
    violations: Annotated[tuple[str, ...], Meta(description="Paths that it must not have written, with why.")] = ()
    conflicts: Annotated[tuple[Conflict, ...], Meta(description="What it conflicts in, with both sides.")] = ()
    retries: Annotated[
        tuple[str, ...], Meta(description="How each attempt that failed ended, and whether it was retried.")
    ] = ()


class FinalHandoff(Report, frozen=True, kw_only=True):
    """What a session hands to whoever goes on from here."""

    session: str
    built: tuple[str, ...] = ()
    discoveries: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    next: Annotated[tuple[str, ...], Meta(description="What to do next, one item a line.")] = ()
    reversibility: str = ""


class WaveReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/wave/v1"):
    """How `wave` or `continue` ended."""

    session: str
    state: SessionState
    target: str
    exit_code: Annotated[int, Meta(description="Exit code of the command.")]
    reason: str = ""
    verdict: Annotated[
        Verdict | None, Meta(description="What the least checked of the landings is called; none when nothing landed.")
    ] = None
    runs: Annotated[tuple[RunRow, ...], Meta(description="Every run of the session, by wave.")] = ()
    landings: tuple[Landing, ...] = ()
    red: Annotated[tuple[CheckResult, ...], Meta(description="Checks that failed.")] = ()
    handoff: Annotated[FinalHandoff, Meta(description="What the session hands on, as in the block at the end.")]
    proof: Annotated[
        bool, Meta(description="Whether a script that spends nothing stood in for every agent, as with --fixture.")
    ] = False


class IdleReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/idle/v1"):
    """`continue` found no session that could go on."""

    message: str


class AmendReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/amend/v1"):
    """What `add` or `cancel` asked of an open session, and what became of it."""

    action: Annotated[str, Meta(description="add or cancel.")]
    task: str
    message: str = ""


class ResolveReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/resolve/v1"):
    """Where a conflict is resolved, and what is left to do there."""

    session: str
    task: str
    instance: str
    branch: str
    path: Annotated[str, Meta(description="The worktree, with the merge of the target under way.")]
    target: str
    onto: Annotated[str, Meta(description="Commit of the target that is merged there.")]
    again: Annotated[bool, Meta(description="Whether it was opened before, and is shown as it was left.")]
    merging: Annotated[bool, Meta(description="Whether a merge is under way there, not committed yet.")]
    committed: Annotated[bool, Meta(description="Whether something is committed there since it was opened.")]
    unmerged: Annotated[tuple[str, ...], Meta(description="Paths that are still in conflict there.")] = ()
    conflicts: Annotated[tuple[Conflict, ...], Meta(description="What the run conflicts in, with both sides.")] = ()


class OpenReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/open/v1"):
    """Where an instance works."""

    instance: str
    branch: str
    path: Annotated[str, Meta(description="Directory of its worktree.")]


class DemoReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/demo/v1"):
    """Where the demo left its repository."""

    path: Annotated[str, Meta(description="Directory of the sample repository.")]
    session: str
    seconds: float
    exit_code: Annotated[int, Meta(description="Exit code of the command.")]
