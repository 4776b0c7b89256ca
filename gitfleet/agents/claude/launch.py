"""The command line, environment and settings of ``claude``: unattended, in a home of the account's own.

The prompt goes to standard input and secrets to the environment, so ``ps`` shows neither; commands of the model do not
get the secrets, though whoever runs as the same user can read them of the program's process. Permission rules go into a
settings file of the attempt's own: on the command line the program splits a rule at the parentheses of a path.

Safe means: edits inside the worktree, any shell command, reading, and the handoff; whatever else the program would ask
for is denied, and told as such. The shell is not fenced in by the program: what a command does outside the worktree is
for gitfleet's guard to refuse or to tell.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.programs import PROGRAMS
from gitfleet.agents.base import Launch
from gitfleet.agents.claude.rules import path_rule, rule
from gitfleet.model.agent_config import AgentKind, ToolProfile

if TYPE_CHECKING:
    from gitfleet.agents.base import Access, Assignment

DEFAULTS = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    # Ten retries take minutes, in which nobody else may have the account; five take a quarter of one.
    "CLAUDE_CODE_MAX_RETRIES": "5",
    # With tasks in the background the program goes on after its end event, and ends again.
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_DISABLE_CRON": "1",
    # Attempts that run at once share the home: what one remembers would steer the others.
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
}
"""Variables of every attempt, unless the agent's config passes on the caller's or the account sets its own."""

_ALLOWED = {
    ToolProfile.READ_ONLY: ("Bash", "Read", "Skill"),
    ToolProfile.EDIT: ("Bash", "Read", "Skill"),
    ToolProfile.FULL: ("Bash", "Read", "Skill", "WebFetch", "WebSearch"),
}
# It has one worktree, and one life: tools that enter another one, or that do something later, are not offered.
_NEVER = ("EnterWorktree", "ExitWorktree", "CronCreate", "CronDelete", "CronList", "ScheduleWakeup", "Monitor")
_EDITING = ("Edit", "Write", "NotebookEdit")

_KEY, _TOKEN, _BEFORE = "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_ENV_FILE"
_OAUTH = "sk-ant-oat"
"""How a token begins that ``claude setup-token`` gives: the program takes it by another name than a key."""


def launch(assignment: Assignment, allow: tuple[str, ...]) -> Launch:
    """Say how to start it; ``allow`` are names of the caller's variables that it may see."""
    settings = assignment.prompt_file.with_name("claude-settings.json")
    argv = ["claude", "-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"]
    argv += ["--forward-subagent-text", "--settings", str(settings)]
    if assignment.resume:
        argv += ["--resume", assignment.resume]
    if assignment.model:
        # In one word: a model that is called like a flag is none.
        argv += [f"--model={assignment.model}"]
    argv += ["--effort", assignment.effort.value]
    argv += _bounds(assignment)
    if assignment.bypass:
        argv += ["--dangerously-skip-permissions"]
    else:
        argv += ["--permission-mode", "acceptEdits", "--permission-prompts", "none"]
    # The program runs it before every command of the model's.
    before = assignment.prompt_file.with_name("claude-tools.sh")
    return Launch(
        argv=tuple(argv),
        stdin=assignment.prompt_file,
        env={**({} if _BEFORE in allow else {_BEFORE: str(before)}), **_environment(assignment, allow)},
        allow=allow,
        files={
            settings: json.dumps({"permissions": _permissions(assignment)}, indent=1).encode(),
            before: f"unset {' '.join(_keys(assignment.account))}\n".encode(),
        },
    )


def _bounds(assignment: Assignment) -> list[str]:
    """What the program itself holds to; it tells dollars only at its end, so nobody else can."""
    budget, bounds = assignment.budget, []
    if budget is not None and budget.max_turns is not None:
        bounds += ["--max-turns", str(budget.max_turns)]
    if budget is not None and budget.max_usd is not None:
        bounds += ["--max-budget-usd", f"{budget.max_usd:.6f}"]
    return bounds


def _environment(assignment: Assignment, allow: tuple[str, ...]) -> dict[str, str]:
    access = assignment.account
    env = {name: value for name, value in DEFAULTS.items() if name not in allow}
    if assignment.bypass:
        # Without it the program refuses its bypass to root; to others it says nothing.
        env["IS_SANDBOX"] = "1"
    return {**env, **_account(access), **PROGRAMS[AgentKind.CLAUDE].variables(access.home)}


def _account(access: Access) -> dict[str, str]:
    secrets = dict(access.secrets)
    if secrets.get(_KEY, "").startswith(_OAUTH):
        secrets[_TOKEN] = secrets.pop(_KEY)
    endpoint = {"ANTHROPIC_BASE_URL": access.endpoint} if access.endpoint else {}
    return {**access.settings, **endpoint, **secrets}


def _keys(access: Access) -> list[str]:
    """The variables that commands of the model do not see."""
    return sorted({_KEY, _TOKEN, *access.secrets})


def _permissions(assignment: Assignment) -> dict[str, list[str]]:
    reads_only = assignment.profile is ToolProfile.READ_ONLY
    own = () if reads_only else (path_rule("Edit", assignment.handoff_file),)
    granted = (rule(grant, assignment.worktree) for grant in assignment.grants)
    return {
        "allow": [*_ALLOWED[assignment.profile], *own, *assignment.tools, *granted],
        "deny": [*_NEVER, *(_EDITING if reads_only else ())],
    }
