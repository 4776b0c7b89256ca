"""What is known of an attempt and of a tree: how it ended, what it changed, what the gate and the checks say of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document
from gitfleet.model.budget import Budget
from gitfleet.model.conflict import Conflict
from gitfleet.model.handoff import Handoff
from gitfleet.model.parking import Permission
from gitfleet.model.tampering import Tampering
from gitfleet.model.usage import UsageSummary

WIP = "refs/gitfleet/wip/"
"""Where snapshots are kept: below it by instance and number."""


class Exit(Document, frozen=True, kw_only=True):
    """How an attempt's process ended, as its warden wrote it once."""

    code: Annotated[int | None, Meta(description="Exit code, none when a signal ended it.")] = None
    signal: int | None = None
    reason: Annotated[str, Meta(description="exited, deadline, stopped, stalled, budget, lost or spawn-failed.")] = (
        "exited"
    )
    started: str = ""
    ended: str = ""
    seconds: Annotated[float | None, Meta(description="Awake seconds from start to end.")] = None
    cpu_seconds: float | None = None
    max_rss_kib: int | None = None
    leftovers: Annotated[tuple[str, ...], Meta(description="Processes the ladder had to stop after the end.")] = ()
    remaining: Annotated[
        tuple[str, ...],
        Meta(
            description="Processes still in the worktree: a person's, or ones that nothing stops; "
            "its tree is not reused."
        ),
    ] = ()
    message: str = ""
    output_sha256: Annotated[str, Meta(description="SHA-256 of all output, of a check; empty where not known.")] = ""
    output_bytes: Annotated[int | None, Meta(description="Bytes of all output, of a check.")] = None

    @property
    def never_ran(self) -> bool:
        """Whether there never was an agent that could have used anything."""
        return self.reason == "spawn-failed" or (self.reason == "lost" and self.seconds == 0)


class FileChange(Document, frozen=True, kw_only=True):
    """One file that a run changed; line counts are none for binary files."""

    path: str
    change: Annotated[str, Meta(description="added, modified, deleted or type-changed.")]
    added: int | None = None
    removed: int | None = None


class Attempt(Document, frozen=True, kw_only=True):
    """One execution of an agent for a run."""

    number: Annotated[int, Meta(ge=1)]
    base: Annotated[str, Meta(description="Commit the attempt started from.")]
    started: str
    worktree: Annotated[str, Meta(description="Slot of the pool that it works in, such as tree-1.")] = ""
    ended: str = ""
    exit: Exit | None = None
    outcome: Annotated[str, Meta(description="success, or the code of the failure.")] = ""
    wave: Annotated[int | None, Meta(description="Wave that it was an attempt of.")] = None
    reduced: Annotated[bool, Meta(description="Whether its agent got the reduced prompt, after a timeout.")] = False
    message: Annotated[str, Meta(description="Why it failed, when the run went on or may go on after it.")] = ""
    retry: Annotated[
        str, Meta(description="`retried as attempt 2: ...` or `not retried: ...`; empty where nothing failed.")
    ] = ""
    handoff: Annotated[Handoff | None, Meta(description="What it reported, when another attempt followed.")] = None
    files: Annotated[
        tuple[FileChange, ...], Meta(description="What it had changed, when another attempt followed.")
    ] = ()
    snapshots: Annotated[
        tuple[str, ...], Meta(description="Refs that keep its work; `gitfleet rescue` shows and applies them.")
    ] = ()
    unkept: Annotated[
        tuple[str, ...],
        Meta(description="What only its worktree holds, because no snapshot could; its tree is not reused."),
    ] = ()
    resolver: Annotated[
        bool, Meta(description="Whether it was to resolve the conflict of the attempt before, and nothing else.")
    ] = False
    tip: Annotated[str, Meta(description="Commit that it came to, when it met a conflict.")] = ""
    conflicts: Annotated[
        tuple[Conflict, ...], Meta(description="What it conflicted in, when another attempt followed.")
    ] = ()
    tampered: Annotated[
        tuple[Tampering, ...],
        Meta(description="What its guard refused, and what of the person's changed while it ran."),
    ] = ()
    denied: Annotated[
        tuple[Permission, ...], Meta(description="What its agent's program was not allowed to do, the first of it.")
    ] = ()
    log_bytes: int | None = None
    agent: Annotated[str, Meta(description="Agent that did it: the task's, or the one that stepped in.")] = ""
    account: Annotated[str, Meta(description="Account that it worked with, such as codex-2.")] = ""
    model: Annotated[str, Meta(description="Model that its agent reported.")] = ""
    cli_session: Annotated[str, Meta(description="Session id of the agent's own program, to go on with.")] = ""
    continues: Annotated[
        str, Meta(description="Session of the agent's own program that it went on with; empty for a new one.")
    ] = ""
    budget: Annotated[Budget | None, Meta(description="What it may use: reserved for it before it started.")] = None
    usage: Annotated[UsageSummary | None, Meta(description="What it used; none where the agent reports nothing.")] = (
        None
    )


