"""What the person has in a repository that an attempt must not change: refs, stash, configuration and hooks.

Read from files, so that the usual attempt costs no process; only a repository that keeps its refs otherwise is asked
through git. Remote-tracking refs are left out, since fetches of people and editors move them all the time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from gitfleet.git.refs import Refs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gitfleet.git.repository import Repository

STASH = "refs/stash"
SHARED = ("refs/heads/", "refs/tags/", "refs/notes/", "refs/replace/")
_BYTES = 1 << 20
"""Most of a file of configuration or a hook that is kept for its restoration."""


class Hook(msgspec.Struct, frozen=True):
    """A file of a hooks directory; ``data`` is bounded."""

    mode: int
    data: bytes


class Picture(msgspec.Struct, frozen=True):
    """What was there at one moment.

    ``places`` are the hook directories that were looked into, ``refs`` object ids (or ``ref: <name>``) by full name,
    ``stash`` the reflog of the stash with its oldest entry first, ``config`` the content of files by path, ``hooks``
    those of hook directories by path.
    """

    places: tuple[str, ...]
    refs: dict[str, str]
    stash: bytes
    config: dict[str, bytes]
    hooks: dict[str, Hook]


def picture(repo: Repository, *, ours: tuple[str, ...], config: tuple[Path, ...], places: tuple[Path, ...]) -> Picture:
    """Look at a repository; ``ours`` are prefixes of refs that gitfleet itself moves, which are left out."""
    common = repo.common_dir
    return Picture(
        places=tuple(map(os.fspath, places)),
        refs=_refs(repo, ours),
        stash=_read(common / "logs" / STASH) or b"",
        config={os.fspath(path): data for path in config if (data := _read(path)) is not None},
        hooks={os.fspath(path): hook for directory in places for path, hook in _hooks(directory)},
    )


def _refs(repo: Repository, ours: tuple[str, ...]) -> dict[str, str]:
    if (repo.common_dir / "reftable").exists():
        found = Refs(repo.git).under("refs/")
    else:
        found = {**_packed(repo.common_dir), **_loose(repo.common_dir, ours)}
    shared = (*SHARED, STASH)
    return {name: oid for name, oid in found.items() if name.startswith(shared) and not name.startswith(ours)}


def _packed(common: Path) -> dict[str, str]:
    try:
        text = (common / "packed-refs").read_text("utf-8", "surrogateescape")
    except OSError:
        return {}
    lines = (line.partition(" ") for line in text.split("\n") if line[:1] not in {"#", "^", ""})
    return {name: oid for oid, _, name in lines}


def _loose(common: Path, ours: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for place in (common / prefix for prefix in SHARED):
        for directory, below, names in os.walk(place):
            at = f"{os.path.relpath(directory, common)}/"
            below[:] = [name for name in below if not f"{at}{name}/".startswith(ours)]
            for name in names:
                # A lock of somebody who writes, or a ref that has just gone.
                if not name.endswith(".lock") and (data := _read(common / at / name)) is not None:
                    found[f"{at}{name}"] = data.decode("utf-8", "surrogateescape").strip()
    if (stash := _read(common / STASH)) is not None:
        found[STASH] = stash.decode("utf-8", "surrogateescape").strip()
    return found


def _hooks(directory: Path) -> Iterator[tuple[Path, Hook]]:
    """The hooks that git would run: samples are none."""
    with suppress(OSError):
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            if entry.name.endswith(".sample") or not entry.is_file():
                continue
            data = _read(directory / entry.name)
            if data is not None:
                yield directory / entry.name, Hook(entry.stat().st_mode & 0o777, data)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_BYTES)
    except OSError:
        return None


class Asked(msgspec.Struct, frozen=True):
    """What the configuration says that a guard must know: where hooks are, and what is pushed to."""

    hooks: str
    pushes: tuple[str, ...]


def asked(repo: Repository) -> Asked:
    """Ask git where the person's hooks are (relative to where they run, or absolute) and what remotes are pushed to."""
    done = repo.git.run("config", "-z", "--show-scope", "--type=path", "--get-regexp", _WANTED, ok=(0, 1))
    hooks, pushes = os.fspath(repo.common_dir / "hooks"), []
    words = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    for scope, entry in zip(words[::2], words[1::2], strict=False):
        key, _, value = entry.partition("\n")
        if key != "core.hookspath":
            pushes.append(value)
        elif scope != "command":  # ours, which turns hooks off
            hooks = value or hooks
    return Asked(hooks, tuple(dict.fromkeys(filter(None, pushes))))


_WANTED = r"^(core\.hookspath|remote\..*\.(pushurl|url))$"


def settings(repo: Repository, file: Path) -> Mapping[str, tuple[str, ...]]:
    """The settings that a configuration file makes by itself, in order; none where git cannot read it."""
    done = repo.git.run("config", "--file", str(file), "--no-includes", "-z", "--list", ok=(0, 1, 3, 128))
    found: dict[str, tuple[str, ...]] = {}
    for entry in done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        key, _, value = entry.partition("\n")
        found[key] = (*found.get(key, ()), value)
    return found
