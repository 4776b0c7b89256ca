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
    from tests.crash.rounds import Round


SHARED = re.compile(r"/(verify-cache|requests)/\.tmp-")
"""Unfinished writes that nobody can tell from those of others: they go after an hour, or with their session."""


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
    for path in [*common.iterdir(), *(common / "info").iterdir(), *(common / "gitfleet").rglob("*")]:
        name = path.relative_to(common).as_posix()
        name = re.sub(r"(trial|plan)-[a-z2-7]{6}", "ID", name)
        name = re.sub(r"\b(usage/.*?)(-w\d+-a\d+)?-\d+(?=\.json)", r"\1-N", name)
        name = re.sub(r"\b(attempts/[^/]*)/\d+", r"\1/N", name)
        name = re.sub(r"\btree-\d+", "tree-N", name)
        name = re.sub(r"\bwaves/w\d+", "waves/wN", name)
        name = re.sub(r"\brequests/[0-9a-f]{16}", "requests/ID", name)
        name = re.sub(r"\bgreen-[0-9a-f]{64}", "green-KEY", name)
        # Whether the radar came to look is a matter of time; what it must take away again is looked at elsewhere. So is
        # whether figures of what runs were left for others.
        if SHARED.search(name) or name.startswith("gitfleet/radar") or name == "gitfleet/figures":
            continue
        found.add(re.sub(r"(?<=[./-])\d+$", "N", name))
    return frozenset(found)


def came_to_an_end(round_: Round, code: int) -> tuple[int, list[str]]:
    """A session that a death kept from beginning is begun again; gives its exit code, and what is worth a word.

    It is over, or waits for a person and holds nothing but what they are to decide.
    """
    common, expected = round_.repo / ".git", round_.what.exit_code
    said = round_.last.read_text(errors="replace")
    sessions = common / "gitfleet/state/sessions"
    begun = sessions.is_dir() and bool(list(sessions.iterdir()))
    round_.settled()
    notes = []
    if not begun:
        lost = code == 1 and "The planner failed (lost)" in said
        assert lost or (code == 0 and "no session to continue" in said), f"exit {code}: {said}"
        round_.wardens = None  # dead already, where one was to die
        notes.append("died before the session was there, which was begun again")
        code = round_.run("again", *round_.what.command)
        said = round_.last.read_text(errors="replace")
        round_.settled()
    over = code == 0 and "no session to continue" in said and not round_.what.held
    assert code == expected or over, f"exit {code}: {said}"
    claims = [json.loads(path.read_bytes())["task"] for path in common.glob("gitfleet/state/claims/*")]
    assert sorted(claims) == sorted(round_.what.held), f"claims of {claims}"
    # One that died when all was over took its scratch away no more; the next session does.
    left = [] if over else list((common / "gitfleet/radar").glob("scratch-*"))
    assert not left, f"the radar left {left}"
    return code, notes


def check(round_: Round, whole: Whole | None) -> None:
    """Hold everything against the undisturbed run; raises ``AssertionError``."""
    repo = round_.repo
    round_.settled()
    _ends(round_, whole)
    _only_green(round_)
    _in_order(round_)
    _nothing_held(round_, whole)
    _trees(round_)
    _kept(round_)
    assert git(repo, "fsck", "--no-dangling", "--no-progress", "--connectivity-only") == ""
    assert git(repo, "status", "--porcelain") == ""
    checked = round_.run("check", "check")
    assert checked == 0, f"check: exit {checked}: {round_.last.read_text()}"
    again = round_.run("idle", "continue")
    assert again == 0, f"continue again: exit {again}: {round_.last.read_text()}"
    assert "no session to continue" in round_.last.read_text()
    round_.settled()


def _ends(round_: Round, whole: Whole | None) -> None:
    """Every task ended as it does undisturbed, and landed once if it did."""
    repo = round_.repo
    runs = scenario.state_runs(repo / ".git")
    expected = round_.what.expected
    assert runs.keys() == expected.keys(), f"runs of {sorted(runs)}"
    strange = [(task, run["state"], run.get("failure")) for task, run in runs.items() if run["state"] != expected[task]]
    assert not strange, strange
    now = tree(repo)
    persons = round_.what.persons
    for path, words in persons.items():
        said = git(repo, "show", f"main:{path}") if path in now else ""
        assert re.fullmatch(words, said), f"{path}: {said!r}"
    if whole is not None:
        wanted = {path: facts for path, facts in whole.tree.items() if path not in persons}
        found = {path: facts for path, facts in now.items() if path not in persons}
        assert found == wanted, f"the tree differs: {set(found.items()) ^ set(wanted.items())}"
    merged = sorted(instance for instance, _ in merges(repo))
    landed = sorted(str(run["instance"]) for run in runs.values() if run["state"] == "landed")
    assert merged == landed, f"merged {merged}, landed {landed}"
    for text in (repo / ".git/gitfleet/state/sessions").glob("*/waves/*.md"):
        record = f"main:.planning/{text.relative_to(repo / '.git/gitfleet/state').as_posix()}"
        assert git(repo, "show", record) == text.read_text(), f"{record} differs from the state"


def merges(repo: Path) -> list[tuple[str, str]]:
    """Instance and commit of every run that was merged into the target, oldest first."""
    words = "--format=%H %(trailers:key=Gitfleet-Instance,valueonly,separator=%x20)"
    lines = git(repo, "log", "--first-parent", "--merges", "--reverse", words, "main").splitlines()
    found = []
    for line in lines:
        commit, _, instance = line.partition(" ")
        found.append((instance.strip(), commit))
    return found


