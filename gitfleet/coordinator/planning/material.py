"""What the planner is told of the repository: the commit that it plans on, the state, the config. Read only."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.context import Context
from gitfleet.errors import GitfleetError
from gitfleet.git.trees import DIRECTORY, SUBMODULE, SYMLINK
from gitfleet.model.session import SessionState
from gitfleet.relay.planning import RULES_BYTES, Material, scope_words
from gitfleet.relay.terrain import terrain
from gitfleet.store.claims import external

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.git.objects import Objects
    from gitfleet.git.trees import TreeEntry
    from gitfleet.model.config import Config
    from gitfleet.parts import Parts

RULES = ("AGENTS.md", "CLAUDE.md")


def material(parts: Parts, base: str) -> Material:
    """Gather it as of the commit ``base``."""
    tree = parts.objects.commit(base).tree
    paths = (path for path, _ in parts.objects.entries(tree) if not path.startswith(b".planning/"))
    config = parts.config
    return Material(
        terrain=terrain(paths),
        rules=tuple(_rules(parts, tree)),
        momentum=Context(parts).momentum(base, ""),
        claims=tuple(_claims(parts)),
        tasks=tuple(_tasks(parts)),
        checks=tuple(check.run for check in config.verify.commands),
        agents=tuple(_agents(config)),
        limits=tuple(_limits(config)),
    )


def _rules(parts: Parts, tree: str) -> Iterator[tuple[str, str]]:
    """The files in which projects say how agents are to work; what several of them name is told once."""
    seen = set()
    for name in RULES:
        entry = _file(parts.objects, tree, name.encode())
        if entry is not None and entry.oid not in seen:
            seen.add(entry.oid)
            yield name, parts.objects.blob(entry.oid)[: RULES_BYTES + 1].decode("utf-8", "replace")


def _file(objects: Objects, tree: str, path: bytes) -> TreeEntry | None:
    """The file at a path of the tree, or the one that a link there names; none for a link to a link or out of it."""
    entry = objects.entry(tree, path)
    if entry is not None and entry.mode == SYMLINK:
        named = posixpath.normpath(posixpath.join(posixpath.dirname(path), objects.blob(entry.oid)))
        entry = None if named.startswith(b"/") else objects.entry(tree, named)
    return None if entry is None or entry.mode in {DIRECTORY, SYMLINK, SUBMODULE} else entry


def _claims(parts: Parts) -> Iterator[str]:
    try:
        for claim in parts.claims.live():
            yield f"{scope_words(claim.scope)}: task {claim.task} of session {claim.session}"
        worktree = parts.repository.worktree
        for other in external(worktree).claims if worktree is not None else ():
            yield f"{scope_words(other.scope)}: {other.instance}, of another tool"
    except (GitfleetError, OSError):  # damaged: a wave refuses to start and says so; the planner cannot mend it
        return


def _tasks(parts: Parts) -> Iterator[str]:
    for name in parts.state.session_ids():
        try:
            if parts.state.read_session(name).state is SessionState.COMPLETED:
                continue
            runs = parts.state.read_runs(name).values()
        except GitfleetError:
            continue
        for run in runs:
            yield f"{run.task} ({run.name}): {run.state.value}, scope {scope_words(run.scope)}, session {name}"


def _agents(config: Config) -> Iterator[str]:
    for name, agent in config.agents.items():
        model = f", model {agent.model}" if agent.model else ""
        default = ", the default" if name == config.agent else ""
        yield f"{name} ({agent.kind.value}{model}{default})"
    if config.agent and config.agent not in config.agents:
        yield f"{config.agent} (the default)"


def _limits(config: Config) -> Iterator[str]:
    waves, timeouts = config.waves, config.timeouts
    yield f"At most {waves.max_agents} tasks run at the same time."
    yield (
        f"A task may take {timeouts.build} s ({timeouts.research} s of kind research, {timeouts.verify} s verify, "
        f"{timeouts.skill} s skill)."
    )
    if config.scope.protected:
        protected = scope_words(config.scope.protected)
        yield (
            f"Protected, so that a scope must name such a file literally to change it: {protected} "
            "(@ci: CI configuration, @locks: lock files of dependencies, @checks: scripts of the checks)."
        )
    if waves.overlap.value == "error":
        yield "Tasks whose scopes overlap must be ordered with depends_on, or the plan is refused."
