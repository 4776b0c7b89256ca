"""Real conflicts of every kind: what is said of them, what is replayed, and what resolves them."""

from __future__ import annotations

import stat
import subprocess
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from gitfleet.git import worktrees
from gitfleet.git.command import Git
from gitfleet.git.engines import open_objects
from gitfleet.git.merging import Conflicted, DriverFailed, Merged, begin, merge, remembers, replay, unmerged
from gitfleet.git.repository import discover
from gitfleet.integrate.conflicts import EXPLAINED, explain, merge_run, named
from gitfleet.integrate.resolutions import faults
from gitfleet.model.conflict import Conflict, ConflictKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.repo import Repo

K = ConflictKind
LINES = "".join(f"line {number}\n" for number in range(20))


def other(text: str) -> str:
    """The lines with another one in the middle."""
    return LINES.replace("line 10", text)


def shell(repo: Repo, script: str) -> None:
    subprocess.run(["sh", "-ec", script], cwd=repo.path, check=True)


def sides(repo: Repo, base: str, target: str, run: str) -> tuple[str, str]:
    """The two commits that shell scripts make of a base; the target's is a run's merge, as a train would make it."""
    shell(repo, base)
    repo.git("add", "-A")
    repo.git("commit", "-q", "--allow-empty", "-m", "begin")
    start = repo.oid()
    repo.git("switch", "-q", "-c", "other")
    shell(repo, target)
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "work of another agent")
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "-m", "Merge other\n\nGitfleet-Instance: fleet-s-w1-a1", "other")
    one = repo.oid()
    repo.git("switch", "-q", "-c", "run", start)
    shell(repo, run)
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "what the run did")
    two = repo.oid()
    repo.git("switch", "-q", "main")
    return one, two


def explained(repo: Repo, base: str, target: str, run: str) -> dict[str, Conflict]:
    one, two = sides(repo, base, target, run)
    git = Git(repo.path)
    found = merge(git, one, two)
    assert isinstance(found, Conflicted)
    return {conflict.path: conflict for conflict in explain(git, one, two, found)}


FILE = f"printf '{LINES}' > f"


@pytest.mark.parametrize(
    ("base", "target", "run", "expected"),
    [
        (FILE, "sed -i 's/line 10/ours/' f", "sed -i 's/line 10/theirs/' f", {"f": (K.CONTENT, True, True)}),
        ("true", "echo 1 > n", "echo 2 > n", {"n": (K.ADD_ADD, True, True)}),
        (FILE, "rm f", "sed -i 's/line 10/theirs/' f", {"f": (K.MODIFY_DELETE, False, True)}),
        (FILE, "sed -i 's/line 10/ours/' f", "rm f", {"f": (K.MODIFY_DELETE, True, False)}),
        (
            FILE,
            "git mv f one",
            "git mv f two",
            {
                "f": (K.RENAME_RENAME, False, False),
                "one": (K.RENAME_RENAME, True, False),
                "two": (K.RENAME_RENAME, False, True),
            },
        ),
        (FILE, "git mv f one", "git rm -q f", {"one": (K.RENAME_DELETE, True, False)}),
        (
            f"mkdir d; {FILE}; cp f d/a; cp f d/b",
            "git mv d e",
            "echo new > d/new",
            {"e/new": (K.DIRECTORY_RENAME, False, True)},
        ),
        ("true", "echo file > x", "mkdir x; echo below > x/y", {"x~*": (K.FILE_DIRECTORY, True, False)}),
        (
            "echo b > l",
            "rm l; ln -s there l",
            "echo changed > l",
            {"l": (K.DISTINCT_TYPES, True, False), "l~*": (K.DISTINCT_TYPES, False, True)},
        ),
        (
            "printf 'a\\0b' > f",
            "printf 'a\\0c' > f",
            "printf 'a\\0d' > f",
            {"f": (K.CONTENT, True, True)},
        ),
        (
            f"git update-index --add --cacheinfo 160000,{'1' * 40},sub; mkdir sub",
            f"git update-index --cacheinfo 160000,{'2' * 40},sub",
            f"git update-index --cacheinfo 160000,{'3' * 40},sub",
            {"sub": (K.SUBMODULE, True, True)},
        ),
    ],
    ids=lambda value: next(iter(value.values()))[0].value if isinstance(value, dict) else "",
)
def test_each_kind_is_named_with_both_sides(
    repo: Repo, base: str, target: str, run: str, expected: dict[str, tuple[ConflictKind, bool, bool]]
) -> None:
    found = explained(repo, base, target, run)
    names = {name if name in expected else f"{name.split('~')[0]}~*": one for name, one in found.items()}
    assert {name: (one.kind, bool(one.target.blob), bool(one.run.blob)) for name, one in names.items()} == expected
    assert {change.subject for one in found.values() for change in one.run.changes} == {"what the run did"}
    assert {change.instance for one in found.values() for change in one.target.changes} == {"fleet-s-w1-a1"}
    assert all(one.message.startswith("CONFLICT") for one in found.values())


