"""Run the configured checks on exactly one tree, and say what they said.

The tree is checked out in the integration worktree without ``.planning/``, as a commit of its own, so that a check sees
a clean repository. Checks run in order, and stop at the first red one unless all are wanted. Each runs under a warden:
a coordinator that dies leaves none writing. What a check does outside its worktree is its own affair.

What was green before may be known to a ``Memory``, which is asked first and told afterwards.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from gitfleet.git.command import GitFailed
from gitfleet.git.status import reveal_hidden
from gitfleet.git.trees import tree_id
from gitfleet.model.evidence import CheckResult, Verdict, Verification
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.model.plan import Check


class Runner(Protocol):
    """Runs one check in a directory and returns its evidence, or None when it was interrupted."""

    def __call__(self, check: Check, directory: Path, label: str) -> CheckResult | None:
        """Run ``check``; ``label`` names the run of checks in attempt directories and messages."""
        ...


class Memory(Protocol):
    """What trees turned out to be, with these checks in this order. ``commit`` has exactly the files of the tree."""

    def recall(self, tree: str, commit: str, checks: Sequence[Check]) -> Verification | None:
        """What is known of a tree; it may use the worktree, which is checked out anew for checks."""
        ...

    def remember(self, verification: Verification, commit: str, checks: Sequence[Check]) -> None:
        """Take in what the checks said, right after they ran."""
        ...


class Forgetful:
    """A memory that holds nothing."""

    def recall(self, tree: str, commit: str, checks: Sequence[Check]) -> None:
        """Nothing."""

    def remember(self, verification: Verification, commit: str, checks: Sequence[Check]) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The checks were stopped before they could say anything."""


def without_planning(objects: Objects, commit: str) -> tuple[str, str]:
    """The commit to check out for checking ``commit``, and its tree: the same files but for ``.planning/``."""
    facts = objects.commit(commit)
    if objects.entry(facts.tree, b".planning") is None:
        return commit, facts.tree
    tree = objects.edit_tree(facts.tree, {b".planning": None})
    return objects.create_commit(tree, [commit], "gitfleet: the tree under verification\n"), tree


def checked_tree(objects: Objects, commit: str) -> str:
    """The tree of ``commit`` without ``.planning/``, as ``without_planning`` has it; nothing is stored."""
    tree = objects.commit(commit).tree
    names = objects.tree(tree)
    if b".planning" not in names:
        return tree
    return tree_id({name: entry for name, entry in names.items() if name != b".planning"}, tree)


def check_out(git: Git, commit: str, keep: Sequence[str] = ()) -> None:
    """Make the worktree hold exactly ``commit``, with nothing else in it, ignored files included.

    ``keep`` are patterns of ignored files that stay, as ``git clean -e`` reads them.
    """
    # The check before may have taken the directory away, or the file that makes it a worktree.
    git.directory.mkdir(exist_ok=True)
    pointer = git.directory / ".git"
    if not pointer.exists():
        pointer.write_bytes(b"gitdir: " + git.run("rev-parse", "--absolute-git-dir").stdout)
    _mend_index(git, commit)
    git.run("read-tree", "--reset", "-u", commit)
    git.run("update-ref", "--no-deref", "HEAD", commit)
    git.run("clean", "-ffdxq", *(word for pattern in ("/.fleet-instance-id", *keep) for word in ("-e", pattern)))
    if keep:
        # What is kept must be ignored, or a check would see files that no commit holds.
        git.run("clean", "-ffdq")


def run_checks(
    git: Git,
    commit: str,
    runner: Runner,
    checks: Sequence[Check],
    label: str,
    say: Callable[[str], None],
    *,
    every: bool = False,
) -> tuple[CheckResult, ...] | Interrupted:
    """Run ``checks`` in order in the worktree of ``git``, as it is at ``commit``; with ``every`` also after a red one.

    A check that timed out is run once more, on files as the commit has them, and what it says then counts. A check that
    changes a tracked file is red even when it exits 0 (``wrote`` names the files): the tree that it passed on is no
    longer the tree that would land.
    """
    results: list[CheckResult] = []
    for number, check in enumerate(checks, start=1):
        say(f"verify: {check.title} ({number} of {len(checks)})")
        result = twice(partial(runner, check, git.directory, label), partial(_restore, git, commit))
        if result is None:
            return Interrupted()
        wrote = _written(git, commit)
        if wrote:
            result = msgspec.structs.replace(result, wrote=wrote)
        results.append(result)
        if not result.green:
            if not every:
                break
            if wrote:
                # The next one is to judge the commit, not what this one made of it.
                _restore(git, commit)
    return tuple(results)


