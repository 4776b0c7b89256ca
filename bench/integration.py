"""Gating, merging and committing many runs, against git's own merge without a checkout and in a worktree."""

from __future__ import annotations

import subprocess
from contextlib import nullcontext
from typing import TYPE_CHECKING

from bench.measure import Row, Section, alternating, environ, run
from bench.measure import repository as repository_of
from gitfleet.git import worktrees
from gitfleet.git.engines import open_objects
from gitfleet.git.refs import Refs
from gitfleet.git.repository import discover
from gitfleet.integrate import gate, landing
from gitfleet.integrate.gate import Bounds
from gitfleet.integrate.gate.crossing import Closed
from gitfleet.integrate.train import Builder, Entry, Judge, Landed, Sealed, Train
from gitfleet.model.verify_config import VerifyConfig
from gitfleet.planner.scopes import Scope

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.git.repository import Repository

BARE, MERGE = 1.5, 1 / 12
"""Most that integrating may cost, in times of each of the two."""


class Yard:
    """A repository with branches that each change a file or two of their own, and three ways to bring them together."""

    def __init__(self, place: Path, files: int, branches: int) -> None:
        self.place = place
        self.home = repository_of(place, f"integration-{files}", files)
        self.base = run(["git", "rev-parse", "main"], place, self.home).strip()
        self.tips = [self._branch(number) for number in range(branches)]
        self.tree = place / f"merged-{files}"
        run(["git", "worktree", "add", "-q", "--detach", str(self.tree)], place, self.home)
        self.found: Repository = discover(self.home)
        made = worktrees.add(self.found, place / f"integrate-{files}", self.base, None, nullcontext(), checkout=False)
        assert not isinstance(made, worktrees.BranchTaken)
        self.git: Git = made.git(self.found.git)
        self.rounds = 0

    def _branch(self, number: int) -> str:
        git = ["git", "-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
        index = {**environ(self.place), "GIT_INDEX_FILE": str(self.place / "branch-index")}

        def call(*args: str, data: str = "") -> str:
            done = subprocess.run(
                [*git, *args], cwd=self.home, env=index, input=data, capture_output=True, text=True, check=True
            )
            return done.stdout.strip()

        if number == 0:
            call("read-tree", self.base)
        lines = [
            f"100644 {call('hash-object', '-w', '--stdin', data=f'changed {number}')}\td{number % 50}/f{number}.txt",
            f"100644 {call('hash-object', '-w', '--stdin', data=f'new {number}')}\td{number % 50}/new{number}.txt",
        ]
        call("update-index", "--add", "--index-info", data="\n".join(lines) + "\n")
        tree = call("write-tree")
        back = [
            f"0 {'0' * 40}\td{number % 50}/new{number}.txt",
            f"{call('ls-tree', self.base, f'd{number % 50}/f{number}.txt').replace('blob ', '')}",
        ]
        call("update-index", "--index-info", data="\n".join(back) + "\n")
        return call("commit-tree", tree, "-p", self.base, "-m", f"work {number}")

    def scope(self, number: int) -> Bounds:
        return Bounds.of(Scope.parse([f"d{number % 50}/f{number}.txt", f"d{number % 50}/new{number}.txt"]))

    def integrate(self) -> str:
        """What gitfleet does with gated runs, but for checks: gate, candidate, refs."""
        self.rounds += 1
        target = f"refs/heads/ours-{self.rounds}"
        refs = Refs(self.found.git)
        refs.update(target, self.base, "0" * 40)
        with open_objects(self.found) as objects:
            train = self._train(objects, refs, target)
            entries = []
            for number, tip in enumerate(self.tips):
                scope = self.scope(number)
                report = gate.inspect(self.found.git, objects, base=self.base, tip=tip, target=self.base, bounds=scope)
                assert report.passed, report
                entries.append(Entry(f"t{number}", "work", f"i-{number}", tip, scope, began=self.base))
            outcome = train.run(entries)
            assert isinstance(outcome, Landed), outcome
            assert len(outcome.candidate.merged) == len(self.tips)
            return objects.commit(outcome.commit).tree

    def _train(self, objects: Objects, refs: Refs, target: str) -> Train:
        def moved(old: str, new: str) -> landing.LandingOutcome:
            refs.update(target, new, old)
            return landing.Landed()

        config = VerifyConfig()
        return Train(
            objects=objects,
            refs=refs,
            builder=Builder(objects, self.git, target, (), Closed(objects)),
            judge=Judge(objects, self.git, lambda *_: None, config, "verify", fold=False, say=lambda _: None),
            target=target,
            session="s",
            seal=lambda *_: Sealed({}, ""),
            before_landing=lambda _: None,
            lander=moved,
            say=lambda _: None,
        )

    def bare(self) -> str:
        """The least that has to be done: git's merge, a commit, and a ref that names it, for each branch."""
        import pygit2  # noqa: PLC0415 - only this benchmark uses it itself

        repo = pygit2.Repository(str(self.home / ".git"))
        who = pygit2.Signature("Bench", "bench@example.org", 1_767_323_045)
        commit = self.base
        environment = environ(self.place)
        for number, tip in enumerate(self.tips):
            line = ["git", "merge-tree", "--write-tree", commit, tip]
            done = subprocess.run(line, cwd=self.tree, env=environment, capture_output=True, text=True, check=True)
            made = repo.create_commit(None, who, who, f"merge {number}", done.stdout.strip(), [commit, tip])
            repo.references.create("refs/heads/bare", made, force=True)
            commit = str(made)
        return run(["git", "rev-parse", f"{commit}^{{tree}}"], self.place, self.home).strip()

    def merge(self) -> str:
        """What people and scripts do: `git merge` in a worktree, one branch after the other."""
        run(["git", "reset", "-q", "--hard", self.base], self.place, self.tree)
        for tip in self.tips:
            run(["git", "merge", "-q", "--no-ff", "--no-edit", tip], self.place, self.tree)
        return run(["git", "rev-parse", "HEAD^{tree}"], self.place, self.tree).strip()


def bench(place: Path, files: int, branches: int, repeat: int) -> Section:
    """All three, in turns; they must come to the same tree."""
    yard = Yard(place, files, branches)
    assert yard.integrate() == yard.bare() == yard.merge()
    ours, bare, merge = alternating([yard.integrate, yard.bare, yard.merge], repeat)
    held = ours <= BARE * bare and ours <= MERGE * merge
    note = f"at most {BARE} x bare; {merge / ours:.1f} times as fast as git merge, at least {1 / MERGE:.0f}"
    return Section(
        f"integrating {branches} branches of {files} files",
        [
            Row("git merge-tree, commit and ref, bare", bare, bare),
            Row("gitfleet: gate, train and refs", ours, bare, note if held else f"{note}: not held"),
            Row("git merge in a worktree", merge, bare),
        ],
    )
