"""Random sessions, and an oracle that trusts nothing but git: what landed, what it was checked with, what is left.

``python -m tests.property.sessions --examples 500 --seed 7`` soaks; the seed and each case are printed. Nothing is
shrunk: a session takes seconds.
Agents and the person are one-line shell scripts; the person acts from inside an agent's script, with a clean
environment, so that what they do happens at a known moment.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from gitfleet.model.paths import unquote_path
from gitfleet.planner.scopes import Scope
from tests.support.fleet import FleetEnv, Outcome
from tests.support.sessions import common_dir, config_of, plan_of, state_runs, task, trailers

# Alone: a file says BREAK. Together: one says HALF-A and another HALF-B.
CHECKS = (
    "! grep -rqs --exclude-dir=.git BREAK .",
    "! { grep -rqs --exclude-dir=.git HALF-A . && grep -rqs --exclude-dir=.git HALF-B .; }",
)
FILES = {"README.md": "A project.\n", "shared.txt": "1\n2\n3\n", "mine.txt": "mine\n", "gone.txt": "g\n"}
SECRET, KEY = "hunter2\n", "a key\n"

BEHAVIOURS = {
    "works": "echo {n} >{dir}/a",
    "commits": "echo {n} >{dir}/a; git add -A; git commit -qm work",
    "commits twice": "echo 1 >{dir}/a; git add -A; git commit -qm 1; echo 2 >{dir}/b; git add -A; git commit -qm 2",
    "amends": "echo 1 >{dir}/a; git add -A; git commit -qm 1; echo 2 >{dir}/a; git commit -qa --amend -m 2",
    "edits what is shared": "echo {n} >{dir}/a; sed -i.bak s/2/{n}{n}/ shared.txt; rm shared.txt.bak",
    "leaves its scope": "echo {n} >{dir}/a; echo {n} >outside-{n}.txt",
    "hides a secret": (
        "echo hunter2 >s; git add -A; git commit -qm s; git rm -q s; echo {n} >{dir}/a; git add -A; git commit -qm t"
    ),
    "breaks": "echo BREAK >{dir}/a",
    "breaks one half": "echo HALF-A >{dir}/a",
    "breaks the other": "echo HALF-B >{dir}/a",
    "does nothing": "true",
    "fails": "echo {n} >{dir}/a; exit 3",
    "merges the target": "echo {n} >{dir}/a; git add -A; git commit -qm work; git merge -q --no-edit main",
    "removes a file": "git rm -q gone.txt; echo {n} >{dir}/a",
}
SHARES = {"edits what is shared": "shared.txt", "removes a file": "gone.txt"}

PERSON = {
    "": "",
    "commits": "echo p{n} >p{n}.txt; git add p{n}.txt; git commit -qm Theirs p{n}.txt",
    "edits what is shared": "echo person{n} >shared.txt; git commit -qm Theirs shared.txt",
    "amends": "git commit -q --amend -m Amended --only",
    "takes a secret back": (
        'was=$(git rev-parse HEAD); test "$(git log -1 --format=%s)" = Key || exit 0; '
        "git update-ref -m Clean refs/heads/main HEAD~1 $was && until git rm -qf key; do :; done"
    ),
}


@dataclass(frozen=True)
class Doing:
    """What one task is and what happens in it; ``after`` are tasks before it in the plan."""

    behaviour: str
    person: str
    after: frozenset[int]
    wide: bool


@dataclass(frozen=True)
class Case:
    """One session."""

    tasks: tuple[Doing, ...]
    agents: int
    rolling: bool
    checks: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Sessions of one to five tasks."""
    count = draw(st.integers(1, 5))
    tasks = tuple(
        Doing(
            draw(st.sampled_from(sorted(BEHAVIOURS))),
            draw(st.sampled_from(["", "", "", *PERSON])),
            draw(st.frozensets(st.integers(0, number - 1), max_size=2)) if number else frozenset(),
            draw(st.booleans()),
        )
        for number in range(count)
    )
    return Case(tasks, draw(st.integers(1, 3)), draw(st.booleans()), draw(st.sampled_from([True, True, True, False])))


def scope_of(number: int, doing: Doing) -> list[str]:
    """A directory of the task's own, or the half of it that matters; and what its behaviour shares."""
    own = [f"d{number}/"] if doing.wide else [f"d{number}/a", f"d{number}/b"]
    return own + ([SHARES[doing.behaviour]] if doing.behaviour in SHARES else [])


def script(fleet: FleetEnv, repo: Path, number: int, doing: Doing) -> str:
    """The agent's shell script, with the person's act in it."""
    facts = {"n": str(number), "dir": f"d{number}"}
    person = PERSON[doing.person].replace("{n}", str(number))
    lines = [f"mkdir -p d{number}"]
    if person:
        kept = " ".join(
            f"{name}={shlex.quote(fleet.environ[name])}" for name in ("PATH", "HOME") if name in fleet.environ
        )
        # There is one person, and a landing may hold the index for a moment; they try again.
        lock = shlex.quote(str(fleet.root / "person"))
        again = (
            f"until mkdir {lock} 2>/dev/null; do :; done; "
            f"for try in $(seq 200); do ({person}) 2>/dev/null && break; done; rmdir {lock}"
        )
        lines.append(f"(cd {shlex.quote(str(repo))} && env -i {kept} sh -ec {shlex.quote(again)})")
    work = BEHAVIOURS[doing.behaviour]
    for name, value in facts.items():
        work = work.replace("{" + name + "}", value)
    return "; ".join([*lines, work])


