"""What a config means, checked before anything runs: every finding, with its place in the struct. Pure."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from gitfleet.model.agent_config import AgentKind, Permissions
from gitfleet.planner.findings import (
    Finding,
    Trail,
    is_branch_name,
    near,
    unfit_backoff,
    unfit_name,
    unfit_variable,
    unfit_when,
    unknown_agent,
)
from gitfleet.planner.protection import WORDS
from gitfleet.planner.scopes import ScopeError, parse_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.config import Config

PLACEHOLDERS = ("prompt_file", "worktree", "task", "instance", "handoff_file")
"""What ``argv`` of a command agent may contain in braces."""

PREFIX_LENGTH = 100
"""Characters of ``branch_prefix``: a file system takes 255 bytes, and a ref's lock adds to them."""

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def lint_config(config: Config) -> tuple[Finding, ...]:
    """Everything that is wrong with a config beyond its shape."""
    found: list[Finding] = []
    for name, agent in config.agents.items():
        trail: Trail = ("agents", name)
        found.extend(_named(trail, name))
        if agent.kind is AgentKind.COMMAND and not agent.argv:
            found.append(Finding(trail, f"the command agent `{name}` has no argv", "a program and its arguments"))
        found.extend(_of_another_kind(trail, agent))
        found.extend(_fallbacks(trail, name, agent, config))
        for position, argument in enumerate(agent.argv):
            found.extend(_placeholders((*trail, "argv", position), argument))
        if agent.argv and not agent.argv[0]:
            found.append(Finding((*trail, "argv", 0), "the program is empty", "the name or path of a program"))
        for position, variable in enumerate(agent.env.allow):
            found.extend(unfit_variable((*trail, "env", "allow", position), variable))
    found.extend(_agents_named(config))
    for trail, ref in ((("target",), config.target), (("branch_prefix",), config.branch_prefix)):
        if ref is not None and not is_branch_name(ref):
            found.append(Finding(trail, f"`{ref}` is not a name that git takes", "a branch name"))
    if len(config.branch_prefix) > PREFIX_LENGTH:
        message = f"it has {len(config.branch_prefix)} characters"
        expected = f"at most {PREFIX_LENGTH}, since it becomes the name of a directory"
        found.append(Finding(("branch_prefix",), message, expected))
    found.extend(_checks(config))
    found.extend(_files(config))
    found.extend(_protected(config))
    found.extend(unfit_backoff(("retry", "max_backoff_seconds"), config.retry))
    return tuple(found)


def _agents_named(config: Config) -> Iterator[Finding]:
    trails: tuple[tuple[Trail, str | None], ...] = (
        (("agent",), config.agent),
        (("planner", "agent"), config.planner.agent),
    )
    for trail, name in trails:
        if name is not None and config.agent_named(name) is None:
            yield unknown_agent(trail, name, config.agents)


def _of_another_kind(trail: Trail, agent: AgentConfig) -> Iterator[Finding]:
    """What says nothing for an agent of its kind, and is therefore refused."""
    if agent.kind is AgentKind.COMMAND:
        given: dict[str, object] = {
            "model": agent.model,
            "effort": agent.effort,
            "permissions": agent.permissions is Permissions.BYPASS,
            "account": agent.account,
            "fallback": agent.fallback,
        }
        expected = "only for kinds that run a model"
    elif agent.kind is AgentKind.AUTO:
        given = {"argv": agent.argv, "stdin": agent.stdin, "model": agent.model, "account": agent.account}
        expected = "in the agents that it chooses from"
    else:
        given, expected = {"argv": agent.argv, "stdin": agent.stdin}, "only for kind: command"
    for field, value in given.items():
        if value:
            yield Finding((*trail, field), f"`{field}` means nothing for kind: {agent.kind}", expected)


def _fallbacks(trail: Trail, name: str, agent: AgentConfig, config: Config) -> Iterator[Finding]:
    """Who cannot step in for an agent."""
    for position, other in enumerate(agent.fallback):
        place = (*trail, "fallback", position)
        if config.agent_named(other) is None:
            yield unknown_agent(place, other, config.agents)
        elif other == name or other in agent.fallback[:position]:
            yield Finding(place, f"`{other}` cannot step in for itself", "another agent, once")


