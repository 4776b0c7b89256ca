"""The radar on real repositories: what it reads, what it costs, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitfleet.coordinator.radar.worker import Order, Rounds, Side, Worker
from gitfleet.git.command import GitFailed, Leash
from gitfleet.git.repository import discover
from gitfleet.git.worktrees import Worktree, add
from gitfleet.integrate.radar import looking
from gitfleet.integrate.radar.looking import Look, look
from gitfleet.integrate.radar.predicting import CASE, NO_BASE, Radar
from gitfleet.integrate.radar.scratch import open_scratch
from gitfleet.store.layout import Layout
from tests.git.test_radar_corpus import LINES, changed, committed
from tests.support.merges import radar_on
from tests.support.repo import Repo

if TYPE_CHECKING:
    from gitfleet.integrate.radar.scratch import Scratch
    from tests.support.git_env import GitCounter


def everything(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below a directory with its inode, time of change and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and "gitfleet" not in path.parts:
            facts = path.stat()
            found[str(path)] = (facts.st_ino, facts.st_mtime_ns, path.read_bytes())
    return found


# -- what it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [4, 10])
def test_git_processes_are_a_constant_and_only_pairs_that_meet_are_merged(
    tmp_path: Path, counter: GitCounter, number: int
) -> None:
    repo = Repo.with_files(tmp_path / "repo")
    base = {f"f{n}": ("100644", LINES) for n in range(number)}
    root = committed(repo, base)
    sides = [committed(repo, base | {f"f{n}": ("100644", changed(n % 12))}, root) for n in range(number - 1)]
    # One that touches what two others touch: two pairs meet, and one of them conflicts.
    sides.append(committed(repo, base | {"f0": ("100644", changed(0, to="y")), "f1": ("100644", changed(9))}, root))
    pairs = list(combinations(sides, 2))
    with radar_on(repo) as radar:
        counter.calls()
        found = radar.predict(pairs, root)
        assert [call.split()[0] for call in counter.calls()] == [
            "merge-base",
            "rev-list",
            "diff-tree",
            "config",
            "ls-tree",
            "merge-tree",
        ]
        assert (radar.counts.pairs, radar.counts.meeting, radar.counts.merged) == (len(pairs), 2, 2)
        assert set(found) == {(sides[0], sides[-1])}
        # Nothing changed: nothing is asked. One side changed: only its pairs are.
        assert radar.predict(pairs, root) == found
        assert counter.calls() == []
        sides[2] = committed(repo, base | {"f2": ("100644", "new\n")}, root)
        counter.calls()
        assert radar.predict(combinations(sides, 2), root) == found
        assert [call.split()[0] for call in counter.calls()] == ["merge-base", "rev-list", "diff-tree"]
        assert radar.counts.merged == 0


def test_pairs_that_cannot_conflict_are_asked_about_once(tmp_path: Path, counter: GitCounter) -> None:
    repo = Repo.with_files(tmp_path / "repo")
    base = {"a": ("100644", LINES), "b": ("100644", LINES)}
    root = committed(repo, base)
    pair = (committed(repo, base | {"a": ("100644", "")}, root), committed(repo, base | {"b": ("100644", "")}, root))
    with radar_on(repo) as radar:
        counter.calls()
        assert radar.predict([pair], root) == {}
        assert len(counter.calls()) == 3
        assert radar.predict([pair], root) == {}
        assert counter.calls() == []


def test_pairs_without_common_history_take_no_answer_from_others(tmp_path: Path) -> None:
    repo = Repo.with_files(tmp_path / "repo")
    root = committed(repo, {"a": ("100644", LINES)})
    one = committed(repo, {"a": ("100644", changed(1))}, root)
    two = committed(repo, {"a": ("100644", changed(1, to="y"))}, root)
    alien = committed(repo, {"b": ("100644", LINES)})
    with radar_on(repo) as radar:
        found = radar.predict([(one, alien), (one, two)], root)
    assert found[one, alien].kinds == (NO_BASE,)
    assert found[one, two].paths == (b"a",)


def test_a_driver_that_dies_takes_no_answer_from_others(tmp_path: Path) -> None:
    repo = Repo.with_files(tmp_path / "repo")
    repo.git("config", "merge.bad.driver", "kill -9 $PPID")
    base = {".gitattributes": ("100644", "bad merge=bad\n"), "bad": ("100644", LINES), "a": ("100644", LINES)}
    root = committed(repo, base)
    sides = [committed(repo, base | {"bad": ("100644", changed(n))}, root) for n in (1, 2)]
    sides += [committed(repo, base | {"a": ("100644", changed(1, to=word))}, root) for word in ("x", "y")]
    with radar_on(repo) as radar:
        found = radar.predict(combinations(sides, 2), root)
    assert found[sides[2], sides[3]].paths == (b"a",)
    assert found[sides[0], sides[1]].kinds == ("git cannot merge it",)


def test_two_spellings_of_a_name_conflict_where_names_are_folded(tmp_path: Path) -> None:
    repo = Repo.with_files(tmp_path / "repo")
    root = committed(repo, {"a": ("100644", LINES)})
    one = committed(repo, {"a": ("100644", LINES), "Docs/Read": ("100644", "1\n")}, root)
    two = committed(repo, {"a": ("100644", LINES), "docs/READ": ("100644", "1\n")}, root)
    with radar_on(repo) as radar:
        assert radar.predict([(one, two)], root) == {}
    with radar_on(repo, fold=True) as radar:
        (found,) = radar.predict([(one, two)], root).values()
    assert (found.kinds, found.paths) == ((CASE,), (b"Docs/Read", b"docs/READ"))


def test_attributes_are_those_of_the_commit_that_is_named(tmp_path: Path) -> None:
    repo = Repo.with_files(tmp_path / "repo")
    plain = committed(repo, {"a": ("100644", LINES)})
    union = committed(repo, {"a": ("100644", LINES), ".gitattributes": ("100644", "a merge=union\n")}, plain)
    sides = [committed(repo, {"a": ("100644", changed(1, to=word))}, plain) for word in ("x", "y")]
    # What a person has in the checkout does not count.
    repo.write(".gitattributes", "a merge=union\n")
    with radar_on(repo) as radar:
        assert len(radar.predict([(sides[0], sides[1])], plain)) == 1
        assert radar.predict([(sides[0], sides[1])], union) == {}


# -- worktrees -------------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(repo: Repo) -> tuple[Repo, Worktree, Repo]:
    """A repository and a worktree of an agent's in it."""
    repo.commit({"a": LINES, "d/b": LINES, ".gitignore": "ignored\n"})
    found = discover(repo.path)
    made = add(found, repo.path.parent / "tree", repo.oid(), "work", _free())
    assert isinstance(made, Worktree)
    return repo, made, Repo(made.path)


