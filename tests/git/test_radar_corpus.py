"""What the radar predicts is what ``git merge`` says: hand-made conflicts of every kind, and generated ones."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.merges import merged_by_git, radar_on
from tests.support.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINES = "".join(f"line {n}\n" for n in range(12))


def changed(*lines: int, to: str = "changed") -> str:
    """The twelve lines with some of them changed."""
    return "".join(f"{to}\n" if n in lines else f"line {n}\n" for n in range(12))


Edit = dict[str, "str | bytes | None"]


@dataclass(frozen=True)
class Case:
    """A base, what each side makes of it, and whether that conflicts."""

    name: str
    base: Edit | Callable[[Repo], None]
    ours: Edit | Callable[[Repo], None]
    theirs: Edit | Callable[[Repo], None]
    conflicts: bool
    config: dict[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] | None = None


def move(*pairs: str) -> Callable[[Repo], None]:
    """Rename, by twos."""

    def edit(repo: Repo) -> None:
        for old, new in zip(pairs[0::2], pairs[1::2], strict=True):
            (repo.path / new).parent.mkdir(parents=True, exist_ok=True)
            repo.git("mv", old, new)

    return edit


def then(*edits: Callable[[Repo], None] | Edit) -> Callable[[Repo], None]:
    """One edit after the other."""

    def edit(repo: Repo) -> None:
        for one in edits:
            apply(repo, one)

    return edit


def link(name: str, to: str) -> Callable[[Repo], None]:
    """Put a symbolic link where a file was."""

    def edit(repo: Repo) -> None:
        (repo.path / name).unlink(missing_ok=True)
        (repo.path / name).symlink_to(to)

    return edit


def executable(name: str) -> Callable[[Repo], None]:
    """Set the executable bit."""

    def edit(repo: Repo) -> None:
        place = repo.path / name
        place.chmod(place.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    return edit


def submodule(commit: str, name: str = "sub") -> Callable[[Repo], None]:
    """Point a submodule at a commit."""

    def edit(repo: Repo) -> None:
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit * 40},{name}")

    return edit


def apply(repo: Repo, edit: Edit | Callable[[Repo], None]) -> None:
    """Make an edit in the worktree."""
    if not isinstance(edit, dict):
        edit(repo)
        return
    for name, content in edit.items():
        if content is None:
            (repo.path / name).unlink()
        else:
            repo.write(name, content)


DIRECTORY: Edit = {f"d/f{n}": f"{n}\n{LINES}" for n in range(4)}
CASES = [
    Case("nothing in common", {"a": LINES, "b": LINES}, {"a": "x\n"}, {"b": "x\n"}, conflicts=False),
    Case("add/add", {}, {"n": "one\n"}, {"n": "two\n"}, conflicts=True, kinds=("contents",)),
    Case("add/add, the same", {}, {"n": "one\n"}, {"n": "one\n"}, conflicts=False),
    Case("add/add, empty against not", {}, {"n": ""}, {"n": "two\n"}, conflicts=False),
    Case("modify/delete", {"a": LINES}, {"a": None}, {"a": changed(3)}, conflicts=True, kinds=("modify/delete",)),
    Case("delete/modify", {"a": LINES}, {"a": changed(3)}, {"a": None}, conflicts=True),
    Case("deleted by both", {"a": LINES}, {"a": None}, {"a": None}, conflicts=False),
    Case("overlapping hunks", {"a": LINES}, {"a": changed(3)}, {"a": changed(3, to="y")}, conflicts=True),
    Case("adjacent hunks", {"a": LINES}, {"a": changed(3)}, {"a": changed(4)}, conflicts=True),
    Case("one line between hunks", {"a": LINES}, {"a": changed(3)}, {"a": changed(5)}, conflicts=False),
    Case("separate hunks", {"a": LINES}, {"a": changed(1)}, {"a": changed(9)}, conflicts=False),
    Case("rename/rename", {"a": LINES}, move("a", "x"), move("a", "y"), conflicts=True, kinds=("rename/rename",)),
    Case("rename/rename to one name", {"a": LINES, "b": "b\n" * 9}, move("a", "x"), move("b", "x"), conflicts=True),
    Case("rename/modify", {"a": LINES}, move("a", "x"), {"a": changed(3)}, conflicts=False),
    Case(
        "rename and change/modify",
        {"a": LINES},
        then(move("a", "x"), {"x": changed(3)}),
        {"a": changed(3, to="y")},
        conflicts=True,
    ),
    Case("rename/delete", {"a": LINES}, move("a", "x"), {"a": None}, conflicts=True, kinds=("rename/delete",)),
    Case("rename/add", {"a": LINES}, move("a", "x"), {"x": "other\n"}, conflicts=True),
    Case("directory rename/add", DIRECTORY, move("d", "e"), {"d/new": "n\n"}, conflicts=True),
    Case(
        "directory rename/add, applied",
        DIRECTORY,
        move("d", "e"),
        {"d/new": "n\n"},
        conflicts=False,
        config={"merge.directoryRenames": "true"},
    ),
    Case("directory rename/add further down", DIRECTORY, move("d", "e"), {"d/deep/er/new": "n\n"}, conflicts=False),
    Case(
        "directory above renamed/add",
        {f"top/{name}": str(text) for name, text in DIRECTORY.items()},
        move("top", "over"),
        {"top/d/new": "n\n"},
        conflicts=True,
    ),
    Case(
        "directory rename/rename into it",
        {**DIRECTORY, "a": "a\n" * 9},
        move("d", "e"),
        move("a", "d/a"),
        conflicts=True,
    ),
    Case(
        "directory split/add",
        DIRECTORY,
        move("d/f0", "e/f0", "d/f1", "e/f1", "d/f2", "g/f2", "d/f3", "g/f3"),
        {"d/new": "n\n"},
        conflicts=True,
    ),
    Case("directory deleted/add", DIRECTORY, dict.fromkeys(DIRECTORY), {"d/new": "n\n"}, conflicts=False),
    Case(
        "all of the root moved/add",
        {"a": LINES, "b": f"b{LINES}"},
        move("a", "sub/a", "b", "sub/b"),
        {"new": "n\n"},
        conflicts=False,
    ),
    Case(
        "file/directory", {"a": LINES}, {"x": "file\n"}, {"x/y": "below\n"}, conflicts=True, kinds=("file/directory",)
    ),
    Case("file/directory far below", {"a": LINES}, {"x": "file\n"}, {"x/y/z": "below\n"}, conflicts=True),
    Case(
        "file for a directory/add in it",
        {"x/y": "below\n"},
        then({"x/y": None}, lambda repo: (repo.path / "x").rmdir(), {"x": "f\n"}),
        {"x/z": "z\n"},
        conflicts=True,
    ),
    Case("link/directory", {"a": LINES}, link("x", "a"), {"x/y": "below\n"}, conflicts=True),
    Case("mode/mode", {"a": LINES}, executable("a"), executable("a"), conflicts=False),
    Case("mode/content", {"a": LINES}, executable("a"), {"a": changed(3)}, conflicts=False),
    Case("add/add of other modes", {}, then({"n": "one\n"}, executable("n")), {"n": "one\n"}, conflicts=True),
    Case("mode/delete", {"a": LINES}, executable("a"), {"a": None}, conflicts=True),
    Case("link/link", {"a": LINES}, link("l", "a"), link("l", "b"), conflicts=True),
    Case("link for file/modify", {"a": LINES}, link("a", "b"), {"a": changed(3)}, conflicts=True),
    Case("binary/binary", {"b": b"\0\1\2"}, {"b": b"\0\1\3"}, {"b": b"\0\1\4"}, conflicts=True),
    Case("binary, one side", {"b": b"\0\1\2"}, {"b": b"\0\1\3"}, {"c": "c\n"}, conflicts=False),
    Case("emptied/modify", {"a": LINES}, {"a": ""}, {"a": changed(3)}, conflicts=True),
    Case("CRLF against LF", {"a": LINES}, {"a": LINES.replace("\n", "\r\n")}, {"a": changed(3)}, conflicts=True),
    Case(
        "text=auto, CRLF in one",
        {".gitattributes": "* text=auto\n", "a": LINES},
        {"a": changed(1).replace("\n", "\r\n")},
        {"a": changed(9)},
        conflicts=False,
    ),
    Case(
        "merge=union",
        {".gitattributes": "a merge=union\n", "a": LINES},
        {"a": changed(3)},
        {"a": changed(3, to="y")},
        conflicts=False,
    ),
    Case(
        "merge=union below",
        {"d/.gitattributes": "a merge=union\n", "d/a": LINES},
        {"d/a": changed(3)},
        {"d/a": changed(3, to="y")},
        conflicts=False,
    ),
    Case("-merge", {".gitattributes": "a -merge\n", "a": LINES}, {"a": changed(1)}, {"a": changed(9)}, conflicts=True),
    Case(
        "a driver that takes ours",
        {".gitattributes": "a merge=mine\n", "a": LINES},
        {"a": changed(3)},
        {"a": changed(3, to="y")},
        conflicts=False,
        config={"merge.mine.driver": "true"},
    ),
    Case(
        "a driver that fails",
        {".gitattributes": "a merge=mine\n", "a": LINES},
        {"a": changed(1)},
        {"a": changed(9)},
        conflicts=True,
        config={"merge.mine.driver": "false"},
    ),
    Case(
        "a driver in the repository",
        then(
            {".gitattributes": "a merge=mine\n", "a": LINES, "tools/m.sh": "#!/bin/sh\nexit 0\n"},
            executable("tools/m.sh"),
        ),
        {"a": changed(3)},
        {"a": changed(3, to="y")},
        conflicts=False,
        config={"merge.mine.driver": "./tools/m.sh %A"},
    ),
    Case("submodule/submodule", submodule("1"), submodule("2"), submodule("3"), conflicts=True),
    Case("submodule, one side", submodule("1"), submodule("2"), {"c": "c\n"}, conflicts=False),
    Case("submodule against directory", {}, submodule("1"), {"sub/x": "x\n"}, conflicts=True),
    Case(
        "other spellings of names",
        {},
        {"tab\there": "1\n", "new\nline": "1\n", 'quo"te': "1\n"},
        {"new\nline": "2\n"},
        conflicts=True,
    ),
]


def build(repo: Repo, case: Case) -> tuple[str, str, str]:
    """Commit the base and the two sides."""
    for name, value in case.config.items():
        repo.git("config", name, value)
    commits: list[str] = []
    for edit in (case.base, case.ours, case.theirs):
        if commits:
            repo.git("checkout", "-q", "--detach", commits[0])
        apply(repo, edit)
        if not any("160000" in line for line in repo.git("ls-files", "-s").splitlines()):
            repo.git("add", "-A")
        else:
            repo.git("add", "-A", "--", ":!sub")
        repo.git("commit", "-q", "--allow-empty", "-m", "side")
        commits.append(repo.oid())
    return commits[0], commits[1], commits[2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_prediction_is_what_git_merge_says(tmp_path: Path, case: Case) -> None:
    repo = Repo.with_files(tmp_path / "repo")
    base, ours, theirs = build(repo, case)
    said = merged_by_git(repo, ours, theirs)
    assert (said is not None) is case.conflicts  # the case is what its name says
    store = sorted(path.name for path in (repo.path / ".git/objects").rglob("*"))
    with radar_on(repo) as radar:
        found = radar.predict([(ours, theirs)], base).get((ours, theirs))
    assert sorted(path.name for path in (repo.path / ".git/objects").rglob("*")) == store
    assert (found is not None) is (said is not None)
    if found is not None:
        assert set(found.paths) == said
        if case.kinds is not None:
            assert found.kinds == case.kinds


NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "x", "x/y", "d", "e/a"])
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), NAMES, st.sampled_from([LINES, changed(1), changed(5), changed(9), "", "\0\1"])),
        st.tuples(st.just("delete"), NAMES, st.just("")),
        st.tuples(st.just("move"), NAMES, NAMES),
        st.tuples(st.just("chmod"), NAMES, st.just("")),
        st.tuples(st.just("move-directory"), st.sampled_from(["d", "d/e", "x"]), st.sampled_from(["m", "d2", "e"])),
    ),
    max_size=4,
)
BASES = st.fixed_dictionaries(
    {}, optional={name: st.just(f"{name}\n{LINES}") for name in ("a", "b", "d/a", "d/b", "d/e/a", "x/y")}
)


def tree_after(files: dict[str, tuple[str, str]], edits: list[tuple[str, str, str]]) -> dict[str, tuple[str, str]]:
    """Mode and content by path after edits that fit; a later file replaces what is in its way."""
    files = dict(files)

    def put(name: str, entry: tuple[str, str]) -> None:
        for other in [other for other in files if other.startswith(f"{name}/") or name.startswith(f"{other}/")]:
            del files[other]
        files[name] = entry

    for verb, name, more in edits:
        if verb == "write":
            put(name, ("100644", more))
        elif verb == "move-directory":
            for old in [old for old in files if old.startswith(f"{name}/")]:
                put(more + old.removeprefix(name), files.pop(old))
        elif name in files:
            mode, content = files.pop(name)
            if verb == "move":
                put(more, (mode, content))
            elif verb == "chmod":
                put(name, ("100755", content))
    return files


def committed(repo: Repo, files: dict[str, tuple[str, str]], *parents: str) -> str:
    """Commit files without a worktree."""
    stream = ["commit refs/heads/made", "committer T <t@example.org> 1767323045 +0000", "data 1", "m"]
    stream += [f"{'merge' if number else 'from'} {parent}" for number, parent in enumerate(parents)]
    stream.append("deleteall")
    data = "\n".join(stream).encode() + b"\n"
    for name, (mode, content) in files.items():
        data += f"M {mode} inline {name}\ndata {len(content)}\n".encode() + content.encode() + b"\n"
    if not parents:
        repo.git("update-ref", "-d", "refs/heads/made")
    repo.git("fast-import", "--quiet", "--force", stdin=data)
    return repo.oid("refs/heads/made")


def agrees(repo: Repo, base: str, sides: list[str]) -> None:
    """Hold the predictions for all ordered pairs of sides against git."""
    pairs = [(one, other) for one in sides for other in sides if one != other]
    with radar_on(repo) as radar:
        found = radar.predict(pairs, base)
    for pair in pairs:
        said = merged_by_git(repo, *pair)
        assert (set(found[pair].paths) if pair in found else None) == said


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=BASES, edits=st.tuples(EDITS, EDITS))
def test_generated_edits_conflict_as_git_says(
    tmp_path_factory: pytest.TempPathFactory, base: dict[str, str], edits: tuple[list[tuple[str, str, str]], ...]
) -> None:
    repo = Repo.with_files(tmp_path_factory.mktemp("generated") / "repo")
    start = {name: ("100644", content) for name, content in base.items()}
    root = committed(repo, start)
    sides = [committed(repo, tree_after(start, side), root) for side in edits]
    agrees(repo, root, sides)


def test_histories_that_crossed_are_merged_as_git_says(tmp_path: Path) -> None:
    repo = Repo.with_files(tmp_path / "repo")

    def commit(content: str, *parents: str, more: str = "") -> str:
        files = {"a": ("100644", content)} | ({more: ("100644", more)} if more else {})
        return committed(repo, files, *parents)

    root = commit(LINES)
    one, two = commit(changed(1), root), commit(changed(9), root)
    # Each took the other's change and went on: two merge bases.
    left, right = commit(changed(1, 9), one, two), commit(changed(1, 9), two, one)
    sides = [
        commit(changed(1, 4, 9), left),
        commit(changed(1, 4, 9, to="y"), right),
        commit(changed(1, 9), right, more="n"),
    ]
    agrees(repo, root, [*sides, one])


def test_the_target_moved_and_one_side_started_later(tmp_path: Path) -> None:
    repo = Repo.with_files(tmp_path / "repo")
    root = committed(repo, {"a": ("100644", LINES), "b": ("100644", LINES)})
    moved = committed(repo, {"a": ("100644", changed(3)), "b": ("100644", LINES)}, root)
    early = committed(repo, {"a": ("100644", changed(3, to="y")), "b": ("100644", LINES)}, root)
    late = committed(repo, {"a": ("100644", changed(3)), "b": ("100644", changed(1))}, moved)
    # `late` never touched the path that it conflicts in with `early`: the target it started from did.
    agrees(repo, root, [early, late, moved, root])
