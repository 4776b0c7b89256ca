"""Conflicts that would come of merging work as it is now."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.reports.answers import Report

PATHS = Meta(description="Paths that would be left unmerged, sorted; C-quoted where they are not plain text.")
KINDS = Meta(
    description="How, in git's words, such as `contents`, `modify/delete`, `rename/delete`; `case` for two "
    "spellings of one name, `no common history`, and `git cannot merge it`."
)


class Prediction(Report, frozen=True, kw_only=True):
    """Two runs of a session that would conflict, or a run and the target."""

    task: Annotated[str, Meta(description="The later of the two runs.")]
    instance: Annotated[str, Meta(description="Its instance.")]
    other: Annotated[str, Meta(description="The earlier run's task; the target branch where that is the other side.")]
    other_instance: Annotated[str, Meta(description="Empty where the other side is the target.")] = ""
    paths: Annotated[tuple[str, ...], PATHS] = ()
    kinds: Annotated[tuple[str, ...], KINDS] = ()


class Predictions(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/predictions/v1"):
    """What the coordinator of a session predicts at this moment; a file that nothing depends on."""

    predictions: Annotated[tuple[Prediction, ...], Meta(description="Pairs that would conflict.")] = ()


class SideKind(StrEnum):
    """What can be one side of a merge."""

    TARGET = "target"
    RUN = "run"
    BRANCH = "branch"


class Side(Report, frozen=True, kw_only=True):
    """One side that was compared."""

    name: Annotated[str, Meta(description="Short name of the branch, or task@session of the run; unique.")]
    kind: SideKind
    commit: Annotated[str, Meta(description="Commit that was compared; of a worktree, where its HEAD is.")]
    session: str = ""
    task: str = ""
    instance: str = ""
    uncommitted: Annotated[bool, Meta(description="Whether uncommitted work was compared as well.")] = False
    note: Annotated[str, Meta(description="Why it was compared without its uncommitted work, if so.")] = ""


class SidesConflict(Report, frozen=True, kw_only=True):
    """Two sides that would conflict."""

    a: Annotated[str, Meta(description="Name of the side that is merged into.")]
    b: Annotated[str, Meta(description="Name of the side that is merged.")]
    paths: Annotated[tuple[str, ...], PATHS] = ()
    kinds: Annotated[tuple[str, ...], KINDS] = ()
    messages: Annotated[tuple[str, ...], Meta(description="git's own words, one conflict each.")] = ()


class ConflictsReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/conflicts/v1"):
    """What conflicts when any two of these sides are merged."""

    sides: Annotated[tuple[Side, ...], Meta(description="What was compared: targets, runs, branches.")] = ()
    conflicts: Annotated[tuple[SidesConflict, ...], Meta(description="Pairs that would conflict.")] = ()
    pairs: Annotated[int, Meta(description="Pairs that were compared.")] = 0
    merged: Annotated[int, Meta(description="Pairs that could conflict at all and were merged.")] = 0
    left_out: Annotated[int, Meta(description="Pairs that could conflict and were one too many.")] = 0
    more_branches: Annotated[int, Meta(description="Unmerged branches that were not compared.")] = 0
