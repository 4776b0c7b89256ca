"""Processes that fight for few scopes: no two may ever hold the same one at a time."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from gitfleet.store.claims import Claims
from gitfleet.store.layout import Layout

ROOT = Path(__file__).resolve().parents[3]
PROCESSES, ROUNDS, SCOPES = 6, 25, 3

# Each winner opens the scope's file for exclusive creation: it fails if anybody else holds the scope at that moment.
FIGHT = """
import os, random, sys
from pathlib import Path
from gitfleet.store.claims import Claims, Granted
from gitfleet.store.layout import Layout
from gitfleet.store.locks import claims_lock
from tests.unit.store.samples import make_claim

common, me, rounds, scopes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
claims, chance = Claims(Layout(common)), random.Random(me)
clash = lambda ours, theirs: next(iter(sorted(set(ours.scope) & set(theirs.scope))), "").encode() or None
won = refused = 0
while won < rounds:
    wanted = [make_claim(f"p{me}-{n}", str(n)) for n in chance.sample(range(scopes), chance.choice((1, 2)))]
    with claims_lock(claims.layout) as proof:
        outcome = claims.acquire(proof, wanted, clash)
    if not isinstance(outcome, Granted):
        refused += 1
        continue
    for claim in wanted:
        os.close(os.open(common / f"held-{claim.scope[0]}", os.O_CREAT | os.O_EXCL))
    live = {claim.instance for claim in claims.live()}
    assert live >= {claim.instance for claim in wanted}, live
    for claim in wanted:
        os.unlink(common / f"held-{claim.scope[0]}")
    with claims_lock(claims.layout) as proof:
        assert len(claims.release(proof, [claim.instance for claim in wanted])) == len(wanted)
    won += 1
print(won, refused)
"""


def test_no_two_processes_ever_hold_one_scope(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIGHT, str(tmp_path), str(number), str(ROUNDS), str(SCOPES)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    results = [process.communicate(timeout=90) for process in processes]
    assert [stderr for _, stderr in results] == [""] * PROCESSES
    totals: Counter[str] = Counter()
    for stdout, _ in results:
        won, refused = stdout.split()
        totals.update(won=int(won), refused=int(refused))
    assert totals["won"] == PROCESSES * ROUNDS
    assert totals["refused"] > 0, "the processes never met, so the test showed nothing"
    assert Claims(Layout(tmp_path)).live() == ()
