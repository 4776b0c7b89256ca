"""Run the configured checks on exactly one tree, and say what they said.

The tree is checked out in the integration worktree without ``.planning/``, as a commit of its own, so that a check sees
a clean repository. Checks run in order and stop at the first red one. Each runs under a warden: a coordinator that
dies leaves none writing. What a check does outside its worktree is its own affair.

What a tree turned out to be is asked of a ``Memory`` first, and told to it afterwards: nothing is checked twice in a
train. What may be remembered for longer is the memory's business.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from gitfleet.git.command import GitFailed
from gitfleet.git.trees import tree_id
from gitfleet.model.evidence import CheckResult, Verdict, Verification
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.model.plan import Check


class Runner(Protocol):
    """Runs one check in a directory and returns its evidence, or None when it was interrupted."""

    def __call__(self, check: Check, directory: Path, label: str) -> CheckResult | None:
        """Run ``check``; ``label`` names the run of checks in attempt directories and messages."""
        ...


class Memory(Protocol):
    """What trees turned out to be. ``commit`` is what to check out to have exactly the files of the tree."""

    def recall(self, tree: str, commit: str) -> Verification | None:
        """What is known of a tree; it may use the worktree, which is checked out anew for checks."""
        ...

    def remember(self, verification: Verification, commit: str) -> None:
        """Take in what the checks said, right after they ran."""
        ...


@dataclass(slots=True)
class InTrain:
    """The memory of one train: whatever was found, red or green."""

    known: dict[str, Verification] = field(default_factory=dict)

    def recall(self, tree: str, commit: str) -> Verification | None:  # noqa: ARG002 - as the protocol has it
        """What this train found."""
        return self.known.get(tree)

    def remember(self, verification: Verification, commit: str) -> None:  # noqa: ARG002 - as above
        """Keep it until the train is in."""
        self.known[verification.tree] = verification


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


def check_out(git: Git, commit: str) -> None:
    """Make the worktree hold exactly ``commit``, with nothing else in it, ignored files included."""
    # The check before may have taken the directory away, or the file that makes it a worktree.
    git.directory.mkdir(exist_ok=True)
    pointer = git.directory / ".git"
    if not pointer.exists():
        pointer.write_bytes(b"gitdir: " + git.run("rev-parse", "--absolute-git-dir").stdout)
    git.run("read-tree", "--reset", "-u", commit)
    git.run("update-ref", "--no-deref", "HEAD", commit)
    git.run("clean", "-ffdxq", "-e", "/.fleet-instance-id")


def run_checks(
    git: Git, commit: str, runner: Runner, checks: Sequence[Check], label: str, say: Callable[[str], None]
) -> tuple[CheckResult, ...] | Interrupted:
    """Run ``checks`` in order in the worktree of ``git``, as it is at ``commit``; stop at the first red one.

    A check that changes a tracked file is red even when it exits 0 (``wrote`` names the files): the tree that it
    passed on is no longer the tree that would land.
    """
    results: list[CheckResult] = []
    for check in checks:
        say(f"verify: {check.title}")
        result = runner(check, git.directory, label)
        if result is None:
            return Interrupted()
        wrote = _written(git, commit)
        if wrote:
            result = msgspec.structs.replace(result, wrote=wrote)
        results.append(result)
        if not result.green:
            break
    return tuple(results)


def _written(git: Git, commit: str) -> tuple[str, ...]:
    """Tracked files that differ from ``commit``, wherever HEAD is by now; a check may have committed, too."""
    try:
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


def verify(
    objects: Objects,
    git: Git,
    runner: Runner,
    checks: Sequence[Check],
    commit: str,
    *,
    memory: Memory,
    label: str,
    say: Callable[[str], None],
) -> Verification | Interrupted:
    """Check out ``commit`` without ``.planning/`` in the worktree of ``git`` and run the checks on it.

    Nothing runs where ``memory`` knows the tree. The verdict is ``verified``, ``red``, or ``unverified`` when no checks
    are configured.
    """
    checked, tree = without_planning(objects, commit)
    if not checks:
        return Verification(verdict=Verdict.UNVERIFIED, tree=tree)
    known = memory.recall(tree, checked)
    if known is not None:
        return known
    check_out(git, checked)
    results = run_checks(git, checked, runner, checks, label, say)
    if isinstance(results, Interrupted):
        return results
    verdict = Verdict.VERIFIED if all(result.green for result in results) else Verdict.RED
    found = Verification(verdict=verdict, tree=tree, checks=stamped(results, tree, commit))
    memory.remember(found, checked)
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
    tail = f":{os.linesep}{result.tail}" if result.tail else "."
    return f"`{result.run}` {how}{tail}"
