"""Making a tree ready for whoever runs in it: what is copied and linked, then the set-up commands under wardens.

Runs in worker threads. Set-up that changes what git sees is refused: it would pass for the agent's work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.git.ignored import note_start
from gitfleet.git.status import read_status
from gitfleet.git.worktrees import INSTANCE_FILE, locate
from gitfleet.model.evidence import CheckResult
from gitfleet.model.paths import quote_path
from gitfleet.model.plan import Check
from gitfleet.model.run import Failure, FailureSource
from gitfleet.pool.bootstrap import furnish
from gitfleet.recovery.keeping import of_scope
from gitfleet.store.layout import setup_label
from gitfleet.store.locks import worktrees_lock

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.git.worktrees import Worktree
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

INTERRUPTED = "interrupted"
"""Code of the failure of a set-up that was stopped with its session."""

_NAMED = 5


def is_configured(parts: Parts) -> bool:
    """Whether a tree needs more than its commit."""
    wanted = parts.config.worktrees
    return bool(wanted.copied or wanted.link or wanted.setup)


def make_ready(parts: Parts, checks: CheckRunner, worktree: Worktree, run: Run) -> Failure | None:
    """Make an attempt's tree ready; gives what went wrong. Raises ``GitfleetError`` and ``OSError`` for the files."""
    if not is_configured(parts) and not parts.config.pool.keep:
        return None
    red = _set_up(parts, checks, worktree, run.instance)
    if red is not None:
        return red
    wanted = of_scope(run, fold=parts.fold)
    if wanted is not None:
        # What is there now is not the attempt's work, and no snapshot need hold it.
        note_start(parts.repository.git, worktree, wanted)
    return None


def _set_up(parts: Parts, checks: CheckRunner, worktree: Worktree, instance: str) -> Failure | None:
    _furnish(parts, worktree)
    for command in parts.config.worktrees.setup:
        result = checks.one(_command(parts, command), worktree.path, setup_label(instance))
        if result is None:
            return _failure(INTERRUPTED, "The session was stopped while its worktree was set up.")
        if not result.green:
            return _failure("setup-failed", f"{describe(result)}\n{result.tail}".strip())
    if parts.config.worktrees.setup:
        seen = read_status(worktree.git(parts.repository.git))
        wrote = [quote_path(path) for path in (*seen.changed, *seen.untracked) if path != INSTANCE_FILE.encode()]
        if wrote:
            more = f" and {len(wrote) - _NAMED} more" if len(wrote) > _NAMED else ""
            names = ", ".join(wrote[:_NAMED]) + more
            return _failure("setup-failed", f"worktrees.setup changed what git sees: {names}. Have git ignore it.")
    return None


def describe(result: CheckResult) -> str:
    """A sentence on a command of the set-up that failed."""
    if result.timed_out:
        return f"The set-up command `{result.run}` was stopped at its deadline."
    how = f"signal {result.signal}" if result.signal else f"exit code {result.exit_code}"
    return f"The set-up command `{result.run}` ended with {how}."


def _furnish(parts: Parts, worktree: Worktree) -> None:
    wanted = parts.config.worktrees
    lock = worktrees_lock(parts.layout)
    furnish(parts.repository, worktree, copied=wanted.copied, link=wanted.link, lock=lock)


def _command(parts: Parts, command: str) -> Check:
    return Check(run=command, timeout_seconds=parts.config.timeouts.setup)


def _failure(code: str, message: str) -> Failure:
    return Failure(source=FailureSource.TRANSPORT, code=code, message=message)


@dataclass(slots=True)
class ReadyFirst:
    """Runs checks in the integration worktree, which is made ready anew each time another commit is checked out."""

    parts: Parts
    checks: CheckRunner
    _ready: str = field(default="")

    def one(self, check: Check, directory: Path, label: str) -> CheckResult | None:
        """Run a check; what goes wrong with the set-up is the result of the check that needed it."""
        if is_configured(self.parts):
            worktree = locate(self.parts.repository, directory)
            head = self.parts.repository.git.at(directory).run("rev-parse", "HEAD").text
            if worktree is not None and head != self._ready:
                wrong = self._make_ready(worktree, label)
                if wrong is not None and wrong.exit_code == 0:
                    return None
                if wrong is not None:
                    return wrong
                self._ready = head
        return self.checks.one(check, directory, label)

    def _make_ready(self, worktree: Worktree, label: str) -> CheckResult | None:
        """None when it is ready; a green result when the session was stopped meanwhile."""
        try:
            _furnish(self.parts, worktree)
        except (GitfleetError, OSError) as error:
            return CheckResult(name="worktrees", run="worktrees.copy and worktrees.link", exit_code=1, tail=str(error))
        for command in self.parts.config.worktrees.setup:
            result = self.checks.one(_command(self.parts, command), worktree.path, label)
            if result is None:
                return CheckResult(name=command, run=command, exit_code=0)
            if not result.green:
                return result
        return None
