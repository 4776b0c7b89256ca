"""One train with a person at every step of it: where they may act, and what must be true afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitfleet.git import worktrees
from gitfleet.git.command import Git
from gitfleet.git.engines import open_objects
from gitfleet.git.refs import Refs
from gitfleet.git.repository import discover
from gitfleet.integrate import landing
from gitfleet.integrate.gate import Bounds
from gitfleet.integrate.gate.crossing import Closed
from gitfleet.integrate.train import Builder, Entry, Judge, Sealed, Stopped, Train, TrainOutcome
from gitfleet.integrate.verify import Runner
from gitfleet.model.evidence import CheckResult
from gitfleet.model.plan import Check
from gitfleet.model.verify_config import VerifyConfig
from gitfleet.planner.scopes import Scope
from tests.support.landings import TARGET, Place, files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gitfleet.git.command import Completed

PATHS = ("kept.txt", "one.txt", "own.env", "deep/n.txt")
SCOPE = Bounds.of(Scope.parse(["kept.txt", "one.txt", "own.env", "deep/"]))

STAGES = (
    "built",  # the candidate is there, its checks have not begun
    "checking",
    "checked",  # the checks are green, nothing is written down
    "decided",  # it is written down what the landing will have made of the books
    "before pack-objects",  # the landing has begun
    "before worktree list",
    "before read-tree -n",  # it holds the index
    "before update-ref",
    "after update-ref",  # the target has moved, files have not
    "before read-tree -u",
    "after read-tree -u",
    "before update-ref --stdin",
)
BEFORE_LANDING = STAGES[:4]

HOOK: list[Callable[[str], None]] = []


class Watched(Git):
    """A door that says which call comes, and that it is over."""

    def run(
        self,
        *args: str | bytes,
        stdin: bytes | None = None,
        ok: Sequence[int] = (0,),
        timeout: float | None = None,
    ) -> Completed:
        words = [str(args[0]), *(str(word) for word in args if word in {"list", "-n", "-u", "--stdin"})]
        # What comes after the swap is `read-tree -m -u`; the dry run has both letters.
        name = " ".join(words[:2]) if words[0] == "read-tree" else " ".join(words)
        for hook in HOOK:
            hook(f"before {name}")
        done = super().run(*args, stdin=stdin, ok=ok, timeout=timeout)
        for hook in HOOK:
            hook(f"after {name}")
        return done


@dataclass(frozen=True)
class Picture:
    """Everything in a repository that no landing may change, as far as the person's."""

    trees: dict[Path, dict[str, tuple[str, bytes]]]
    indexes: dict[Path, list[str]]
    heads: dict[Path, str]
    refs: dict[str, str]
    stash: str
    config: bytes
    open: dict[Path, list[str]]


OPEN = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_START", "sequencer")


