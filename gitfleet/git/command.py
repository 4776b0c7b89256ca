"""The only place that runs the git binary.

Every call names its directory and gets an environment in which neither the caller's repository variables nor the
repository's own hooks, file-system monitor or background maintenance take part. Output is bytes; ``-z`` is used
wherever git offers it. Nothing here interprets what git says; callers do.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MINIMUM_VERSION = (2, 39)

# What `git rev-parse --local-env-vars` lists in git 2.39 to 2.51: each would point our call at another repository.
LOCAL_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_INTERNAL_SUPER_PREFIX",
)

# Hooks are the user's and would run for our plumbing; fsmonitor and maintenance start daemons that outlive the call.
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
)


@dataclass(frozen=True, slots=True)
class Completed:
    """What a git call gave back; ``argv`` holds the arguments after ``git``."""

    argv: tuple[str | bytes, ...]
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text without the final newline; for output that is known to be text."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    @property
    def error(self) -> str:
        """Standard error as text, stripped."""
        return self.stderr.decode("utf-8", "replace").strip()


class GitFailed(Exception):  # noqa: N818 - reads as the sentence it is
    """A git call ended with an exit code that its caller did not expect."""

    def __init__(self, completed: Completed) -> None:
        """Keep the call for the message."""
        self.completed = completed
        words = " ".join(os.fsdecode(word) for word in completed.argv)
        super().__init__(f"git {words} ended with exit code {completed.code}: {completed.error}")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every git call of ours: the caller's, cleaned, with a fixed locale and no prompts."""
    cleaned = {
        name: value
        for name, value in os.environ.items()
        if name not in LOCAL_VARIABLES and not name.startswith(("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"))
    }
    # GITFLEET_OPEN=git tells a warden that clears up after its agent to leave our own calls in the worktree alone.
    cleaned |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GITFLEET_OPEN": "git"}
    cleaned.pop("GIT_EXTERNAL_DIFF", None)
    if extra:
        cleaned |= extra
    return cleaned


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git in one directory.

    ``inherit`` are descriptors that children keep open: the session lock's, so that a lock that is free proves that no
    git call of its holder still runs. ``settings`` are further ``-c`` values.
    """

    directory: Path
    inherit: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def at(self, directory: Path) -> Git:
        """The same door, in another directory."""
        return replace(self, directory=directory)

    def having(self, *settings: str, **env: str) -> Git:
        """The same door with more ``-c`` settings and environment variables."""
        return replace(self, settings=self.settings + settings, env={**self.env, **env})

    def argv(self, args: Sequence[str | bytes]) -> list[str | bytes]:
        """The whole command line for these arguments."""
        line: list[str | bytes] = ["git"]
        for setting in (*SETTINGS, *self.settings):
            line += ["-c", setting]
        return [*line, *args]

    def run(
        self,
        *args: str | bytes,
        stdin: bytes | None = None,
        ok: Sequence[int] = (0,),
        timeout: float | None = None,
    ) -> Completed:
        """Run one git command and wait for it.

        ``ok`` are the exit codes that are not an error; ``timeout`` is in seconds. Raises ``GitFailed`` for any other
        exit code, ``GitfleetError`` when there is no git, ``subprocess.TimeoutExpired`` after the timeout.
        """
        try:
            done = subprocess.run(
                self.argv(args),
                cwd=self.directory,
                env=environment(self.env),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                check=False,
                timeout=timeout,
                pass_fds=self.inherit,
            )
        except FileNotFoundError as error:
            if error.filename == "git":
                raise GitfleetError(
                    Kind.ENVIRONMENT,
                    "no-git",
                    "gitfleet needs git, and there is no git on the PATH.",
                    hint="Install git 2.39 or newer.",
                ) from error
            raise
        completed = Completed(args, done.returncode, done.stdout, done.stderr)
        if completed.code not in ok:
            raise GitFailed(completed)
        return completed
