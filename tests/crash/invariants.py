"""What must be true of a repository when its session is over, wherever anything died on the way."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash import scenario

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tests.crash.rounds import Round


@dataclass(frozen=True, slots=True)
class Whole:
    """The undisturbed run: what its target holds, by path, and the names of the files that it left beside it."""

    tree: dict[str, str]
    names: frozenset[str]


def git(repo: Path, *words: str) -> str:
    """Run git as a person does; the output, errors included."""
    done = subprocess.run(
        ["git", *words], cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stdout}"
    return done.stdout


def tree(repo: Path) -> dict[str, str]:
    """Path to mode and blob of everything on the target but the records."""
    lines = git(repo, "ls-tree", "-r", "main").splitlines()
    entries = (line.split("\t", 1) for line in lines)
    return {path: facts for facts, path in entries if not path.startswith(".planning/")}


def processes(place: Path) -> list[int]:
    """Living processes that name the place in their command line, their environment or their directory."""
    word = os.fsencode(place) + b"/"
    found = []
    for base in Path("/proc").iterdir():
        if not base.name.isdigit() or int(base.name) == os.getpid():
            continue
        try:
            if (base / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z":
                continue
            facts = [(base / "cmdline").read_bytes(), (base / "environ").read_bytes()]
            facts.append(os.fsencode((base / "cwd").readlink()) + b"/")
        except OSError:
            continue
        if any(word in fact for fact in facts):
            found.append(int(base.name))
    return found


def held(directory: Path) -> list[str]:
    """Lock files that a process holds right now."""
    found = []
    for path in [*directory.rglob("*.lock"), *directory.rglob("lock"), *directory.glob("locks/**/*")]:
        if path.is_file():
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    found.append(str(path))
    return found


def names(common: Path) -> frozenset[str]:
    """Names of what is left of a session beside the repository, with what differs from run to run made equal."""
    found = set()
    for path in (common / "gitfleet").rglob("*"):
        name = path.relative_to(common).as_posix()
        name = re.sub(r"trial-[a-z2-7]{6}", "ID", name)
        name = re.sub(r"\b(attempts/[^/]*)/\d+", r"\1/N", name)
        name = re.sub(r"\btree-\d+", "tree-N", name)
        found.add(re.sub(r"(?<=[./-])\d+$", "N", name))
    return frozenset(found)


def check(round_: Round, whole: Whole | None, code: int) -> list[str]:
    """Hold everything against the undisturbed run; raises ``AssertionError``. Gives what is worth a word."""
    repo, common = round_.repo, round_.repo / ".git"
    said = round_.last.read_text(errors="replace")
    sessions = common / "gitfleet/state/sessions"
    begun = sessions.is_dir() and bool(list(sessions.iterdir()))
    round_.settled()
    if not begun:
        assert code == 0, f"exit {code}: {said}"
        _nothing_held(round_, whole)
        return ["died before the session was there"]
    over = code == 0 and "no session to continue" in said
    notes = _ends(round_, whole)
    assert code == scenario.EXIT_CODE or over or (notes and code == 1), f"exit {code}: {said}"
    _nothing_held(round_, whole)
    notes += _trees(round_)
    assert git(repo, "fsck", "--no-dangling", "--no-progress", "--connectivity-only") == ""
    assert git(repo, "status", "--porcelain") == ""
    checked = round_.run("check", "check")
    assert checked == 0, f"check: exit {checked}: {round_.last.read_text()}"
    again = round_.run("idle", "continue")
    assert again == 0, f"continue again: exit {again}: {round_.last.read_text()}"
    assert "no session to continue" in round_.last.read_text()
    round_.settled()
    return notes


def _ends(round_: Round, whole: Whole | None) -> list[str]:
    """Every task ended as it does undisturbed, and landed once if it did."""
    repo, notes = round_.repo, []
    runs = scenario.state_runs(repo / ".git")
    expected_ends = dict(scenario.EXPECTED)
    gone: set[str] = set()
    for task, run in runs.items():
        if end := _cut_off(run, round_.deaths()):
            notes.append(f"{task} {end}")
            for name in (task, *scenario.below(task)):
                gone.update(scenario.FILES.get(name, ()))
                expected_ends[name] = end if name == task else "skipped"
    ends = {task: str(run["state"]) for task, run in runs.items()}
    strange = [
        (task, run["state"], run.get("failure")) for task, run in runs.items() if run["state"] != expected_ends[task]
    ]
    assert ends == expected_ends, strange
    now = tree(repo)
    if scenario.PERSONS in now:
        persons = git(repo, "show", f"main:{scenario.PERSONS}")
        assert re.fullmatch(r"a person's line \d+\n", persons), persons
    if whole is not None:
        varying = {scenario.PERSONS, *(gone & {"old.txt"})}
        expected = {path: facts for path, facts in whole.tree.items() if path not in gone | varying}
        found = {path: facts for path, facts in now.items() if path not in varying}
        assert found == expected, f"the tree differs: {set(found.items()) ^ set(expected.items())}"
    log = git(repo, "log", "--first-parent", "--merges", "--format=%(trailers:key=Gitfleet-Instance,valueonly)", "main")
    merged = sorted(log.split())
    landed = sorted(str(run["instance"]) for run in runs.values() if run["state"] == "landed")
    assert merged == landed, f"merged {merged}, landed {landed}"
    for path in (repo / ".git/gitfleet/state/sessions").glob("*/waves/*.md"):
        record = f"main:.planning/{path.relative_to(repo / '.git/gitfleet/state').as_posix()}"
        assert git(repo, "show", record) == path.read_text(), f"{record} differs from the state"
    return notes


def _cut_off(run: Mapping[str, Any], deaths: list[str]) -> str:
    """How a run may end whose own agent was killed: that is the agent's failure, and is not tried again."""
    short = str(run.get("instance", "")).split("-", 3)[-1]
    if run["state"] == "failed" and any(death.startswith(f"agent {short}") for death in deaths):
        return "failed"
    return ""


