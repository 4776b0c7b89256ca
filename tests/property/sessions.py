"""Random sessions, held against an oracle that trusts git, the checks and what agents noted down.

``python -m tests.property.sessions --examples 500 --seed 7`` soaks; the seed and each case are printed. Nothing is
shrunk: a session takes seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings

from gitfleet.model.run import Run, RunState
from tests.property.session_cases import FILES, SECOND, Case, cases, config, tasks_of
from tests.property.session_oracle import KEY, Oracle, over, persons
from tests.support.fleet import FleetEnv, Outcome, write
from tests.support.sessions import plan_of, session_ids, state_runs

if TYPE_CHECKING:
    import subprocess

ROUNDS = 16
"""How often a person continues a session before it counts as one that gets nowhere."""
PATIENCE = 3
"""After how many of these a run that is still held is given up."""
DEADLINE = 120.0


def prepare(case: Case, fleet: FleetEnv) -> Path:
    """A repository with a person's work in progress."""
    repo = fleet.repo({**FILES, **({"rotten.txt": "r\n"} if case.rotten else {})})
    fleet.config(repo, config(fleet, case))
    write(repo, {"key": KEY, "mine.txt": "stashed\n"})
    fleet.git("stash", "push", "-q", "mine.txt")
    fleet.git("add", "key")
    fleet.git("commit", "-qm", "Key")
    write(repo, {"mine.txt": "the person's own\n", "untracked.txt": "theirs\n"})
    (fleet.root / "ledger").mkdir()
    return repo


def run(case: Case, fleet: FleetEnv) -> list[Outcome]:
    """The sessions, continued while they need that; then the oracle."""
    repo = prepare(case, fleet)
    before = persons(fleet, repo)
    parts = [
        (name, first, doings)
        for name, first, doings in (("one", 0, case.tasks), ("two", SECOND, case.second))
        if doings
    ]
    conducts = []
    for name, first, doings in parts:
        plan = fleet.plan(plan_of(*tasks_of(fleet, repo, case, first, doings), name=name), f"{name}.json")
        conducts.append(Conduct(case, fleet, repo, name, plan))
    with ThreadPoolExecutor(len(conducts)) as people:
        for done in [people.submit(conduct.through) for conduct in conducts]:
            done.result()
    outcomes = [outcome for conduct in conducts for outcome in conduct.outcomes]
    told = "\n".join(f"{' '.join(one.args)}: {one.code}: {one.out}{one.err}" for one in outcomes)
    conducts[0].out_of_the_way()
    Oracle(case, fleet, repo, told).look(before)
    return outcomes


