"""How hard it would be to take a session back, told before anything starts.

Green: one wave of at most two agents. Amber: more, and each merge can be reverted. Red: a task may write what everybody
builds on: CI, lock files, migrations, containers.

A directory such as ``src/`` could come to hold a ``Dockerfile``, and calling every directory red would say nothing. So
places at the root count when a scope overlaps them, existing or not; names that mean infrastructure at any depth count
when an entry names one, or when a tracked file of that name is in the scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.paths import quote_path
from gitfleet.model.session import Reversibility
from gitfleet.planner.scopes import Scope, overlap
from gitfleet.planner.waves import scopes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitfleet.model.plan import Task
    from gitfleet.planner.waves import Schedule

SHARED_PLACES = {
    "CI": (
        ".github/workflows",
        ".github/actions",
        ".gitlab-ci.yml",
        ".gitlab/ci",
        ".circleci",
        ".buildkite",
        ".travis.yml",
        ".drone.yml",
        ".woodpecker",
        ".woodpecker.yml",
        ".ci",
        "Jenkinsfile",
        "azure-pipelines.yml",
        "bitbucket-pipelines.yml",
        "appveyor.yml",
        ".pre-commit-config.yaml",
    ),
    "migrations": ("migrations", "db/migrate", "alembic/versions"),
}
"""Entries, anchored at the root, that are shared whether they exist or not."""

SHARED_NAMES = {
    "lock files": (
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "bun.lock",
        "bun.lockb",
        "deno.lock",
        "poetry.lock",
        "uv.lock",
        "pdm.lock",
        "Pipfile.lock",
        "pixi.lock",
        "Cargo.lock",
        "go.sum",
        "Gemfile.lock",
        "composer.lock",
        "mix.lock",
        "pubspec.lock",
        "Podfile.lock",
        "flake.lock",
        "packages.lock.json",
        "gradle.lockfile",
        ".terraform.lock.hcl",
    ),
    "migrations": ("migrations",),
    "containers": (
        "Dockerfile",
        "Containerfile",
        ".dockerignore",
        "docker-compose.yml",
        "docker-compose.yaml",
        "compose.yml",
        "compose.yaml",
        ".devcontainer",
    ),
}
"""Names of files and directories that are shared at any depth; at the root they are shared places as well."""


def _kinds_of_names() -> dict[bytes, str]:
    return {name.encode(): kind for kind, names in SHARED_NAMES.items() for name in names}


_KIND_OF_NAME = _kinds_of_names()
_ROOT = {
    kind: Scope.parse([*SHARED_PLACES.get(kind, ()), *SHARED_NAMES.get(kind, ())])
    for kind in (*SHARED_PLACES, "lock files", "containers")
}
_EVERYTHING = Scope.parse(["."]).entries


def shared_kind(path: bytes) -> str | None:
    """Say which kind of shared infrastructure a tracked path is, if it is any: CI, lock files, migrations, containers."""
    for name in path.split(b"/"):
        kind = _KIND_OF_NAME.get(name)
        if kind is not None:
            return kind
    return next((kind for kind, scope in _ROOT.items() if scope.matches(path)), None)


def reversibility(
    schedule: Schedule,
    tasks: Sequence[Task],
    tracked: Iterable[bytes] = (),
    *,
    scopes: Mapping[str, Scope] | None = None,
    fold: bool = False,
) -> tuple[Reversibility, str]:
    """Grade a session, with the reason as a clause.

    ``tracked`` are the paths of the base tree (those that ``shared_kind`` knows suffice), ``scopes`` those of the tasks
    after symlinks were resolved.
    """
    held = scopes_of(tasks, scopes)
    shared = [(path, kind) for path in tracked if (kind := shared_kind(path)) is not None]
    touching = [
        f"{task.id} may write {touched}" for task in tasks if (touched := _touched(held[task.id], shared, fold=fold))
    ]
    if touching:
        return Reversibility.RED, "; ".join(touching)
    agents = sum(len(wave) for wave in schedule.waves)
    counts = f"{_count(len(schedule.waves), 'wave')}, {_count(agents, 'agent')}"
    if len(schedule.waves) <= 1 and agents < 3:
        return Reversibility.GREEN, counts
    return Reversibility.AMBER, f"{counts}: to take it back, revert each merge"
