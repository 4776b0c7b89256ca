"""What commands answer with: the documents behind ``--json``, and what the terminal views are drawn from.

A report always writes all its fields, defaults included, so that a script can rely on each one being there. Records
that it quotes (a run, a landing, an event) are written as they are in the state. ``COMMAND_REPORTS`` says which report
each command answers with.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from gitfleet.errors import GitfleetError, Kind, Problem
from gitfleet.model.base import Document
from gitfleet.model.claim import ExternalClaim
from gitfleet.model.event import Event
from gitfleet.model.run import CheckResult, FileChange, Run, RunState
from gitfleet.model.session import Landing, Reversibility, SessionState

COORDINATOR_GONE = "its coordinator is gone"
"""Why a claim is stale that `continue` takes up again."""


class Report(Document, frozen=True, omit_defaults=False):
    """An answer, or part of one: every field is always written."""


class PlacedProblem(Report, frozen=True, kw_only=True):
    """One thing wrong with one place of one document."""

    document: Annotated[str, Meta(description="File, or what stands for it.")]
    path: Annotated[str, Meta(description="Place in the data, such as `tasks[2].scope[0]`.")] = ""
    message: Annotated[str, Meta(description="What is wrong.")]
    expected: Annotated[str, Meta(description="What would be right.")] = ""
    hint: Annotated[str, Meta(description="What to do.")] = ""
    line: Annotated[int | None, Meta(description="Line, from 1; none where the format has no positions.")] = None
    column: Annotated[int | None, Meta(description="Column, from 1.")] = None

    @classmethod
    def of(cls, problem: Problem) -> PlacedProblem:
        """Give the report's form of a problem."""
        return cls(
            document=problem.document,
            path=problem.path,
            message=problem.message,
            expected=problem.expected,
            hint=problem.hint,
            line=problem.line,
            column=problem.column,
        )


class ErrorBody(Report, frozen=True, kw_only=True):
    """A refusal that a person can act on."""

    kind: Annotated[Kind, Meta(description="Sort of refusal; each has one exit code.")]
    code: Annotated[str, Meta(description="Stable word, such as not-a-repository.")]
    message: Annotated[str, Meta(description="A sentence.")]
    hint: Annotated[str, Meta(description="What to do next.")] = ""
    problems: Annotated[tuple[PlacedProblem, ...], Meta(description="Every placed error of a document.")] = ()


class ErrorReport(Report, frozen=True, kw_only=True):
    """What ``--json`` answers with when a command is refused; nothing else is on standard output then."""

    error: Annotated[ErrorBody, Meta(description="The refusal.")]

    @classmethod
    def of(cls, error: GitfleetError) -> ErrorReport:
        """Give the report of an error."""
        problems = tuple(PlacedProblem.of(problem) for problem in error.problems)
        return cls(
            error=ErrorBody(kind=error.kind, code=error.code, message=error.message, hint=error.hint, problems=problems)
        )


class PlacedTask(Report, frozen=True, kw_only=True):
    """A task in a wave, with the reason for its place."""

    task: str
    name: str = ""
    agent: str = "command"
    scope: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    command: Annotated[str, Meta(description="What it runs with `sh -c`, for a command task.")] = ""
    tokens: Annotated[int, Meta(description="Token hint that counts against the wave's budget.")] = 0
    reason: Annotated[str, Meta(description="Why the task is in this wave and not an earlier one.")] = ""


class PlacedWave(Report, frozen=True, kw_only=True):
    """Tasks that may run at the same time."""

    number: int
    tasks: tuple[PlacedTask, ...]


