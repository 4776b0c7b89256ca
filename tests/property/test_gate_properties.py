"""The gate's verdict equals an oracle built on plain git, and spilling takes work apart without losing any."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.git.command import Git
from gitfleet.git.engines import open_objects
from gitfleet.git.refs import Refs
from gitfleet.git.repository import discover
from gitfleet.integrate.gate.bounds import Bounds
from gitfleet.integrate.gate.history import forked_from
from gitfleet.integrate.gate.inspecting import inspect
from gitfleet.integrate.gate.spilling import NothingInside, Spill, spill
from gitfleet.planner.scopes import Scope
from tests.support.landings import Place, new_place
from tests.support.scopes import scope_matches

PATHS = ("a", "src/x", "src/y", "src/sub/z", "out/k", "out/l", "-d", "src/q\n")
SCOPES = (["src"], ["src", "!src/sub"], ["src/x"], ["."], ["out/k", "a"])

edits = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["1", "2", "x:3", None]), max_size=3)
steps = st.lists(st.one_of(edits, st.just("merge"), st.tuples(st.just("target"), edits)), min_size=1, max_size=6)


def built(place: Place, changes: dict[str, str | None], base: str) -> str:
    """A commit on ``base``; a removal of what is not there is no change."""
    there = set(place.git("ls-tree", "-r", "-z", "--name-only", base).split("\0"))
    return place.build({name: text for name, text in changes.items() if text is not None or name in there}, base)


def merged(place: Place, ours: str, theirs: str) -> str | None:
    """What an agent's ``git merge`` of the target makes; none where it conflicts or brings nothing."""
    if not place.git("rev-list", f"{ours}..{theirs}"):
        return None
    command = ["git", "-C", str(place.path), "merge-tree", "--write-tree", ours, theirs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    return place.git("commit-tree", done.stdout.split()[0], "-p", ours, "-p", theirs, "-m", "merge")


def oracle(place: Place, tip: str, target: str, scope: list[str]) -> set[str]:
    """Paths outside, by plain git: own commits one by one, and of merges what the target's side has not."""
    found: set[str] = set()
    own = set(place.git("rev-list", f"{target}..{tip}").split())
    for entry in place.git("rev-list", "--parents", f"{target}..{tip}").splitlines():
        commit, *parents = entry.split(" ")
        # The newest of the target's, where it merges the target before it did anything of its own.
        theirs = [parent for parent in parents if parent not in own][-1:] or parents[:1]
        names = place.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", theirs[0], commit).split("\0")
        now = place.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", target, commit).split("\0")
        kept = set(now) if len(parents) > 1 else set(names)
        found |= {name for name in names if name and name in kept and not scope_matches(scope, name.encode())}
    return found


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(steps, st.sampled_from(SCOPES))
def test_the_verdict_is_the_oracles_and_a_spill_loses_nothing(todo: list[object], scope: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as directory:
        place = new_place(Path(directory), {"src/x": "0", "src/sub/z": "0", "out/k": "0"})
        place.git("config", "user.name", "A Person")
        place.git("config", "user.email", "person@example.com")
        base = tip = target = place.git("rev-parse", "main")
        for step in todo:
            if step == "merge":
                tip = merged(place, tip, target) or tip
            elif isinstance(step, tuple):
                target = built(place, step[1], target)
            elif isinstance(step, dict):
                tip = built(place, step, tip)
        place.git("update-ref", "refs/heads/main", target)
        judge_and_spill(place, base, tip, target, scope)


def judge_and_spill(place: Place, base: str, tip: str, target: str, scope: list[str]) -> None:
    git, bounds = Git(place.path), Bounds.of(Scope.parse(scope))
    with open_objects(discover(place.path)) as objects:
        found = inspect(git, objects, base=base, tip=tip, target=target, bounds=bounds)
        assert {one.path.decode() for one in found.violations} == oracle(place, tip, target, scope)
        if found.passed:
            return
        assert found.only_border
        start = forked_from(git, objects, base=base, tip=tip, target=target)
        assert start is not None
        taken = spill(objects, Refs(git), start=start, tip=tip, bounds=bounds, branch="fleet-spill/s/t", name="t")
        changed = set(
            filter(None, place.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", start, tip).split("\0"))
        )
        inside = {name for name in changed if scope_matches(scope, name.encode())}
        if isinstance(taken, NothingInside):
            assert not inside
            return
        assert isinstance(taken, Spill)
        landed = place.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", start, taken.inside).split("\0")
        rest = place.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", taken.inside, taken.kept).split("\0")
        assert set(filter(None, landed)) == inside
        assert set(filter(None, rest)) == changed - inside
        assert place.git("rev-parse", f"{taken.kept}^{{tree}}") == place.git("rev-parse", f"{tip}^{{tree}}")
        assert inspect(git, objects, base=base, tip=taken.inside, target=target, bounds=bounds).passed
        assert place.git("merge-base", tip, taken.kept) == tip
        assert place.git("rev-list", f"{start}..{taken.inside}") == taken.inside
        again = spill(objects, Refs(git), start=start, tip=tip, bounds=bounds, branch="fleet-spill/s/t", name="t")
        assert again == taken