def _named(trail: Trail, name: str) -> Iterator[Finding]:
    yield from unfit_name(trail, name)
    if not name.strip():
        yield Finding(trail, "the agent's name is blank", "one line of text")


def _checks(config: Config) -> Iterator[Finding]:
    for index, check in enumerate(config.verify.commands):
        trail: Trail = ("verify", "commands", index)
        yield from unfit_name((*trail, "name"), check.name)
        if not check.run.strip():
            yield Finding((*trail, "run"), "the command is blank", "a shell command")
        yield from unfit_when((*trail, "when"), check.when)
    for index, line in enumerate(config.verify.fingerprint.commands):
        if not line.strip():
            yield Finding(("verify", "fingerprint", "commands", index), "the command is blank", "a shell command")
    for index, name in enumerate(config.verify.fingerprint.files):
        outside = name.startswith(("/", "~/"))
        if (
            not name.strip("/")
            or {"\0", "\n"} & set(name)
            or (not outside and (name.startswith("~") or ".." in name.split("/")))
        ):
            expected = "an absolute path, one below ~/, or one below the repository"
            yield Finding(("verify", "fingerprint", "files", index), f"`{name}` names no file", expected)
    for index, line in enumerate(config.notify.commands):
        if not line.strip():
            yield Finding(("notify", "commands", index), "the command is blank", "a shell command")


def _files(config: Config) -> Iterator[Finding]:
    """What is listed to be put into worktrees or to stay in them."""
    wanted = config.worktrees
    for name, entries in (("copy", wanted.copied), ("link", wanted.link)):
        for index, entry in enumerate(entries):
            parts = entry.split("/")
            unfit = not entry or entry.startswith(("/", "-")) or {"", ".", ".."} & set(parts)
            if unfit or parts[0].lower() in {".git", ".planning"} or set("*?[\\!#\n\0") & set(entry):
                trail: Trail = ("worktrees", name, index)
                yield Finding(trail, f"`{entry}` is not a plain path below the repository", "such as .env or web/.env")
    for index, command in enumerate(wanted.setup):
        if not command.strip():
            yield Finding(("worktrees", "setup", index), "the command is blank", "a shell command")
    for name, index, pattern in (
        *(("pool", index, pattern) for index, pattern in enumerate(config.pool.keep)),
        *(("verify", index, pattern) for index, pattern in enumerate(config.verify.keep)),
    ):
        stray = not pattern.strip(" */") or pattern.startswith(("-", "!", "#")) or ".." in pattern.split("/")
        if stray or "\n" in pattern:
            expected = "a pattern below the repository, such as node_modules"
            yield Finding((name, "keep", index), f"`{pattern}` would keep what is not meant", expected)


def _protected(config: Config) -> Iterator[Finding]:
    for index, entry in enumerate(config.scope.protected):
        trail: Trail = ("scope", "protected", index)
        if entry in WORDS:
            continue
        if entry.startswith("@"):
            expected = f"one of {', '.join(WORDS)}, or an entry of a scope"
            yield Finding(trail, f"`{entry}` is not a word", expected, near(entry, WORDS))
            continue
        try:
            parse_entry(entry)
        except ScopeError as error:
            yield Finding(trail, f"bad entry `{entry}`: {error}", "a path of the repository")


def _placeholders(trail: Trail, argument: str) -> Iterator[Finding]:
    for match in _PLACEHOLDER.finditer(argument):
        name = match[1]
        if name is None and match[0] in {"{{", "}}", "}"}:
            continue
        if name is None:
            yield Finding(trail, "a brace is opened and not closed", hint="write `{{` for a brace")
        elif name not in PLACEHOLDERS:
            near = difflib.get_close_matches(name, PLACEHOLDERS, 1)
            hint = f"did you mean `{{{near[0]}}}`?" if near else "write `{{` for a brace"
            expected = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            yield Finding(trail, f"`{{{name}}}` is not a placeholder", expected, hint)
