"""Whatever order the pieces of a history are done in, as long as what comes before another does, history comes out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.replay.cutting import Edit, Piece, Step, cut, nameable

NAMES = [b"a", b"a/b", b"a/b/c", b"d", b"d/e", b"f", b"\xff\n", b".planning/x", b"x/.git"]


def apply(tree: dict[bytes, str], step: Step) -> None:
    for edit in sorted(step.edits, key=lambda edit: edit.mode):
        if edit.mode:
            tree[edit.path] = edit.oid
        else:
            del tree[edit.path]


@st.composite
def lines(draw: st.DrawFn) -> list[Step]:
    """Random linear histories in which a file may stand where a directory stood, as git's own diffs tell them."""
    tree: dict[bytes, str] = {}
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 14))):
        edits: dict[bytes, Edit] = {}
        for path in draw(st.sets(st.sampled_from(NAMES), min_size=1, max_size=3)):
            for other in list(tree):
                if other.startswith(path + b"/") or path.startswith(other + b"/"):
                    edits[other] = Edit(other, 0, "0")
                    del tree[other]
            if path in tree and draw(st.booleans()):
                edits[path] = Edit(path, 0, "0")
                del tree[path]
            else:
                edits[path] = Edit(path, 0o100644, f"{number}")
                tree[path] = f"{number}"
        kept = [edit for edit in edits.values() if edit.mode or edit.path not in tree]
        before = known(steps)
        steps.append(Step(f"c{number}", tuple(edit for edit in kept if edit.mode or edit.path in before)))
    return steps


def known(steps: list[Step]) -> dict[bytes, str]:
    tree: dict[bytes, str] = {}
    for step in steps:
        apply(tree, step)
    return tree


@settings(max_examples=200, deadline=None)
@given(lines(), st.integers(1, 20), st.data())
def test_any_order_that_keeps_what_comes_after_what_ends_in_the_same_tree(
    steps: list[Step], tasks: int, data: st.DataObject
) -> None:
    found = cut(steps, frozenset(), tasks)
    assert len(found.pieces) <= tasks
    assert (found.commits == len(steps)) is (found.stopped == "")
    assert found.refused == {
        edit.path for step in steps[: found.commits + 1] for edit in step.edits if not nameable(edit.path)
    }
    waiting = {piece.number: piece for piece in found.pieces}
    tree: dict[bytes, str] = {}
    while waiting:
        ready: list[Piece] = [piece for piece in waiting.values() if not piece.after & waiting.keys()]
        piece = data.draw(st.sampled_from(ready))
        del waiting[piece.number]
        for step in piece.steps:
            apply(tree, step)
    wanted = known(steps[: found.commits])
    assert tree == {path: oid for path, oid in wanted.items() if nameable(path)}


def test_it_stops_at_what_it_cannot_cut() -> None:
    link = [Step("c1", (Edit(b"a", 1, "1"),)), Step("c2", (Edit(b"l/x", 1, "1"),))]
    assert cut(link, frozenset({b"l"}), 5).stopped == "c2 writes b'l/x', below a symlink of the base"
    large = [Step("c1", tuple(Edit(b"%d" % number, 1, "1") for number in range(1000)))]
    assert cut(large, frozenset(), 5).stopped == "c1 changes 1000 paths"


def test_disjoint_commits_are_tasks_of_their_own_and_what_meets_them_comes_after() -> None:
    def step(name: str, *paths: bytes) -> Step:
        return Step(name, tuple(Edit(path, 0o100644, "1") for path in paths))

    line = [step("c1", b"a"), step("c2", b"b/c"), step("c3", b"a"), step("c4", b"b", b"a"), step("c5", b"d")]
    pieces = cut(line, frozenset(), 9).pieces
    assert [[one.commit for one in piece.steps] for piece in pieces] == [["c1", "c3"], ["c2"], ["c4"], ["c5"]]
    assert [piece.after for piece in pieces] == [set(), set(), {0, 1}, set()]
