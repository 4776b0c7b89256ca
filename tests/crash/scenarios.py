"""The sessions that are killed.

``waves`` has three waves of three agents with a rejection, a conflict, a timeout and a retry. ``trains`` has a train
with two culprits, of whom one is mended and one is not, work that is spilled, and a landing that the cache vouches for.
``grown`` has a claim that grows, is given back with an ejected run and grows again, a run that conflicts and is made
again, and the conflict radar. ``conflicts`` has a conflict that an agent resolves, and one that it does not: a person
does, and something waits for that. ``agents`` has agents with accounts, and is in a module of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.crash.agents import AGENTS
from tests.crash.scenario import TIMEOUT_SECONDS, Facts, Files, Scenario, Step, git, state_runs
from tests.support.sessions import task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BOX = "set -e; w=$(git rev-parse --path-format=absolute --git-common-dir)/../../person; "

_PERSONS = r"a person's line \d+\n"


def _meet(path: str) -> str:
    """Ask the person for a commit to a path, and go on when it is there."""
    return f'echo {path} >"$w/new.$$"; mv "$w/new.$$" "$w/asked.$$"; until test -e "$w/done.$$"; do sleep 0.02; done'


# The first attempt kills its own warden: it is lost, and tried again. What it wrote is there before its mark.
_LOST_ONCE = (
    _BOX + "mkdir -p deep/er; "
    'if ! test -e "$w/lost"; then echo half >deep/er/half.txt; : >"$w/lost"; kill -9 $PPID; sleep 60; fi; '
    "echo 5 >deep/er/five.txt"
)


def _handed_on(facts: Facts) -> None:
    """Later waves had trees of runs that had landed, and not just trees of the same name."""
    had: dict[str, list[tuple[int, str]]] = {}
    for run in facts.runs.values():
        for attempt in run["attempts"]:
            had.setdefault(attempt["worktree"], []).append((run["wave"], run["state"]))
    handed_on = {
        slot
        for slot, users in had.items()
        if any(state == "landed" and wave < later for wave, state in users for later, _ in users)
    }
    assert len(handed_on) > 1, f"trees were not handed on: {had}"
    made = re.findall(r"\tworktree add .*?/(tree-\d+) ", facts.ops)
    assert all(made.count(slot) == 1 for slot in handed_on), f"trees were made again: {made}"


WAVES = Scenario(
    name="waves",
    tasks=(
        task("one", "echo 1 >one.txt", ["one.txt"]),
        task("two", "echo 2 >two.txt && git add -A && git commit -qm two", ["two.txt"]),
        task("outside", "echo x >elsewhere.txt", ["mine.txt"]),
        task("three", "cat one.txt two.txt >three.txt", ["three.txt"], "one", "two"),
        task("clash", f"{_BOX}{_meet('theirs.txt')}; echo agent >theirs.txt", ["theirs.txt"], "one"),
        task("slow", "echo part >slow.txt && exec sleep 60", ["slow.txt"], "one", timeout_seconds=TIMEOUT_SECONDS),
        task("four", "cat three.txt >four.txt", ["four.txt"], "three"),
        task("five", _LOST_ONCE, ["deep/"], "three"),
        task("six", "git rm -q old.txt && echo 6 >six.txt", ["six.txt", "old.txt"], "three"),
    ),
    checks=("test ! -e elsewhere.txt",),
    passes=lambda files: "elsewhere.txt" not in files,
    expected={
        "one": "landed",
        "two": "landed",
        "outside": "rejected",
        "three": "landed",
        "clash": "cancelled",
        "slow": "timed-out",
        "four": "landed",
        "five": "landed",
        "six": "landed",
    },
    exit_code=3,
    kept=(
        ("outside", "elsewhere.txt", "x\n"),
        ("clash", "theirs.txt", "agent\n"),
        ("five", "deep/er/half.txt", "half\n"),
    ),
    landed={"three": {"three.txt": "1\n2\n"}, "five": {"deep/er/five.txt": "5\n"}},
    settings={"conflict": "hold"},
    held=("clash",),
    steps=(Step("cancel", ("cancel", "clash")), Step("close", ("continue",), exit_code=1)),
    persons={"theirs.txt": _PERSONS},
    struck=_handed_on,
)

_CHECKS = ("! grep -rqs broken --include='*.txt' .",)


def _whole(files: Files) -> bool:
    return not any("broken" in content for path, content in files.items() if path.endswith(".txt"))


def _broken_once(path: str, better: str) -> str:
    """The first attempt breaks the checks, and says so in the box once its work is there; the next one knows."""
    return f'if test -e "$w/broke"; then echo {better} >{path}; else echo broken >{path}; : >"$w/broke"; fi'


def _outcomes(run: Mapping[str, object]) -> list[str]:
    attempts = run["attempts"]
    assert isinstance(attempts, list)
    return [attempt["outcome"] for attempt in attempts]


def _ejected_spilled_and_cached(facts: Facts) -> None:
    runs = facts.runs
    assert _outcomes(runs["mended"]) == ["check-failed", "success"], runs["mended"]["attempts"]
    assert _outcomes(runs["bad"]) == ["check-failed"] * 2, runs["bad"]["attempts"]
    assert runs["spilled"]["gate"]["spilled"], runs["spilled"]["gate"]
    assert all(check["cached"] for check in runs["undone"]["verification"]["checks"]), runs["undone"]["verification"]


# What is undone makes the tree that of the first landing, which is known to be green.
TRAINS = Scenario(
    name="trains",
    tasks=(
        task("good", "echo good >good.txt", ["good.txt"]),
        task("bad", "echo broken >bad.txt", ["bad.txt"], retry_policy={"max_attempts": 2}),
        task("mended", _BOX + _broken_once("mended.txt", "whole"), ["mended.txt"]),
        task("spilled", "echo in >in.txt; echo out >out.txt", ["in.txt"], "good"),
        task("built", "echo built >built.txt", ["built.txt"], "bad"),
        task("undone", "git rm -q in.txt mended.txt", ["in.txt", "mended.txt"], "spilled", "mended"),
    ),
    checks=_CHECKS,
    passes=_whole,
    expected={
        "good": "landed",
        "bad": "failed",
        "mended": "landed",
        "spilled": "landed",
        "built": "skipped",
        "undone": "landed",
    },
    exit_code=1,
    kept=(
        ("bad", "bad.txt", "broken\n"),
        ("mended", "mended.txt", "broken\n"),
        ("spilled", "out.txt", "out\n"),
    ),
    landed={
        "good": {"good.txt": "good\n"},
        "mended": {"mended.txt": "whole\n"},
        "spilled": {"in.txt": "in\n"},
    },
    settings={"scope": {"on_violation": "spill"}},
    struck=_ejected_spilled_and_cached,
)


def _grown_twice(facts: Facts) -> None:
    runs = facts.runs
    assert _outcomes(runs["meets"]) == ["conflict", "success"], runs["meets"]["attempts"]
    assert _outcomes(runs["grows"]) == ["check-failed", "success"], runs["grows"]["attempts"]
    assert runs["grows"]["extended"] == ["far/out.txt"], runs["grows"]
    assert runs["more"]["extended"] == ["far/more.txt"], runs["more"]
    assert "/radar/scratch-" in facts.ops, "the radar looked at nothing"


# Made again on what the person committed, it goes on from that.
_MEETS = (
    f"{_BOX}if test -e theirs.txt; then echo agent >>theirs.txt; else echo agent >theirs.txt; {_meet('theirs.txt')}; fi"
)

GROWN = Scenario(
    name="grown",
    tasks=(
        task("grows", _BOX + f"echo in >in.txt; mkdir -p far; {_broken_once('far/out.txt', 'out')}", ["in.txt"]),
        task("other", "echo other >other.txt", ["other.txt"]),
        task("meets", _MEETS, ["theirs.txt"]),
        task("more", "echo 1 >one.txt; echo more >far/more.txt", ["one.txt"], "grows"),
        task(
            "takes", "cat far/out.txt in.txt >taken.txt; echo taken >far/out.txt", ["taken.txt", "far/out.txt"], "grows"
        ),
    ),
    checks=_CHECKS,
    passes=_whole,
    expected={"grows": "landed", "other": "landed", "meets": "landed", "more": "landed", "takes": "landed"},
    exit_code=0,
    kept=(("grows", "far/out.txt", "broken\n"), ("meets", "theirs.txt", "agent\n")),
    landed={
        "grows": {"in.txt": "in\n", "far/out.txt": "out\n"},
        "more": {"one.txt": "1\n", "far/more.txt": "more\n"},
        "takes": {"taken.txt": "out\nin\n", "far/out.txt": "taken\n"},
    },
    settings={"scope": {"on_violation": "extend"}, "conflict": "requeue"},
    persons={"theirs.txt": _PERSONS + "agent\n"},
    radar=True,
    struck=_grown_twice,
)

_FIXED = (
    f"{_BOX}if grep -qs '<<<<' fixed.txt; then echo both >fixed.txt; git add -A; git commit -q --no-edit; "
    f"elif test -e fixed.txt; then echo both >fixed.txt; else echo mine >fixed.txt; {_meet('fixed.txt')}; fi"
)
_LEFT = f"{_BOX}if ! grep -qs '<<<<' left.txt; then echo agent >left.txt; {_meet('left.txt')}; fi"


def _resolve(place: Path) -> None:
    """Write the resolution into the tree that was opened."""
    run = state_runs(place / "repo/.git")["left"]
    tree = place / "repo.fleet" / run["attempts"][-1]["worktree"]
    assert "<<<<" in (tree / "left.txt").read_text(), "nothing is in conflict in the tree that was opened"
    (tree / "left.txt").write_text("resolved\n")
    git(tree, "add", "left.txt")


def _resolved_twice(facts: Facts) -> None:
    runs = facts.runs
    assert _outcomes(runs["fixed"]) == ["conflict", "success"], runs["fixed"]["attempts"]
    assert runs["fixed"]["attempts"][1]["resolver"], runs["fixed"]["attempts"]
    assert len(_outcomes(runs["left"])) == 2, runs["left"]["attempts"]
    assert runs["left"]["resolution"]["commit"], runs["left"]


CONFLICTS = Scenario(
    name="conflicts",
    tasks=(
        task("fixed", _FIXED, ["fixed.txt"]),
        task("left", _LEFT, ["left.txt"]),
        task("later", "cat left.txt >later.txt", ["later.txt"], "left"),
    ),
    checks=_CHECKS,
    passes=_whole,
    expected={"fixed": "landed", "left": "landed", "later": "landed"},
    exit_code=3,
    held=("left",),
    steps=(Step("resolve", ("resolve", "left", "--print")), Step("close", ("continue",), before=_resolve)),
    kept=(("fixed", "fixed.txt", "mine\n"), ("left", "left.txt", "agent\n")),
    landed={
        "fixed": {"fixed.txt": "both\n"},
        "left": {"left.txt": "resolved\n"},
        "later": {"later.txt": "resolved\n"},
    },
    settings={"conflict": "resolver"},
    struck=_resolved_twice,
)

SCENARIOS = {scenario.name: scenario for scenario in (WAVES, TRAINS, GROWN, CONFLICTS, AGENTS)}
