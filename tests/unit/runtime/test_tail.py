"""The end of an output is plain text, a few lines, whatever a program printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.runtime.tail import last_lines, plain_tail

if TYPE_CHECKING:
    from tests.support.agents import Stage


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"one\ntwo\n\n \n", "one\ntwo"),
        (b"\x1b[31;1mred\x1b[0m \x1b]0;title\x07x\x1b]8;;http://a\x1b\\y\n", "red xy"),
        (b"10%\r50%\r100%\r\nok\r\n", "100%\nok"),
        (b"a\x00b\x08c\td\x7f\xc2\x9b", "abc\td"),
        (b"\xff\xe2\x82\n", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"\x1b(Bx\x1b7y\x1b", "xy"),
    ],
)
def test_output_becomes_plain_text(data: bytes, text: str) -> None:
    assert plain_tail(data) == text


def test_the_tail_is_bounded_in_lines_and_characters() -> None:
    assert plain_tail(b"".join(b"%d\n" % n for n in range(100)), lines=3) == "97\n98\n99"
    assert plain_tail(b"x" * 100 + b"end", characters=10) == "…xxxxxxend"


def test_the_last_lines_of_an_attempt_are_read(stage: Stage) -> None:
    handle = stage.start("sh", "-c", "seq 1 100000; printf '\\033[1mlast'")
    stage.host.wait(handle)
    assert last_lines(stage.host, handle, lines=2) == "100000\nlast"
