"""Which records a landing carries, with nothing in them that only this machine knows."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.secrecy import secret_values
from gitfleet.model.config import Publish
from gitfleet.relay.report import render_session
from gitfleet.store.records import Preview, with_landing
from gitfleet.store.redaction import Redaction

if TYPE_CHECKING:
    from gitfleet.coordinator.trains.deciding import Decided
    from gitfleet.git.objects import Objects
    from gitfleet.model.plan import Plan
    from gitfleet.parts import Parts


def records(parts: Parts, objects: Objects, plan: Plan, decided: Decided, commit: str) -> dict[str, bytes]:
    """Record files by path from the root of the tree: sealed, and not held by the tree of ``commit`` yet."""
    if parts.config.planning.publish is Publish.OFF:
        return {}
    tree = objects.commit(commit).tree
    prefix = b".planning/"
    published = {
        path.removeprefix(prefix).decode("utf-8", "surrogateescape") for path, _ in objects.entries(tree, b".planning")
    }
    preview = Preview(
        session=decided.session,
        report=render_session(decided.session, plan, decided.runs),
        runs=decided.runs,
        waves={decided.session.landings[-1].number: decided.wave_text} if decided.wave_text else {},
    )
    files = with_landing(parts.state, decided.session.id, published, preview=preview, redaction=local_names(parts))
    return {f".planning/{path}": data for path, data in files.items()}


def local_names(parts: Parts) -> Redaction:
    """What records must not say of this machine, and what they say instead."""
    repository = parts.repository
    named = {
        str(repository.worktree or ""): "<repository>",
        str(repository.common_dir): "<git-dir>",
        str(parts.pool): "<worktrees>",
        str(parts.layout.root): "<gitfleet>",
        parts.caller.get("HOME", ""): "~",
        # Attempts have their TMPDIR there when their own directory has too long a name.
        tempfile.gettempdir(): "<tmp>",
        parts.caller.get("TMPDIR", ""): "<tmp>",
    }
    real = {os.path.realpath(place): name for place, name in named.items() if place}
    allowed = {name for agent in parts.config.agents.values() for name in agent.env.allow}
    values = {value: f"<${name}>" for name in sorted(allowed) if (value := parts.caller.get(name))}
    return Redaction({**real, **named}, {**values, **secret_values(parts.caller, parts.now)})
