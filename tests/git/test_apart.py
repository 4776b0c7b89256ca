"""What is merged without git is what git would have made of it, over random trees; and most merges need no git."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gitfleet.git import worktrees
from gitfleet.git.command import Git
from gitfleet.git.engines import open_objects
from gitfleet.git.merging import Merged, merge
from gitfleet.git.refs import Refs
from gitfleet.git.repository import discover
from gitfleet.git.trees import EXECUTABLE, FILE, SUBMODULE, SYMLINK, TreeEntry
from gitfleet.integrate import gate, landing
from gitfleet.integrate.apart import Apart
from gitfleet.integrate.gate import Bounds
from gitfleet.integrate.gate.crossing import Closed
from gitfleet.integrate.train import Builder, Entry, Judge, Landed, Sealed, Train
from gitfleet.model.verify_config import VerifyConfig
from gitfleet.planner.scopes import Scope
from tests.support.git_env import hermetic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.git.objects import Objects
    from tests.support.git_env import GitCounter
    from tests.support.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.git.objects import Objects

NAMES = ("a", "b", "d/a", "d/b", "d/e/a", "d/e/b", "f/a", "f/e/b", "x", "x/y")
TEXTS = tuple(f"{word}\n" * 12 for word in ("one", "two", "three"))
Files = dict[str, tuple[int, str]]

contents = st.tuples(st.sampled_from([FILE, FILE, FILE, EXECUTABLE, SYMLINK, SUBMODULE]), st.sampled_from(TEXTS))
whole = st.dictionaries(st.sampled_from(NAMES), contents, max_size=8)
moves = st.lists(st.tuples(st.sampled_from(["d/", "d/e/", "f/"]), st.sampled_from(["g/", "d/", "f/"])), max_size=1)
edits = st.tuples(st.dictionaries(st.sampled_from(NAMES), st.none() | contents, max_size=4), moves)


@dataclass(frozen=True)
class Place:
    """One repository for all examples: they only add objects."""

    objects: Objects
    git: Git

    def commit(self, files: Files, *parents: str) -> str:
        """A commit of these files."""
        changes = {}
        for name, (mode, text) in files.items():
            oid = "1" * 40 if mode == SUBMODULE else self.objects.write_blob(text.encode())
            changes[name.encode()] = TreeEntry(mode, oid)
        return self.objects.create_commit(self.objects.edit_tree(None, changes), parents, "made", sign=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("apart")
    (root / "project").mkdir()
    git = Git(root / "project").having("merge.directoryRenames=true", **hermetic(root / "home"))
    git.run("init", "-q", "-b", "main")
    with open_objects(replace(discover(git.directory), git=git)) as objects:
        yield Place(objects, git)


def changed(files: Files, edit: tuple[dict[str, tuple[int, str] | None], list[tuple[str, str]]]) -> Files:
    """The files after directories moved and single paths were set; whatever stands in a path's way goes."""
    result = dict(files)
    for old, new in edit[1]:
        result = {(new + name[len(old) :] if name.startswith(old) else name): what for name, what in result.items()}
    for name, what in edit[0].items():
        if what is None:
            result.pop(name, None)
        else:
            result[name] = what
    return {
        name: what
        for name, what in result.items()
        if not any(other != name and other.startswith(f"{name}/") for other in result)
    }


@settings(max_examples=int(os.environ.get("GITFLEET_EXAMPLES", "80")), deadline=None)
@given(begin=whole, before=edits, ours=st.lists(edits, max_size=2), theirs=st.lists(edits, min_size=1, max_size=2))
def test_it_is_what_git_makes_of_it(
    begin: Files, before: object, ours: list[object], theirs: list[object], place: Place
) -> None:
    files = changed(begin, ({}, []))
    began = place.commit(files)
    base_files = changed(files, before)  # type: ignore[arg-type]
    base = place.commit(base_files, began)
    line, line_files = base, base_files
    for edit in ours:
        line_files = changed(line_files, edit)  # type: ignore[arg-type]
        line = place.commit(line_files, line)
    tip, tip_files = began, files
    for edit in theirs:
        tip_files = changed(tip_files, edit)  # type: ignore[arg-type]
        tip = place.commit(tip_files, tip)

    tree = Apart(place.objects, base).merge(line, tip, began)

    event("without git" if tree is not None else "git has to say")
    if tree is not None:
        assert merge(place.git, line, tip) == Merged(tree)