def _free() -> threading.Lock:
    return threading.Lock()


def seen(scratch: Scratch, repo: Repo, worktree: Worktree, last: Look | None = None) -> Look:
    return look(scratch, discover(repo.path).git, worktree, "one", last)


def files_of(scratch: Scratch, commit: str) -> dict[bytes, bytes]:
    """The files of a commit that may be in the scratch alone."""
    listed = scratch.git.run("ls-tree", "-r", "-z", commit).stdout.split(b"\0")[:-1]
    found = {}
    for line in listed:
        facts, _, path = line.partition(b"\t")
        found[path] = scratch.git.run("cat-file", "blob", facts.split()[2].decode()).stdout
    return found


def test_everything_in_a_worktree_counts_and_nothing_of_it_is_touched(tree: tuple[Repo, Worktree, Repo]) -> None:
    repo, worktree, inside = tree
    inside.write("a", changed(3))
    inside.write("staged", "1\n")
    inside.git("add", "staged")
    inside.write("staged", "2\n")
    inside.write("untracked/x", "x\n")
    inside.write("ignored", "i\n")
    (worktree.path / "d/b").unlink()
    before = everything(repo.path), everything(worktree.path)
    with open_scratch(discover(repo.path), Layout(repo.path / ".git")) as scratch:
        found = seen(scratch, repo, worktree)
        assert found.commit is not None
        files = files_of(scratch, found.commit)
    assert (everything(repo.path), everything(worktree.path)) == before
    assert files == {
        b"README": b"hello\n",
        b".gitignore": b"ignored\n",
        b"a": changed(3).encode(),
        b"staged": b"2\n",
        b"untracked/x": b"x\n",
    }


