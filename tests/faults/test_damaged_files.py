"""Any file of gitfleet's own, cut short, flipped, emptied, replaced or taken away: named, or healed, and never a loss.

A session was killed in its second wave, beside one that is closed. One of their files is damaged; every command that
looks, and a ``continue``, must end with an exit code of the table and a sentence, and with nothing deleted.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitfleet.model.base import encode
from gitfleet.model.lease import SetAside
from gitfleet.model.plan import Task
from gitfleet.model.request import Request
from gitfleet.runtime.hosts.local import LocalHost
from gitfleet.store.layout import Layout
from gitfleet.store.leases import Leases
from gitfleet.store.locks import worktrees_lock
from tests.support.commands import run
from tests.support.fleet import FleetEnv
from tests.support.sessions import config_of, plan_of, session_ids, states, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("the session is looked at in the middle")]

HANDOFF = """printf '{"built":["x"],"discoveries":[{"fact":"f","paths":["a.txt"]}]}' > "$GITFLEET_HANDOFF"; """
LOOKS = (
    ["status", "--json"],
    ["status", "--all"],
    ["inspect", "c"],
    ["doctor"],
    ["claims"],
    ["clean", "--dry-run"],
    ["events"],
    ["logs", "c"],
)


@dataclass
class Stage:
    """A repository in the middle, which can be had anew."""

    fleet: FleetEnv
    repo: Path
    session: str

    @property
    def ours(self) -> Path:
        """Where everything of gitfleet lies."""
        return self.repo / ".git/gitfleet"

    @property
    def files(self) -> list[str]:
        """Every file there, by name, the same in each run of the test but for ids."""
        return sorted(str(path.relative_to(self.ours)) for path in self.ours.rglob("*") if path.is_file())

    def save(self) -> None:
        for path in (self.repo, self.repo.with_name("repo.fleet")):
            subprocess.run(["cp", "-a", path, path.with_name(f"{path.name}.saved")], check=True)

    def restore(self) -> None:
        for path in (self.repo, self.repo.with_name("repo.fleet")):
            shutil.rmtree(path, ignore_errors=True)
            subprocess.run(["cp", "-a", path.with_name(f"{path.name}.saved"), path], check=True)

    def look(self) -> None:
        """Every command that looks ends with a sentence."""
        for command in LOOKS:
            answer = run(command[0], "--repo", self.repo, *command[1:])
            text = answer.out + answer.err
            assert answer.code in {0, 1, 2, 3, 4}, (command, text)
            assert "defect" not in text, (command, text)

    def go_on(self, damaged: str) -> int:
        """Continue: done, or refused with the name of the file; and nothing that agents made is gone."""
        outcome = self.fleet.run("continue", self.session, cwd=self.repo)
        assert outcome.code in {0, 1, 3, 4}, outcome.text
        assert "defect" not in outcome.text, outcome.text
        if outcome.code == 4:
            assert damaged.rpartition("/")[2] in outcome.err, (damaged, outcome.err)
        branches = self.fleet.git("for-each-ref", "--format=%(refname)", "refs/heads/fleet", cwd=self.repo)
        assert len(branches.splitlines()) >= 4, branches
        return outcome.code


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    fleet = FleetEnv(tmp_path_factory.mktemp("damaged"))
    repo = fleet.repo()
    fleet.config(repo, config_of(["true"]))
    plan = fleet.plan(plan_of(task("z", f"{HANDOFF} echo z > z.txt", ["z.txt"]), name="done"))
    fleet.run("wave", plan, "--yes").ok()
    point, released = fleet.point("second"), fleet.root / "released"
    plan = fleet.plan(
        plan_of(
            task("a", f"{HANDOFF} echo a > a.txt", ["a.txt"]),
            task("b", "echo b > b.txt", ["b.txt"]),
            task("c", f"echo c > c.txt; test -e '{released}' || {{ {point.shell}; }}", ["c.txt"], "a"),
            task("d", "echo d > d.txt", ["d.txt"], "b"),
            name="open",
        )
    )
    running = fleet.start("wave", plan, "--yes")
    point.wait()
    added = fleet.plan(plan_of(task("f", "echo f > f.txt", ["f.txt"])), "f.yaml")
    fleet.run("add", added, "--yes").ok()
    running.kill()
    fleet.finish(running)
    released.touch()
    point.release()
    opened = next(name for name in session_ids(fleet, repo) if name.startswith("open"))
    for directory in (repo / ".git/gitfleet/attempts").glob(f"fleet-{opened}-w2-a*/1"):
        host = LocalHost()
        host.wait(host.adopt(directory.parent.name, 1, directory))
    built = Stage(fleet, repo, opened)
    # Kinds of files that such a session may have as well: a request that nobody answered, a tree that was set aside.
    asked = Task(id="g", name="g", command="echo g > g.txt", scope=("g.txt",))
    requests = built.ours / f"state/sessions/{opened}/requests"
    (requests / "late.request").write_bytes(encode(Request(id="late", add=asked)))
    aside = fleet.root / "aside"
    aside.mkdir()
    layout = Layout(repo / ".git")
    with worktrees_lock(layout) as proof:
        tree = SetAside(path=str(aside), why="a test said so", since="2026-01-02T03:04:05.000Z")
        Leases(layout).write_set_aside(proof, "tree-9-1", tree)
    built.save()
    yield built
    fleet.close()


def damage(path: Path, how: str, place: int) -> None:
    """Damage a file; ``place`` says where, where that matters."""
    data = path.read_bytes()
    match how:
        case "emptied":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(data[: place % (len(data) or 1)])
        case "flipped" if data:
            flipped = bytearray(data)
            flipped[place % len(data)] ^= 1 << (place % 8)
            path.write_bytes(flipped)
        case "replaced":
            path.write_bytes(b'{"schema": "x"}\n')
        case "listed":
            path.write_bytes(b"[]\n")
        case "binary":
            path.write_bytes(b"\xff\xfe\0" + data)
        case "directory":
            path.unlink()
            path.mkdir()
        case "loop":
            path.unlink()
            path.symlink_to(path.name)
        case "gone":
            path.unlink()
        case _:
            stand_in(path, how)


def stand_in(path: Path, how: str) -> None:
    """Put something in the place of a file that is none, and that a careless reader waits for or never comes out of."""
    path.unlink()
    match how:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "socket":
            there = os.open(path.parent, os.O_RDONLY)
            with socket.socket(socket.AF_UNIX) as made:
                # A name in a socket's address is short.
                made.bind(f"/proc/self/fd/{there}/{path.name}")
            os.close(there)
        case _:
            raise AssertionError(how)


WAYS = (
    "emptied",
    "cut",
    "flipped",
    "replaced",
    "listed",
    "binary",
    "directory",
    "loop",
    "pipe",
    "device",
    "socket",
    "gone",
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_named_or_healed(stage: Stage, data: st.DataObject) -> None:
    stage.restore()
    name = data.draw(st.sampled_from(stage.files))
    how, place = data.draw(st.sampled_from(WAYS)), data.draw(st.integers(0, 1 << 16))
    damage(stage.ours / name, how, place)
    stage.look()
    stage.go_on(name)


@pytest.mark.parametrize("how", ["cut", "directory", "gone"])
def test_a_claim_of_ours_that_cannot_be_read_is_written_anew(stage: Stage, how: str) -> None:
    stage.restore()
    (claim,) = sorted(stage.ours.glob(f"state/claims/fleet-{stage.session}-w2-a1.json"))
    damage(claim, how, 40)
    if how != "gone":
        refused = run("claims", "--repo", stage.repo)
        assert refused.code == 3
        assert stage.session in refused.err
    assert stage.go_on("claims") == 0
    assert set(states(stage.fleet, stage.repo).values()) == {"landed"}
    assert len(list(stage.ours.glob("trash/claim-*"))) == (how != "gone")


@pytest.mark.parametrize("name", ["plan.2.yaml", "config.yaml"])
@pytest.mark.parametrize("how", ["flipped", "directory", "gone"])
def test_a_plan_or_a_config_that_is_not_what_it_was_is_refused_and_can_be_restored(
    stage: Stage, name: str, how: str
) -> None:
    stage.restore()
    path = stage.ours / f"state/sessions/{stage.session}" / name
    damage(path, how, 60)
    refused = stage.fleet.run("continue", stage.session, cwd=stage.repo)
    assert refused.code == 3, refused.text
    assert str(path) in refused.err


@pytest.mark.parametrize("name", ["verdicts.json", "landing.json"])
@pytest.mark.parametrize("content", [b"", b"\xff{", b"[]"])
def test_a_decision_that_cannot_be_read_is_a_persons(stage: Stage, name: str, content: bytes) -> None:
    stage.restore()
    path = stage.ours / f"state/sessions/{stage.session}" / name
    path.write_bytes(content)
    refused = stage.fleet.run("continue", stage.session, cwd=stage.repo)
    assert refused.code == 3, refused.text
    assert name in refused.err
    path.unlink()
    stage.fleet.run("continue", stage.session, cwd=stage.repo).ok()


def test_a_note_of_a_landing_that_cannot_be_read_is_a_persons(stage: Stage) -> None:
    stage.restore()
    note = stage.ours / f"landings/{stage.session}-w2"
    note.mkdir(parents=True)
    (note / "intent.json").write_bytes(b'{"sche')
    refused = stage.fleet.run("continue", stage.session, cwd=stage.repo)
    assert refused.code == 3, refused.text
    assert str(note) in refused.err


def test_output_that_cannot_be_read_costs_no_work(stage: Stage) -> None:
    stage.restore()
    (log,) = sorted(stage.ours.glob(f"attempts/fleet-{stage.session}-w2-a1/1/out.log"))
    damage(log, "directory", 0)
    assert stage.go_on("out.log") == 0
    assert set(states(stage.fleet, stage.repo).values()) == {"landed"}


@pytest.mark.parametrize("how", ["pipe", "device"])
def test_a_pipe_or_a_device_in_place_of_files_holds_nobody_up(stage: Stage, how: str) -> None:
    stage.restore()
    names = (
        f"state/claims/fleet-{stage.session}-w2-a1.json",
        f"state/sessions/{stage.session}/requests/late.request",
        f"journal/{stage.session}.jsonl",
        "pool/tree-*.json",
        "pool/*/*.json",
        f"attempts/fleet-{stage.session}-w2-a1/1/[psw]*",
    )
    found = {path for name in names for path in stage.ours.glob(name) if path.is_file()}
    assert len(found) > len(names)
    for path in found:
        damage(path, how, 0)
    stage.look()
    for path in stage.ours.glob(f"journal/{stage.session}.jsonl"):
        path.unlink()
    stage.go_on("pool")


@pytest.mark.parametrize("how", ["cut", "binary", "gone"])
def test_an_end_that_cannot_be_read_costs_an_attempt_and_no_work(stage: Stage, how: str) -> None:
    stage.restore()
    # Of one that landed, whose end is in the books, and of one that was not collected yet.
    for instance in ("w1-a1", "w2-a1"):
        (end,) = stage.ours.glob(f"attempts/fleet-{stage.session}-{instance}/1/exit.json")
        damage(end, how, 40)
    stage.look()
    assert stage.go_on("exit.json") == 0
    assert set(states(stage.fleet, stage.repo).values()) == {"landed"}
