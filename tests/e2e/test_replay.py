"""History replayed by a session: random histories, a hostile one, and this project's own, all end in their own tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.fleet import ROOT

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

FILE, PROGRAM, LINK, COMMIT = "100644", "100755", "120000", "160000"
NAMES = [
    b"a",
    b"a/b",
    b"a/b/c",
    b"dir/one",
    b"dir/two",
    b"dir/sub/three",
    b"*.txt",
    b"[x] y?",
    b"!not",
    b"\xff\xfe",
    b"new\nline",
    b'"quoted"',
    b"-rf",
    b"back\\slash",
    b".gitattributes",
    b".gitignore",
    b".github/workflows/ci.yml",
    b"package-lock.json",
    b".planning/config.yaml",
    "näm".encode(),
]
CONTENTS = [b"1\n", b"2\r\n", b"bin\0ary", b"", b"* text=auto\n", b"a\n", b"/etc/passwd", b"../../out", b"x" * 999]

Change = tuple[bytes, str, bytes]
"""Path, mode (empty: gone), and content."""


def import_history(repo: Path, commits: list[list[Change]], environ: dict[str, str]) -> None:
    """Make a linear history in one go; a change that makes a file of a directory takes it away first, as git does."""
    subprocess.run(["git", "init", "-q", "-b", "main", repo], env=environ, check=True)
    out = [b"feature done\n"]
    for number, changes in enumerate(commits):
        out.append(b"commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata 1\nx\n" % (1_700_000_000 + number))
        for path, mode, content in changes:
            name = b'"' + b"".join(b"\\%03o" % byte for byte in path) + b'"'
            if not mode:
                out.append(b"D %s\n" % name)
            elif mode == COMMIT:
                out.append(b"M 160000 %s %s\n" % ((b"%x" % len(content)).rjust(40, b"1"), name))
            else:
                out.append(b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), name, len(content), content))
    out.append(b"done\n")
    subprocess.run(
        ["git", "fast-import", "--quiet", "--date-format=raw"], input=b"".join(out), cwd=repo, env=environ, check=True
    )


def replay(repo: Path, environ: dict[str, str], *options: str) -> dict[str, Any]:
    """Run the script as a person does; its document."""
    argv = [sys.executable, "-m", "bench.replay", str(repo), "--json", *options]
    done = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["same"] is (done.returncode == 0)
    return found


def ends(found: dict[str, Any]) -> dict[str, Any]:
    """What tells whether history came out."""
    return {name: found[name] for name in ("differing", "untidy", "failed", "exit_code")}


SAME = {"differing": [], "untidy": [], "failed": [], "exit_code": 0}


@pytest.mark.slow
def test_a_history_of_all_that_git_can_hold(fleet: FleetEnv) -> None:
    repo = fleet.root / "source"
    commits: list[list[Change]] = [
        [(b"keep", FILE, b"0"), (b"dir/one", FILE, b"1"), (b"mod", FILE, b"m"), (b".planning/config.yaml", FILE, b"{")],
        [(b"dir/one", "", b""), (b"moved/one", FILE, b"1")],
        [(b"mod", PROGRAM, b"m")],
        [(b"link", LINK, b"keep"), (b"out", LINK, b"/etc/passwd")],
        [(b"sub", COMMIT, b"1"), (b".gitmodules", FILE, b'[submodule "s"]\n\tpath = sub\n\turl = /nowhere\n')],
        [(b"bytes", FILE, b"\0\1\2"), (b"\xff\n", FILE, b"x")],
        [(b"moved/one", "", b""), (b"moved", FILE, b"a file now")],
        [(b"moved", "", b""), (b"moved/deep/er", FILE, b"a directory now")],
        [(b"sub", COMMIT, b"22")],
        [(b".github/workflows/ci.yml", FILE, b"on: push"), (b".planning/config.yaml", FILE, b"verify: [")],
        [(b"link", "", b""), (b"mod", LINK, b"gone")],
        [(b".gitattributes", FILE, b"* text eol=crlf\n"), (b"crlf", FILE, b"a\r\nb\r\n")],
        [(b".gitignore", FILE, b"*\n"), (b"ignored", FILE, b"1")],
        [(b"sub", "", b""), (b"sub/now/files", FILE, b"1")],
        [(b"keep", "", b"")],
    ]
    import_history(repo, commits, fleet.environ)
    hook = repo / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {fleet.root}/ran\n")
    hook.chmod(0o755)
    before = {path: path.stat().st_mtime_ns for path in repo.rglob("*")}
    found = replay(repo, fleet.environ)
    assert ends(found) == SAME
    assert (found["commits"], found["left_out"]) == (14, [".planning/config.yaml"])
    assert found["landed"] == found["tasks"] > 8
    assert {path: path.stat().st_mtime_ns for path in repo.rglob("*")} == before
    assert not (fleet.root / "ran").exists()


@st.composite
def histories(draw: st.DrawFn) -> list[list[Change]]:
    """Random linear histories over names and contents that have made trouble somewhere."""
    kinds = st.sampled_from(["", FILE, FILE, FILE, PROGRAM, LINK, COMMIT])
    change = st.tuples(st.sampled_from(NAMES), kinds, st.sampled_from(CONTENTS))
    commits = [
        [(b"base", FILE, b"0")],
        *draw(st.lists(st.lists(change, min_size=1, max_size=4), min_size=4, max_size=16)),
    ]
    # No file system holds a link to nothing, or to a name with a NUL.
    return [
        [
            (path, mode, (content.replace(b"\0", b"0") or b"x") if mode == LINK else content)
            for path, mode, content in changes
        ]
        for changes in commits
    ]


@pytest.mark.slow
@pytest.mark.share(2)
@settings(
    max_examples=int(os.environ.get("GITFLEET_REPLAYS", "4")),
    deadline=None,
    database=None,
    # A session takes seconds, and shrinking takes hundreds of them.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(histories(), st.booleans())
def test_random_histories_come_out_as_they_were(commits: list[list[Change]], rolling: bool) -> None:  # noqa: FBT001 - hypothesis
    environ = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as directory:
        repo = Path(directory) / "source"
        import_history(repo, commits, environ)
        argv = [sys.executable, "-m", "bench.replay", str(repo), "--json", *(["--rolling"] if rolling else [])]
        done = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        # 2: nothing in it can be a task, such as where all that it changes is below `.planning`.
        assert done.returncode in (0, 2), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.share(2)
def test_this_projects_own_history_comes_out(fleet: FleetEnv) -> None:
    shallow = subprocess.run(
        ["git", "rev-list", "--count", "HEAD"], cwd=ROOT, env=fleet.environ, capture_output=True, text=True, check=False
    )
    if shallow.returncode or int(shallow.stdout) < 100:
        pytest.skip("this checkout has no history to speak of")
    found = replay(ROOT, fleet.environ, "--tasks", "12")
    assert ends(found) == SAME
    assert found["tasks"] >= 2
