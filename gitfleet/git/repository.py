"""Finding the repository that a command is about.

Works from a subdirectory, a linked worktree, a submodule, a repository with ``--separate-git-dir``, a bare repository
and from inside ``.git``. The caller's ``GIT_DIR`` and relatives are ignored on purpose: what a command works on is the
directory it is given. One git call in the usual case; libgit2 takes no part.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.command import MINIMUM_VERSION, Completed, Git, GitFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

# `rev-parse` learned this option in git 2.39 and prints options that it does not know: the answer tells whether git is
# new enough, without a second process.
_NEW_ENOUGH = "--exclude-hidden=receive"


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as seen from one place.

    ``worktree`` is the root of the files (none in a bare repository), ``git_dir`` holds that worktree's HEAD and index,
    ``common_dir`` what all worktrees share. All are absolute. ``git`` runs in the worktree, or in the common directory.
    """

    git: Git
    worktree: Path | None
    git_dir: Path
    common_dir: Path

    @property
    def name(self) -> str:
        """What people call it: the directory's name without ``.git``."""
        place = self.common_dir.parent if self.common_dir.name.startswith(".") else self.common_dir
        if self.worktree is not None and self.git_dir == self.common_dir:
            place = self.worktree
        return place.name.removesuffix(".git")


def discover(start: Path) -> Repository:
    """Find the repository around a directory.

    Raises ``GitfleetError`` with Kind.ENVIRONMENT and code ``not-a-repository``, ``git-too-old``, ``no-git`` or
    ``unsafe-repository``.
    """
    git = Git(start)
    try:
        done = git.run(
            "rev-parse",
            _NEW_ENOUGH,
            "--is-bare-repository",
            "--path-format=absolute",
            "--git-dir",
            "--git-common-dir",
            "--show-toplevel",
            ok=(0, 128),
        )
    except (NotADirectoryError, FileNotFoundError) as error:
        message = f"{_named(start)} is not a directory."
        raise GitfleetError(Kind.ENVIRONMENT, "not-a-repository", message, hint=_HINT) from error
    except GitFailed as error:
        raise _refusal(start, error.completed) from error
    lines = done.stdout.split(b"\n")[:-1]
    if lines and lines[0].startswith(b"--"):
        raise _too_old(git)
    if len(lines) < 3:
        raise _refusal(start, done)
    inside = done.code == 0
    if len(lines) == 3 + inside:
        paths = [_path(line) for line in lines[1:]]
    else:
        # A directory with a newline in its name: one answer a call.
        asked = ("--git-dir", "--git-common-dir", "--show-toplevel")[: 2 + inside]
        paths = [_ask(git, option) for option in asked]
    git_dir, common_dir = paths[0], paths[1]
    if inside:
        worktree: Path | None = paths[2]
    elif lines[0] == b"true":
        worktree = None
    else:
        worktree = _worktree_of(git_dir, common_dir)
    return Repository(Git(worktree or common_dir), worktree, git_dir, common_dir)


_HINT = "Run it inside a git repository, name one with --repo, or make one: git init && git add -A && git commit"


def _named(start: Path) -> str:
    """Name a place so that it means the same elsewhere; as it was given where the current directory is gone."""
    try:
        return str(start.absolute())
    except OSError:
        return str(start)


def _path(line: bytes) -> Path:
    return Path(line.decode("utf-8", "surrogateescape"))


def _ask(git: Git, option: str) -> Path:
    return _path(git.run("rev-parse", "--path-format=absolute", option).stdout[:-1])


def _worktree_of(git_dir: Path, common_dir: Path) -> Path | None:
    """The files that belong to a git directory in which the command was started, if there are any."""
    if git_dir != common_dir:
        try:
            pointer = (git_dir / "gitdir").read_bytes().rstrip(b"\n")
        except OSError:
            return None
        root = (git_dir / _path(pointer)).parent
    elif git_dir.name == ".git":
        root = git_dir.parent
    else:
        return None
    try:
        found = _ask(Git(root), "--git-dir")
    except (OSError, GitFailed):
        return None
    return root if found == git_dir else None


def _too_old(git: Git) -> GitfleetError:
    text = git.run("version").text.removeprefix("git version ")
    wanted = ".".join(str(part) for part in MINIMUM_VERSION)
    return GitfleetError(
        Kind.ENVIRONMENT,
        "git-too-old",
        f"gitfleet needs git {wanted} or newer, and the git on the PATH is {text}.",
        hint="Install a newer git, or put it first on the PATH.",
    )


def _refusal(start: Path, done: Completed) -> GitfleetError:
    why = _sentence(done.error.splitlines())
    if "dubious ownership" in done.error or "safe.directory" in done.error or "safe.bareRepository" in done.error:
        return GitfleetError(
            Kind.ENVIRONMENT,
            "unsafe-repository",
            f"git refuses to work in {start}: {why}",
            hint="If you trust it: git config --global --add safe.directory <its directory>",
        )
    if "not a git repository" in done.error:
        found = _nearby(start)
        if found is not None:
            # git passes over one that lacks a part or that it may not read, and looks further up.
            message = f"git does not take {found} for a repository: {_missing(found)}."
            hint = "Bring back what is missing, or the right to read it; `ls -l` shows what is there."
            return GitfleetError(Kind.ENVIRONMENT, "not-a-repository", message, hint=hint)
        message = f"{_named(start)} is not in a git repository."
        return GitfleetError(Kind.ENVIRONMENT, "not-a-repository", message, hint=_HINT)
    return GitfleetError(
        Kind.ENVIRONMENT,
        "not-a-repository",
        f"git cannot work in {start}: {why}",
        hint="See what `git status` says there.",
    )


def _nearby(start: Path) -> Path | None:
    """The git directory that somebody who is here would think of: not an empty one, which sandboxes leave behind."""
    here = Path(_named(start))
    places = (place / ".git" for place in (here, *here.parents))
    return next((place for place in places if place.is_dir() and not _empty(place)), None)


def _empty(directory: Path) -> bool:
    try:
        return next(directory.iterdir(), None) is None
    except OSError:
        return False


def _missing(git_dir: Path) -> str:
    """Say what keeps git from reading a directory, from the list in its setup.c: HEAD, objects and refs."""
    for name in ("HEAD", "objects", "refs"):
        try:
            (git_dir / name).stat()
        except OSError as error:
            return f"{name}: {error.strerror}"
        if not os.access(git_dir / name, os.R_OK if name == "HEAD" else os.X_OK):
            return f"{name}: {os.strerror(errno.EACCES)}"
    return "its HEAD is not one"


def _sentence(lines: Sequence[str]) -> str:
    return lines[0].removeprefix("fatal: ") if lines else "it gave no reason"
