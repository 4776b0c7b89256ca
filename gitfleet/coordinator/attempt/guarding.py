"""The guard around one attempt's git: laid out before it starts, read when it is over. Runs in worker threads.

Before: a picture of what the person has, and hooks, environment and wrapper for the agent. After: what the guard
refused, and how the picture differs from what is there. Reading may be repeated; it changes nothing that is shared.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitfleet.coordinator.attempt.tampering import (
    COMMON,
    ConfigFile,
    bounded,
    lost_stashes,
    moved,
    of_config,
    of_ref,
    of_stash,
    refused,
    word,
)
from gitfleet.errors import GitfleetError
from gitfleet.git.command import Git, GitFailed
from gitfleet.git.digests import Asked, Picture, asked, picture, settings
from gitfleet.git.reflogs import Entry, is_moved_in, last_entry
from gitfleet.git.repository import Repository
from gitfleet.model.tampering import Tampering, TamperingOutcome
from gitfleet.runtime.attempt import EXIT
from gitfleet.runtime.guard.install import Guard, install
from gitfleet.runtime.guard.tries import began, forget, read_tries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.runtime.guard.tries import Try

DIRECTORY = "guard"
_PICTURE = "before.json"
_SAVED = "saved"
_OURS = "gitfleet: "
"""How the reflog message of every ref that gitfleet moves begins."""


def guarded(parts: Parts, run: Run, environment: Mapping[str, str]) -> dict[str, str]:
    """Lay the guard of a run's last attempt out and give the environment behind it. Raises ``OSError``."""
    directory = _directory(parts, run)
    directory.mkdir(exist_ok=True)
    forget(directory)
    known = _asked(parts)
    chain = Path(known.hooks)
    usual = parts.repository.common_dir / "hooks"
    seen = _picture(parts, (usual, chain) if chain.is_absolute() and chain != usual else (usual,))
    # Names that are not UTF-8 come back from escapes, which this JSON has and that of documents has not.
    (directory / _PICTURE).write_text(json.dumps(msgspec.to_builtins(seen)))
    guard = Guard(directory, parts.repository.common_dir, run.branch, known.hooks, known.pushes)
    return {**environment, **install(guard, environment)}


def tampered(parts: Parts, run: Run) -> tuple[Tampering, ...]:
    """What the guard of a run's last attempt refused, and what of the person's changed while it ran."""
    directory = _directory(parts, run)
    tries = read_tries(directory)
    try:
        before = msgspec.convert(json.loads((directory / _PICTURE).read_bytes()), Picture)
        changed = list(_changed(parts, run, before, tries))
    except (OSError, GitFailed, ValueError):
        # Nothing to compare with, such as after a power cut: what was refused is known all the same.
        return bounded(list(refused(tries, None)))
    names = {(one.kind, one.name) for one in changed}
    still = [one for one in refused(tries, before) if (one.kind, one.name) not in names]
    return bounded([*changed, *still])


def _directory(parts: Parts, run: Run) -> Path:
    return parts.layout.attempt(run.instance, len(run.attempts)) / DIRECTORY


def _changed(parts: Parts, run: Run, before: Picture, tries: Sequence[Try]) -> Iterator[Tampering]:
    after = _picture(parts, tuple(map(Path, before.places)))
    if before == after:
        return
    others = _others(parts, run)
    yield from _moved(parts, run, before, after, tries, others)
    tried = any(one.kind == "stash" for one in tries)
    if tried or not others:
        outcome = TamperingOutcome.CHANGED if tried else TamperingOutcome.UNCLEAR
        for oid in lost_stashes(before, after):
            yield of_stash(oid, outcome, others)
    ended = _ended(parts, run)
    for path in {**before.config, **after.config}:
        if before.config.get(path) != after.config.get(path) and not _later(Path(path), ended):
            file = _config_file(parts, run, Path(path), before.config.get(path, b""))
            yield from of_config(file, (one.name for one in tries if one.kind == "config"), others)
    for path in {**before.hooks, **after.hooks}:
        if before.hooks.get(path) != after.hooks.get(path) and not _later(Path(path), ended):
            yield _hook(parts, run, Path(path), before, others)


