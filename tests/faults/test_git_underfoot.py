"""Git taken away or changed underneath a session by somebody else: healed or told, and no work is lost.

A person, a cron job or an agent may do any of this to the repository that a session works in. Work that was on no
branch any more is looked for in all refs: a commit or a snapshot holds it.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.faults.trial import AGENTS, CHECK, CONTINUE, LANDED, SLOW, Trial, told
from tests.support.fleet import write
from tests.support.sessions import state_runs, states

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = [
    pytest.mark.slow,
    pytest.mark.leaves_worktrees("an attempt whose tree was taken away keeps what is left of it"),
]


def kept(trial: Trial) -> set[str]:
    """Every line of the small files that any ref of the repository holds."""
    found = set()
    for ref in trial.fleet.git("for-each-ref", "--format=%(refname)", cwd=trial.repo).splitlines():
        for name in trial.fleet.git("ls-tree", "-r", "--name-only", ref, cwd=trial.repo).splitlines():
            if "/" not in name:
                found.add(f"{name}:{trial.fleet.git('show', f'{ref}:{name}', cwd=trial.repo)}")
    return found


def finish(trial: Trial) -> int:
    """Continue as often as it says that it must be, at most three times; the last exit code."""
    code = 3
    for _ in range(3):
        code = told(trial.fleet.run("continue", cwd=trial.repo)).code
        if code in {0, 1}:
            break
    return code


# -- what git may do at any moment: nothing is noticed -----------------------------------------------------------------

HOUSEKEEPING = {
    "pack-refs": "git pack-refs --all --prune",
    "gc": "git gc -q --prune=now",
    "reflog": "git reflog expire --expire=now --expire-unreachable=now --all && git gc -q --prune=now",
    "prune": "git worktree prune --expire=now",
    "repack": "git repack -adfq",
    "commit-graph": "git commit-graph write --reachable && git multi-pack-index write",
}


@pytest.mark.share(2)
@pytest.mark.parametrize("moment", [AGENTS, pytest.param(CHECK, marks=SLOW), pytest.param(CONTINUE, marks=SLOW)])
def test_all_housekeeping_of_git_at_once_disturbs_nothing(fleet: FleetEnv, moment: str) -> None:
    script = " && ".join(HOUSEKEEPING.values())
    trial = Trial(fleet, moment)
    trial.go(lambda _: fleet.shell(script, trial.repo)).ok()
    trial.landed()


@pytest.mark.slow
@pytest.mark.share(3)
@pytest.mark.parametrize("script", HOUSEKEEPING.values(), ids=HOUSEKEEPING.keys())
def test_agents_may_keep_house_all_the_time(fleet: FleetEnv, script: str) -> None:
    trial = Trial(fleet, "none")
    text = (fleet.root / "plan.yaml").read_text().replace("; true", f"; {script}; true")
    fleet.plan(text.replace("echo a >", f"{script}; echo a >"))
    fleet.run("wave", fleet.root / "plan.yaml", "--yes").ok()
    trial.landed()


# -- a worktree or a branch that is gone -------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [AGENTS, pytest.param(CONTINUE, marks=SLOW)])
def test_a_worktree_that_vanished_costs_only_what_was_in_it(fleet: FleetEnv, moment: str) -> None:
    trial = Trial(fleet, moment)

    def vanish(trial: Trial) -> None:
        for name in ("a", "b"):
            shutil.rmtree(trial.tree_of(name))

    told(trial.go(vanish))
    trial.look()
    finish(trial)
    assert "b.txt:b" in kept(trial), states(fleet, trial.repo)
    assert states(fleet, trial.repo)["b"] in {"failed", "landed"}
    # What is named as failed can be made again.
    for name, state in states(fleet, trial.repo).items():
        if state == "failed":
            assert state_runs(fleet, trial.repo)[name].failure is not None


@pytest.mark.parametrize("moment", [AGENTS, pytest.param(CONTINUE, marks=SLOW)])
def test_a_task_branch_that_was_deleted_loses_no_work(fleet: FleetEnv, moment: str) -> None:
    trial = Trial(fleet, moment)

    def delete(trial: Trial) -> None:
        for name in ("a", "b"):
            fleet.git("update-ref", "-d", trial.branch_of(name), cwd=trial.repo)

    told(trial.go(delete))
    trial.look()
    finish(trial)
    assert {"a.txt:a", "b.txt:b"} <= kept(trial), states(fleet, trial.repo)


@pytest.mark.slow
@pytest.mark.share(3)
@pytest.mark.parametrize("moment", [AGENTS, CHECK, CONTINUE])
def test_a_target_that_was_deleted_is_told_and_can_be_brought_back(fleet: FleetEnv, moment: str) -> None:
    trial = Trial(fleet, moment)
    tip = fleet.git("rev-parse", "main", cwd=trial.repo)
    outcome = told(trial.go(lambda _: fleet.git("update-ref", "-d", "refs/heads/main", cwd=trial.repo)))
    assert outcome.code in {3, 4}, outcome.text
    assert "main" in outcome.text
    trial.look()
    told(fleet.run("continue", cwd=trial.repo))
    fleet.git("update-ref", "refs/heads/main", tip, cwd=trial.repo)
    trial.land()


# -- what else lies in worktrees ---------------------------------------------------------------------------------------


def test_a_nested_repository_with_work_of_its_own_stays(fleet: FleetEnv) -> None:
    trial = Trial(fleet, AGENTS)

    def nest(trial: Trial) -> None:
        inner = trial.tree_of("a") / "inner"
        inner.mkdir()
        fleet.git("init", "-q", cwd=inner)
        write(inner, {"only.txt": "the only copy\n"})

    told(trial.go(nest))
    trial.look()
    finish(trial)
    told(fleet.run("clean", cwd=trial.repo))
    found = [path.read_text() for path in trial.fleet.root.rglob("only.txt")]
    assert found == ["the only copy\n"]


MIXED = {"mixed.txt": b"one\r\ntwo\nthree\r\n", "dos.txt": b"a\r\nb\r\n", "README.md": b"A project.\n"}


@pytest.mark.slow
@pytest.mark.share(3)
@pytest.mark.parametrize("moment", [AGENTS, CONTINUE])
def test_safecrlf_and_mixed_line_endings_keep_nobody_from_landing(fleet: FleetEnv, moment: str) -> None:
    trial = Trial(fleet, moment, files=MIXED)
    # Mixed endings of the agent's own: git refuses to add them as they are.
    text = (fleet.root / "plan.yaml").read_text()
    fleet.plan(
        text.replace("echo a >", "printf 'x\\\\r\\\\ny\\\\n' > m.txt; echo a >").replace(
            '"a.txt"\n', '"a.txt", "m.txt"\n'
        )
    )
    fleet.git("config", "core.autocrlf", "true", cwd=trial.repo)
    fleet.git("config", "core.safecrlf", "true", cwd=trial.repo)
    told(trial.go(lambda _: None)).ok()
    assert states(fleet, trial.repo) == LANDED
    assert fleet.git_raw("show", "main:mixed.txt", cwd=trial.repo).stdout == MIXED["mixed.txt"]


@pytest.mark.slow
@pytest.mark.share(3)
def test_monitors_and_hooks_of_the_user_do_not_run_for_us(fleet: FleetEnv) -> None:
    trial = Trial(fleet, CHECK)
    hooks, ran = fleet.root / "hooks", fleet.root / "ran"
    hooks.mkdir()
    names = ("pre-commit", "post-checkout", "post-merge", "reference-transaction", "post-index-change", "pre-auto-gc")
    for name in (*names, "monitor"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >>'{ran}'\nexit 1\n")
        (hooks / name).chmod(0o755)
    # Agents commit as the user does, so b would meet the user's hooks; c and a leave their work uncommitted.
    fleet.plan((fleet.root / "plan.yaml").read_text().replace("git add -A; git commit -qm b; ", ""))
    fleet.git("config", "core.hooksPath", hooks, cwd=trial.repo)
    fleet.git("config", "core.fsmonitor", hooks / "monitor", cwd=trial.repo)
    told(trial.go(lambda _: None)).ok()
    assert not ran.exists(), ran.read_text()
    fleet.git("config", "--unset", "core.fsmonitor", cwd=trial.repo)
    trial.landed()


# -- damage ------------------------------------------------------------------------------------------------------------


def flip(path: Path, place: int) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def damage_loose(trial: Trial) -> None:
    oid = trial.fleet.git("rev-parse", f"{trial.branch_of('b')}:b.txt", cwd=trial.repo)
    flip(trial.repo / ".git/objects" / oid[:2] / oid[2:], 9)


def damage_pack(trial: Trial) -> None:
    oid = trial.fleet.git("rev-parse", f"{trial.branch_of('b')}:b.txt", cwd=trial.repo)
    trial.fleet.git("repack", "-adq", cwd=trial.repo)
    (pack,) = (trial.repo / ".git/objects/pack").glob("*.pack")
    listed = trial.fleet.git("verify-pack", "-v", pack.with_suffix(".idx"), cwd=trial.repo).splitlines()
    (entry,) = [line.split() for line in listed if line.startswith(oid)]
    flip(pack, int(entry[4]) + int(entry[3]) - 3)


@pytest.mark.slow
@pytest.mark.share(3)
@pytest.mark.parametrize("moment", [AGENTS, CONTINUE])
@pytest.mark.parametrize("damage", [damage_loose, damage_pack])
def test_a_flipped_bit_in_the_objects_of_a_task_is_told(
    fleet: FleetEnv, damage: Callable[[Trial], None], moment: str
) -> None:
    trial = Trial(fleet, moment)
    outcome = told(trial.go(damage))
    trial.look()
    told(fleet.run("continue", cwd=trial.repo))
    assert outcome.code != 0, outcome.text
    assert "a.txt:a" in everywhere(fleet)


def everywhere(fleet: FleetEnv) -> set[str]:
    """Every one of the small files below this test's directory, as it lies on the disk."""
    return {f"{path.name}:{path.read_text().strip()}" for path in fleet.root.rglob("?.txt") if path.is_file()}


@pytest.mark.slow
@pytest.mark.share(3)
@pytest.mark.parametrize("content", [b"", b"not an id\n", b"\0" * 41])
def test_a_ref_that_was_cut_short_is_told(fleet: FleetEnv, content: bytes) -> None:
    trial = Trial(fleet, AGENTS)

    def spoil(trial: Trial) -> None:
        (trial.repo / ".git" / trial.branch_of("b")).write_bytes(content)

    outcome = told(trial.go(spoil))
    trial.look()
    told(fleet.run("continue", cwd=trial.repo))
    assert outcome.code != 0 or states(fleet, trial.repo) == LANDED
    assert {"a.txt:a", "b.txt:b"} <= everywhere(fleet)
