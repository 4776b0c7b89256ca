"""File names that break naive programs go through plan, scope, gate, record and landing."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from gitfleet.model.paths import quote_path, unquote_path
from tests.support.sessions import assert_nothing_remains, plan_of, state_runs, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.slow

NAMES = {
    "spaces": b" a file  with spaces ",
    "newline": b"two\nlines.txt",
    "quotes": b'it\'s "quoted".txt',
    "dash": b"-rf",
    "brackets": b"app/[slug]/page.tsx",
    "backslash": b"back\\slash",
    "unicode": "gr\u00fc\u00df/\u00e9t\u00e9.txt".encode(),
    "glob-characters": b"a{b,c}.txt",
    "like-a-quotation": b'"a\\\\303\\tb"',
    "like-an-exclusion": b"!not",
    "like-read-only": b"a (read-only)",
    "escapes": b"\x1b[31m\x9b\x07red \xe2\x80\xae.txt",
    "of-git": b"HEAD/refs",
}
if sys.platform != "darwin":  # its file systems hold no name that is not UTF-8
    NAMES["not-utf-8"] = b"latin-\xe9.txt"


@pytest.mark.parametrize("case", NAMES)
def test_a_hostile_name_is_a_name(case: str, fleet: FleetEnv) -> None:
    name = NAMES[case]
    repo = fleet.repo()
    writer = fleet.root / "writer.py"
    writer.write_text(
        "import os\n"
        f"path = {name!r}\n"
        "directory = os.path.dirname(path)\n"
        "if directory: os.makedirs(directory, exist_ok=True)\n"
        "open(b'./' + path, 'wb').write(b'content')\n"
    )
    literal = name.replace(b"\\", b"\\\\")
    scope = quote_path(b"\\" + literal if name.startswith(b"!") else literal)
    if name.strip() != name or name.endswith(b"(read-only)"):
        scope = (
            f'"{scope}"'  # blanks around an entry, and a mark at its end, belong to the name only where it is quoted
        )

    fleet.run("wave", fleet.plan(plan_of(task("write", f"python3 '{writer}'", [scope]))), "--yes").ok()

    with open(os.fsencode(repo) + b"/" + name, "rb") as file:  # noqa: PTH123 - a path that is no text
        assert file.read() == b"content"
    run = state_runs(fleet, repo)["write"]
    assert [unquote_path(change.path) for change in run.files] == [name]
    listed = fleet.git_raw("ls-tree", "-r", "-z", "--name-only", "main").stdout.split(b"\0")
    assert name in listed
    record = fleet.git("show", f"main:.planning/sessions/{run.session}/runs/write.json")
    assert [unquote_path(change["path"]) for change in json.loads(record)["files"]] == [name]
    fleet.run("check").ok()
    assert_nothing_remains(fleet, repo)


@pytest.mark.leaves_worktrees("a rejected run keeps its tree")
def test_a_hostile_name_outside_of_the_scope_is_named_in_the_verdict(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    writer = fleet.root / "writer.py"
    writer.write_text("open('in.txt', 'w').close()\nopen(b'o\\nut-\\xff.txt', 'wb').close()\n")

    fleet.run(
        "wave", fleet.plan(plan_of(task("write", f"python3 '{writer}'; echo x > in.txt", ["in.txt"]))), "--yes"
    ).ok(1)

    gate = state_runs(fleet, repo)["write"].gate
    assert gate is not None
    assert [unquote_path(violation.path) for violation in gate.violations] == [b"o\nut-\xff.txt"]