class Violation(Document, frozen=True, kw_only=True):
    """One path that a run must not have written, and why."""

    path: str
    reason: Annotated[
        str,
        Meta(
            description="out-of-scope, protected, planning, git-name, submodule, symlink-escape, case-clash, "
            "foreign-merge, bent-history, malformed-tree or read-only."
        ),
    ]
    commit: Annotated[str, Meta(description="First commit that has it.")] = ""
    outcome: Annotated[str, Meta(description="What became of it: refused, spilled or extended.")] = "refused"


class GateReport(Document, frozen=True, kw_only=True):
    """The check of a diff against its scope."""

    passed: Annotated[bool, Meta(description="Whether what goes on is inside of the scope.")]
    commits: Annotated[int, Meta(description="Commits looked at.")] = 0
    violations: Annotated[
        tuple[Violation, ...], Meta(description="Each path outside and its reason; a long list is cut.")
    ] = ()
    outside: Annotated[int, Meta(description="How many violations there are, those that were cut included.")] = 0
    spilled: Annotated[str, Meta(description="Branch that keeps what was spilled, and the work as it was.")] = ""
    original: Annotated[str, Meta(description="Commit that the agent ended at, where only a part goes on.")] = ""
    fallback: Annotated[
        str, Meta(description="Why the run was refused although the policy is to spill or to extend, as a clause.")
    ] = ""


class CheckResult(Document, frozen=True, kw_only=True):
    """Evidence of one check on one tree."""

    name: Annotated[str, Meta(description="What messages call it.")]
    run: str
    exit_code: int | None = None
    signal: int | None = None
    timed_out: bool = False
    seconds: float = 0.0
    tail: Annotated[str, Meta(description="Last lines of its output, bounded.")] = ""
    wrote: Annotated[tuple[str, ...], Meta(description="Tracked files that it changed, which makes it red.")] = ()
    argv: Annotated[tuple[str, ...], Meta(description="Program and arguments that were started.")] = ()
    output_sha256: Annotated[
        str, Meta(description="SHA-256 of its whole output, as it came; empty where it is not known.")
    ] = ""
    output_bytes: Annotated[int | None, Meta(description="Bytes of its whole output; none where not known.")] = None
    tree: Annotated[str, Meta(description="Tree that it ran on; without .planning, for a candidate.")] = ""
    commit: Annotated[str, Meta(description="Commit that it ran for: it ran on the files of this one.")] = ""
    cached: Annotated[
        bool, Meta(description="Whether it ran before, on the same tree in the same environment, and not again.")
    ] = False
    retried: Annotated[bool, Meta(description="Whether it timed out first, and this is what it said then.")] = False
    skipped: Annotated[str, Meta(description="Why its `when` left it out; then it is neither green nor red.")] = ""
    was_red: Annotated[
        bool, Meta(description="Whether it is red on the target itself, too, which verify.baseline allows.")
    ] = False

    @property
    def green(self) -> bool:
        """Whether the check passed."""
        return self.exit_code == 0 and not self.timed_out and not self.wrote and not self.skipped

    @property
    def red(self) -> bool:
        """Whether the check ran and did not pass."""
        return not self.green and not self.skipped


class Verdict(StrEnum):
    """What verification says of a tree."""

    VERIFIED = "verified"
    NO_WORSE = "no-worse"
    UNVERIFIED = "unverified"
    RED = "red"


class Verification(Document, frozen=True, kw_only=True):
    """The checks on exactly one integrated tree.

    ``verified``: every check that applies is green. ``no-worse``: some are red, and were red on the target, too.
    ``unverified``: none are configured, or none applies to what changed.
    """

    verdict: Annotated[
        Verdict, Meta(description="verified, no-worse (red as the target was), unverified (nothing ran), or red.")
    ]
    tree: Annotated[str, Meta(description="Tree without .planning that was checked.")] = ""
    checks: tuple[CheckResult, ...] = ()

    @property
    def cached(self) -> bool:
        """Whether no check ran for it: all of them had been green on this tree before."""
        ran = [check for check in self.checks if not check.skipped]
        return bool(ran) and all(check.cached for check in ran)

    @property
    def blamed(self) -> CheckResult:
        """The first check that is red and was not before; of a verification that is red."""
        return next(check for check in self.checks if check.red and not check.was_red)
