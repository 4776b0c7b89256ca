"""Every kind of document that gitfleet reads or writes, one line each; ``schemas/`` follows from this list.

To add a report: write its struct in ``gitfleet.model.reports``, add ``_report("name", Struct)`` below, and run
``python -m gitfleet.store.documents.schemas``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.model.account import Account, AccountLease, AccountState
from gitfleet.model.claim import Claim
from gitfleet.model.config import Config
from gitfleet.model.event import Event
from gitfleet.model.handoff import Discoveries, Handoff
from gitfleet.model.lease import Lease, SetAside
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.parking import GrantsDocument
from gitfleet.model.plan_document import PlanDocument
from gitfleet.model.reports import COMMAND_REPORTS, Disclosure, ErrorReport, Predictions, Progress, Report
from gitfleet.model.run import Run
from gitfleet.model.session import Session
from gitfleet.model.usage import UsageRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.model.base import Document

SCHEMA_BASE = "https://gitfleet.dev/schemas/"
"""Where ``$id`` of a schema begins; an identifier that nothing fetches."""


@dataclass(frozen=True)
class DocumentKind:
    """A kind of document. ``people`` says that people write it, so that its ``schema`` key is optional."""

    name: str
    struct: type[Document]
    title: str
    version: int = 1
    people: bool = False
    examples: tuple[Mapping[str, object], ...] = field(default=())

    @property
    def id(self) -> str:
        """The schema's ``$id``."""
        return f"{SCHEMA_BASE}{self.name}.v{self.version}.json"

    @property
    def file(self) -> str:
        """Name of the schema's file below ``schemas/``."""
        return f"{self.name}.schema.json"


def _report(name: str, struct: type[Document]) -> DocumentKind:
    """Register a document behind ``--json``; its title is its name."""
    return DocumentKind(name, struct, f"gitfleet {name.replace('-', ' ')} report")


_RUN = {
    "schema": "gitfleet/run/v1",
    "session": "auth-refactor-k3f9qm",
    "task": "api-auth",
    "name": "API auth",
    "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
    "wave": 1,
    "state": "queued",
    "scope": ["src/api/auth/"],
}

