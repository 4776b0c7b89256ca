"""The only place that runs the git binary.

Every call names its directory and gets an environment in which neither the caller's repository variables nor the
repository's own hooks, file-system monitor or background maintenance take part. Output is bytes; ``-z`` is used
wherever git offers it. Nothing here interprets what git says; callers do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

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

# Not repository variables, but each would change what our calls mean: how pathspecs match, where attributes and
# hashes come from, which program computes a diff.
MEANING_VARIABLES = (
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_ATTR_SOURCE",
    "GIT_DEFAULT_HASH",
    "GIT_DEFAULT_REF_FORMAT",
    "GIT_NAMESPACE",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
)


_GRACE_SECONDS = 30.0

# What callers need to name of this door; they import nothing that could open another.
TimedOut = subprocess.TimeoutExpired
Server = subprocess.Popen[bytes]


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
        if name not in LOCAL_VARIABLES
        and name not in MEANING_VARIABLES
        and not name.startswith(("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"))
    }
    # Replacement refs are shared, so an agent could make one commit look like another to the git binary while libgit2,
    # which ignores them, sees the real one: both engines read what is really there.
    cleaned |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
    # GITFLEET_OPEN=git tells a warden that clears up after its agent to leave our own calls in the worktree alone.
    cleaned["GITFLEET_OPEN"] = "git"
    if extra:
        cleaned |= extra
    return cleaned


class Leash:
    """Ends the calls of a door from another thread, for work that nobody waits for; ``calls`` counts them."""

    def __init__(self) -> None:
        """Let every call run."""
        self.calls = 0
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._cut = False

    def cut(self) -> None:
        """End the call in hand, and every later one at once."""
        with self._lock:
            self._cut = True
            if self._running is not None and self._running.poll() is None:
                _kill_session(self._running)

    def hold(self, process: subprocess.Popen[bytes]) -> None:
        """Take a call that has just started."""
        with self._lock:
            self.calls += 1
            self._running = process
            if self._cut:
                _kill_session(process)

    def let_go(self) -> None:
        """Forget the call in hand, which is about to be waited for, so that its number may become another's."""
        with self._lock:
            self._running = None


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git in one directory.

    ``inherit`` are descriptors that children keep open: the session lock's, so that a lock that is free proves that no
    git call of its holder still runs. ``settings`` are further ``-c`` values. ``timeout`` is in seconds, for a call
    that does not say; ``leash`` ends calls from another thread.
    """

    directory: Path
    inherit: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    leash: Leash | None = None

    def at(self, directory: Path) -> Git:
        """The same door, in another directory."""
        return replace(self, directory=directory)

    def having(self, *settings: str, **env: str) -> Git:
        """The same door with more ``-c`` settings and environment variables."""
        return replace(self, settings=self.settings + settings, env={**self.env, **env})

    def sees(self, variable: str) -> bool:
        """Whether a call of ours has this environment variable."""
        return variable in environment(self.env)

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
            process = self._spawn(args, subprocess.DEVNULL if stdin is None else subprocess.PIPE, subprocess.PIPE)
            with process:
                if self.leash is not None:
                    self.leash.hold(process)
                try:
                    stdout, stderr = process.communicate(stdin, self.timeout if timeout is None else timeout)
                except subprocess.TimeoutExpired:
                    _kill_session(process)
                    raise
                except BaseException:
                    # Interrupted: the call in hand is let finish, since half a checkout is worse than a short wait.
                    try:
                        process.communicate(timeout=_GRACE_SECONDS)
                    except BaseException:  # noqa: BLE001 - the first interruption is the one that goes on
                        _kill_session(process)
                    raise
                finally:
                    if self.leash is not None:
                        self.leash.let_go()
        except FileNotFoundError as error:
            raise _absent(error) from error
        completed = Completed(args, process.returncode, stdout, stderr)
        if completed.code not in ok:
            raise GitFailed(completed)
        return completed

    def serve(self, *args: str | bytes) -> Server:
        """Start a git command that answers over its pipes, such as ``cat-file --batch``; the caller ends it."""
        try:
            return self._spawn(args, subprocess.PIPE, subprocess.DEVNULL)
        except FileNotFoundError as error:
            raise _absent(error) from error

    def _spawn(self, args: Sequence[str | bytes], stdin: int, stderr: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.argv(args),
            cwd=self.directory,
            env=environment(self.env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=self.inherit,
            # A session of its own: a person's Ctrl-C must not kill git between two files of a checkout, and without a
            # terminal no helper (ssh, pinentry) can stop and wait for an answer that nobody sees the question of.
            start_new_session=True,
        )


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    # The whole session: a signing or transport helper below git would otherwise live on.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _absent(error: FileNotFoundError) -> Exception:
    if error.filename != "git":
        return error
    return GitfleetError(
        Kind.ENVIRONMENT,
        "no-git",
        "gitfleet needs git, and there is no git on the PATH.",
        hint="Install git 2.39 or newer.",
    )
