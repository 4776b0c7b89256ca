"""The gate against commits that try to get something past it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gitfleet.git.command import Git
from gitfleet.git.engines import open_objects
from gitfleet.git.repository import discover
from gitfleet.integrate.gate.bounds import Bounds, is_git_name, is_planning, literal_paths
from gitfleet.integrate.gate.history import forked_from
from gitfleet.integrate.gate.inspecting import REPORTED, carried, inspect
from gitfleet.planner.protection import Protection
from gitfleet.planner.scopes import Scope
from tests.support.landings import Place, new_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitfleet.git.command import Completed
    from gitfleet.model.evidence import GateReport

BASE = {"src/a.txt": "a\n", "src/deep/b.txt": "b\n", "other/c.txt": "c\n", ".planning/x": "x\n"}


MAIN = "refs/heads/main"
SRC = Scope.parse(["src"])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path, BASE)


def gate(
    place: Place, tip: str, scope: Scope = SRC, *, fold: bool = False, protection: Protection | None = None
) -> GateReport:
    with open_objects(discover(place.path)) as objects:
        target, tip = place.git("rev-parse", MAIN), place.git("rev-parse", tip)
        bounds = Bounds.of(scope, fold=fold, protection=protection)
        found = inspect(Git(place.path), objects, base=target, tip=tip, target=target, bounds=bounds)
    return found.report()


def brought(place: Place, merge: str, scope: Scope = SRC) -> list[str]:
    with open_objects(discover(place.path)) as objects:
        commit = objects.commit(merge)
        found = carried(objects, commit.parents[0], commit.tree, Bounds.of(scope))
        return [violation.path for violation in found.report().violations]


def found(report: GateReport) -> set[tuple[str, str]]:
    assert report.passed == (not report.violations)
    return {(violation.path, violation.reason) for violation in report.violations}


def commit_tree(place: Place, tree_of: str, *parents: str) -> str:
    flags = [word for parent in parents for word in ("-p", parent)]
    return place.git("commit-tree", f"{tree_of}^{{tree}}", *flags, "-m", "made")


def test_changes_inside_the_scope_pass(place: Place) -> None:
    one = place.build({"src/a.txt": "2\n", "src/new/x": "x:1\n"})
    two = place.build({"src/deep/b.txt": None, "src/link": "-> deep/../a.txt"}, one)
    report = gate(place, two)
    assert report.passed
    assert report.commits == 2


def test_no_commit_passes(place: Place) -> None:
    report = gate(place, "refs/heads/main")
    assert report.passed
    assert report.commits == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"other/c.txt": "2\n"}, ("other/c.txt", "out-of-scope")),
        ({"other/c.txt": None}, ("other/c.txt", "out-of-scope")),
        ({"other/c.txt": "x:c\n"}, ("other/c.txt", "out-of-scope")),
        ({"src2": "1\n"}, ("src2", "out-of-scope")),
        ({".planning/x": "2\n"}, (".planning/x", "planning")),
        ({".gitmodules": "m\n"}, (".gitmodules", "submodule")),
        ({"src/abs": "-> /etc/passwd"}, ("src/abs", "symlink-escape")),
        ({"src/up": "-> ../../x"}, ("src/up", "symlink-escape")),
        ({"src/up": "-> made-later/../../../x"}, ("src/up", "symlink-escape")),
        ({"src/sub": "gitlink " + "1" * 40}, ("src/sub", "submodule")),
        ({b'other/\xff\n"': "1\n"}, ('"other/\\377\\n\\""', "out-of-scope")),
    ],
)
def test_one_violation(place: Place, changes: Mapping[str | bytes, str | None], expected: tuple[str, str]) -> None:
    report = gate(place, place.build({"src/a.txt": "2\n", **changes}))
    assert found(report) == {expected}
    assert report.violations[0].commit


def test_secret_added_and_removed_again(place: Place) -> None:
    one = place.build({"secret.env": "s\n", "src/a.txt": "2\n"})
    two = place.build({"secret.env": None}, one)
    assert place.git("diff", "--name-only", "main", two) == "src/a.txt"
    report = gate(place, two)
    assert found(report) == {("secret.env", "out-of-scope")}
    assert report.violations[0].commit == one


def test_rename_out_of_another_scope_shows_both_sides(place: Place) -> None:
    report = gate(place, place.build({"other/c.txt": None, "src/c.txt": "c\n"}))
    assert found(report) == {("other/c.txt", "out-of-scope")}


def test_merging_the_target_is_fine(place: Place) -> None:
    base = place.git("rev-parse", "main")
    own = place.build({"src/a.txt": "2\n"}, base)
    ahead = place.build({"other/c.txt": "2\n", "src/deep/b.txt": "2\n"}, base)
    place.git("update-ref", "refs/heads/main", ahead)
    both = place.build({"src/a.txt": "2\n"}, ahead)
    for parents in ((own, ahead), (ahead, own)):
        report = gate(place, commit_tree(place, both, *parents))
        assert report.passed, parents
        assert report.commits == 2


def test_evil_merges(place: Place) -> None:
    base = place.git("rev-parse", "main")
    own = place.build({"src/a.txt": "2\n"}, base)
    ahead = place.build({"other/c.txt": "2\n"}, base)
    place.git("update-ref", "refs/heads/main", ahead)
    neither = place.build({"src/a.txt": "2\n", "other/c.txt": "evil\n"}, ahead)
    assert found(gate(place, commit_tree(place, neither, own, ahead))) == {("other/c.txt", "out-of-scope")}
    # `merge -s ours` takes the target's change back.
    assert found(gate(place, commit_tree(place, own, own, ahead))) == {("other/c.txt", "out-of-scope")}
    assert found(gate(place, commit_tree(place, own, ahead, own))) == {("other/c.txt", "out-of-scope")}


def test_merging_unlanded_work_of_others(place: Place) -> None:
    base = place.git("rev-parse", "main")
    own = place.build({"src/a.txt": "2\n"}, base)
    stranger = place.build({"other/c.txt": "2\n"}, base)
    merge = commit_tree(place, place.build({"src/a.txt": "2\n"}, stranger), own, stranger)
    assert found(gate(place, merge)) == {(".", "foreign-merge"), ("other/c.txt", "out-of-scope")}


def test_unrelated_history(place: Place) -> None:
    own = place.build({"src/a.txt": "2\n"})
    root = commit_tree(place, "main")
    report = gate(place, commit_tree(place, own, own, root))
    assert {(".", "foreign-merge"), ("other/c.txt", "out-of-scope"), (".planning/x", "planning")} <= found(report)


def test_amended_and_moved_bases(place: Place) -> None:
    first = place.git("rev-parse", "main")
    place.write("other/c.txt", "2\n")
    second = place.commit()
    # Built on an older commit of the target: what the target did since is not the run's.
    assert gate(place, place.build({"src/a.txt": "2\n"}, first)).passed
    # The target's own commit written anew is the run's.
    amended = commit_tree(place, place.build({"src/a.txt": "2\n"}, second), first)
    assert found(gate(place, amended)) == {("other/c.txt", "out-of-scope")}


def test_work_on_a_target_that_nobody_moved_forks_from_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    main = place.git("rev-parse", "main")
    first = place.build({"src/a.txt": "2\n"})
    second = place.build({"src/a.txt": "3\n"}, first)
    merge, elsewhere = commit_tree(place, second, second, first), commit_tree(place, "main")
    asked: list[tuple[str | bytes, ...]] = []
    real = Git.run

    def run(git: Git, *args: str | bytes, ok: Sequence[int] = (0,)) -> Completed:
        asked.append(args)
        return real(git, *args, ok=ok)

    with open_objects(discover(place.path)) as objects:
        monkeypatch.setattr(Git, "run", run)
        for tip in (main, first, second):
            assert forked_from(Git(place.path), objects, base=main, tip=tip, target=main) == main
        assert asked == []
        # A merge, a tip that does not come from the base, and a target that is elsewhere are git's to judge.
        assert forked_from(Git(place.path), objects, base=main, tip=merge, target=main) == main
        assert forked_from(Git(place.path), objects, base=main, tip=elsewhere, target=main) is None
        assert forked_from(Git(place.path), objects, base=first, tip=second, target=main) == first
        assert [args[0] for args in asked][:2] == ["merge-base", "merge-base"]


def test_replaced_objects_do_not_hide_anything(place: Place) -> None:
    evil = place.build({"other/c.txt": "2\n"})
    place.git("replace", evil, commit_tree(place, "main", "main"))
    assert found(gate(place, evil)) == {("other/c.txt", "out-of-scope")}
    assert brought(place, evil) == ["other/c.txt"]


def test_grafts_do_not_hide_anything(place: Place) -> None:
    evil = place.build({"other/c.txt": "2\n"})
    tip = place.build({"src/a.txt": "2\n"}, evil)
    (place.common / "info").mkdir(exist_ok=True)
    (place.common / "info/grafts").write_text(f"{tip} {place.git('rev-parse', 'main')}\n")
    assert ("other/c.txt", "out-of-scope") in found(gate(place, tip))


def test_read_only(place: Place) -> None:
    assert gate(place, commit_tree(place, "main", "main"), Scope.parse([])).passed
    report = gate(place, place.build({"src/a.txt": "2\n"}), Scope.parse([]))
    assert found(report) == {("src/a.txt", "read-only")}


def test_literal_entries_allow_submodules_and_links(place: Place) -> None:
    tip = place.build({"src/sub": "gitlink " + "1" * 40, "src/out": "-> /opt/x"})
    assert gate(place, tip, Scope.parse(["src/sub", "src/out"])).passed
    assert found(gate(place, tip)) == {("src/sub", "submodule"), ("src/out", "symlink-escape")}
    assert literal_paths(Scope.parse(["a", '"b\\377"', "c*", "!d", "e\\*f", "g/?", "h/**/i", "\\\\*"])) == {
        b"a",
        b"b\xff",
        b"e*f",
    }


def test_links_through_links(place: Place) -> None:
    one = place.build({"src/here": "-> .", "src/out": "-> here/../../x"})
    assert ("src/out", "symlink-escape") in found(gate(place, one))
    two = place.build({"src/up": "-> ..", "src/out": "-> up/x"})
    assert gate(place, two).passed
    three = place.build({"src/up": "-> ..", "src/out": "-> up/../x"})
    assert found(gate(place, three)) == {("src/out", "symlink-escape")}
    loop = place.build({"src/one": "-> two", "src/two": "-> one"})
    assert gate(place, loop).passed


def test_a_new_link_that_turns_an_old_one_outwards(place: Place) -> None:
    place.build({})
    place.git("reset", "-q", "--hard", place.build({"other/old": "-> ../src/deep/../../x", "other/away": "-> /opt"}))
    report = gate(place, place.build({"src/deep/b.txt": None, "src/deep": "-> .."}))
    assert found(report) == {("src/deep", "symlink-escape")}


def test_folding(place: Place) -> None:
    tip = place.build({".Planning/y": "1\n"})
    everything = Scope.parse(["."])
    assert found(gate(place, tip, everything, fold=True)) == {(".Planning/y", "planning")}
    assert is_planning(b".PLANN\xc4\xb0NG/x", fold=False) is False
    assert is_planning(b".planning", fold=False)
    assert not is_planning(b".planning2/x", fold=True)
    assert is_planning(b".pl\xe2\x80\x8canning/x", fold=True)


@pytest.mark.parametrize(
    "path",
    [
        b"src/.git/config",
        b"src/.GIT/x",
        b"src/git~1",
        b".g\xe2\x80\x8cit/hooks/x",
        b"src/.git. /x",
        b".git::$INDEX",
        b"a/../b",
    ],
)
def test_names_that_some_file_system_takes_for_git(path: bytes) -> None:
    assert is_git_name(path)


@pytest.mark.parametrize("path", [b"src/.gitignore", b".gitmodules", b"src/git", b"a.git/x", b"src/..x", b"\xff"])
def test_ordinary_names(path: bytes) -> None:
    assert not is_git_name(path)


def test_crafted_tree_with_a_git_directory(place: Place) -> None:
    blob = place.git("rev-parse", "main:src/a.txt")
    inner = place.git("mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    src = place.git(
        "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=b"40000 .git\0" + bytes.fromhex(inner)
    )
    lines = place.git("ls-tree", "main").replace(place.git("rev-parse", "main:src"), src)
    tree = place.git("mktree", stdin=lines.encode() + b"\n")
    tip = place.git("commit-tree", tree, "-p", "main", "-m", "x")
    assert ("src/.git/config", "git-name") in found(gate(place, tip))


def test_a_name_that_is_in_a_tree_twice_hides_nothing(place: Place) -> None:
    ours, evil = (place.git("rev-parse", f"{commit}:other") for commit in ("main", place.build({"other/c.txt": "2\n"})))
    entries = [(b"other", evil), (b"other", ours), (b"src", place.git("rev-parse", "main:src"))]
    assert found(gate(place, crafted(place, [(b"40000", *entry) for entry in entries])))


def test_a_directory_with_a_mode_of_its_own_hides_nothing(place: Place) -> None:
    src = place.git("rev-parse", f"{place.build({'src/out': '-> ../../x'})}:src")
    tip = crafted(place, [(b"40000", b"other", place.git("rev-parse", "main:other")), (b"40755", b"src", src)])
    assert ("src/out", "symlink-escape") in found(gate(place, tip))
    assert brought(place, tip) == ["."]


def crafted(place: Place, entries: list[tuple[bytes, bytes, str]]) -> str:
    """A commit on main of a tree that git would not write; ``.planning`` is as it is there."""
    planning = (b"40000", b".planning", place.git("rev-parse", "main:.planning"))
    raw = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in [planning, *entries])
    tree = place.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw)
    return place.git("commit-tree", tree, "-p", "main", "-m", "crafted")


def test_carried_by_the_merge(place: Place) -> None:
    merge = commit_tree(
        place, place.build({"src/a.txt": "2\n", "web/a.txt": "2\n"}), "main", place.build({"src/a.txt": "2\n"})
    )
    assert brought(place, merge) == ["web/a.txt"]
    assert brought(place, merge, Scope.parse(["src", "web"])) == []


def test_many_commits(place: Place) -> None:
    count = 3000
    stream = [b"reset refs/heads/many\nfrom refs/heads/main\n\n"]
    for number in range(count):
        name = "other/late" if number == count - 1 else f"src/f{number % 50}"
        data = str(number).encode()
        stream.append(
            f"commit refs/heads/many\ncommitter A <a@b> {1767323045 + number} +0000\ndata 1\nm\n"
            f"M 100644 inline {name}\ndata {len(data)}\n".encode()
            + data
            + b"\n"
        )
    place.git("fast-import", "--quiet", stdin=b"".join(stream))
    start = time.monotonic()
    report = gate(place, "refs/heads/many")
    assert report.commits == count
    assert found(report) == {("other/late", "out-of-scope")}
    assert time.monotonic() - start < 20


def test_a_diff_option_in_the_configuration_changes_nothing(place: Place) -> None:
    for name, value in (
        ("diff.renames", "copies"),
        ("diff.noprefix", "true"),
        ("core.quotePath", "true"),
        ("diff.ignoreSubmodules", "all"),
    ):
        place.git("config", name, value)
    tip = place.build({"other/c.txt": None, "src/c.txt": "c\n", "src/sub": "gitlink " + "1" * 40})
    assert found(gate(place, tip)) == {("other/c.txt", "out-of-scope"), ("src/sub", "submodule")}


def test_very_many_violations_are_bounded(place: Place) -> None:
    blob = place.git("rev-parse", "main:src/a.txt")
    lines = "".join(f"100644 blob {blob}\tf{number}\n" for number in range(REPORTED + 5))
    tree = place.git("mktree", stdin=lines.encode())
    report = gate(place, place.git("commit-tree", tree, "-p", "main", "-m", "x"))
    assert not report.passed
    assert len(report.violations) == REPORTED
    assert report.outside == REPORTED + 5 + 2  # and what the made tree lacks: other/c.txt and .planning/x


def test_exclusions_hold_in_every_spelling_where_names_fold(place: Place) -> None:
    scope = Scope.parse(["src", "!src/deep"])
    tip = place.build({"src/Deep/b.txt": "2\n", "src/deep/b.txt": None})
    assert ("src/Deep/b.txt", "out-of-scope") in found(gate(place, tip, scope, fold=True))


def test_another_spelling_beside_a_name_is_a_clash_where_names_fold(place: Place) -> None:
    tip = place.build({"src/A.txt": "2\n"})
    assert found(gate(place, tip, fold=True)) == {("src/A.txt", "case-clash")}
    assert gate(place, tip).passed
    renamed = place.build({"src/A.txt": "a\n", "src/a.txt": None})
    assert gate(place, renamed, fold=True).passed


def test_both_forms_of_an_accent_are_apart_unless_names_fold(place: Place) -> None:
    composed, decomposed = "src/caf\u00e9", "src/cafe\u0301"
    tip = place.build({composed: "1\n", decomposed: "2\n"})
    assert gate(place, tip).passed
    assert {reason for _, reason in found(gate(place, tip, fold=True))} == {"case-clash"}
    scope = Scope.parse([composed])
    report = gate(place, place.build({decomposed: "2\n"}), scope, fold=True)
    assert {reason for _, reason in found(report)} == {"out-of-scope"}


@pytest.mark.parametrize("where", [".planning", "../.planning/x", "../.git/hooks", "deep/../../.planning"])
def test_links_into_what_nobody_may_write(where: str, place: Place) -> None:
    inside = where == ".planning"  # below src it is an ordinary name
    report = gate(place, place.build({"src/link": f"-> {where}"}))
    assert found(report) == (set() if inside else {("src/link", "symlink-escape")})


def test_a_chain_into_planning_is_found_and_a_link_to_other_places_is_not_followed(place: Place) -> None:
    chain = place.build({"src/one": "-> two", "src/two": "-> ../.planning"})
    assert found(gate(place, chain)) == {("src/one", "symlink-escape"), ("src/two", "symlink-escape")}
    # What is written through it is a change of its own path.
    assert gate(place, place.build({"src/other": "-> ../other"})).passed
    swapped = place.build({"src/deep/b.txt": None, "src/deep": "-> ../other"})
    assert gate(place, swapped).passed
    assert found(gate(place, place.build({"other/c.txt": "through\n"}, swapped))) == {("other/c.txt", "out-of-scope")}


def test_protected_paths_are_refused_unless_named(place: Place) -> None:
    protection = Protection.of(["@ci", "@locks", "@checks"], [b"src/check.sh"])
    tip = place.build({"src/check.sh": "x:exit 0\n", "src/yarn.lock": "l\n", "src/a.txt": "2\n"})
    assert found(gate(place, tip, protection=protection)) == {
        ("src/check.sh", "protected"),
        ("src/yarn.lock", "protected"),
    }
    named = Scope.parse(["src", "src/check.sh", "src/yarn.lock"])
    assert gate(place, tip, named, protection=protection).passed
    gone = place.build({"src/check.sh": None}, tip)
    assert ("src/check.sh", "protected") in found(gate(place, gone, protection=protection))
    linked = place.build({".github": "-> src"})
    everything = Scope.parse(["."])
    assert found(gate(place, linked, everything, protection=protection)) == {(".github", "protected")}


def test_an_older_commit_of_the_target_is_not_charged(place: Place) -> None:
    base = place.git("rev-parse", "main")
    older = place.build({"other/c.txt": "2\n"}, base)
    newest = place.build({"other/c.txt": "3\n", "other/new": "n\n"}, older)
    place.git("update-ref", "refs/heads/main", newest)
    own = place.build({"src/a.txt": "2\n"}, base)
    merge = commit_tree(place, place.build({"src/a.txt": "2\n"}, older), own, older)
    assert gate(place, merge).passed
    octopus = commit_tree(place, place.build({"src/a.txt": "2\n", "other/c.txt": "c\n"}, newest), own, base, newest)
    assert found(gate(place, octopus)) == {("other/c.txt", "out-of-scope")}


def test_a_criss_cross_of_the_targets_commits_is_not_charged(place: Place) -> None:
    base = place.git("rev-parse", "main")
    left = place.build({"other/left": "l\n"}, base)
    right = place.build({"other/right": "r\n"}, base)
    both = commit_tree(place, place.build({"other/left": "l\n"}, right), left, right)
    place.git("update-ref", "refs/heads/main", both)
    own = place.build({"src/a.txt": "2\n"}, left)
    tree = place.build({"src/a.txt": "2\n"}, both)
    assert gate(place, commit_tree(place, tree, own, right)).passed
    evil = place.build({"src/a.txt": "2\n", "other/left": "evil\n"}, both)
    assert found(gate(place, commit_tree(place, evil, own, right))) == {("other/left", "out-of-scope")}


def test_a_history_that_was_cut_off_by_the_run_is_a_violation(place: Place) -> None:
    one = place.build({"other/c.txt": "2\n"})
    two = place.build({"other/c.txt": "c\n"}, one)
    merge = commit_tree(place, place.build({"src/a.txt": "2\n"}, two), two, "main")
    (place.common / "shallow").write_text(f"{two}\n")
    assert (".", "bent-history") in found(gate(place, merge, Scope.parse(["."])))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"other/c.txt": "x:c\n"}, "other/c.txt"),
        ({"other/c.txt": "-> ../src/a.txt"}, "other/c.txt"),
        ({"other/c.txt": None, "other": "file\n"}, "other"),
        ({"-x": "1\n"}, "-x"),
        ({"other/.gitattributes": "* filter=x\n"}, "other/.gitattributes"),
    ],
)
def test_modes_types_and_odd_names_outside(changes: Mapping[str, str | None], path: str, place: Place) -> None:
    assert (path, "out-of-scope") in found(gate(place, place.build(changes)))


def test_ten_thousand_violations_are_counted_exactly_and_soon(place: Place) -> None:
    lines = "".join(f"M 100644 inline out/{number % 100}/f{number}\ndata 1\nx\n" for number in range(10_000))
    head = "commit refs/heads/many\ncommitter A <a@b> 1767323045 +0000\ndata 1\nm\nfrom refs/heads/main\n"
    place.git("fast-import", "--quiet", stdin=(head + lines).encode())
    report = gate(place, "refs/heads/many")
    assert (report.outside, len(report.violations)) == (10_000, REPORTED)
