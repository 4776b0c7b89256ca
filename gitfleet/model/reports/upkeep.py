"""What looks after a repository answers: init, doctor, clean, check, completion."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.reports.answers import PlacedProblem, Report


class Level(StrEnum):
    """How a finding of the doctor stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Report, frozen=True, kw_only=True):
    """One thing that the doctor looked at."""

    name: Annotated[str, Meta(description="What was looked at.")]
    level: Annotated[Level, Meta(description="ok, warn or fail.")]
    message: str
    hint: Annotated[str, Meta(description="What to do.")] = ""


class Mend(Report, frozen=True, kw_only=True):
    """One thing that `doctor --fix` put right, or did not."""

    name: Annotated[str, Meta(description="What it is about, as in the findings.")]
    done: Annotated[bool, Meta(description="Whether it is put right.")]
    message: str
    hint: Annotated[str, Meta(description="What to do, where it is not.")] = ""


class DoctorReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/doctor/v1"):
    """Whether gitfleet can work here."""

    healthy: Annotated[bool, Meta(description="Whether nothing failed; warnings do not count.")]
    findings: Annotated[tuple[Finding, ...], Meta(description="What was looked at, in order.")] = ()
    mends: Annotated[tuple[Mend, ...], Meta(description="With --fix: what was put right before, and what not.")] = ()


class CleanItem(Report, frozen=True, kw_only=True):
    """One thing that clean removes, or keeps for a reason."""

    kind: Annotated[str, Meta(description="branch, cache, claim, log, session, trash, usage or worktree.")]
    name: Annotated[str, Meta(description="Which one: a branch, an instance, a session or a path.")]
    bytes: Annotated[int | None, Meta(description="Bytes on disk; none where they cannot be told.")] = None
    removed: Annotated[bool, Meta(description="Whether it was, or would be, removed.")]
    reason: str = ""


class CleanReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/clean/v1"):
    """What clean removed, or would remove."""

    dry_run: Annotated[bool, Meta(description="Whether nothing was removed in fact.")]
    freed_bytes: Annotated[int, Meta(description="Sum over what was, or would be, removed.")]
    items: Annotated[tuple[CleanItem, ...], Meta(description="What was looked at.")] = ()


class Evidence(Report, frozen=True, kw_only=True):
    """A setting that init chose, and what it saw."""

    setting: Annotated[str, Meta(description="Key in the config.")]
    value: Annotated[str, Meta(description="What it was set to.")]
    because: Annotated[str, Meta(description="What was seen.")]


class InitReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/init/v1"):
    """What init found and wrote."""

    written: Annotated[tuple[str, ...], Meta(description="Files that were written.")] = ()
    config: Annotated[str, Meta(description="The text of config.yaml.")]
    evidence: Annotated[tuple[Evidence, ...], Meta(description="Why each setting is what it is.")] = ()
    notes: Annotated[tuple[str, ...], Meta(description="What was found and not used.")] = ()


class CheckReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/check/v1"):
    """What ``gitfleet check`` found in ``.planning/``."""

    documents: Annotated[int, Meta(description="Documents of gitfleet that were checked.", ge=0)] = 0
    alien: Annotated[int, Meta(description="Files of others, which are left alone.", ge=0)] = 0
    problems: Annotated[tuple[PlacedProblem, ...], Meta(description="Everything that is wrong.")] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class CompletionReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/completion/v1"):
    """The completion script of a shell."""

    shell: Annotated[str, Meta(description="bash, zsh or fish.")]
    script: Annotated[str, Meta(description="The script.")]