class Disclosure(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/plan/v1"):
    """What will happen, said before anything is spawned."""

    plan: str
    direction: str = ""
    agents: Annotated[int, Meta(description="Agents in all.")]
    max_agents: Annotated[int, Meta(description="Agents at the same time.")]
    waves: tuple[PlacedWave, ...]
    rolling: bool = False
    target: Annotated[str, Meta(description="Full ref name that the session lands on.")]
    creates_target: Annotated[bool, Meta(description="Whether the target branch is made by this session.")] = False
    base: str
    checks: tuple[str, ...] = ()
    commands: Annotated[tuple[str, ...], Meta(description="Commands from plan and config that will run.")] = ()
    budget_tokens: int = 0
    permissions: Annotated[str, Meta(description="What agents may do on this machine.")] = ""
    reversibility: Reversibility
    reversibility_reason: Annotated[str, Meta(description="Why it is graded so, as a clause.")] = ""
    worktrees: Annotated[str, Meta(description="Directory that worktrees are made in.")] = ""
    notes: Annotated[
        tuple[str, ...], Meta(description="Things a person should know, such as a target behind its upstream.")
    ] = ()


class AgentProgress(Report, frozen=True, kw_only=True):
    """One run while it is in flight; unknown values are none, never zero."""

    instance: str
    task: str
    state: str
    elapsed_seconds: float
    last_activity_seconds: Annotated[float | None, Meta(description="Since its last output.")] = None
    files: int | None = None
    added: int | None = None
    removed: int | None = None


class Progress(Report, frozen=True, kw_only=True):
    """A session at one moment, for live views."""

    session: str
    wave: int
    waves: int
    done: Annotated[int, Meta(description="Runs of this wave that are sealed or wait to be integrated.")]
    total: Annotated[int, Meta(description="Runs of this wave.")]
    activity: Annotated[str, Meta(description="What the coordinator itself does, such as `verify: pytest -q`.")] = ""
    agents: tuple[AgentProgress, ...] = ()


class Need(Report, frozen=True, kw_only=True):
    """One thing that waits for a person, and the command that goes on from there."""

    session: str
    task: str = ""
    reason: str
    next: Annotated[str, Meta(description="What to do, as a command or a sentence.")]


class LiveRun(Report, frozen=True, kw_only=True):
    """A run that holds a claim at this moment; unknown values are none, never zero."""

    instance: str
    task: str
    name: str
    state: RunState
    agent: str
    wave: int
    attempt: Annotated[int | None, Meta(description="Number of the attempt, from 1; none before there is one.")] = None
    alive: Annotated[bool | None, Meta(description="Whether its warden holds its lock; none before it started.")] = None
    elapsed_seconds: float | None = None
    last_activity_seconds: Annotated[float | None, Meta(description="Since its last output.")] = None
    log_bytes: int | None = None


class SessionStatus(Report, frozen=True, kw_only=True):
    """One session at this moment."""

    id: str
    name: str
    state: SessionState
    target: str
    started: str
    ended: str = ""
    coordinator: Annotated[bool, Meta(description="Whether a process holds the session lock.")] = False
    reason: str = ""
    wave: Annotated[int | None, Meta(description="The earliest wave with runs that are not sealed.")] = None
    waves: int = 0
    counts: Annotated[dict[str, int], Meta(description="Runs by state; states without a run are left out.")]
    failures: Annotated[dict[str, int], Meta(description="Failed runs by source of the failure.")]
    live: Annotated[tuple[LiveRun, ...], Meta(description="Runs that hold a claim at this moment.")] = ()
    landings: tuple[Landing, ...] = ()


class StatusReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/status/v1"):
    """Everything about the open sessions, and what needs a person first."""

    needs: Annotated[tuple[Need, ...], Meta(description="What waits for a person.")] = ()
    sessions: Annotated[
        tuple[SessionStatus, ...], Meta(description="Sessions, those that wait for a person first.")
    ] = ()
    hidden: Annotated[int, Meta(description="Closed sessions that are kept but not listed; --all lists them.")] = 0


class AttemptFiles(Report, frozen=True, kw_only=True):
    """Where an attempt's files are; a file that does not exist is none."""

    number: int
    directory: Annotated[str, Meta(description="Directory of the attempt.")]
    log: Annotated[str | None, Meta(description="Path of the log.")] = None
    prompt: Annotated[str | None, Meta(description="Path of the prompt.")] = None
    handoff: str | None = None
    alive: Annotated[bool, Meta(description="Whether its warden lives.")] = False
    last_pulse: Annotated[str | None, Meta(description="ISO 8601 instant of the last output.")] = None


class InspectReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/inspect/v1"):
    """One run with everything that is known about it."""

    run: Run
    session_state: Annotated[SessionState, Meta(description="Where the session stands.")]
    target: str
    host: Annotated[str, Meta(description="Where its attempts run.")] = "local"
    last_pulse: Annotated[str | None, Meta(description="ISO 8601 instant of the last output.")] = None
    latest_event: Annotated[Event | None, Meta(description="The last event of the task.")] = None
    latest_error: Annotated[
        Event | None, Meta(description="The last event of the task that says something went wrong.")
    ] = None
    worktree: Annotated[str | None, Meta(description="Its worktree, while it exists.")] = None
    brief: Annotated[str | None, Meta(description="Path of its brief, once there is one.")] = None
    attempts: tuple[AttemptFiles, ...] = ()


class LogReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/log/v1"):
    """Output of one attempt; bytes that are not UTF-8 are replaced."""

    instance: str
    attempt: Annotated[int, Meta(description="Number of the attempt, from 1.")]
    path: str
    size: Annotated[int, Meta(description="Bytes in the log.")]
    running: Annotated[bool, Meta(description="Whether more may come.")]
    text: Annotated[str, Meta(description="The output, or the last lines that were asked for.")]


class LogLine(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/log-line/v1"):
    """One line of a followed log; `logs -f --json` writes one such document a line."""

    instance: str
    attempt: Annotated[int, Meta(description="Number of the attempt, from 1.")]
    text: Annotated[str, Meta(description="The line without its end.")]


class EventsReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/events/v1"):
    """The journal of one session; `events -f --json` writes one event a line instead."""

    session: str
    events: Annotated[tuple[Event, ...], Meta(description="Events, oldest first.")] = ()


class ClaimRow(Report, frozen=True, kw_only=True):
    """A live claim, and whether something stands behind it."""

    instance: str
    session: str
    task: str
    scope: tuple[str, ...]
    acquired: str
    stale: Annotated[str, Meta(description="Why nothing stands behind it any more; empty for a claim that holds.")] = ""


class ClaimsReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/claims/v1"):
    """Who may write what at this moment, in all sessions."""

    claims: Annotated[tuple[ClaimRow, ...], Meta(description="Live claims, oldest first.")] = ()
    external: Annotated[
        tuple[ExternalClaim, ...], Meta(description="Claims of another tool, honoured as they are.")
    ] = ()
    notes: Annotated[tuple[str, ...], Meta(description="Files of other tools that are no claims, and why.")] = ()


class Level(StrEnum):
    """How a finding of the doctor stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Report, frozen=True, kw_only=True):
    """One thing that the doctor looked at."""

    name: str
    level: Annotated[Level, Meta(description="ok, warn or fail.")]
    message: str
    hint: Annotated[str, Meta(description="What to do.")] = ""


class DoctorReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/doctor/v1"):
    """Whether gitfleet can work here."""

    healthy: Annotated[bool, Meta(description="Whether nothing failed; warnings do not count.")]
    findings: Annotated[tuple[Finding, ...], Meta(description="What was looked at, in order.")] = ()


class CleanItem(Report, frozen=True, kw_only=True):
    """One thing that clean removes, or keeps for a reason."""

    kind: Annotated[str, Meta(description="branch, worktree, log, trash, temporary or session.")]
    name: str
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
    conflicts: tuple[str, ...] = ()


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
    exit_code: int
    reason: str = ""
    verified: Annotated[
        bool | None, Meta(description="Whether checks passed on what landed; none when nothing landed.")
    ] = None
    runs: Annotated[tuple[RunRow, ...], Meta(description="Every run of the session, by wave.")] = ()
    landings: tuple[Landing, ...] = ()
    red: Annotated[tuple[CheckResult, ...], Meta(description="Checks that failed.")] = ()
    handoff: FinalHandoff


class IdleReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/idle/v1"):
    """`continue` found no session that could go on."""

    message: str


class AmendReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/amend/v1"):
    """What `add` or `cancel` asked of an open session, and what became of it."""

    action: Annotated[str, Meta(description="add or cancel.")]
    task: str
    message: str = ""


class OpenReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/open/v1"):
    """Where an instance works."""

    instance: str
    branch: str
    path: str


class CheckReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/check/v1"):
    """What ``gitfleet check`` found in ``.planning/``."""

    documents: Annotated[int, Meta(description="Documents of gitfleet that were checked.", ge=0)] = 0
    alien: Annotated[int, Meta(description="Files of others, which are left alone.", ge=0)] = 0
    problems: Annotated[tuple[PlacedProblem, ...], Meta(description="Everything that is wrong.")] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class DemoReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/demo/v1"):
    """Where the demo left its repository."""

    path: Annotated[str, Meta(description="Directory of the sample repository.")]
    session: str
    seconds: float
    exit_code: int


class CompletionReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/completion/v1"):
    """The completion script of a shell."""

    shell: Annotated[str, Meta(description="bash, zsh or fish.")]
    script: Annotated[str, Meta(description="The script.")]


COMMAND_REPORTS: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "init": (InitReport,),
    "plan": (Disclosure,),
    "wave": (WaveReport, Disclosure),
    "continue": (WaveReport, IdleReport),
    "status": (StatusReport,),
    "inspect": (InspectReport,),
    "logs": (LogReport, LogLine),
    "events": (EventsReport, Event),
    "claims": (ClaimsReport,),
    "add": (AmendReport,),
    "cancel": (AmendReport,),
    "open": (OpenReport,),
    "check": (CheckReport,),
    "doctor": (DoctorReport,),
    "clean": (CleanReport,),
    "demo": (DemoReport,),
    "completion": (CompletionReport,),
}
"""What each command may answer with under ``--json``; any may answer with an ``ErrorReport`` instead."""