@dataclass
class Scene:
    """The repository, the run that is to land, and a person."""

    place: Place
    tip: str
    integration: Path
    stage: str = ""
    act: Callable[[], None] | None = None
    acted: bool = False
    green: set[str] = field(default_factory=set)
    checked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    landings: int = 0

    @classmethod
    def at(cls, root: Path) -> Scene:
        """The scene that ``build`` made, or a copy of it."""
        place = Place(root / "repo", root / "repo/.git")
        return cls(place, place.git("rev-parse", "run"), root / "integration")

    def reach(self, stage: str) -> None:
        """Let the person act, once, when the train is where they wait for it."""
        if stage == self.stage and self.act is not None and not self.acted:
            self.acted = True
            hooks, HOOK[:] = HOOK[:], []
            self.act()
            HOOK[:] = hooks

    def run(self) -> TrainOutcome:
        """Send the run off with one train, in a session that waits for nobody."""
        found = discover(self.place.path)
        repository = replace(found, git=Watched(found.git.directory))
        with open_objects(repository) as objects:
            made = worktrees.add(
                repository, self.integration, self.place.git("rev-parse", "run~1"), None, nullcontext(), checkout=False
            )
            assert not isinstance(made, worktrees.BranchTaken)

            def seal(*_: object) -> Sealed:
                self.reach("checked")
                return Sealed({".planning/sessions/s/r.json": b"{}\n"}, "records\n")

            def before_landing(_: str) -> None:
                self.reach("decided")

            self.landings += 1
            git = made.git(found.git)
            config = VerifyConfig(commands=(Check(run="not both"),))
            train = Train(
                objects=objects,
                refs=Refs(found.git),
                builder=Builder(objects, git, TARGET, config.commands, Closed(objects)),
                judge=Judge(objects, git, self.check, config, "verify", fold=False, say=self.said.append),
                target=TARGET,
                session="s",
                seal=seal,
                before_landing=before_landing,
                lander=lambda old, new: self.land(repository.git, old, new),
                say=self.said.append,
            )
            try:
                return train.run(
                    [Entry("one", "do one", "i-one", self.tip, SCOPE, began=self.place.git("rev-parse", "run~1"))]
                )
            finally:
                found.git.run("worktree", "remove", "--force", "--force", str(self.integration), ok=range(256))

    def check(self, check: Check, directory: Path, label: str) -> CheckResult:
        """Hold when not both the run's file and the person's poison are there."""
        del label
        self.reach("built")
        tree = self.place.git("-C", str(directory), "rev-parse", "HEAD^{tree}")
        self.checked.append(tree)
        red = (directory / "one.txt").exists() and (directory / "poison").exists()
        if not red:
            self.green.add(tree)
        self.reach("checking")
        return CheckResult(name=check.title, run=check.run, exit_code=int(red))

    def land(self, git: Git, old: str, new: str) -> landing.LandingOutcome:
        """Land for real, without patience."""
        HOOK.append(self.reach)
        try:
            return landing.land(
                landing.LandingRequest(
                    git=git,
                    common_dir=self.place.common,
                    target=TARGET,
                    old=old,
                    new=new,
                    intents=self.place.common / "gitfleet/landings",
                    id=f"s-w{self.landings}",
                    clock=self.place.clock,
                    sleep=self.place.clock.sleep,
                    say=self.said.append,
                    worktree=self.place.path,
                    git_dir=self.place.common,
                    refs={f"refs/gitfleet/landed/s/w{self.landings}": new},
                    wait=0,
                )
            )
        finally:
            HOOK.clear()

    def checkouts(self) -> Iterator[tuple[Path, Path]]:
        """Each working tree of the person's with its git directory."""
        yield self.place.path, self.place.common
        second = self.place.path.parent / "second"
        if second.is_dir():
            yield second, self.place.common / "worktrees/second"

    def picture(self) -> Picture:
        """Look at everything without writing any of it."""
        target = self.place.git("rev-parse", "--symbolic-full-name", TARGET, code=self.exists()) or TARGET
        found: dict[str, str] = {}
        for line in self.place.git("for-each-ref", "--format=%(refname) %(objectname) %(symref)").splitlines():
            ref, _, value = line.partition(" ")
            # A symbolic ref must stay what it is; where the target really is is the landing's to say.
            found[ref] = value.partition(" ")[2] or value
            if ref == target or ref.startswith("refs/gitfleet/"):
                del found[ref]
        trees, indexes, heads, opened = {}, {}, {}, {}
        for tree, git_dir in self.checkouts():
            trees[tree] = {name: facts for name, facts in files(tree).items() if not ours(name)}
            listed = subprocess.run(
                ["git", "ls-files", "-s", "-t", "-v"], cwd=tree, capture_output=True, text=True, check=False
            ).stdout
            indexes[tree] = [line for line in listed.splitlines() if not ours(line.partition("\t")[2])]
            heads[tree] = (git_dir / "HEAD").read_text()
            opened[tree] = [name for name in OPEN if (git_dir / name).exists()]
        return Picture(
            trees, indexes, heads, found, self.place.git("stash", "list"), (self.place.common / "config").read_bytes(),
            opened,
        )  # fmt: skip

    def exists(self) -> int:
        """The exit code of a git command that needs the target."""
        return 0 if self.value() else 128

    def value(self) -> str:
        """Where the target is; nothing when it is gone."""
        done = subprocess.run(
            ["git", "rev-parse", "-q", "--verify", TARGET],
            cwd=self.place.path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.strip()

    def touched(self, names: Sequence[str]) -> dict[str, tuple[str, bytes] | None]:
        """Files of the run's paths, as they lie."""
        present = files(self.place.path)
        return {name: present.get(name) for name in names}

    def verified(self, commit: str) -> bool:
        """Whether the tree of a commit, but for the records, is one that the checks were green on."""
        lines = [x for x in self.place.git("ls-tree", commit).splitlines() if not x.endswith("\t.planning")]
        return self.place.git("mktree", stdin=("\n".join(lines) + "\n").encode()) in self.green

    def brought(self) -> set[str]:
        """Commits that landings brought to the target and nobody's reflog tells of having been wanted there."""
        found: set[str] = set()
        for line in self.place.git("log", "-g", "--format=%H %gs", "--all").splitlines():
            commit, _, why = line.partition(" ")
            if why.startswith("gitfleet: land "):
                base = self.place.git("log", "-1", "--first-parent", "--skip=2", "--format=%H", commit)
                found |= set(self.place.git("rev-list", commit, f"^{base}").splitlines()) - {commit}
        return found

    def mine(self) -> set[str]:
        """Commits that a landing may bring: the run's own, and what gitfleet made."""
        made = self.place.git("log", "--all", "--reflog", "--format=%H %s").splitlines()
        ours = {line[:40] for line in made if line[41:].startswith(("Merge one:", "Take over ", "records"))}
        return {self.tip, *ours}

    def swaps(self) -> list[str]:
        """Every commit that a landing moved the target to, as far as the reflogs tell."""
        done = self.place.git("log", "-g", "--all", "--format=%H %gs")
        return [line.split(" ")[0] for line in done.splitlines() if " gitfleet: land " in line]


def ours(name: str) -> bool:
    """Whether a path is one that the landing writes."""
    return name in PATHS or name.startswith((".planning/", *(f"{path}/" for path in PATHS)))


def build(root: Path) -> Scene:
    """A repository with history, a branch that conflicts with main, one that does not, and a remote."""
    path = root / "repo"
    path.mkdir()
    place = Place(path, path / ".git")
    place.git("init", "-q", "-b", "main")
    place.git("config", "user.name", "A Person")
    place.git("config", "user.email", "person@example.com")
    for name, text in {"mine.txt": "1\n", "kept.txt": "old\n", "README": "r\n", ".gitignore": "*.env\n"}.items():
        place.write(name, text)
    place.commit("first")
    place.write("mine.txt", "2\n")
    place.commit("second")
    place.git("switch", "-qc", "side", "main~1")
    place.write("mine.txt", "side\n")
    place.commit("side")
    place.git("switch", "-qc", "calm", "main~1")
    place.write("calm.txt", "calm\n")
    place.commit("calm")
    place.git("switch", "-q", "main")
    place.write("mine.txt", "3\n")
    place.commit("third")
    place.git("switch", "-qc", "run")
    for name, text in {"kept.txt": "new\n", "one.txt": "one\n", "own.env": "e\n", "deep/n.txt": "n\n"}.items():
        place.write(name, text)
    place.git("add", "-f", "own.env")
    tip = place.commit("work of the run")
    place.git("switch", "-q", "main")
    place.git("clone", "-q", "--bare", ".", "../origin.git")
    place.git("remote", "add", "origin", "../origin.git")
    place.git("clone", "-q", ".", "../clone")
    clone = Place(root / "clone", root / "clone/.git")
    clone.git("remote", "set-url", "origin", "../repo")
    clone.write("theirs.txt", "t\n")
    clone.commit("ahead")
    clone.git("push", "-q", "../origin.git", "HEAD:ahead")
    (root / "elsewhere").mkdir()
    return Scene(place, tip, root / "integration")


def copy(template: Path, root: Path) -> Scene:
    """A scene of its own; nothing in the template names its place."""
    shutil.copytree(template, root, symlinks=True)
    return Scene.at(root)


__all__ = ["BEFORE_LANDING", "PATHS", "STAGES", "Picture", "Runner", "Scene", "Stopped", "build", "copy", "os"]
