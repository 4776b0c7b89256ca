"""Whatever a person does at whatever moment of a train: nothing unverified lands, nothing of theirs is touched.

The table is every act at every stage. A regular run takes each act once, at a stage that differs from act to act; the
slow suite takes a share of the whole table a day.
"""

from __future__ import annotations

import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest

from gitfleet.integrate import landing
from gitfleet.integrate.train import Landed, NothingLands, Stopped
from tests.races.acts import ACTS, Then
from tests.races.scene import BEFORE_LANDING, PATHS, STAGES, build, copy
from tests.support.landings import TARGET, files, person_env

if TYPE_CHECKING:
    from pathlib import Path

    from tests.races.acts import Act
    from tests.races.scene import Picture, Scene


# The one moment in which git itself looks and writes: it overwrites ignored files and brings deleted ones back.
UNSEEN = {
    ("deletes in the way", "before read-tree -u"),
    ("has an ignored file in the way", "before read-tree -u"),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template")
    build(root)
    return root


@pytest.fixture
def scene(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name, value in person_env().items():
        monkeypatch.setenv(name, value)
    return copy(template, tmp_path / "scene")


def table() -> list[object]:
    """Every act at every stage; the regular run has one stage of each act."""
    cells: list[object] = []
    for name in ACTS:
        regular = STAGES[zlib.crc32(name.encode()) % len(STAGES)]
        for stage in STAGES:
            if (name, stage) in UNSEEN:
                continue
            marks = [] if stage == regular else [pytest.mark.slow, pytest.mark.share(7)]
            cells.append(pytest.param(name, stage, id=f"{name} - {stage}", marks=marks))
    return cells


@pytest.mark.parametrize(("name", "stage"), table())
def test_a_person_acts_while_a_train_is_under_way(name: str, stage: str, scene: Scene) -> None:
    act = ACTS[name]
    after: list[tuple[Picture, str, object]] = []
    codes: list[int] = []
    began = scene.touched(act.touches)

    def person() -> None:
        codes.append(shell(scene, act.do))
        after.append((scene.picture(), scene.value(), scene.touched(act.touches)))

    scene.stage, scene.act = stage, person
    outcome = scene.run()

    assert after, f"the train never was at: {stage}"
    if stage in BEFORE_LANDING:
        assert codes == [0]
        assert_expected(act, outcome)
    assert_kept(scene, act, outcome, *after[0], began)
    finish(scene, act, outcome, done=codes == [0])


def assert_expected(act: Act, outcome: object) -> None:
    match act.then:
        case Then.LANDS:
            assert isinstance(outcome, Landed), outcome
        case Then.WAITS:
            assert isinstance(outcome, Stopped), outcome
            assert outcome.code in {"in-the-way", "target-busy"}
            assert outcome.landed == ""
            assert outcome.message
        case Then.GONE:
            assert isinstance(outcome, Stopped), outcome
            assert outcome.code == "target-gone"
        case Then.CLASHES:
            assert isinstance(outcome, NothingLands), outcome
            assert outcome.candidate.clashes
        case Then.RED:
            assert isinstance(outcome, NothingLands), outcome
            assert outcome.tally.ejected


def assert_kept(
    scene: Scene, act: Act, outcome: object, before: Picture, value: str, touched: object, began: object
) -> None:
    """What was the person's after their act still is; only verified trees landed."""
    now = scene.picture()
    assert now.refs == before.refs
    assert (now.stash, now.config, now.heads, now.open) == (before.stash, before.config, before.heads, before.open)
    assert now.trees == before.trees
    # An index that is gone comes back with the landing that held it.
    assert {tree: now.indexes[tree] for tree, entries in before.indexes.items() if entries} == {
        tree: entries for tree, entries in before.indexes.items() if entries
    }
    # A command that the landing's lock turned away may have left the file as it was, and then it is nobody's.
    if touched != began:
        assert scene.touched(act.touches) == touched
    waits = isinstance(outcome, Stopped) and bool(outcome.landed)
    left = [name for name in scene.place.locks() if name not in act.locks]
    assert waits or left == []
    for commit in scene.swaps():
        assert scene.verified(commit), f"{commit} landed and was not verified"
    # A landing that meets an edit as git is about to write is taken back.
    if value and scene.value() and value not in scene.swaps():
        scene.place.git("merge-base", "--is-ancestor", value, TARGET)
    assert scene.brought() <= scene.mine(), "what was taken off the target is back"
    if not waits:
        assert_checkouts_agree(scene, act)


def assert_checkouts_agree(scene: Scene, act: Act) -> None:
    """No checkout shows a change in the run's files that the person did not make."""
    for tree, _ in scene.checkouts():
        if act.touches or not scene.value() or not (scene.place.common / "index").exists():
            continue
        done = subprocess.run(
            ["git", "status", "--porcelain", "-uall", "--", *PATHS],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
        )
        if tree.name == "second" and "second" in act.undo:
            continue
        assert done.stdout == "", tree


def finish(scene: Scene, act: Act, outcome: object, *, done: bool) -> None:
    """Once the person has moved what is theirs, the same run lands; unless it cannot with what they committed."""
    shell(scene, act.undo)
    if isinstance(outcome, Stopped) and outcome.landed:
        assert isinstance(scene.place.recover(), landing.Landed)
    elif not isinstance(outcome, Landed):
        scene.act = None
        again = scene.run()
        if done and act.then in {Then.CLASHES, Then.RED}:
            assert_expected(act, again)
            return
        assert isinstance(again, Landed), again
    assert scene.place.locks() == []
    assert scene.brought() <= scene.mine()
    for commit in scene.swaps():
        assert scene.verified(commit)
        assert "one.txt" in scene.place.git("ls-tree", "--name-only", commit).splitlines()
    assert files(scene.place.path.parent / "elsewhere") == {}


def shell(scene: Scene, script: str) -> int:
    """Run a person's script, up to its first failure."""
    done = subprocess.run(
        ["sh", "-ec", script], cwd=scene.place.path, env=person_env(), capture_output=True, text=True, check=False
    )
    return done.returncode