def twice(once: Callable[[], CheckResult | None], restore: Callable[[], None]) -> CheckResult | None:
    """Run a check, and once more where it timed out: a machine that was busy for a while is nobody's fault."""
    result = once()
    if result is None or not result.timed_out:
        return result
    restore()
    again = once()
    return None if again is None else msgspec.structs.replace(again, retried=True)


def _restore(git: Git, commit: str) -> None:
    with suppress(GitFailed, OSError):  # where that fails, the check finds out
        _mend_index(git, commit)
        git.run("read-tree", "--reset", "-u", commit)


def _mend_index(git: Git, commit: str) -> None:
    """Let the index hide nothing and hold nobody up, whatever a check did to it; files stay as they are.

    Some checks write into a file that they mark as assumed unchanged or skipped, which git then neither reports nor
    brings back, and a git that died at a deadline leaves its lock.
    """
    index = Path(git.run("rev-parse", "--path-format=absolute", "--git-path", "index").text)
    index.with_name("index.lock").unlink(missing_ok=True)
    try:
        reveal_hidden(git.having("core.sparseCheckout=false"), git.directory)
    except GitFailed:  # it is no index any more
        index.unlink(missing_ok=True)
        git.run("read-tree", commit)


def _written(git: Git, commit: str) -> tuple[str, ...]:
    """Tracked files that differ from ``commit``, wherever HEAD is by now; a check may have committed, too."""
    try:
        _mend_index(git, commit)
        suspects = git.run("diff-index", "-z", "--name-only", commit).stdout
        if suspects:
            # Files that were only touched drop out: diff-index compares stat data until the index is refreshed.
            git.run("update-index", "-q", "--refresh", ok=(0, 1))
            suspects = git.run("diff-index", "-z", "--name-only", commit).stdout
    except (GitFailed, OSError):
        # It broke the working tree or took it away: doubt is red.
        return (".",)
    return tuple(quote_path(path) for path in suspects.split(b"\0") if path)[:20]


def stamped(results: Sequence[CheckResult], tree: str, commit: str) -> tuple[CheckResult, ...]:
    """The same evidence, which says what it is about."""
    return tuple(msgspec.structs.replace(result, tree=tree, commit=commit) for result in results)


def verify(  # noqa: PLR0913 - what one verification needs
    objects: Objects,
    git: Git,
    runner: Runner,
    checks: Sequence[Check],
    commit: str,
    *,
    label: str,
    say: Callable[[str], None],
    keep: Sequence[str] = (),
    every: bool = False,
    memory: Memory | None = None,
) -> Verification | Interrupted:
    """Check out ``commit`` without ``.planning/`` in the worktree of ``git`` and run the checks on it.

    ``keep`` are patterns of ignored files that stay from the checks before. The checks end with the first red one
    unless ``every`` is to run. Nothing runs where ``memory`` knows the tree. The verdict is ``verified``, ``red``, or
    ``unverified`` when there are no checks.
    """
    checked, tree = without_planning(objects, commit)
    if not checks:
        return Verification(verdict=Verdict.UNVERIFIED, tree=tree)
    memory = memory or Forgetful()
    known = memory.recall(tree, checked, checks)
    if known is not None:
        return known
    check_out(git, checked, keep)
    results = run_checks(git, checked, runner, checks, label, say, every=every)
    if isinstance(results, Interrupted):
        return results
    verdict = Verdict.VERIFIED if all(result.green for result in results) else Verdict.RED
    found = Verification(verdict=verdict, tree=tree, checks=stamped(results, tree, commit))
    memory.remember(found, checked, checks)
    return found


def describe_red(result: CheckResult) -> str:
    """One paragraph about a red check: which command, how it ended, and its last lines."""
    if result.timed_out:
        how = f"was stopped at its deadline after {result.seconds:.0f} s"
    elif result.signal is not None:
        how = f"was ended by signal {result.signal}"
    elif result.wrote:
        how = f"changed tracked files ({', '.join(result.wrote)})"
    else:
        how = f"ended with exit code {result.exit_code}"
    how += ", as it had been before" * (result.retried and result.timed_out)
    tail = f":{os.linesep}{result.tail}" if result.tail else "."
    return f"`{result.run}` {how}{tail}"