def test_a_line_of_runs_that_are_apart_needs_no_git(place: Place) -> None:
    files: Files = {f"d{number}/a": (FILE, "old\n") for number in range(6)}
    base = place.commit(files)
    apart = Apart(place.objects, base)
    line = base
    for number in range(6):
        tip = place.commit({**files, f"d{number}/a": (FILE, "new\n"), f"d{number}/b": (FILE, "b\n")}, base)
        tree = apart.merge(line, tip, base)
        assert tree is not None
        line = place.objects.create_commit(tree, [line, tip], "merge", sign=False)
    assert place.objects.diff(place.objects.commit(base).tree, place.objects.commit(line).tree) != []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"a": (FILE, "ours\n")}, {"a": (FILE, "theirs\n")}),
        ({"new": (FILE, "same\n"), "b": (FILE, "b\n")}, {"new": (FILE, "same\n")}),
        ({"new": (FILE, "file\n")}, {"new/below": (FILE, "x\n")}),
        ({"d/a": None, "g/a": (FILE, "d\n")}, {"d/new": (FILE, "x\n")}),
        ({"d/new": (FILE, "x\n")}, {"d/a": None, "g/a": (FILE, "d\n")}),
    ],
    ids=["both", "both the same", "file and directory", "directory renamed by us", "directory renamed by them"],
)
def test_git_has_to_say(
    ours: dict[str, tuple[int, str] | None], theirs: dict[str, tuple[int, str] | None], place: Place
) -> None:
    files: Files = {"a": (FILE, "a\n"), "d/a": (FILE, "d\n")}
    base = place.commit(files)
    one, two = (place.commit(changed(files, (side, [])), base) for side in (ours, theirs))
    assert Apart(place.objects, base).merge(one, two, base) is None


def test_a_history_that_is_no_line_is_gits(place: Place) -> None:
    base = place.commit({"a": (FILE, "a\n")})
    one = place.commit({"a": (FILE, "a\n"), "b": (FILE, "b\n")}, base)
    two = place.commit({"a": (FILE, "a\n"), "c": (FILE, "c\n")}, base)
    both = place.commit({"a": (FILE, "a\n"), "b": (FILE, "b\n"), "c": (FILE, "c\n")}, one, two)
    assert Apart(place.objects, base).merge(base, both, base) is None
    assert Apart(place.objects, base).merge(base, two, one) is None


@pytest.mark.parametrize("runs", [3, 12])
def test_a_train_of_runs_that_are_apart_starts_as_many_processes_however_long_it_is(
    runs: int, repo: Repo, counter: GitCounter, tmp_path: Path
) -> None:
    base = repo.oid()
    entries = []
    for number in range(runs):
        repo.git("switch", "-q", "--detach", base)
        tip = repo.commit({f"f{number}": "x"}, f"work {number}")
        entries.append(
            Entry(f"t{number}", "work", f"i{number}", tip, Bounds.of(Scope.parse([f"f{number}"])), began=base)
        )
    found = discover(repo.path)
    made = worktrees.add(found, tmp_path / "integration", base, None, nullcontext(), checkout=False)
    assert not isinstance(made, worktrees.BranchTaken)
    refs = Refs(found.git)
    with open_objects(found) as objects:

        def moved(old: str, new: str) -> landing.LandingOutcome:
            refs.update("refs/heads/main", new, old)
            return landing.Landed()

        config = VerifyConfig()
        door = made.git(found.git)
        train = Train(
            objects=objects,
            refs=refs,
            builder=Builder(objects, door, "refs/heads/main", (), Closed(objects)),
            judge=Judge(objects, door, lambda *_: None, config, "verify", fold=False, say=lambda _: None),
            target="refs/heads/main",
            session="s",
            seal=lambda *_: Sealed({}, ""),
            before_landing=lambda _: None,
            lander=moved,
            say=lambda _: None,
        )
        counter.calls()
        for entry in entries:
            report = gate.inspect(found.git, objects, base=base, tip=entry.tip, target=base, bounds=entry.bounds)
            assert report.passed
        assert isinstance(train.run(entries), Landed)
    calls = counter.calls()
    assert repo.files("main").keys() == {b"README", *(f"f{number}".encode() for number in range(runs))}
    # Reading and writing refs, and the index of the integration worktree; what the runs changed costs no process.
    assert len(calls) <= 8, calls
    repo.git("worktree", "remove", "--force", str(tmp_path / "integration"))
