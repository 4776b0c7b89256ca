"""``gitfleet check``: is every document below ``.planning/`` valid, and does it lie where it says it belongs.

Files of others are counted and left alone. Symlinks are not followed to directories, nor to files outside the worktree.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitfleet.app.load import read_config, read_plan
from gitfleet.errors import GitfleetError, Kind, Problem
from gitfleet.model.paths import quote_path
from gitfleet.model.reports import CheckReport, PlacedProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitfleet.app.workspace import Workspace

MAX_FILES = 200_000
"""Files looked at below ``.planning/``; what is beyond is a problem of its own."""

MAX_BYTES = 8 << 20
"""Size of one record."""

_SESSION = r"(?P<session>[a-z0-9][a-z0-9._-]*)"
_TASK = r"(?P<task>[a-z0-9][a-z0-9._-]{0,63})"


@dataclass(slots=True)
class _Found:
    """What the walk collects."""

    documents: int = 0
    alien: int = 0
    problems: list[Problem] = field(default_factory=list)


def check_planning(root: Path) -> CheckReport:
    """Check ``root/.planning``; a directory that is missing holds nothing wrong. ``root`` is the top of a worktree."""
    found = _Found()
    for count, path in enumerate(_files(root, found)):
        if count >= MAX_FILES:
            found.problems.append(
                Problem(".planning", "", f"holds more than {MAX_FILES} files; the rest was not checked")
            )
            break
        _check(root, path, found)
    placed = tuple(PlacedProblem.of(problem) for problem in found.problems)
    return CheckReport(documents=found.documents, alien=found.alien, problems=placed)


def check(workspace: Workspace) -> CheckReport:
    """Check the worktree that a command runs in; raises ``GitfleetError`` where there is none."""
    root = workspace.repository.worktree
    if root is None:
        raise GitfleetError(
            Kind.USAGE,
            "no-worktree",
            "There is no worktree here whose .planning could be checked.",
            hint="Run it in a worktree.",
        )
    return check_planning(root)


def _files(root: Path, found: _Found) -> Iterator[str]:
    """Paths below ``root`` of everything in ``.planning`` that is not a directory, sorted; links are files here."""
    top = root / ".planning"
    if not os.path.lexists(top):
        return
    if top.is_symlink():
        found.problems.append(Problem(".planning", "", "is a symlink and is not followed", "a directory"))
        return

    def unreadable(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):  # never there, or gone since it was listed
            return
        found.problems.append(
            Problem(_shown(os.path.relpath(error.filename, root)), "", f"cannot be read: {error.strerror}")
        )

    for directory, inner, names in os.walk(top, onerror=unreadable):
        links = [name for name in inner if (Path(directory) / name).is_symlink()]
        inner[:] = sorted(name for name in inner if name not in links)
        for name in sorted([*names, *links]):
            yield os.path.relpath(os.path.join(directory, name), root)  # noqa: PTH118 - names may not be UTF-8


def _check(root: Path, path: str, found: _Found) -> None:
    if path == os.path.join(".planning", "live"):  # noqa: PTH118 - as above
        return
    for pattern, check in _CHECKS:
        match = pattern.fullmatch(path.replace(os.sep, "/"))
        if match is None:
            continue
        found.documents += 1
        data = _read(root, path)
        if isinstance(data, str):
            found.problems.append(Problem(_shown(path), "", data))
        else:
            found.problems.extend(check(data, _shown(path), match.groupdict()))
        return
    found.alien += 1


def _read(root: Path, path: str) -> bytes | str:
    """Return the content, or why it is not read."""
    whole = root / path
    if whole.is_symlink() and not Path(os.path.realpath(whole)).is_relative_to(os.path.realpath(root)):
        return "is a symlink that leaves the worktree"
    try:
        with open(whole, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return "is not a regular file"
            if facts.st_size > MAX_BYTES:
                return f"has {facts.st_size} bytes, more than the {MAX_BYTES} that a record may have"
            return file.read(MAX_BYTES)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _shown(path: str) -> str:
    return quote_path(os.fsencode(path))


def _config(data: bytes, name: str, _ids: dict[str, str]) -> list[Problem]:
    return read_config(data, name)[1]


def _plan(data: bytes, name: str, _ids: dict[str, str]) -> list[Problem]:
    return read_plan(data, name, None)[1]


def _session(data: bytes, name: str, ids: dict[str, str]) -> list[Problem]:
    from gitfleet.store.documents.front_matter import FrontMatterError, parse_facts  # noqa: PLC0415 - loaded when needed
    from gitfleet.store.documents.source import Place, Source, Trail  # noqa: PLC0415
    from gitfleet.store.documents.validation import problems_of  # noqa: PLC0415

    try:
        facts, _ = parse_facts(data)
    except FrontMatterError as error:
        return [Problem(name, "", str(error), "front matter of `key: <JSON>` lines", line=error.line)]
    keys: dict[Trail, Place] = {(key,): Place(line, 1) for line, key in enumerate(facts, start=2)}
    problems = problems_of("session", Source(name, facts, keys=keys))
    return problems or _agree(name, facts, {"id": ids["session"]})


def _text(data: bytes, name: str, _ids: dict[str, str]) -> list[Problem]:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return [Problem(name, "", "is not UTF-8", "UTF-8 text", line=data.count(b"\n", 0, error.start) + 1)]
    return [Problem(name, "", "holds a NUL", "text")] if b"\0" in data else []


def _record(kind: str) -> Callable[[bytes, str, dict[str, str]], list[Problem]]:
    def check(data: bytes, name: str, ids: dict[str, str]) -> list[Problem]:
        import json  # noqa: PLC0415 - loaded when needed

        from gitfleet.store.documents.validation import validate  # noqa: PLC0415

        problems = validate(kind, data, name)
        return problems or _agree(name, json.loads(data), ids)

    return check


def _agree(name: str, facts: dict[str, Any], ids: dict[str, str]) -> list[Problem]:
    """Hold the ids in a document against its path."""
    return [
        Problem(
            name,
            key,
            f"says `{facts.get(key)}`, but its path says `{wanted}`",
            f"`{wanted}`",
            "a record is never moved",
        )
        for key, wanted in ids.items()
        if facts.get(key) != wanted
    ]


_CHECKS: tuple[tuple[re.Pattern[str], Callable[[bytes, str, dict[str, str]], list[Problem]]], ...] = (
    (re.compile(r"\.planning/config\.yaml"), _config),
    (re.compile(rf"\.planning/sessions/{_SESSION}/plan(?:\.[0-9]+)?\.yaml"), _plan),
    (re.compile(rf"\.planning/sessions/{_SESSION}/config\.yaml"), _config),
    (re.compile(rf"\.planning/sessions/{_SESSION}/session\.md"), _session),
    (re.compile(rf"\.planning/sessions/{_SESSION}/waves/w[0-9]+\.md"), _text),
    (re.compile(rf"\.planning/sessions/{_SESSION}/runs/{_TASK}\.json"), _record("run")),
    (re.compile(rf"\.planning/briefs/{_SESSION}/{_TASK}\.md"), _text),
    (re.compile(rf"\.planning/discoveries/{_SESSION}/{_TASK}\.json"), _record("discoveries")),
    (re.compile(rf"\.planning/momentum/{_SESSION}\.json"), _record("momentum")),
)
