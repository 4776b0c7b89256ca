"""A repository with an integration worktree, where trains are put together with checks as plain processes."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from gitfleet.git import worktrees
from gitfleet.git.engines import open_objects
from gitfleet.git.refs import Refs
from gitfleet.git.repository import Repository, discover
from gitfleet.git.trees import FILE, TreeEntry
from gitfleet.integrate import landing
from gitfleet.integrate.gate.bounds import Bounds
from gitfleet.integrate.gate.crossing import Closed
from gitfleet.integrate.train import Builder, Candidate, Entry, Judge, Sealed, Tally, Train, TrainOutcome
from gitfleet.model.evidence import CheckResult, Verification
from gitfleet.model.plan import Check
from gitfleet.model.verify_config import VerifyConfig
from gitfleet.planner.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.integrate.verify import Runner
    from tests.support.repo import Repo

MAIN = "refs/heads/main"


def run_here(check: Check, directory: Path, label: str) -> CheckResult:
    """Run a check as a plain process; wardens have tests of their own."""
    assert label == "verify"
    done = subprocess.run(["sh", "-c", check.run], cwd=directory, capture_output=True, text=True, check=False)
    return CheckResult(name=check.title, run=check.run, exit_code=done.returncode, tail=done.stdout.strip())


@dataclass
class Yard:
    """A repository with an integration worktree, where trains are put together."""

    repo: Repo
    found: Repository
    git: Git
    objects: Objects
    intents: Path
    said: list[str] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def branch(self, task: str, files: dict[str, str | bytes | None], scope: str | None = None, *needs: str) -> Entry:
        """Commit to a branch that starts where main is."""
        self.repo.git("switch", "-q", "-c", task, "main")
        tip = self.repo.commit(files, f"work of {task}")
        self.repo.git("switch", "-q", "main")
        return Entry(task, f"do {task}", f"i-{task}", tip, Bounds.of(Scope.parse([scope or "."])), frozenset(needs))

    def stem(self, task: str, *needs: str, files: dict[str, str] | None = None) -> Entry:
        """A run on main that writes its own file, or these; without a checkout, so that many cost little."""
        base = self.repo.oid("main")
        changes: dict[bytes, TreeEntry | None] = {
            name.encode(): TreeEntry(FILE, self.objects.write_blob(text.encode()))
            for name, text in (files or {task: task}).items()
        }
        tree = self.objects.edit_tree(self.objects.commit(base).tree, changes)
        tip = self.objects.create_commit(tree, [base], f"work of {task}")
        return Entry(task, f"do {task}", f"i-{task}", tip, Bounds.of(Scope.parse(["."])), frozenset(needs))

    def land(self, old: str, new: str) -> landing.LandingOutcome:
        """Land for real."""
        return landing.land(
            landing.LandingRequest(
                git=self.found.git,
                common_dir=self.found.common_dir,
                target=MAIN,
                old=old,
                new=new,
                intents=self.intents,
                id="s-w1",
                clock=time.monotonic,
                sleep=time.sleep,
                say=self.said.append,
                worktree=self.found.worktree,
                git_dir=self.found.git_dir,
            )
        )

    def run(
        self,
        *entries: Entry,
        checks: Sequence[str | Check] = (),
        runner: Runner = run_here,
        lander: Callable[[str, str], landing.LandingOutcome] | None = None,
        files: dict[str, bytes] | None = None,
        target: str = MAIN,
        **verify: object,
    ) -> TrainOutcome:
        """Send a train off."""
        commands = tuple(Check(run=check) if isinstance(check, str) else check for check in checks)
        config = msgspec.structs.replace(VerifyConfig(commands=commands), **verify)

        def seal(_candidate: Candidate, _verification: Verification, tally: Tally) -> Sealed:
            self.tally = tally
            return Sealed(files or {}, "records\n")

        train = Train(
            objects=self.objects,
            refs=Refs(self.found.git),
            builder=Builder(self.objects, self.git, target, commands, border=Closed(self.objects), keep=config.keep),
            judge=Judge(self.objects, self.git, runner, config, "verify", fold=False, say=self.said.append),
            target=target,
            session="s",
            seal=seal,
            before_landing=self.decided.append,
            lander=lander or self.land,
            say=self.said.append,
        )
        return train.run(entries)

    def without_planning(self, rev: str) -> str:
        """The tree of a commit without its `.planning`."""
        lines = [line for line in self.repo.git("ls-tree", rev).splitlines() if not line.endswith("\t.planning")]
        return self.repo.git("mktree", stdin=("\n".join(lines) + "\n").encode())


@contextmanager
def open_yard(repo: Repo, place: Path) -> Iterator[Yard]:
    """A yard on a repository, with its worktree below ``place``."""
    found = discover(repo.path)
    made = worktrees.add(found, place / "integration", repo.oid(), None, nullcontext(), checkout=False)
    assert not isinstance(made, worktrees.BranchTaken)
    with open_objects(found) as objects:
        yield Yard(repo, found, made.git(found.git), objects, place / "intents")
    repo.git("worktree", "remove", "--force", str(place / "integration"))