@dataclass
class Conduct:
    """A person with one session: starts it, continues it, and does in between what it asks for."""

    case: Case
    fleet: FleetEnv
    repo: Path
    name: str
    plan: Path
    outcomes: list[Outcome] = field(default_factory=list)

    def through(self) -> None:
        """To the session's end."""
        for number in range(ROUNDS):
            session = next(iter(one for one in session_ids(self.fleet, self.repo) if one.startswith(self.name)), "")
            if session and over(self.fleet, self.repo, session):
                return
            if self.outcomes and self.outcomes[-1].code == 3:
                self._help(number)
            rolling = ["--rolling"] if self.case.rolling else []
            words = ["continue", session] if session else ["wave", str(self.plan), "--yes", *rolling]
            outcome = self._do(words)
            self.outcomes.append(outcome)
            ends = {0, 1, 3} | ({130, -signal.SIGKILL} if self.case.strike else set())
            assert outcome.code in ends, f"{outcome.args}: {outcome.code}\n{outcome.out}{outcome.err}"
            assert "Traceback" not in outcome.out + outcome.err, outcome.out + outcome.err
        told = "\n".join(f"{one.code}: {one.out}{one.err}" for one in self.outcomes[-2:])
        message = f"{self.name} does not come to an end\n{told}"
        raise AssertionError(message)

    def _do(self, words: list[str]) -> Outcome:
        process = self.fleet.start(*words)
        if self.name == "one":
            pid = self.fleet.root / "pid.new"
            pid.write_text(str(process.pid))
            pid.replace(pid.with_name("pid"))
            if self.case.strike and self.case.strike[0].isdigit() and not self.outcomes:
                self._strike(process, int(self.case.strike[0]), self.case.strike[1])
        return self.fleet.finish(process, DEADLINE)

    def _strike(self, process: subprocess.Popen[str], lines: int, how: str) -> None:
        """Once it said so many lines; what it is about to say is lost with it."""
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        if process.poll() is None:
            process.send_signal(signal.Signals[f"SIG{how}"])

    def _help(self, number: int) -> None:
        """What a session that stopped may need: a target that passes, nothing in the way, an end of conflicts."""
        self.out_of_the_way()
        if not self.case.allows:
            self._git("git rm -q rotten.txt; git commit -qm Mended rotten.txt", "test -e rotten.txt")
        for held in state_runs(self.fleet, self.repo).values():
            if held.session.startswith(f"{self.name}-") and held.state is RunState.CONFLICTED:
                self._settle(held, self.case.holds if number <= PATIENCE else "cancel")

    def _settle(self, held: Run, how: str) -> None:
        words = {"resolve": ["resolve", held.instance, "--print"]}.get(how, [how, held.task])
        outcome = self.fleet.run(*words, "--session", held.session)
        self.outcomes.append(outcome)
        assert outcome.code == 0, f"{outcome.args}: {outcome.code}\n{outcome.out}{outcome.err}"
        if how == "resolve":
            tree = Path(outcome.out.strip())
            for name in set(self.fleet.git("diff", "--name-only", "--diff-filter=U", cwd=tree).splitlines()):
                if (tree / name).is_file():
                    lines = (tree / name).read_text().splitlines(keepends=True)
                    kept = [line for line in lines if line[:7] not in {"<<<<<<<", "=======", ">>>>>>>", "|||||||"}]
                    (tree / name).write_text("".join(kept))
            self.fleet.git("add", "-A", cwd=tree)
            self.fleet.git("commit", "-qm", "Resolved", cwd=tree, ok=(0, 1))

    def out_of_the_way(self) -> None:
        """Take away what the person put where others work."""
        for name in ["gone.txt", *(f"d{number}/a" for number, _ in self.case.numbered())]:
            if (self.repo / name).exists() and self.fleet.git_raw("ls-files", "--error-unmatch", name).returncode:
                (self.repo / name).unlink()

    def _git(self, act: str, when: str) -> None:
        """As the person, who tries again where another one holds the index."""
        self.fleet.shell(f"for try in $(seq 200); do {when} || break; {{ {act}; }} 2>/dev/null; done", self.repo)


def example(case: Case) -> None:
    """One case in a directory of its own, in memory where there is such a place."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="gitfleet-sessions-", dir=memory) as root:
        fleet = FleetEnv(Path(root).resolve())
        try:
            run(case, fleet)
        finally:
            fleet.close()


def soak(examples: int, number: int, *, on: bool = False) -> int:
    """Many cases from one seed, which is printed first; gives how many did not hold, where it goes on after one."""
    print(f"seed {number}", flush=True)  # noqa: T201 - whoever looks at a failure needs it
    done = failed = 0

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
        nonlocal done, failed
        done += 1
        print(f"{done}: {time.strftime('%H:%M:%S')} {case}", flush=True)  # noqa: T201 - people run this by hand
        try:
            example(case)
        except Exception as error:
            if not on:
                raise
            failed += 1
            print(f"FAILED {done}: {error}", flush=True)  # noqa: T201 - as above

    holds()
    return failed


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.property.sessions", description=__doc__)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--on", action="store_true", help="Go on after a case that does not hold.")
    options = parser.parse_args()
    # In the background of a shell SIGINT is ignored, and so it would be by every session.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    failed = soak(options.examples, options.seed, on=options.on)
    print(f"{options.examples - failed} of {options.examples} sessions held, seed {options.seed}")  # noqa: T201


if __name__ == "__main__":
    main()