def contents(repo: Path, treeish: str) -> dict[str, str]:
    """What the files of a tree hold, by path, outside ``.planning``."""
    paths = git(repo, "ls-tree", "-r", "--name-only", treeish).splitlines()
    return {path: git(repo, "show", f"{treeish}:{path}") for path in paths if not path.startswith(".planning/")}


def _only_green(round_: Round) -> None:
    """The target never pointed at a tree that fails the checks, and no such tree is remembered as green."""
    repo, passes = round_.repo, round_.what.passes
    for commit in dict.fromkeys(git(repo, "log", "-g", "--format=%H", "main").split()):
        assert passes(contents(repo, commit)), f"the target pointed at {commit}, which fails the checks"
    for path in (repo / ".git/gitfleet").glob("verify-cache/green-*.json"):
        tree_ = json.loads(path.read_bytes())["verification"]["tree"]
        assert passes(contents(repo, tree_)), f"{path.name} says that {tree_} is green, and it fails the checks"


def _in_order(round_: Round) -> None:
    """Each run landed after those that it depends on, with what its agent wrote."""
    repo, runs = round_.repo, scenario.state_runs(round_.repo / ".git")
    tasks = {run.get("instance"): task for task, run in runs.items()}
    before: set[str] = set()
    for instance, commit in merges(repo):
        task = tasks[instance]
        early = set(runs[task].get("depends_on", ())) - before
        assert not early, f"{task} landed before {early}"
        before.add(task)
        files = contents(repo, commit)
        for path, content in round_.what.landed.get(task, {}).items():
            assert files.get(path) == content, f"{task} landed with {path}: {files.get(path)!r}"


def _nothing_held(round_: Round, whole: Whole | None) -> None:
    common = round_.repo / ".git"
    assert not held(common / "gitfleet"), f"held: {held(common / 'gitfleet')}"
    locks = [str(path) for path in common.rglob("*.lock") if "gitfleet" not in path.parts]
    assert not locks, f"locks of git are left: {locks}"
    assert not list(common.glob("gitfleet/state/claims/*"))
    leavings = [path.name for path in round_.temporary.iterdir()]
    assert not leavings, f"temporary files are left: {leavings}"
    unfinished = [str(path) for path in common.rglob("*.tmp-*") if not SHARED.search(str(path))]
    assert not unfinished, f"unfinished writes are left: {unfinished}"
    if whole is not None:
        strange = sorted(name for name in names(common) - whole.names if not _explained(name))
        assert not strange, f"left beside the repository: {strange}"
        missing = sorted(name for name in whole.names - names(common) if not _explained(name))
        assert not missing, f"missing beside the repository: {missing}"


def _explained(name: str) -> bool:
    """An attempt may have run again, or have been stopped."""
    return name.startswith("gitfleet/attempts/")


def _kept(round_: Round) -> None:
    """What agents wrote is on a ref, though it did not land."""
    repo = round_.repo
    runs = scenario.state_runs(repo / ".git")
    refs = git(repo, "for-each-ref", "--format=%(refname)", "refs/gitfleet/wip", "refs/heads").split()
    for task, path, content in round_.what.kept:
        mine = [ref for ref in refs if f"/{runs[task]['instance']}/" in ref or ref.endswith(f"/{task}")]
        having = [ref for ref in mine if git(repo, "ls-tree", "--name-only", ref, path)]
        if any(git(repo, "show", f"{ref}:{path}") == content for ref in having):
            continue
        commits = (
            git(repo, "log", "--all", "--format=%H", "--", path).split() if runs[task]["state"] == "landed" else ()
        )
        below = (commit for commit in commits if git(repo, "ls-tree", "--name-only", commit, path))
        assert any(git(repo, "show", f"{commit}:{path}") == content for commit in below), (
            f"{path} of {task} is lost: it is in none of {mine}"
        )


def _trees(round_: Round) -> None:
    """The pool is in order: each tree is known to git, and leased to a run that did not land, or empty and free."""
    repo, common = round_.repo, round_.repo / ".git"
    pool = round_.place / "repo.fleet"
    listed = [line.partition(" ")[::2] for line in git(repo, "worktree", "list", "--porcelain").splitlines()]
    linked = {Path(path) for word, path in listed if word == "worktree"} - {repo}
    assert all(path.parent == pool for path in linked), f"worktrees outside of the pool: {linked}"
    standing = {path for path in pool.iterdir() if path.name != ".trash"}
    assert linked == standing, f"git knows {linked}, and there are {standing}"
    assert not (pool / ".trash").is_dir() or not list((pool / ".trash").iterdir()), "the trash is not empty"
    kept = {
        str(run["attempts"][-1]["worktree"]): (run["instance"], run["attempts"][-1]["number"])
        for run in scenario.state_runs(common).values()
        if run.get("attempts") and run["state"] not in {"landed", "skipped"}
    }
    leases = {path.stem: json.loads(path.read_bytes()) for path in common.glob("gitfleet/pool/*.json")}
    found = {slot: (lease["instance"], lease["attempt"]) for slot, lease in leases.items()}
    assert found == kept, f"leases are {found}, and kept trees are {kept}"
    for path in standing - {pool / slot for slot in kept}:
        assert re.fullmatch(r"tree-\d+", path.name), f"nobody's tree: {path}"
        assert git(path, "status", "--porcelain", "--ignored") == "", f"{path} is not empty"
        assert git(path, "branch", "--show-current") == "", f"{path} is still on a branch"
