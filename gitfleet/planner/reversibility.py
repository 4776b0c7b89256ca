"""How hard it would be to take a session back, told before anything starts.

Green: one wave of at most two agents. Amber: more, and each merge can be reverted. Red: a task may write what everybody
builds on: CI, lock files, migrations, containers.

Most scopes could come to hold such a thing, as ``src/`` could a ``Dockerfile`` and ``**/*.py`` a script of the CI, and
calling all of them red would say nothing. A task counts when its scope holds one of the shared places or a part of one
that it names, when it names a lock file and the like at any depth, or when a tracked file of that kind is in its scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gitfleet.model.paths import quote_path
from gitfleet.model.session import Reversibility
from gitfleet.planner.scopes import Entry, Scope, ScopeError, entry_for, fold_name, overlap, parse_entry
from gitfleet.planner.scopes.trie import Trie
from gitfleet.planner.waves import scopes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
"""Names of files and directories that are shared at any depth."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """One kind, ready to be compared with: names at any depth, and the names of anchored places."""

    names: frozenset[str]
    places: tuple[tuple[str, ...], ...]


def _shared(kind: str, *, fold: bool) -> _Shared:
    spelled = fold_name if fold else str
    return _Shared(
        frozenset(spelled(name) for name in SHARED_NAMES.get(kind, ())),
        tuple(tuple(spelled(name) for name in place.split("/")) for place in SHARED_PLACES.get(kind, ())),
    )


_SHARED = {(kind, fold): _shared(kind, fold=fold) for kind in {*SHARED_PLACES, *SHARED_NAMES} for fold in (False, True)}
_KIND_OF_NAME = {name: kind for kind, names in SHARED_NAMES.items() for name in names}
_KIND_OF_PLACE = {tuple(place.split("/")): kind for kind, places in SHARED_PLACES.items() for place in places}
_DEPTHS = range(1, max(map(len, _KIND_OF_PLACE)) + 1)
_PLACES = tuple(
    (kind, Scope.parse([place]), place.encode())
    for kind, places in (*SHARED_PLACES.items(), *SHARED_NAMES.items())
    for place in places
)


def is_shared(path: bytes, kind: str, *, fold: bool = False, link: bool = False) -> bool:
    """Whether a path is a shared place or name of one kind, or below one; with ``fold`` in any spelling.

    A ``link`` counts as well where such a place would lie behind it.
    """
    names = tuple(path.decode("utf-8", "surrogateescape").split("/"))
    if fold:
        names = tuple(fold_name(name) for name in names)
    if not _SHARED[kind, fold].names.isdisjoint(names):
        return True
    places = _SHARED[kind, fold].places
    return any(names[: len(place)] == place or (link and place[: len(names)] == names) for place in places)


def shared_kind(path: bytes) -> str | None:
    """Say which kind of shared infrastructure a tracked path is, if any: CI, lock files, migrations, containers."""
    names = tuple(path.decode("utf-8", "surrogateescape").split("/"))
    named = (_kind_of_name(name) for name in names)
    placed = (_KIND_OF_PLACE.get(names[:depth]) for depth in _DEPTHS)
    return next((kind for kind in (*named, *placed) if kind is not None), None)


def _kind_of_name(name: str) -> str | None:
    if name.startswith(("Dockerfile.", "Containerfile.", "docker-compose.", "compose.")):
        return "containers"
    return _KIND_OF_NAME.get(name)


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
    filed = _filed((_entry(path) for path, _ in shared), fold=fold)
    touching = [
        f"{task.id} may write {touched}"
        for task in tasks
        if (touched := _touched(held[task.id], shared, filed, fold=fold))
    ]
    if touching:
        return Reversibility.RED, "; ".join(touching)
    agents = sum(len(wave) for wave in schedule.waves)
    counts = f"{_count(len(schedule.waves), 'wave')}, {_count(agents, 'agent')}"
    if len(schedule.waves) <= 1 and agents < 3:
        return Reversibility.GREEN, counts
    return Reversibility.AMBER, counts


def _entry(path: bytes) -> Entry:
    """The entry that holds a tracked path; everything, where none can be written."""
    try:
        return parse_entry(entry_for(path))
    except ScopeError:
        return parse_entry(".")


def _filed(entries: Iterable[Entry], *, fold: bool) -> Trie[int]:
    """File entries by where they begin, with their numbers from 0."""
    filed: Trie[int] = Trie()
    for number, entry in enumerate(entries):
        filed.add(entry.folded() if fold else entry, number)
    return filed


@lru_cache(maxsize=2)
def _filed_places(*, fold: bool) -> Trie[int]:
    return _filed((place.plain.held[0] for _, place, _ in _PLACES), fold=fold)


def _near(scope: Scope, filed: Trie[int], *, fold: bool) -> list[int]:
    """Numbers of entries that a scope could share a path with, in order; all others are apart for certain."""
    return sorted(set[int]().union(*(filed.near(entry) for entry in scope.sides(fold=fold).held)))


def _touched(scope: Scope, shared: Sequence[tuple[bytes, str]], filed: Trie[int], *, fold: bool) -> str:
    """Name the shared kinds that a scope can touch, each with one path; empty when there are none."""
    if scope.entries == (".",):
        return "everything, shared infrastructure included (its scope is `.`)"
    found: dict[str, bytes] = {}
    for path, kind in (shared[number] for number in _near(scope, filed, fold=fold)):
        if kind not in found and scope.matches(path, fold=fold):
            found[kind] = path
    for kind, path in (*_places(scope, fold=fold), *_names(scope)):
        found.setdefault(kind, path)
    return ", ".join(f"{kind} ({quote_path(path)})" for kind, path in found.items())


def _places(scope: Scope, *, fold: bool) -> Iterator[tuple[str, bytes]]:
    """Yield the shared places that a scope holds, or that an entry of it begins in."""
    for number in _near(scope, _filed_places(fold=fold), fold=fold):
        kind, place, path = _PLACES[number]
        if scope.matches(path, fold=fold):
            yield kind, path
            continue
        names = place.sides(fold=fold).held[0].head
        entries = zip(scope.plain.held, scope.sides(fold=fold).held, strict=True)
        inside = [entry for entry, compared in entries if compared.head[: len(names)] == names]
        if inside and (witness := overlap(Scope.of((*inside, *scope.plain.excluded)), place, fold=fold)):
            yield kind, witness


def _names(scope: Scope) -> Iterator[tuple[str, bytes]]:
    """Yield what entries name at any depth."""
    for entry in scope.plain.held:
        for segment in entry.segments:
            kind = _kind_of_name(segment.literal or "")
            if kind is not None:
                yield kind, entry.text.encode("utf-8")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
