"""``gitfleet check`` over a ``.planning`` directory."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitfleet.app import check as checking
from gitfleet.app.check import check_planning
from gitfleet.model.base import encode
from gitfleet.model.handoff import Discoveries
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.run import Run, RunState
from gitfleet.model.session import Session, SessionState
from gitfleet.store.documents.front_matter import render
from tests.support.fleet import ROOT
from tests.support.lowered import without_rights

if TYPE_CHECKING:
    from pathlib import Path

LAUNCHER = without_rights()
SESSION = "auth-k3f9qm"
RUN = Run(session=SESSION, task="api", name="api", wave=1, state=RunState.LANDED)
FRONT = Session(
    id=SESSION, name="auth", state=SessionState.COMPLETED, target="refs/heads/main", base="0" * 40, started="2026-01-01"
)


def write(root: Path, path: str, data: bytes | str) -> None:
    file = root / ".planning" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data.encode() if isinstance(data, str) else data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "config.yaml", "waves: {max_agents: 2}\n")
    write(tmp_path, f"sessions/{SESSION}/plan.yaml", "name: x\ntasks:\n- {id: api, instructions: x, agent: gone}\n")
    write(tmp_path, f"sessions/{SESSION}/plan.2.yaml", "name: x\ntasks:\n- {id: api, command: x}\n")
    write(tmp_path, f"sessions/{SESSION}/config.yaml", "")
    write(tmp_path, f"sessions/{SESSION}/session.md", render(FRONT, "# auth\n"))
    write(tmp_path, f"sessions/{SESSION}/waves/w1.md", "# Wave 1\n")
    write(tmp_path, f"sessions/{SESSION}/runs/api.json", encode(RUN))
    write(tmp_path, f"briefs/{SESSION}/api.md", "built\n")
    write(tmp_path, f"discoveries/{SESSION}/api.json", encode(Discoveries(session=SESSION, task="api")))
    write(tmp_path, f"momentum/{SESSION}.json", encode(SessionMomentum(session=SESSION, ended="2026-01-01")))
    return tmp_path


def found(root: Path) -> list[tuple[str, str, str, int | None]]:
    report = check_planning(root)
    assert report.valid == (not report.problems)
    return [(problem.document, problem.path, problem.message, problem.line) for problem in report.problems]


def test_valid_records_pass(root: Path) -> None:
    report = check_planning(root)
    assert report.problems == ()
    assert (report.documents, report.alien) == (10, 0)


def test_nothing_is_nothing_wrong(tmp_path: Path) -> None:
    report = check_planning(tmp_path)
    assert report.valid
    assert (report.documents, report.alien) == (0, 0)


def test_files_of_others_are_left_alone(root: Path) -> None:
    write(root, "notes/x.json", b"\xff{")
    write(root, "coordination/claims/x.json", "{")
    write(root, "sessions/readme.md", "x")
    write(root, f"sessions/{SESSION}/runs/deep/api.json", "{")
    write(root, ".gitattributes", "x")
    (root / ".planning" / os.fsdecode(b"\xff\n")).write_bytes(b"")
    report = check_planning(root)
    assert report.valid
    assert (report.documents, report.alien) == (10, 6)


@pytest.mark.parametrize(
    ("path", "data", "place", "message", "line"),
    [
        ("config.yaml", "waves: {max: 1}\n", "waves.max", "unknown field `max`", 1),
        (
            f"sessions/{SESSION}/plan.yaml",
            "tasks:\n- {id: a, command: x, deps: [b]}\n",
            "tasks[0].deps[0]",
            "unknown",
            2,
        ),
        (f"sessions/{SESSION}/session.md", "# no front matter\n", "", "the first line is not `---`", 1),
        (f"sessions/{SESSION}/session.md", "---\nid: 5\nbogus: 1\n---\n", "schema", "`schema` is missing", None),
        (
            f"sessions/{SESSION}/session.md",
            render(FRONT, "").replace(b"auth-k3f9qm", b"other"),
            "id",
            "says `other`",
            None,
        ),
        (f"sessions/{SESSION}/waves/w1.md", b"a\n\xff", "", "is not UTF-8", 2),
        (f"sessions/{SESSION}/runs/api.json", b"{}", "schema", "`schema` is missing", 1),
        (f"sessions/{SESSION}/runs/api.json", b'{\n"a": \xff}', "", "byte 0xff is not UTF-8", 2),
        (f"sessions/{SESSION}/runs/ui.json", encode(RUN), "task", "says `api`, but its path says `ui`", None),
        ("sessions/other-k3f9qm/runs/api.json", encode(RUN), "session", "says `auth-k3f9qm`", None),
        (f"briefs/{SESSION}/api.md", b"a\0", "", "holds a NUL", None),
        (f"discoveries/{SESSION}/api.json", b"[]", "", "found a list", 1),
        (f"momentum/{SESSION}.json", b"", "", "not valid JSON", 1),
    ],
)
def test_what_is_wrong_is_placed(
    root: Path, path: str, data: bytes | str, place: str, message: str, line: int | None
) -> None:
    write(root, path, data)
    problems = found(root)
    assert {document for document, *_ in problems} == {f".planning/{path}"}
    assert any(at == place and message in said and number == line for _, at, said, number in problems)


def test_links_are_not_followed_out(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "config.yaml").write_text("waves: 5\n")
    (outside / "api.json").write_bytes(b"{")
    (root / ".planning" / "config.yaml").unlink()
    (root / ".planning" / "config.yaml").symlink_to(outside / "config.yaml")
    (root / ".planning" / "live").symlink_to(outside)
    (root / ".planning" / "briefs" / "else-k3f9qm").symlink_to(outside)
    (root / ".planning" / "sessions" / SESSION / "runs" / "loop.json").symlink_to("loop.json")
    problems = {document: message for document, _, message, _ in found(root)}
    assert problems.pop(".planning/config.yaml") == "is a symlink that leaves the worktree"
    assert list(problems) == [f".planning/sessions/{SESSION}/runs/loop.json"]


def test_a_link_inside_the_worktree_is_read(root: Path) -> None:
    (root / "fleet.yaml").write_text("waves: 5\n")
    (root / ".planning" / "config.yaml").unlink()
    (root / ".planning" / "config.yaml").symlink_to("../fleet.yaml")
    assert [message for _, _, message, _ in found(root)] == ["found the value 5"]


def test_a_planning_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".planning").symlink_to(tmp_path)
    assert [message for _, _, message, _ in found(tmp_path)] == ["is a symlink and is not followed"]


def test_a_pipe_does_not_hang_and_size_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / ".planning" / "momentum" / "pipe-k3f9qm.json")
    write(root, f"briefs/{SESSION}/big.md", b"x" * 5000)
    monkeypatch.setattr(checking, "MAX_BYTES", 4000)
    assert {(document, message) for document, _, message, _ in found(root)} == {
        (f".planning/briefs/{SESSION}/big.md", "has 5000 bytes, more than the 4000 that a record may have"),
        (".planning/momentum/pipe-k3f9qm.json", "is not a regular file"),
    }


def test_the_number_of_files_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MAX_FILES", 3)
    assert [message for _, _, message, _ in found(root)] == ["holds more than 3 files; the rest was not checked"]


@pytest.mark.skipif(LAUNCHER is None, reason="root reads everything, and there is no way to run without its rights")
def test_what_cannot_be_read_is_told(root: Path) -> None:
    assert LAUNCHER is not None
    (root / ".planning" / "config.yaml").chmod(0)
    script = "import sys, pathlib; from gitfleet.app.check import check_planning as check; "
    script += "print(*(problem.message for problem in check(pathlib.Path(sys.argv[1])).problems), sep=chr(10))"
    line = [*LAUNCHER, sys.executable, "-c", script, str(root)]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot be read"), done.stdout