KINDS: tuple[DocumentKind, ...] = (
    DocumentKind(
        "plan",
        PlanDocument,
        "gitfleet plan",
        people=True,
        examples=(
            {
                "schema": "gitfleet/plan/v1",
                "name": "auth refactor",
                "direction": "Move authentication to JWT",
                "defaults": {"timeout_seconds": 1800},
                "tasks": [
                    {
                        "id": "api-auth",
                        "instructions": "Add JWT middleware with refresh tokens.",
                        "scope": ["src/api/auth/"],
                        "reads": ["src/ui/"],
                        "verify": [{"run": "pytest tests/api -q"}],
                    },
                    {
                        "id": "changelog",
                        "command": "./tools/changelog.sh",
                        "scope": ["CHANGELOG.md"],
                        "depends_on": ["api-auth"],
                    },
                ],
            },
        ),
    ),
    DocumentKind(
        "config",
        Config,
        "gitfleet config",
        people=True,
        examples=(
            {
                "schema": "gitfleet/config/v1",
                "agent": "coder",
                "agents": {"coder": {"kind": "command", "argv": ["./agent.sh", "{prompt_file}"]}},
                "verify": {"commands": [{"run": "pytest -q", "timeout_seconds": 300}]},
                "waves": {"max_agents": 3},
            },
        ),
    ),
    DocumentKind(
        "session",
        Session,
        "gitfleet session",
        examples=(
            {
                "schema": "gitfleet/session/v1",
                "id": "auth-refactor-k3f9qm",
                "name": "auth refactor",
                "state": "active",
                "target": "refs/heads/main",
                "base": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
                "started": "2026-01-02T03:04:05.678Z",
                "waves": [["api-auth"], ["changelog"]],
            },
        ),
    ),
    DocumentKind("run", Run, "gitfleet run", examples=(_RUN,)),
    DocumentKind(
        "claim",
        Claim,
        "gitfleet claim",
        examples=(
            {
                "schema": "gitfleet/claim/v1",
                "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
                "session": "auth-refactor-k3f9qm",
                "task": "api-auth",
                "scope": ["src/api/auth/"],
                "acquired": "2026-01-02T03:04:05.678Z",
            },
        ),
    ),
    DocumentKind(
        "lease",
        Lease,
        "gitfleet lease",
        examples=(
            {
                "schema": "gitfleet/lease/v1",
                "slot": "tree-1",
                "path": "/home/ada/shop.fleet/tree-1",
                "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
                "session": "auth-refactor-k3f9qm",
                "task": "api-auth",
                "attempt": 1,
                "since": "2026-01-02T03:04:05.678Z",
            },
        ),
    ),
    DocumentKind(
        "set-aside",
        SetAside,
        "gitfleet worktree that was set aside",
        examples=(
            {
                "schema": "gitfleet/set-aside/v1",
                "path": "/home/ada/shop.fleet/.quarantine/tree-1-fleet-auth-refactor-k3f9qm-w1-a1",
                "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
                "why": "processes work in it: zsh (4711)",
                "since": "2026-01-02T03:04:05.678Z",
            },
        ),
    ),
    DocumentKind(
        "discoveries",
        Discoveries,
        "gitfleet discoveries",
        examples=(
            {
                "schema": "gitfleet/discoveries/v1",
                "session": "auth-refactor-k3f9qm",
                "task": "api-auth",
                "discoveries": [
                    {
                        "fact": "The API is limited to 100 requests a minute.",
                        "source": "fleet-auth-refactor-k3f9qm-w1-a1",
                    }
                ],
            },
        ),
    ),
    DocumentKind(
        "usage-rows",
        UsageRows,
        "gitfleet usage rows",
        examples=(
            {
                "schema": "gitfleet/usage-rows/v1",
                "rows": [
                    {
                        "session": "auth-refactor-k3f9qm",
                        "task": "api-auth",
                        "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
                        "attempt": 1,
                        "cli_session": "0199a213-81c0-7800-8aa1-bbab2a035a53",
                        "turn": "1",
                        "agent": "codex",
                        "account": "codex",
                        "tokens": {"input": 1200, "cache_read": 9000, "output": 310, "reasoning": 64},
                        "tool_calls": 2,
                    }
                ],
                "truth": "exact",
            },
        ),
    ),
    DocumentKind(
        "momentum",
        SessionMomentum,
        "gitfleet momentum",
        examples=(
            {
                "schema": "gitfleet/momentum/v1",
                "session": "auth-refactor-k3f9qm",
                "ended": "2026-01-02T03:04:05.678Z",
                "scopes": ["src/api/auth/"],
            },
        ),
    ),
    DocumentKind(
        "handoff",
        Handoff,
        "gitfleet handoff",
        examples=(
            {
                "built": ["JWT middleware"],
                "discoveries": [{"fact": "Tokens live in src/ui/auth.ts", "paths": ["src/ui/auth.ts"]}],
            },
        ),
    ),
    DocumentKind(
        "grants",
        GrantsDocument,
        "gitfleet standing permissions",
        examples=(
            {
                "schema": "gitfleet/grants/v1",
                "repository": "/home/ada/project/.git",
                "grants": [{"agent": "claude", "tool": "Bash", "argument": "make deploy"}],
            },
        ),
    ),
    # `account` is the answer of `gitfleet accounts connect`.
    DocumentKind(
        "account-file",
        Account,
        "gitfleet account",
        examples=(
            {
                "schema": "gitfleet/account/v1",
                "ref": "codex-2",
                "kind": "codex",
                "connected": "2026-01-02T03:04:05.678Z",
                "key": {"env": "TEAM_KEY"},
                "capacity": 4,
            },
        ),
    ),
    DocumentKind(
        "account-state",
        AccountState,
        "gitfleet account's state",
        examples=(
            {
                "schema": "gitfleet/account-state/v1",
                "allowed": 2,
                "used": 17,
                "until": "2026-01-02T04:00:00.000Z",
                "why": "usage-limit",
                "at": "2026-01-02T03:04:05.678Z",
            },
        ),
    ),
    DocumentKind(
        "account-lease",
        AccountLease,
        "gitfleet lease of an account",
        examples=(
            {
                "schema": "gitfleet/account-lease/v1",
                "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
                "attempt": 1,
                "session": "auth-refactor-k3f9qm",
                "repository": "/home/ada/shop/.git",
                "over": "/home/ada/shop/.git/gitfleet/attempts/fleet-auth-refactor-k3f9qm-w1-a1/1/exit.json",
                "locks": ["/home/ada/shop/.git/gitfleet/attempts/fleet-auth-refactor-k3f9qm-w1-a1/1/lock"],
                "since": "2026-01-02T03:04:05.678Z",
            },
        ),
    ),
    DocumentKind(
        "event",
        Event,
        "gitfleet event",
        examples=(
            {
                "at": "2026-01-02T03:04:05.678Z",
                "kind": "agent-start",
                "session": "auth-refactor-k3f9qm",
                "message": "api-auth started.",
                "wave": 1,
                "task": "api-auth",
            },
        ),
    ),
    _report("predictions", Predictions),
    _report("disclosure", Disclosure),
    _report("progress", Progress),
    _report("error", ErrorReport),
    *(
        _report(str(struct.__struct_config__.tag).split("/")[2], struct)
        for structs in COMMAND_REPORTS.values()
        for struct in structs
        if issubclass(struct, Report) and struct is not Disclosure
    ),
)

