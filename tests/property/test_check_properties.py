"""``gitfleet check`` over damaged records: whatever bytes are there, it answers, and with problems at places."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.app.check import check_planning

EXAMPLE = Path(__file__).parents[2] / ".planning-example"
FILES = sorted(path.relative_to(EXAMPLE) for path in EXAMPLE.rglob("*") if path.is_file())
KINDS = {("/".join(path.parts[:1]), path.parts[-2] if len(path.parts) > 2 else "", path.suffix): path for path in FILES}
PATHS = sorted(KINDS.values())

PIECES = st.one_of(
    st.binary(max_size=64),
    st.sampled_from(
        [b"\0", b"\xff", b"[" * 5000, b"{" * 5000, b"---\n", b'"', b"\\ud800", b"1e999", b"9" * 400, b"\xe2\x80\xa8"]
    ),
    st.text(max_size=32).map(lambda text: text.encode("utf-8", "replace")),
)


@settings(max_examples=200, deadline=None)
@given(path=st.sampled_from(PATHS), data=st.data())
def test_any_bytes_in_any_record_are_answered(path: Path, data: st.DataObject) -> None:
    content = (EXAMPLE / path).read_bytes()
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, min(len(content), begin + 200)))
    damaged = data.draw(st.sampled_from(["replaced", "cut", "random"]))
    piece = data.draw(PIECES)
    new = {"replaced": content[:begin] + piece + content[end:], "cut": content[:begin], "random": piece}[damaged]
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / ".planning" / path).parent.mkdir(parents=True)
        (root / ".planning" / path).write_bytes(new)

        report = check_planning(root)

    assert report.documents + report.alien == 1
    for problem in report.problems:
        assert problem.document == f".planning/{path.as_posix()}"
        assert problem.message
        assert problem.line is None or 1 <= problem.line <= len(new) + 2


def test_the_example_holds_every_kind_of_record_and_is_valid() -> None:
    assert {path.suffix for path in PATHS} >= {".json", ".yaml", ".md"}
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(EXAMPLE, Path(directory) / ".planning")
        report = check_planning(Path(directory))
    assert report.problems == ()
    assert report.documents > 20