def test_the_blobs_are_those_of_both_sides_and_of_their_base(repo: Repo) -> None:
    found = explained(repo, FILE, "sed -i 's/line 10/ours/' f", "sed -i 's/line 10/theirs/' f")["f"]
    said = [repo.git("cat-file", "blob", oid) for oid in (found.base, found.target.blob, found.run.blob)]
    assert said == [text.strip() for text in (LINES, other("ours"), other("theirs"))]


def test_a_hundred_conflicts_are_bounded(repo: Repo) -> None:
    make = "for n in $(seq 100); do echo {} > f$n; done"
    found = explained(repo, make.format("base"), make.format("ours"), make.format("theirs"))
    assert len(found) == EXPLAINED
    assert named(tuple(found.values())).endswith(f" and {EXPLAINED - 20} more")


@pytest.fixture
def tree(repo: Repo, tmp_path: Path) -> Iterator[Git]:
    """A worktree that is nobody's, as candidates are built in."""
    found = discover(repo.path)
    made = worktrees.add(found, tmp_path / "integration", repo.oid(), None, nullcontext(), checkout=False)
    assert isinstance(made, worktrees.Worktree)
    yield made.git(found.git)
    repo.git("worktree", "remove", "--force", str(tmp_path / "integration"))


def clashing(repo: Repo) -> tuple[str, str]:
    return sides(repo, FILE, "sed -i 's/line 10/ours/' f", "sed -i 's/line 10/theirs/' f")


def test_what_a_person_resolved_once_is_replayed(repo: Repo, tree: Git) -> None:
    one, two = clashing(repo)
    assert not remembers(tree)
    assert isinstance(merge_run(tree, one, two), Conflicted)
    repo.git("config", "rerere.enabled", "true")
    assert remembers(tree)
    assert isinstance(merge_run(tree, one, two), Conflicted)
    repo.git("merge", "-q", "run", code=1)
    repo.write("f", other("both"))
    repo.git("commit", "-qam", "resolved")
    repo.git("reset", "-q", "--hard", one)

    result = merge_run(tree, one, two)

    assert isinstance(result, Merged)
    assert repo.files(result.tree)[b"f"] == other("both").encode()
    assert tree.run("status", "--porcelain", "--untracked-files=no").text == ""
    assert repo.status() == ""
    # Without a word in the config, git's own cache decides.
    repo.git("config", "--unset", "rerere.enabled")
    assert remembers(tree)


def test_a_part_that_was_never_resolved_is_not_accepted(repo: Repo, tree: Git) -> None:
    one, two = sides(
        repo,
        f"{FILE}; cp f g",
        "sed -i 's/line 10/ours/' f g",
        "sed -i 's/line 10/theirs/' f; sed -i 's/line 10/else/' g",
    )
    repo.git("config", "rerere.enabled", "true")
    repo.git("merge", "-q", "run", code=1)
    repo.write("f", other("both"))
    repo.git("rerere")
    repo.git("reset", "-q", "--hard", one)
    assert replay(tree, one, two) is None
    assert unmerged(tree) == ()
    # What is in the tree afterwards is never taken for a resolution.
    assert replay(tree, one, two) is None


def driver(repo: Repo, script: str) -> None:
    place = repo.path.parent / "driver.sh"
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    repo.git("config", "merge.own.driver", f"{place} %O %A %B")
    repo.commit({".gitattributes": "f merge=own\n"})


