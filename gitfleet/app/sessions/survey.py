"""What the tree that a session starts from holds that matters before anything runs."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.trees import SYMLINK
from gitfleet.integrate.gate.bounds import literal_paths
from gitfleet.integrate.gate.checked import protection_of
from gitfleet.planner.reversibility import shared_kind
from gitfleet.planner.scopes import Scope, ScopeError, entry_for, resolve_links

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitfleet.git.objects import Objects
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan

_SHOWN = 3
"""Protected paths that are named of each task."""

RECORD_PLACES = (
    b".planning",
    *(b".planning/" + name for name in (b"sessions", b"briefs", b"discoveries", b"momentum")),
)
"""Directories that hold records."""

_RECORD = re.compile(rb"\.planning/sessions/([a-z0-9._-]+)/runs/([a-z0-9._-]+)\.json")


@dataclass(frozen=True, slots=True)
class Survey:
    """What the base's tree holds that matters before anything runs: symlinks, and shared infrastructure.

    ``paths`` are all of them outside ``.planning``, ``records`` those of past runs: session, task, and id of the blob.
    """

    links: dict[bytes, bytes]
    shared: tuple[bytes, ...]
    paths: frozenset[bytes] = frozenset()
    records: tuple[tuple[str, str, str], ...] = ()


def survey_tree(objects: Objects, tree: str) -> Survey:
    """Walk a tree once."""
    links: dict[bytes, bytes] = {}
    shared: list[bytes] = []
    paths: list[bytes] = []
    records: list[tuple[str, str, str]] = []
    for path, entry in objects.entries(tree):
        if entry.mode == SYMLINK:
            links[path] = objects.blob(entry.oid)
        if shared_kind(path) is not None:
            shared.append(path)
        record = _RECORD.fullmatch(path)
        if record is not None:
            records.append((record[1].decode(), record[2].decode(), entry.oid))
        elif not path.startswith(b".planning/"):
            paths.append(path)
    return Survey(links, tuple(shared), frozenset(paths), tuple(records))


def resolved_scopes(plan: Plan, links: dict[bytes, bytes], *, fold: bool) -> tuple[dict[str, Scope], tuple[str, ...]]:
    """Every task's scope with tracked symlinks of the base resolved, and what was rewritten, for people."""
    scopes: dict[str, Scope] = {}
    notes: list[str] = []
    for task in plan.tasks:
        try:
            scopes[task.id], rewritten = resolve_links(Scope.parse(task.scope), links, fold=fold)
        except ScopeError as error:
            raise GitfleetError(
                Kind.DOCUMENT, "invalid-scope", f"The scope of {task.id} cannot be used: {error}."
            ) from error
        notes.extend(f"{task.id}: {note}" for note in rewritten)
    return scopes, tuple(notes)


def to_be_named(
    objects: Objects, base: str, plan: Plan, config: Config, scopes: Mapping[str, Scope], *, fold: bool
) -> tuple[str, ...]:
    """Say of each task which protected files its scope covers without naming them: a change there is refused."""
    if not config.scope.protected:
        return ()
    own = [check.run for check in config.verify.commands]
    tracked = [path for path, _ in objects.entries(objects.commit(base).tree)]
    known: dict[tuple[str, ...], list[bytes]] = {}
    notes = []
    for task in plan.tasks:
        commands = (*own, *(check.run for check in task.verify))
        if commands not in known:
            protection = protection_of(objects, base, config.scope.protected, commands, fold=fold)
            known[commands] = [path for path in tracked if protection.holds(path)]
        named = literal_paths(scopes[task.id])
        covered = [path for path in known[commands] if path not in named and scopes[task.id].matches(path)]
        if covered:
            first = ", ".join(entry_for(path) for path in covered[:_SHOWN])
            more = f" and {len(covered) - _SHOWN} more" if len(covered) > _SHOWN else ""
            it = "it" if len(covered) == 1 else "them"
            notes.append(
                f"{task.id}: its scope covers {first}{more}, which scope.protected keeps; a change there is refused "
                f"unless the scope names {it}, as in scope: [..., {json.dumps(entry_for(covered[0]))}]"
            )
    return tuple(notes)


def check_records(objects: Objects, tree: str, worktree: Path | None) -> None:
    """A file or link of the project's where records belong would be replaced by the first landing, or stop it."""
    taken = [place for place in RECORD_PLACES if (entry := objects.entry(tree, place)) and not entry.is_tree]
    if not taken and worktree is not None:
        on_disk = ((place, worktree / os.fsdecode(place)) for place in RECORD_PLACES)
        taken = [place for place, path in on_disk if os.path.lexists(path) and (path.is_symlink() or not path.is_dir())]
    if taken:
        place = os.fsdecode(taken[0])
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "records-in-the-way",
            f"{place} is a file or a symlink here, and landings keep their records in a directory of that name.",
            hint=f"Move {place} away, or set planning.publish: off in .planning/config.yaml.",
        )
