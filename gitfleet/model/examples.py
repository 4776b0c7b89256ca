"""An example of each document that lies in a repository or comes from an agent; the schemas show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAN: Final[Mapping[str, object]] = {
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
}

CONFIG: Final[Mapping[str, object]] = {
    "schema": "gitfleet/config/v1",
    "agent": "coder",
    "agents": {"coder": {"kind": "command", "argv": ["./agent.sh", "{prompt_file}"]}},
    "verify": {"commands": [{"run": "pytest -q", "timeout_seconds": 300}]},
    "waves": {"max_agents": 3},
}

SESSION: Final[Mapping[str, object]] = {
    "schema": "gitfleet/session/v1",
    "id": "auth-refactor-k3f9qm",
    "name": "auth refactor",
    "state": "active",
    "target": "refs/heads/main",
    "base": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "started": "2026-01-02T03:04:05.678Z",
    "waves": [["api-auth"], ["changelog"]],
}

RUN: Final[Mapping[str, object]] = {
    "schema": "gitfleet/run/v1",
    "session": "auth-refactor-k3f9qm",
    "task": "api-auth",
    "name": "API auth",
    "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
    "wave": 1,
    "state": "queued",
    "scope": ["src/api/auth/"],
}

CLAIM: Final[Mapping[str, object]] = {
    "schema": "gitfleet/claim/v1",
    "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
    "session": "auth-refactor-k3f9qm",
    "task": "api-auth",
    "scope": ["src/api/auth/"],
    "acquired": "2026-01-02T03:04:05.678Z",
}

LEASE: Final[Mapping[str, object]] = {
    "schema": "gitfleet/lease/v1",
    "slot": "tree-1",
    "path": "/home/ada/shop.fleet/tree-1",
    "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
    "session": "auth-refactor-k3f9qm",
    "task": "api-auth",
    "attempt": 1,
    "since": "2026-01-02T03:04:05.678Z",
}

SET_ASIDE: Final[Mapping[str, object]] = {
    "schema": "gitfleet/set-aside/v1",
    "path": "/home/ada/shop.fleet/.quarantine/tree-1-fleet-auth-refactor-k3f9qm-w1-a1",
    "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
    "why": "processes work in it: zsh (4711)",
    "since": "2026-01-02T03:04:05.678Z",
}

DISCOVERIES: Final[Mapping[str, object]] = {
    "schema": "gitfleet/discoveries/v1",
    "session": "auth-refactor-k3f9qm",
    "task": "api-auth",
    "discoveries": [
        {
            "fact": "The API is limited to 100 requests a minute.",
            "source": "fleet-auth-refactor-k3f9qm-w1-a1",
        }
    ],
}

USAGE_ROWS: Final[Mapping[str, object]] = {
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
}

MOMENTUM: Final[Mapping[str, object]] = {
    "schema": "gitfleet/momentum/v1",
    "session": "auth-refactor-k3f9qm",
    "ended": "2026-01-02T03:04:05.678Z",
    "scopes": ["src/api/auth/"],
}

HANDOFF: Final[Mapping[str, object]] = {
    "built": ["JWT middleware"],
    "discoveries": [{"fact": "Tokens live in src/ui/auth.ts", "paths": ["src/ui/auth.ts"]}],
}

GRANTS: Final[Mapping[str, object]] = {
    "schema": "gitfleet/grants/v1",
    "repository": "/home/ada/project/.git",
    "grants": [{"agent": "claude", "tool": "Bash", "argument": "make deploy"}],
}

ACCOUNT_FILE: Final[Mapping[str, object]] = {
    "schema": "gitfleet/account/v1",
    "ref": "codex-2",
    "kind": "codex",
    "connected": "2026-01-02T03:04:05.678Z",
    "key": {"env": "TEAM_KEY"},
    "capacity": 4,
}

ACCOUNT_STATE: Final[Mapping[str, object]] = {
    "schema": "gitfleet/account-state/v1",
    "allowed": 2,
    "used": 17,
    "until": "2026-01-02T04:00:00.000Z",
    "why": "usage-limit",
    "at": "2026-01-02T03:04:05.678Z",
}

ACCOUNT_LEASE: Final[Mapping[str, object]] = {
    "schema": "gitfleet/account-lease/v1",
    "instance": "fleet-auth-refactor-k3f9qm-w1-a1",
    "attempt": 1,
    "session": "auth-refactor-k3f9qm",
    "repository": "/home/ada/shop/.git",
    "over": "/home/ada/shop/.git/gitfleet/attempts/fleet-auth-refactor-k3f9qm-w1-a1/1/exit.json",
    "locks": ["/home/ada/shop/.git/gitfleet/attempts/fleet-auth-refactor-k3f9qm-w1-a1/1/lock"],
    "since": "2026-01-02T03:04:05.678Z",
}

EVENT: Final[Mapping[str, object]] = {
    "at": "2026-01-02T03:04:05.678Z",
    "kind": "agent-start",
    "session": "auth-refactor-k3f9qm",
    "message": "api-auth started.",
    "wave": 1,
    "task": "api-auth",
}
