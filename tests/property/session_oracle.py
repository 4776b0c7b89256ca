"""What must be true after random sessions, as git, the checks and the agents' own notes tell it.

Of the product's own words only these are believed, since they are what is held against git: which run landed as which
commit, by what its claim grew, and which session is over.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.invariants import processes
from tests.property.session_cases import CHECKS, HARMLESS, PROTECTED, SECOND, Case, scope_of
from tests.support.sessions import common_dir, session_ids, state_runs, trailers

if TYPE_CHECKING:
    from gitfleet.model.run import Run
    from tests.support.fleet import FleetEnv, Outcome

SECRET, KEY = "hunter2\n", "a key\n"


@dataclass
class Oracle:
    """Holds one case, after its sessions, against git."""

    case: Case
    fleet: FleetEnv
    repo: Path
    told: str
    _failing: dict[str, frozenset[str]] = field(default_factory=dict)

    def look(self, before: dict[str, str]) -> None:
        """Everything; ``before`` is what was the person's when the sessions began."""
        runs = state_runs(self.fleet, self.repo)
        assert runs.keys() == self.case.doings.keys(), self.told
        self._target()
        self._landed(runs)
        self._kept()
        self._harmless(runs)
        self._person(before, runs)
        self._nothing_left()
        self._answers(runs)

    def git(self, *words: str) -> str:
        """What git says."""
        return self.fleet.git(*words)

    def _target(self) -> None:
        """The target only ever moved to what passes, or with the baseline allowed, fails nothing more than before."""
        entries = [line.partition(" ")[::2] for line in self.git("log", "-g", "--format=%H %gs", "main").splitlines()]
        for (commit, subject), (previous, _) in pairwise(entries):
            if self.case.checks and subject.startswith("gitfleet: land "):
                known = self._fails(previous) if self.case.allows else frozenset()
                worse = self._fails(commit) - known
                assert not worse, f"{commit} landed and fails {sorted(worse)}\n{self.told}"

    def _fails(self, commit: str) -> frozenset[str]:
        """The checks that fail on exactly the files of a commit but for the records, as the oracle runs them."""
        if commit not in self._failing:
            with tempfile.TemporaryDirectory(dir=self.fleet.root) as place:
                archive = subprocess.run(["git", "archive", commit], cwd=self.repo, capture_output=True, check=True)
                subprocess.run(["tar", "-x", "-C", place], input=archive.stdout, check=True)
                shutil.rmtree(Path(place, ".planning"), ignore_errors=True)
                self._failing[commit] = frozenset(
                    name
                    for name, check in CHECKS.items()
                    if subprocess.run(["sh", "-c", check], cwd=place, check=False).returncode
                )
        return self._failing[commit]

    def _landed(self, runs: dict[str, Run]) -> None:
        """What landed did so once, within its scope in each of its commits, and after what it depends on."""
        tops = [line.partition(" ")[0] for line in self.git("log", "-g", "--format=%H %gs", "main").splitlines()]
        merges = self.git("rev-list", "--merges", *dict.fromkeys(tops)).splitlines()
        merged = Counter(trailers(self.fleet, self.repo, commit).get("Gitfleet-Instance", "") for commit in merges)
        for name, run in runs.items():
            expected = run.state == "landed" and self.case.doings[name].behaviour != "says that nothing is to do"
            if expected and run.merge is None:
                # A person's way out of its conflict can be to have nothing of it.
                assert run.resolution, f"{name} landed as nothing\n{self.told}"
                expected = False
            assert merged[run.instance or "-"] == expected, f"{name} is {run.state}\n{self.told}"
            if not expected:
                continue
            assert run.merge is not None
            self._inside(name, run, run.merge.commit)
            for dependency in run.depends_on:
                assert runs[dependency].state == "landed", f"{name} landed without {dependency}\n{self.told}"
                if (before := runs[dependency].merge) is not None:
                    self.git("merge-base", "--is-ancestor", before.commit, run.merge.commit)

    def _inside(self, name: str, run: Run, merge: str) -> None:
        declared = scope_of(int(name[1:]), self.case.doings[name])
        quoted = ("-c", "core.quotePath=false")
        changed = {merge: self.git(*quoted, "diff", "--no-renames", "--name-only", f"{merge}^1", merge)}
        for own in self.git("rev-list", f"{merge}^2", f"^{merge}^1").splitlines():
            changed[own] = self.git(
                *quoted, "diff-tree", "-r", "-c", "--root", "--no-renames", "--no-commit-id", "--name-only", own
            )
        for commit, paths in changed.items():
            for path in paths.splitlines():
                where = f"{name} landed {path} in {commit}\n{self.told}"
                assert _holds(declared, path) or path in run.extended, where
                if self.case.protects and path == PROTECTED:
                    assert path in declared, where

    def _kept(self) -> None:
        """What agents had in their trees when they were done, and committed, is reachable from a ref."""
        reachable = {line.partition(" ")[0] for line in self.git("rev-list", "--objects", "--all").splitlines()}
        for note in sorted((self.fleet.root / "ledger").iterdir()):
            if note.suffix != ".tmp":
                lost = set(note.read_text().split()) - reachable
                assert not lost, f"of {note.name} is lost: {lost}\n{self.told}"

    def _harmless(self, runs: dict[str, Run]) -> None:
        """Who does nothing wrong lands, whatever others do."""
        fine: set[str] = set()
        for number, doing in self.case.numbered():
            first = SECOND if number >= SECOND else 0
            if doing.behaviour in HARMLESS and all(f"t{first + other}" in fine for other in doing.after):
                fine.add(f"t{number}")
        for name in fine:
            assert runs[name].state == "landed", f"{name} did nothing wrong, and is {runs[name].state}\n{self.told}"

    def _person(self, before: dict[str, str], runs: dict[str, Run]) -> None:
        """The person's files, stash and settings are as they were, and secrets are out of the target's history."""
        now = persons(self.fleet, self.repo)
        assert now == before, f"{ {name: (now[name], before[name]) for name in now if now[name] != before[name]} }"
        status = [
            line for line in self.git("status", "--porcelain").splitlines() if not line.endswith(".planning/live")
        ]
        assert status == [" M mine.txt", "?? untracked.txt"], f"{status}\n{self.told}"
        gone = [] if any("s" in run.extended for run in runs.values()) else [SECRET]
        if "Clean" in self.git("log", "-g", "--format=%gs", "main").splitlines():
            gone.append(KEY)
        reachable = self.git("rev-list", "--objects", "main")
        for text in gone:
            done = subprocess.run(
                ["git", "hash-object", "--stdin"], input=text, capture_output=True, text=True, check=True
            )
            assert done.stdout.strip() not in reachable, f"{text!r} is in the target's history\n{self.told}"

    def _nothing_left(self) -> None:
        claims = common_dir(self.fleet, self.repo) / "gitfleet/state/claims"
        assert not claims.is_dir() or not list(claims.glob("*")), f"claims are left\n{self.told}"
        left = processes(self.fleet.root) if Path("/proc/self/environ").exists() else []
        names = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in left if _lives(pid)]
        assert not names, f"processes are left: {names}\n{self.told}"
        assert self.git("fsck", "--no-dangling", "--no-progress", "--connectivity-only") == ""

    def _answers(self, runs: dict[str, Run]) -> None:
        """Records are valid, and who asks gets one document."""
        self._asked("check").ok()
        last = next(reversed(runs.values()))
        asked = [["status"], ["inspect", last.task, "--session", last.session], ["closeout", last.session]]
        for words in asked:
            json.loads(self._asked(*words, "--json").out)
        for session in session_ids(self.fleet, self.repo):
            assert over(self.fleet, self.repo, session), f"{session} is not over\n{self.told}"

    def _asked(self, *words: str) -> Outcome:
        outcome = self.fleet.run(*words)
        assert "Traceback" not in outcome.err, outcome.err
        assert outcome.code in {0, 1}, f"{words}: {outcome.code}\n{outcome.out}{outcome.err}\n{self.told}"
        return outcome


def _holds(entries: list[str], path: str) -> bool:
    return any(
        path == entry or path.startswith(entry.rstrip("/") + "/") or (entry == "guard*" and path.startswith("guard"))
        for entry in entries
    )


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def persons(fleet: FleetEnv, repo: Path) -> dict[str, str]:
    """What is the person's alone."""
    return {
        "mine.txt": (repo / "mine.txt").read_text(),
        "untracked.txt": (repo / "untracked.txt").read_text(),
        "stash": fleet.git("stash", "list", "--format=%H %gs"),
        "config": (repo / ".git/config").read_text(),
        "branches": fleet.git("for-each-ref", "--format=%(refname)", "refs/heads/mine", "refs/tags"),
    }


def over(fleet: FleetEnv, repo: Path, session: str) -> bool:
    """Whether a session's books say that it is completed."""
    report = common_dir(fleet, repo) / "gitfleet/state/sessions" / session / "session.md"
    return '\nstate: "completed"' in report.read_text()