def _moved(
    parts: Parts, run: Run, before: Picture, after: Picture, tries: Sequence[Try], others: tuple[str, ...]
) -> Iterator[Tampering]:
    """Refs that moved, but for those that somebody else is known to have moved, or several may have."""
    tried = {(one.name, one.becomes) for one in tries if one.kind == "ref"}
    names = {name for name, _ in tried}
    common = parts.repository.common_dir
    for name, old, new in moved(before, after):
        last = last_entry(common, name)
        if last is not None and last.new == new and _explained(parts, last):
            continue
        if name in names:
            outcome = TamperingOutcome.CHANGED if (name, new) in tried else TamperingOutcome.UNCLEAR
            yield of_ref(name, old, new, outcome, others)
        elif old and not others and name != _target(parts, run) and not _later(common / name, _ended(parts, run)):
            yield of_ref(name, old, new, TamperingOutcome.UNCLEAR, ())


def _target(parts: Parts, run: Run) -> str:
    """The branch that the run's session lands on, which gitfleet and people move all the time; a planner has none."""
    with suppress(GitfleetError):
        return parts.state.read_session(run.session).target
    return ""


def _explained(parts: Parts, last: Entry) -> bool:
    """Whether the last move of a ref was gitfleet's, or was made in a worktree that is no agent's."""
    return last.message.startswith(_OURS) or is_moved_in(parts.repository.common_dir, last, without=parts.pool)


def _config_file(parts: Parts, run: Run, path: Path, before: bytes) -> ConfigFile:
    common = parts.repository.common_dir
    option = {common / "config": "--local", common / "config.worktree": "--worktree"}.get(path, "--global")
    saved = _saved(parts, run, path, before)
    target = f"{COMMON}/{path.name}" if path.parent == common else f"~/{path.name}"
    return ConfigFile(
        option,
        f"cp {saved} {target}",
        settings(parts.repository, _directory(parts, run) / _SAVED / path.name),
        settings(parts.repository, path) if path.exists() else {},
    )


def _hook(parts: Parts, run: Run, path: Path, before: Picture, others: tuple[str, ...]) -> Tampering:
    common = parts.repository.common_dir
    place = f"{COMMON}/{path.relative_to(common)}" if path.is_relative_to(common) else word(os.fspath(path))
    known = before.hooks.get(os.fspath(path))
    if known is None:
        restore = f"rm {place}"
    else:
        restore = f"cp {_saved(parts, run, path, known.data)} {place} && chmod {known.mode:o} {place}"
    return Tampering(kind="hook", name=path.name, outcome=TamperingOutcome.UNCLEAR, restore=restore, others=others)


def _saved(parts: Parts, run: Run, path: Path, data: bytes) -> str:
    """Put a file as it was beside the attempt, and say how a command names that."""
    directory = _directory(parts, run) / _SAVED
    directory.mkdir(exist_ok=True)
    (directory / path.name).write_bytes(data)
    return f"{COMMON}/{(directory / path.name).relative_to(parts.repository.common_dir)}"


def _others(parts: Parts, run: Run) -> tuple[str, ...]:
    """The agents of this clone that ran at some time while this one did, in any session."""
    mine = began(_directory(parts, run)) or 0.0
    ended = _ended(parts, run) or float("inf")
    found = set()
    for attempt in (parts.layout.root / "attempts").glob("*/*"):
        start = began(attempt / DIRECTORY)
        if attempt.parent.name == run.instance or start is None:
            continue
        if start <= ended and (_time(attempt / EXIT) or float("inf")) >= mine:
            found.add(attempt.parent.name)
    return tuple(sorted(found))


def _ended(parts: Parts, run: Run) -> float | None:
    return _time(_directory(parts, run).parent / EXIT)


def _later(path: Path, ended: float | None) -> bool:
    """Whether a file was last written after the agent was gone, and so by somebody else."""
    written = _time(path)
    return ended is not None and written is not None and written > ended


def _time(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _picture(parts: Parts, places: tuple[Path, ...]) -> Picture:
    prefix = parts.config.branch_prefix
    ours = (f"refs/heads/{prefix}/", "refs/heads/fleet-spill/", "refs/heads/speculative/", "refs/tags/archive/")
    common = parts.repository.common_dir
    config = [common / "config", common / "config.worktree"]
    if "HOME" in parts.caller:
        config.append(Path(parts.caller["HOME"]) / ".gitconfig")
    return picture(parts.repository, ours=ours, config=tuple(config), places=places)


def _asked(parts: Parts) -> Asked:
    """What git says of hooks and remotes, asked anew when the repository's own configuration is another one."""
    content = b""
    with suppress(OSError):
        content = (parts.repository.common_dir / "config").read_bytes()
    return _asked_once(parts.repository.common_dir, content)


@lru_cache(maxsize=8)
def _asked_once(common_dir: Path, _content: bytes) -> Asked:
    return asked(Repository(Git(common_dir), None, common_dir, common_dir))