BY_NAME: dict[str, DocumentKind] = {kind.name: kind for kind in KINDS}

COMMON_FIELDS: dict[str, str] = {
    "tokens": "Tokens by sort.",
    "tool_calls": "Calls of tools.",
    "truth": "Whether the figures are exact, or something was not measured.",
    "account": "Account that was used, such as codex-2.",
    "model": "Model that answered.",
    "attempt": "Number of the attempt, from 1.",
    "rows": "Rows, in order.",
    "schema": "Kind and version of the document.",
    "session": "Id of the session.",
    "task": "Id of the task.",
    "instance": "Instance id of the run.",
    "wave": "Number of the wave, from 1.",
    "state": "Where it stands.",
    "name": "Title for people.",
    "kind": "Sort of the thing.",
    "scope": "Paths that may be written.",
    "path": "Path in the repository; C-quoted where it is not plain text.",
    "agent": "Name of the agent.",
    "started": "When it began, as an ISO 8601 instant.",
    "ended": "When it ended, as an ISO 8601 instant.",
    "acquired": "When it was taken, as an ISO 8601 instant.",
    "released": "When it was given back, as an ISO 8601 instant.",
    "at": "When, as an ISO 8601 instant.",
    "message": "A sentence for people.",
    "reason": "Why, in a sentence.",
    "depends_on": "Ids of tasks that must have landed before.",
    "objective": "The purpose in one sentence.",
    "direction": "What the whole plan is for.",
    "branch": "Task branch.",
    "base": "Commit that it started from.",
    "tip": "Last commit of the task branch.",
    "commit": "Commit id.",
    "target": "Full ref name of the branch that is landed on.",
    "attempts": "Executions of an agent, in order.",
    "files": "Files that were changed.",
    "seconds": "Seconds that it took.",
    "exit_code": "Exit code; none when there was none.",
    "signal": "Signal that ended it; none when it exited.",
    "timed_out": "Whether its deadline stopped it.",
    "run": "The shell command.",
    "passed": "Whether it passed.",
    "blob": "Id of the file's content; empty when the file did not exist.",
    "added": "Lines added; none for binary files.",
    "removed": "Lines removed; none for binary files.",
    "tasks": "Ids of tasks, in order.",
    "waves": "The waves, in order.",
    "number": "Number, from 1.",
    "plan": "Name of the plan.",
    "budget_tokens": "Sum of token hints that one wave may have.",
    "rolling": "Whether tasks start without a barrier between waves.",
    "max_agents": "Agents at the same time.",
    "reversibility": "How hard it is to take back.",
    "clone": "Random id of the clone.",
    "elapsed_seconds": "Seconds since its start.",
    "checks": "Checks and their results.",
    "handoff": "What the agent reported.",
    "handoff_source": "Where the handoff came from.",
    "built": "What was built, one item a line.",
    "decisions": "What was decided, one item a line.",
    "discoveries": "Facts worth relaying.",
    "remaining": "What is left to do, one item a line.",
    "failures": "What failed, one item a line.",
    "conflicts": "What conflicts, one item a line.",
    "pins": "Files as they were when the fact was recorded.",
    "fact": "The fact in one sentence.",
    "scopes": "Scope entries that were worked on.",
    "landings": "Moves of the target by the session, in order.",
    "id": "Id, unique in its document.",
    "exit": "How the process ended.",
    "cpu_seconds": "Processor seconds; none means not measured.",
    "max_rss_kib": "Largest resident memory in KiB; none means not measured.",
    "agents": "Agents, in order.",
    "commands": "Commands, in order.",
    "verdict": "The verdict.",
    "source": "Where it came from.",
    "violations": "Paths that must not have been written.",
    "claim": "The claim that was held.",
    "gate": "The check of the diff against the scope.",
    "verification": "The checks on the integrated tree.",
    "merge": "Where the run entered the target.",
    "failure": "Why it did not get further.",
    "log_bytes": "Size of the attempt's log in bytes; none means not measured.",
    "skill": "Seconds that a skill task gets.",
    "research": "Seconds that a research task gets.",
    "build": "Seconds that a build task gets.",
    "receipt": "The typed verdict with its evidence.",
}
"""Descriptions of fields that mean the same in every document; a field's own description wins."""