def test_only_a_tree_that_changed_is_read_again(tree: tuple[Repo, Worktree, Repo], counter: GitCounter) -> None:
    repo, worktree, inside = tree
    with open_scratch(discover(repo.path), Layout(repo.path / ".git")) as scratch:
        git = discover(repo.path).git
        first = look(scratch, git, worktree, "one", None)
        assert first.commit == repo.oid()
        inside.write("a", changed(3))
        second = look(scratch, git, worktree, "one", first)
        assert second.commit != first.commit
        counter.calls()
        assert look(scratch, git, worktree, "one", second) is second
        assert [call.split()[0] for call in counter.calls()] == ["status"]
        # In place, of the same size, and with the time it had: an inode's own time tells.
        times = (worktree.path / "a").stat()
        inside.write("a", changed(4))
        os.utime(worktree.path / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
        third = look(scratch, git, worktree, "one", second)
        assert third.commit not in {first.commit, second.commit}
        inside.git("-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qam", "work")
        assert look(scratch, git, worktree, "one", third).commit == inside.oid()
        # The same content is the same commit, so that pairs of it need not be merged again.
        inside.git("reset", "-q", "--hard", "HEAD~")
        inside.write("a", changed(3))
        assert look(scratch, git, worktree, "one", None).commit == second.commit


def test_a_merge_under_way_and_hidden_edits_count(tree: tuple[Repo, Worktree, Repo]) -> None:
    repo, worktree, inside = tree
    other = committed(repo, {"a": ("100644", changed(3))}, repo.oid())
    inside.git("update-index", "--assume-unchanged", "a")
    inside.write("a", changed(3, to="mine"))
    with open_scratch(discover(repo.path), Layout(repo.path / ".git")) as scratch:
        found = seen(scratch, repo, worktree)
        assert files_of(scratch, found.commit or "")[b"a"] == changed(3, to="mine").encode()
        inside.git("update-index", "--no-assume-unchanged", "a")
        inside.git("checkout", "-q", "a")
        inside.git("merge", "-q", "--no-commit", "--no-ff", other)
        found = seen(scratch, repo, worktree)
        parents = scratch.git.run("show", "-s", "--format=%P", found.commit or "").text.split()
    assert parents == [repo.oid(), other]


def test_a_large_file_is_not_read_and_conflicts_only_with_a_change_of_it(
    tree: tuple[Repo, Worktree, Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, worktree, inside = tree
    monkeypatch.setattr(looking, "LARGE", 1000)
    inside.write("big", "b" * 1001)
    inside.write("d/b", "c" * 1001)
    same = committed(repo, {"a": ("100644", LINES), "d/b": ("100644", changed(1))}, repo.oid())
    apart = committed(repo, {"a": ("100644", changed(1)), "d/b": ("100644", LINES)}, repo.oid())
    with open_scratch(discover(repo.path), Layout(repo.path / ".git")) as scratch:
        commit = seen(scratch, repo, worktree).commit or ""
        assert len(files_of(scratch, commit)[b"big"]) < 1000
        found = Radar(scratch, fold=False).predict([(commit, same), (commit, apart)], repo.oid())
    assert list(found) == [(commit, same)]


def test_a_tree_with_too_much_in_it_is_compared_by_its_commit(
    tree: tuple[Repo, Worktree, Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, worktree, inside = tree
    monkeypatch.setattr(looking, "MANY", 1)
    inside.write("one", "1\n")
    inside.write("two", "2\n")
    with open_scratch(discover(repo.path), Layout(repo.path / ".git")) as scratch:
        found = seen(scratch, repo, worktree)
    assert (found.commit, found.note) == (repo.oid(), "more than 1 files changed in its worktree")


# -- rounds and the thread -------------------------------------------------------------------------------------------


def test_a_round_compares_work_in_progress_and_the_target_and_says_what_it_cannot_see(
    tree: tuple[Repo, Worktree, Repo],
) -> None:
    repo, worktree, inside = tree
    inside.write("a", changed(3))
    gated = committed(repo, {"a": ("100644", changed(3, to="y"))}, repo.oid())
    found = discover(repo.path)
    sides = (Side("one", worktree.path, "", "one.1"), Side("two", None, gated))
    with open_scratch(found, Layout(found.common_dir)) as scratch:
        rounds = Rounds(found, scratch, fold=False)
        assert {pair: c.paths for pair, c in rounds.do(Order(sides, "refs/heads/main")).conflicts.items()} == {
            ("one", "two"): (b"a",)
        }
        repo.commit({"a": changed(3, to="z")})
        after = rounds.do(Order(sides, "refs/heads/main"))
        assert set(after.conflicts) == {("", "one"), ("", "two"), ("one", "two")}
        (worktree.git_dir / "HEAD").write_text("broken\n")
        for _ in range(2):
            assert rounds.do(Order(sides, "refs/heads/main")).unread == {}
        blind = rounds.do(Order(sides, "refs/heads/main"))
        assert list(blind.unread) == ["one"]
        # It counts as it was.
        assert set(blind.conflicts) == set(after.conflicts)


def test_a_round_has_a_bound_and_goes_on_where_it_stopped(tree: tuple[Repo, Worktree, Repo]) -> None:
    repo, worktree, _ = tree
    found = discover(repo.path)
    clock = iter(range(0, 10_000, 4))
    order = Order(tuple(Side(f"t{n}", worktree.path, "", f"t{n}.1") for n in range(3)), "refs/heads/main")
    with open_scratch(found, Layout(found.common_dir)) as scratch:
        rounds = Rounds(found, scratch, fold=False, awake=lambda: float(next(clock)))
        looked = []
        for _ in range(3):
            rounds.do(order)
            looked.append(set(rounds._looked))
    assert looked == [{"t0.1"}, {"t0.1", "t1.1"}, {"t0.1", "t1.1", "t2.1"}]


def test_a_thread_that_hangs_in_git_is_ended_and_leaves_nothing(tmp_path: Path) -> None:
    repo = Repo.with_files(tmp_path / "repo")
    fifo = tmp_path / "there"
    os.mkfifo(fifo)
    repo.git("config", "merge.slow.driver", f"echo x >'{fifo}'; sleep 1000")
    base = {".gitattributes": ("100644", "a merge=slow\n"), "a": ("100644", LINES)}
    root = committed(repo, base)
    repo.git("update-ref", "refs/heads/main", root)
    sides = [committed(repo, base | {"a": ("100644", changed(n))}, root) for n in (1, 2)]
    found = discover(repo.path)
    worker = Worker(found, Layout(found.common_dir), fold=False)
    worker.order(Order((Side("one", None, sides[0]), Side("two", None, sides[1])), "refs/heads/main"))
    assert fifo.read_text() == "x\n"
    assert worker.take() is None
    worker.close()
    assert list((found.common_dir / "gitfleet/radar").iterdir()) == []
    assert threading.active_count() == 1 or not any(t.name == "gitfleet-radar" for t in threading.enumerate())
    leash = Leash()
    leash.cut()
    with open_scratch(found, Layout(found.common_dir), leash) as scratch, pytest.raises(GitFailed):
        scratch.git.run("cat-file", "--batch-check", stdin=b"")


def test_what_a_killed_process_left_is_removed_by_the_next(repo: Repo) -> None:
    layout = Layout(repo.path / ".git")
    script = (
        "import sys, os, signal; from pathlib import Path\n"
        "from gitfleet.git.repository import discover; from gitfleet.store.layout import Layout\n"
        "from gitfleet.integrate.radar.scratch import open_scratch\n"
        "found = discover(Path(sys.argv[1]))\n"
        "with open_scratch(found, Layout(found.common_dir)):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(repo.path)], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    (left,) = layout.radar.iterdir()
    with open_scratch(discover(repo.path), layout) as one:
        assert not left.exists()
        # One that is held stays.
        with open_scratch(discover(repo.path), layout):
            assert one.path.exists()
    assert list(layout.radar.iterdir()) == []