def run(case: Case, fleet: FleetEnv) -> list[Outcome]:
    """The session, continued while it needs that; then the oracle."""
    repo = fleet.repo(FILES)
    fleet.config(
        repo, config_of(CHECKS if case.checks else (), waves={"max_agents": case.agents}, retry={"max_attempts": 1})
    )
    (repo / "key").write_text(KEY)
    fleet.git("add", "key")
    fleet.git("commit", "-qm", "Key")
    (repo / "mine.txt").write_text("the person's own\n")
    (repo / "untracked.txt").write_text("theirs\n")
    tasks = [
        task(f"t{n}", script(fleet, repo, n, one), scope_of(n, one), *(f"t{other}" for other in sorted(one.after)))
        for n, one in enumerate(case.tasks)
    ]
    rolling = ["--rolling"] if case.rolling else []
    outcomes = [fleet.run("wave", fleet.plan(plan_of(*tasks)), "--yes", *rolling)]
    for _ in range(2):
        if outcomes[-1].code != 3:
            break
        outcomes.append(fleet.run("continue"))
    look(case, fleet, repo, outcomes)
    return outcomes


def look(case: Case, fleet: FleetEnv, repo: Path, outcomes: list[Outcome]) -> None:
    """Hold everything that a session promises against what git says."""
    told = "\n".join(f"{one.code}: {one.out}{one.err}" for one in outcomes)
    assert all(one.code in {0, 1, 3} for one in outcomes), told
    runs = state_runs(fleet, repo)
    assert len(runs) == len(case.tasks), told
    landings = [
        line.split(" ")[0]
        for line in fleet.git("log", "-g", "--format=%H %gs", "main").splitlines()
        if " gitfleet: land " in line
    ]
    if case.checks:
        for commit in landings:
            assert passes(fleet, repo, commit), f"{commit} landed and fails\n{told}"
    merges = [commit for top in landings[:1] for commit in fleet.git("rev-list", "--merges", top).splitlines()]
    merged = Counter(trailers(fleet, repo, commit).get("Gitfleet-Instance", "") for commit in merges)
    for name, one in runs.items():
        doing = case.tasks[int(name[1:])]
        assert merged[one.instance or "-"] == (one.state == "landed"), (name, one.state, told)
        if one.state != "landed":
            if one.tip:
                assert fleet.git("for-each-ref", f"--contains={one.tip}"), f"the work of {name} is lost\n{told}"
            continue
        assert one.merge is not None
        scope = Scope.parse([*scope_of(int(name[1:]), doing), *getattr(one, "extended", ())])
        changed = fleet.git(
            "-c", "core.quotePath=true", "diff", "--name-only", f"{one.merge.commit}^1", one.merge.commit
        )
        for path in changed.splitlines():
            assert scope.matches(unquote_path(path)), f"{name} landed {path}\n{told}"
        for dependency in one.depends_on:
            before = runs[dependency].merge
            assert runs[dependency].state == "landed", f"{name} landed without {dependency}\n{told}"
            assert before is not None
            fleet.git("merge-base", "--is-ancestor", before.commit, one.merge.commit)
    assert_person(fleet, repo, told)


def assert_person(fleet: FleetEnv, repo: Path, told: str) -> None:
    """The person's files are theirs, secrets are out of the target's history, and nothing is held."""
    assert (repo / "mine.txt").read_text() == "the person's own\n", told
    assert (repo / "untracked.txt").read_text() == "theirs\n", told
    status = [line for line in fleet.git("status", "--porcelain").splitlines() if not line.endswith(".planning/live")]
    assert status == [" M mine.txt", "?? untracked.txt"], f"{status}\n{told}"
    claims = common_dir(fleet, repo) / "gitfleet/state/claims"
    # A session that waits for its person may hold claims.
    waits = told.rpartition("\n3: ")[1] != "" or told.startswith("3: ")
    assert waits or not claims.is_dir() or not list(claims.glob("*")), told
    gone = [SECRET]
    if "Clean" in fleet.git("log", "-g", "--format=%gs", "main").splitlines():
        gone.append(KEY)
    reachable = fleet.git("rev-list", "--objects", "main")
    for text in gone:
        done = subprocess.run(["git", "hash-object", "--stdin"], input=text, capture_output=True, text=True, check=True)
        assert done.stdout.strip() not in reachable, f"{text!r} is in the target's history\n{told}"


def passes(fleet: FleetEnv, repo: Path, commit: str) -> bool:
    """Whether the checks hold on exactly the files of a commit but for the records, as the oracle runs them."""
    with tempfile.TemporaryDirectory(dir=fleet.root) as place:
        archive = subprocess.run(["git", "archive", commit], cwd=repo, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", place], input=archive, check=True)
        shutil.rmtree(Path(place, ".planning"), ignore_errors=True)
        return all(subprocess.run(["sh", "-c", check], cwd=place, check=False).returncode == 0 for check in CHECKS)


def example(case: Case) -> None:
    """One case in a directory of its own, in memory where there is such a place."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="gitfleet-sessions-", dir=memory) as root:
        fleet = FleetEnv(Path(root).resolve())
        try:
            run(case, fleet)
        finally:
            fleet.close()


def soak(examples: int, number: int) -> None:
    """Many cases from one seed, which is printed first."""
    print(f"seed {number}", flush=True)  # noqa: T201 - whoever looks at a failure needs it
    done = 0

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=cases())
    def holds(case: Case) -> None:
        nonlocal done
        done += 1
        print(f"{done}: {case}", flush=True)  # noqa: T201 - a program that people run by hand
        example(case)

    holds()


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.property.sessions", description=__doc__)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    soak(options.examples, options.seed)
    print(f"{options.examples} sessions held, seed {options.seed}")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
