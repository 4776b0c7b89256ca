"""The command line, environment and config of ``opencode``: unattended, in a home of the account's own.

The four XDG directories lie in the account's home, so attempts of one account share its login, its database and the
sessions to resume; the program guards that database itself. What belongs to one attempt comes in its environment: the
config in ``OPENCODE_CONFIG_CONTENT``, which goes before the repository's own, and the plugin in the attempt's own
directory. The prompt goes to standard input and keys to the environment, so ``ps`` shows neither.

Safe means: what the program allows by itself and what the person's own rules for it say, but the web, which it asks
for; what it asks for is refused, ends the attempt, and is told. The shell is not fenced in by the program: what a
command does outside the worktree is for gitfleet's guard to refuse or to tell.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from gitfleet.agents.accounts.programs import PROGRAMS
from gitfleet.agents.base import Launch
from gitfleet.agents.opencode import hooks
from gitfleet.agents.opencode.rules import WEB, WHOLE
from gitfleet.model.agent_config import AgentKind, Effort, ToolProfile

if TYPE_CHECKING:
    from gitfleet.agents.base import Access, Assignment

PROVIDER = "gitfleet"
"""What the config calls the provider that a gateway is."""
MODEL = "default"
"""What a gateway is asked for when nobody names a model."""
SWITCHES = ("AUTOUPDATE", "SHARE", "LSP_DOWNLOAD", "TERMINAL_TITLE")
DIRECTORIES = {"CONFIG": "~/.config", "DATA": "~/.local/share", "STATE": "~/.local/state", "CACHE": "~/.cache"}
"""The XDG directories, and where they are for everybody else unless the caller says otherwise."""

_HIDDEN = ("OPENCODE_CONFIG_CONTENT", "OPENCODE_TEST_HOME", "npm_config_cache", "npm_config_offline")
_RULE = re.compile(r"([\w*-]+)(?:\((.*)\))?", re.DOTALL)
_ALL = ("edit", "bash", "read", "task", "skill", "external_directory", "doom_loop", *WEB)
_OWN_COMMANDS = ("gitfleet status", "gitfleet status *")


def launch(assignment: Assignment, allow: tuple[str, ...]) -> Launch:
    """Say how to start it; ``allow`` are names of the caller's variables that it may see."""
    plugin = assignment.prompt_file.with_name("opencode-plugin.js")
    models = assignment.prompt_file.with_name("opencode-models.json")
    access = assignment.account
    # Without a title it asks the model for one, and tells nobody what that used.
    argv = ["opencode", "run", "--format", "json", "--title", assignment.instance]
    if assignment.resume:
        argv += ["--session", assignment.resume]
    if model := _model(assignment):
        # In one word: a model that is called `--auto` would else be the bypass.
        argv += [f"--model={model}"]
    argv += ["--variant", assignment.effort.value]
    if assignment.bypass:
        argv += ["--auto"]
    env = {
        **{f"OPENCODE_DISABLE_{name}": "1" for name in SWITCHES},
        # It installs what its plugins may want; behind a gateway there may be nothing to reach.
        **({"npm_config_offline": "true"} if access.endpoint else {}),
        **access.settings,
        **access.secrets,
        **PROGRAMS[AgentKind.OPENCODE].variables(access.home),
        "OPENCODE_CONFIG_CONTENT": json.dumps({**_config(assignment), "plugin": [plugin.as_uri()]}),
        # It takes its directory from here rather than from where it is.
        "PWD": str(assignment.worktree),
    }
    files = {plugin: hooks.source(_for_tools(assignment))}
    if access.endpoint:
        files[models] = b"{}\n"
        env |= {"OPENCODE_MODELS_PATH": str(models), "OPENCODE_DISABLE_MODELS_FETCH": "1"}
    return Launch(argv=tuple(argv), stdin=assignment.prompt_file, env=env, allow=allow, files=files)


def _model(assignment: Assignment) -> str:
    if assignment.account.endpoint:
        return f"{PROVIDER}/{assignment.model or MODEL}"
    return assignment.model


def _for_tools(assignment: Assignment) -> dict[str, str | None]:
    """What the tools that it runs see of the environment instead: the person's directories, and no key."""
    own: dict[str, str | None] = {f"XDG_{name}_HOME": place for name, place in DIRECTORIES.items()}
    if assignment.config_home:
        own["XDG_CONFIG_HOME"] = assignment.config_home
    return {**own, **dict.fromkeys((*_HIDDEN, *assignment.account.secrets))}


def _config(assignment: Assignment) -> dict[str, Any]:
    config: dict[str, Any] = {
        "autoupdate": False,
        "share": "disabled",
        # Copies of the tree for its own undo: the tree is a branch's, and gitfleet keeps what an attempt leaves.
        "snapshot": False,
        "permission": _permissions(assignment),
    }
    access = assignment.account
    if access.endpoint:
        config |= _gateway(access, assignment.model or MODEL)
    return config


def _gateway(access: Access, model: str) -> dict[str, Any]:
    """A provider that speaks chat completions; its one model may reason as hard as it is told."""
    options = {"baseURL": access.versioned_endpoint}
    if access.secrets:
        options["apiKey"] = f"{{env:{next(iter(access.secrets))}}}"
    variants = {effort.value: {"reasoningEffort": effort.value} for effort in Effort}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "gitfleet's gateway",
        "options": options,
        "models": {model: {"variants": variants}},
    }
    return {
        "provider": {PROVIDER: provider},
        "enabled_providers": [PROVIDER],
        "small_model": f"{PROVIDER}/{model}",
    }


def _permissions(assignment: Assignment) -> dict[str, Any]:
    """The rules; of those that match it is the last that counts."""
    if assignment.bypass:
        return {"*": "allow", **dict.fromkeys(_ALL, "allow")}
    web = "allow" if assignment.profile is ToolProfile.FULL else "ask"
    rules: dict[str, dict[str, str]] = {
        **{name: {"*": web} for name in WEB},
        "bash": dict.fromkeys(_OWN_COMMANDS, "allow"),
        "external_directory": {f"{assignment.handoff_file.parent}/*": "allow"},
        # It would ask whether to go on with a call that repeats itself; budgets end what does so for ever.
        "doom_loop": {"*": "allow"},
    }
    if assignment.profile is ToolProfile.READ_ONLY:
        rules["edit"] = {"*": "deny", f"*{assignment.handoff_file.name}": "allow"}
    asked = [_RULE.fullmatch(rule) for rule in assignment.tools]
    given = [(found[1], found[2] or "*") for found in asked if found]
    for name, pattern in (*given, *((grant.tool, grant.argument or "*") for grant in assignment.grants)):
        known = rules.setdefault(name, {})
        known.pop(pattern, None)
        known[pattern] = "allow"
    return {name: list(known.values())[-1] if name in WHOLE else known for name, known in rules.items()}
