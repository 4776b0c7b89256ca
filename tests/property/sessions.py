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
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.property.session_cases import FILES, SECOND, Case, cases, config, tasks_of
from tests.property.session_oracle import KEY, Oracle, persons
from tests.property.session_person import Conduct, acting
from tests.support.fleet import FleetEnv, write
from tests.support.sessions import plan_of

if TYPE_CHECKING:
    from tests.support.fleet import Outcome


def prepare(case: Case, fleet: FleetEnv) -> Path:
    """A repository with a person's work in progress."""
    repo = fleet.repo({**FILES, **({"rotten.txt": "r\n"} if case.rotten else {})})
    fleet.config(repo, config(fleet, case))
    write(repo, {"key": KEY, "mine.txt": "stashed\n"})
    fleet.git("stash", "push", "-q", "mine.txt")
    fleet.git("add", "key")
    fleet.git("commit", "-qm", "Key")
    write(repo, {"mine.txt": "the person's own\n", "untracked.txt": "theirs\n"})
    for name in ("ledger", "acted"):
        (fleet.root / name).mkdir()
    os.mkfifo(fleet.root / "asks")
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
        plan = fleet.plan(plan_of(*tasks_of(fleet, case, first, doings), name=name), f"{name}.json")
        conducts.append(Conduct(case, fleet, repo, name, plan))
    with acting(case, fleet, repo), ThreadPoolExecutor(len(conducts)) as people:
        for done in [people.submit(conduct.through) for conduct in conducts]:
            done.result()
    outcomes = [outcome for conduct in conducts for outcome in conduct.outcomes]
    told = "\n".join(f"{' '.join(one.args)}: {one.code}: {one.out}{one.err}" for one in outcomes)
    conducts[0].out_of_the_way()
    Oracle(case, fleet, repo, told).look(before)
    return outcomes


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