def test_a_configured_driver_is_asked(repo: Repo) -> None:
    driver(repo, """printf 'driven\\n' > "$2" """)
    one, two = clashing(repo)
    result = merge_run(Git(repo.path), one, two)
    assert isinstance(result, Merged)
    assert repo.files(result.tree)[b"f"] == b"driven\n"


def test_a_driver_that_gives_up_leaves_a_conflict(repo: Repo) -> None:
    driver(repo, "exit 1")
    one, two = clashing(repo)
    result = merge_run(Git(repo.path), one, two)
    assert isinstance(result, Conflicted)
    assert result.paths == (b"f",)


def test_a_driver_that_breaks_is_told(repo: Repo) -> None:
    driver(repo, "kill -9 $$")
    one, two = clashing(repo)
    result = merge_run(Git(repo.path), one, two)
    assert isinstance(result, Conflicted | DriverFailed)


def test_a_driver_that_hangs_is_ended_with_what_it_started(repo: Repo) -> None:
    driver(repo, "sleep 100 & sleep 100")
    one, two = clashing(repo)
    result = merge(Git(repo.path), one, two, seconds=0.5)
    assert result == DriverFailed("a merge driver did not end within 0 s") or isinstance(result, DriverFailed)


def resolution(repo: Repo, one: str, two: str, files: dict[str, str]) -> str:
    repo.git("switch", "-q", "run")
    begin(Git(repo.path), one, remember=False)
    for name, text in files.items():
        repo.write(name, text)
    repo.git("add", "-A")
    repo.git("commit", "-qm", "resolved")
    oid = repo.oid()
    repo.git("switch", "-q", "main")
    del two
    return oid


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"f": other("both")}, ""),
        ({}, "f is not resolved"),
        ({"f": other("<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> x")}, "f is not resolved"),
        ({"f": other("both"), "README": "and this\n"}, "it changes README, where nothing was in conflict"),
        ({"f": other("both"), "new": "\n"}, "it changes new, where nothing was in conflict"),
    ],
)
def test_a_resolution_leaves_no_marker_and_changes_nothing_else(repo: Repo, files: dict[str, str], why: str) -> None:
    one, two = clashing(repo)
    result = resolution(repo, one, two, files)
    with open_objects(discover(repo.path)) as objects:
        git = Git(repo.path)
        assert faults(git, objects, tip=two, onto=one, result=result, narrow=True) == why
        if "changes" in why:
            assert faults(git, objects, tip=two, onto=one, result=result, narrow=False) == ""
        assert "not merged into it" in faults(git, objects, tip=two, onto=one, result=two, narrow=True)
        assert "is not built on" in faults(git, objects, tip=two, onto=one, result=one, narrow=True)


def test_markers_that_a_side_had_are_no_conflict(repo: Repo) -> None:
    docs = "<<<<<<< yours\n=======\n>>>>>>> theirs\n"
    one, two = sides(
        repo, f"{FILE}; printf '{docs}' > docs", "sed -i 's/line 10/ours/' f", "sed -i 's/line 10/theirs/' f"
    )
    result = resolution(repo, one, two, {"f": other("both")})
    with open_objects(discover(repo.path)) as objects:
        assert faults(Git(repo.path), objects, tip=two, onto=one, result=result, narrow=True) == ""


def test_hostile_subjects_and_paths_are_told_as_they_are(repo: Repo) -> None:
    subject = "a\x01b\x02c\x1b[31m"
    path = b"-odd\n\x01\xff"
    repo.commit({path: LINES.encode()})
    start = repo.oid()
    one = repo.commit({path: other("ours").encode()}, f"{subject}\n\nGitfleet-Instance: a\nGitfleet-Instance: b")
    repo.git("switch", "-q", "-c", "run", start)
    two = repo.commit({path: other("theirs").encode()}, "x" * 1000)
    git = Git(repo.path)
    found = merge(git, one, two)
    assert isinstance(found, Conflicted)
    (conflict,) = explain(git, one, two, found)
    assert conflict.path == r'"-odd\n\001\377"'
    assert [(change.subject, change.instance) for change in conflict.target.changes] == [(subject, "a,b")]
    assert [len(change.subject) for change in conflict.run.changes] == [120]
