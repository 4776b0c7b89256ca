"""Whatever state a tree is in: after a snapshot the tree may vanish, and every byte and mode of it comes back."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gitfleet.git import rescuing, snapshots
from gitfleet.git.engines import open_objects
from gitfleet.git.repository import discover
from gitfleet.git.snapshots import Nothing, Origin, Taken
from gitfleet.git.worktrees import Worktree, add
from tests.support.repo import Repo

INSTANCE = "fleet-s-abc123-w1-a1"
ATTRIBUTES = "*.crlf text eol=crlf\n*.auto text=auto\n*.up filter=up\n*.strip filter=strip\n"
FILES: dict[str | bytes, str | bytes | None] = {
    ".gitattributes": ATTRIBUTES,
    ".gitignore": "*.log\nbuild/\n",
    "a": "1\n",
    "d/x.crlf": "one\ntwo\n",
    "d/y.up": "lower\n",
    "d/z.auto": "one\n",
    "e.strip": "kept\n#out: 1\n",
    b"\xffodd": "o",
    "run": "#!/bin/sh\n",
}
NAMES = [
    *(os.fsencode(name) for name in FILES),
    b"d",
    b"new",
    b"d/new.crlf",
    b"new\nline",
    b"-dash",
    b'"q"',
    b"x.log",
    b"build/deep/out",
    b"build/x",
    b"a/below",
    b"d/sub/deep.auto",
    b"later.up",
    b"two.strip",
    b"link",
]
CONTENT = st.sampled_from([b"", b"1\n", b"x\r\ny\r\n", b"mixed\r\nends\n", b"\0\xff\0", b"UP\n", b"kept\n#out: 2\n"])
NAME = st.sampled_from(NAMES)
STEP = st.one_of(
    st.tuples(st.just("write"), NAME, CONTENT),
    st.tuples(st.just("delete"), NAME),
    st.tuples(st.just("chmod"), NAME),
    st.tuples(st.just("link"), NAME, st.sampled_from([b"a", b"no\nwhere", b"../..", b"d"])),
    st.tuples(st.just("add"), NAME),
    st.tuples(st.just("uncache"), NAME),
    st.tuples(st.just("assume"), NAME),
    st.tuples(st.just("skip"), NAME),
    st.tuples(st.just("commit")),
    st.tuples(st.just("touch"), NAME),
    st.tuples(st.sampled_from(["lock", "break-index", "no-index", "no-git", "detach", "orphan", "merge", "no-branch"])),
)


def do(inside: Repo, step: tuple[object, ...]) -> None:
    """One thing that an agent may do; what does not apply to the tree as it is does nothing."""
    word = step[0]
    name = step[1] if len(step) > 1 else b""
    assert isinstance(name, bytes)
    place = os.fsencode(inside.path) + b"/" + name
    admin = Path(os.fsdecode(GIT_DIR[0]))
    with suppress(OSError):
        match word:
            case "write" | "link":
                clear(inside.path, name)
                os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
                extra = step[2]
                assert isinstance(extra, bytes)
                if word == "link":
                    os.symlink(extra, place)  # noqa: PTH211
                else:
                    with open(place, "wb") as file:  # noqa: PTH123
                        file.write(extra)
            case "delete":
                remove(place)
            case "chmod":
                os.chmod(place, 0o755 if not os.lstat(place).st_mode & stat.S_IXUSR else 0o644)  # noqa: PTH101
            case "touch":
                os.utime(place, (1_700_000_000, 1_700_000_000), follow_symlinks=False)
            case "lock":
                (admin / "index.lock").write_bytes(b"held")
            case "break-index":
                (admin / "index").write_bytes(b"DIRC broken")
            case "no-index":
                (admin / "index").unlink()
            case "no-git":
                (inside.path / ".git").unlink()
            case _:
                git(inside, str(word), name)


def git(inside: Repo, word: str, name: bytes) -> None:
    known: dict[str, list[list[str | bytes]]] = {
        "add": [["add", "-f", "--", name]],
        "uncache": [["rm", "-q", "-r", "--cached", "--", name]],
        "assume": [["update-index", "--assume-unchanged", "--", name]],
        "skip": [["update-index", "--skip-worktree", "--", name]],
        "commit": [["commit", "-q", "-a", "-m", "c"]],
        "detach": [["switch", "-q", "--detach"]],
        "orphan": [["switch", "-q", "--orphan", "alone"]],
        "merge": [["merge", "-q", "--no-edit", "side"]],
        "no-branch": [["update-ref", "-d", "HEAD"]],
    }
    lines = known[word]
    for line in lines:
        subprocess.run(["git", *line], cwd=inside.path, capture_output=True, check=False, stdin=subprocess.DEVNULL)


GIT_DIR: list[bytes] = []


def clear(root: Path, name: bytes) -> None:
    """Nothing but directories above the name, and nothing at it."""
    at = os.fsencode(root)
    for part in name.split(b"/")[:-1]:
        at += b"/" + part
        if os.path.lexists(at) and (os.path.islink(at) or not os.path.isdir(at)):  # noqa: PTH112, PTH114
            os.unlink(at)  # noqa: PTH108
    remove(os.fsencode(root) + b"/" + name)


def remove(place: bytes) -> None:
    if os.path.isdir(place) and not os.path.islink(place):  # noqa: PTH112, PTH114
        shutil.rmtree(place)
    elif os.path.lexists(place):
        os.unlink(place)  # noqa: PTH108


def standing(root: Path) -> dict[bytes, tuple[str, bytes]]:
    """Every file and link below a directory: kind and content."""
    found = {}
    top = os.fsencode(root)
    for directory, names, files in os.walk(top):
        for name in [*files, *(one for one in names if os.path.islink(os.path.join(directory, one)))]:  # noqa: PTH114, PTH118
            place = os.path.join(directory, name)  # noqa: PTH118
            path = os.path.relpath(place, top)
            if path in (b".git", b".fleet-instance-id"):
                continue
            facts = os.lstat(place)
            if stat.S_ISLNK(facts.st_mode):
                found[path] = ("link", os.readlink(place))  # noqa: PTH115
            else:
                kind = "executable" if facts.st_mode & stat.S_IXUSR else "file"
                with open(place, "rb") as file:  # noqa: PTH123
                    found[path] = (kind, file.read())
    return found


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=1, max_size=8), autocrlf=st.booleans())
def test_every_byte_comes_back(tmp_path: Path, steps: list[tuple[object, ...]], *, autocrlf: bool) -> None:
    place = Path(tempfile.mkdtemp(dir=tmp_path))
    user = Repo.init(place / "project")
    for key, value in (
        ("core.safecrlf", "true"),
        ("core.autocrlf", "true" if autocrlf else "false"),
        ("filter.up.clean", "tr a-z A-Z"),
        ("filter.up.smudge", "tr A-Z a-z"),
        ("filter.strip.clean", "grep -v ^#out || true"),
    ):
        user.git("config", key, value)
    user.git("-c", "core.safecrlf=false", "add", "-A")
    user.git("config", "core.safecrlf", "false")
    base = user.commit(FILES, "base")
    user.git("switch", "-q", "-c", "side")
    user.commit({"a": "side\n", "d/z.auto": "side\n"}, "side")
    user.git("switch", "-q", "main")
    user.git("config", "core.safecrlf", "true")
    found = discover(user.path)
    worktree = add(found, place / "pool" / "w", base, "fleet/s/t", nullcontext(), instance=INSTANCE)
    assert isinstance(worktree, Worktree)
    GIT_DIR[:] = [os.fsencode(worktree.git_dir)]
    untouched = standing(worktree.path)
    for step in steps:
        do(Repo(worktree.path), step)
    before = standing(worktree.path)
    with open_objects(found) as objects:
        origin = Origin(INSTANCE, "test", base=base)
        outcome = snapshots.take(found, objects, worktree, origin, ignored=lambda _: True)
        assert standing(worktree.path) == before
        event(type(outcome).__name__)
        if isinstance(outcome, Nothing):
            assert before == untouched
            return
        assert isinstance(outcome, Taken), outcome
        assert outcome.whole, outcome
        shutil.rmtree(worktree.path)
        [kept] = rescuing.kept(found)
        rescuing.write_into(found, objects, kept, place / "back")
        assert standing(place / "back") == before
        again = snapshots.take(found, objects, worktree, origin, ignored=lambda _: True)
        assert not isinstance(again, Taken) or not again.fresh
    user.git("fsck", "--strict", "--no-dangling")
    shutil.rmtree(place)
