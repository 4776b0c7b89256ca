"""What ``gitfleet rescue`` answers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.reports.answers import Report


class Snapshot(Report, frozen=True, kw_only=True):
    """One snapshot of an attempt's worktree."""

    instance: Annotated[str, Meta(description="Whose work it is.")]
    number: Annotated[int, Meta(description="Which of the instance's snapshots, from 1.")]
    ref: Annotated[str, Meta(description="Ref that keeps it.")]
    commit: str
    session: str = ""
    task: str = ""
    attempt: Annotated[str, Meta(description="Number of the attempt; empty when it is not known.")] = ""
    reason: Annotated[str, Meta(description="Why it was taken.")] = ""
    taken: Annotated[str | None, Meta(description="When it was taken; none where it cannot be read.")] = None
    age_seconds: Annotated[float | None, Meta(description="How long ago, by this machine's clock.")] = None
    base: Annotated[str, Meta(description="Commit that the attempt started from.")] = ""
    head: Annotated[str, Meta(description="Commit that its worktree was at.")] = ""
    files: Annotated[int | None, Meta(description="Paths that differ from the base.")] = None
    bytes: Annotated[int | None, Meta(description="Bytes that these paths hold.")] = None
    cut: Annotated[tuple[str, ...], Meta(description="Ignored files that were left out for their size.")] = ()
    gaps: Annotated[tuple[str, ...], Meta(description="What could not be read.")] = ()
    nested: Annotated[tuple[str, ...], Meta(description="Repositories inside, whose content is not in it.")] = ()


class RescueReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/rescue/v1"):
    """The snapshots that there are."""

    snapshots: Annotated[tuple[Snapshot, ...], Meta(description="By instance, oldest first.")] = ()
    bytes: Annotated[int, Meta(description="Bytes that they hold in sum; what several hold counts each time.")] = 0


class SnapshotFile(Report, frozen=True, kw_only=True):
    """One path of a snapshot."""

    path: str
    change: Annotated[
        str,
        Meta(
            description="added, modified, deleted or type-changed against the base; ignored: git ignores it; staged: "
            "what was staged and differs from the file."
        ),
    ]
    bytes: Annotated[int | None, Meta(description="Size of its content; none where there is none.")] = None


class RescueShowReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/rescue-show/v1"):
    """What one snapshot holds."""

    snapshot: Snapshot
    files: Annotated[tuple[SnapshotFile, ...], Meta(description="Every path that differs, in byte order.")] = ()
    patch: Annotated[str | None, Meta(description="The difference as git writes it, when it was asked for.")] = None


class RescueApplyReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/rescue-apply/v1"):
    """Where a snapshot's content is now."""

    snapshot: Snapshot
    branch: Annotated[str | None, Meta(description="The new branch; none when none was asked for.")] = None
    commit: Annotated[str | None, Meta(description="What the branch is at.")] = None
    directory: Annotated[str | None, Meta(description="Where the files were written.")] = None
    files: Annotated[int | None, Meta(description="How many files were written there.")] = None


class RescuePruneReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/rescue-prune/v1"):
    """Which snapshots were deleted, or would be."""

    dry_run: Annotated[bool, Meta(description="Whether nothing was deleted in fact.")]
    removed: Annotated[tuple[Snapshot, ...], Meta(description="What was, or would be, deleted.")] = ()
    kept: Annotated[int, Meta(description="How many stay.")] = 0
    bytes: Annotated[int, Meta(description="Bytes that the deleted ones hold; git frees them at its next gc.")] = 0