def _nothing_held(round_: Round, whole: Whole | None) -> None:
    common = round_.repo / ".git"
    assert not held(common / "gitfleet"), f"held: {held(common / 'gitfleet')}"
    locks = [str(path) for path in common.rglob("*.lock") if "gitfleet" not in path.parts]
    assert not locks, f"locks of git are left: {locks}"
    assert not list(common.glob("gitfleet/state/claims/*"))
    leavings = [path.name for path in round_.temporary.iterdir()]
    assert not leavings, f"temporary files are left: {leavings}"
    if whole is not None:
        strange = sorted(name for name in names(common) - whole.names if not _explained(name))
        assert not strange, f"left beside the repository: {strange}"


def _explained(name: str) -> bool:
    """An attempt may have run again, or have been stopped."""
    return name.startswith("gitfleet/attempts/")


def _trees(round_: Round) -> list[str]:
    """Worktrees are in the pool, each known to git, there, and leased; only runs that did not land keep theirs."""
    repo = round_.repo
    pool = round_.place / "repo.fleet"
    listed = [line.partition(" ")[::2] for line in git(repo, "worktree", "list", "--porcelain").splitlines()]
    linked = {Path(path) for word, path in listed if word == "worktree"} - {repo}
    assert all(path.parent == pool for path in linked), f"worktrees outside of the pool: {linked}"
    standing = {path for path in pool.iterdir() if path.name != ".trash"}
    assert linked == standing, f"git knows {linked}, and there are {standing}"
    runs = scenario.state_runs(repo / ".git")
    leases = {path.stem: json.loads(path.read_bytes()) for path in repo.glob(".git/gitfleet/pool/*.json")}
    nobodys = {path.name for path in standing} - leases.keys()
    assert all(name.endswith("-integration") for name in nobodys), f"trees without a lease: {nobodys}"
    notes = []
    for slot, lease in leases.items():
        run = runs[lease["task"]]
        if run.get("attempts", [{}])[-1].get("worktree") != slot:
            notes.append(f"{slot} has a stale lease")  # the next one that needs a tree takes it
        else:
            assert run["state"] != "landed", f"{slot} is still leased to {lease['task']}, which landed"
    return notes
