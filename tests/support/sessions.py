"""Plans of command tasks for whole sessions, and what must be true of a repository after one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.model.base import decode
from gitfleet.model.run import Run
from tests.support.guards import is_free_slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.support.fleet import FleetEnv


def task(name: str, command: str, scope: Sequence[str], /, *after: str, **more: object) -> dict[str, object]:
    """One command task."""
    return {"id": name, "command": command, "scope": list(scope), "depends_on": list(after), **more}


def plan_of(*tasks: Mapping[str, object], name: str = "trial", **more: object) -> str:
    """A plan document of these tasks."""
    return json.dumps({"schema": "gitfleet/plan/v1", "name": name, **more, "tasks": tasks}, indent=1)


def config_of(checks: Sequence[str] = (), **more: object) -> str:
    """A config document with these checks."""
    document = {"schema": "gitfleet/config/v1", "verify": {"commands": [{"run": check} for check in checks]}, **more}
    return json.dumps(document, indent=1)


def common_dir(fleet: FleetEnv, repo: Path) -> Path:
    """The common git directory of a repository."""
    return repo / fleet.git("rev-parse", "--git-common-dir", cwd=repo)


def state_runs(fleet: FleetEnv, repo: Path) -> dict[str, Run]:
    """The runs of the repository's sessions in the state, by task; later sessions win."""
    found = {}
    for path in sorted((common_dir(fleet, repo) / "gitfleet/state/sessions").glob("*/runs/*.json")):
        run = decode(path.read_bytes(), Run)
        found[run.task] = run
    return found


def session_ids(fleet: FleetEnv, repo: Path) -> list[str]:
    """The ids of the sessions in the state."""
    sessions = common_dir(fleet, repo) / "gitfleet/state/sessions"
    return sorted(path.name for path in sessions.iterdir()) if sessions.is_dir() else []


def states(fleet: FleetEnv, repo: Path) -> dict[str, str]:
    """The state of each run, by task."""
    return {name: str(run.state) for name, run in state_runs(fleet, repo).items()}


def tree_without_planning(fleet: FleetEnv, repo: Path, revision: str) -> dict[str, str]:
    """Path to mode and blob of everything outside ``.planning`` in a commit."""
    listing = fleet.git("-c", "core.quotePath=true", "ls-tree", "-r", revision, cwd=repo)
    entries = (line.split("\t", 1) for line in listing.splitlines())
    return {path: facts for facts, path in entries if not path.startswith(".planning/")}


def held_locks(directory: Path) -> list[Path]:
    """Lock files below a directory that a process holds right now."""
    held = []
    for path in sorted(directory.rglob("*")):
        if path.is_file() and (path.suffix == ".lock" or path.name == "lock" or path.parent.name == "locks"):
            probe = f"import fcntl,sys; fcntl.flock(open({str(path)!r}), fcntl.LOCK_EX | fcntl.LOCK_NB)"
            if subprocess.run(["python3", "-c", probe], capture_output=True, check=False).returncode:
                held.append(path)
    return held


def assert_nothing_remains(fleet: FleetEnv, repo: Path, *, clean: bool = True) -> None:
    """No claim, lock or worktree is left, and the store is undamaged; the guards look for processes."""
    common = common_dir(fleet, repo)
    claims = common / "gitfleet/state/claims"
    assert not list(claims.glob("*")) if claims.is_dir() else True
    assert held_locks(common / "gitfleet") == []
    assert not (common / "index.lock").exists()
    listed = fleet.git("worktree", "list", "--porcelain", cwd=repo).split("\n\n")
    kept = {run.instance for run in state_runs(fleet, repo).values() if run.state != "landed"}
    trees = [Path(entry.splitlines()[0].partition(" ")[2]) for entry in listed[1:] if ".fleet/" in entry]
    # A run that did not land keeps its tree for a person to look at; every other one of the pool is free and clean.
    leases = [json.loads(path.read_bytes()) for path in (common / "gitfleet/pool").glob("*.json")]
    assert {lease["instance"] for lease in leases} <= kept
    assert {lease["path"] for lease in leases} <= set(map(str, trees))
    for tree in trees:
        if str(tree) not in {lease["path"] for lease in leases}:
            assert is_free_slot(tree), tree
            assert fleet.git("status", "--porcelain", "--ignored", cwd=tree) == ""
            assert fleet.git("symbolic-ref", "-q", "HEAD", cwd=tree, ok=(0, 1)) == ""
    assert fleet.git("fsck", "--no-dangling", "--no-progress", cwd=repo) == ""
    if clean:
        assert fleet.git("status", "--porcelain", cwd=repo) == ""


def merge_commits(fleet: FleetEnv, repo: Path, revision: str = "main") -> list[str]:
    """The merge commits of runs in a history, newest first."""
    return fleet.git("log", "--first-parent", "--merges", "--format=%H", revision, cwd=repo).splitlines()


def trailers(fleet: FleetEnv, repo: Path, commit: str) -> dict[str, str]:
    """The trailers of a commit."""
    lines = fleet.git("log", "-1", "--format=%(trailers:only,unfold)", commit, cwd=repo).splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def record_commits(fleet: FleetEnv, repo: Path, revision: str = "main") -> list[str]:
    """Subjects of the record commits in a history, oldest first."""
    subjects = fleet.git("log", "--first-parent", "--reverse", "--format=%s", revision, cwd=repo).splitlines()
    return [subject for subject in subjects if subject.startswith("gitfleet: ")]


def settle(fleet: FleetEnv, repo: Path, code: int, tries: Iterable[int] = range(6)) -> int:
    """Run ``continue`` while the session needs it; returns the last exit code."""
    for _ in tries:
        if code != 3:
            break
        code = fleet.run("continue", cwd=repo).code
    return code
