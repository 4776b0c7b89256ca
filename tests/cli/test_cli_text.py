from __future__ import annotations

import io

import pytest

from gitfleet.cli.output import Block, Line, Table, console, draw, plain
from gitfleet.cli.text import block, duration, headed, inline, size, spent, width


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1, 0, 1), "1 turn, 0 tool calls, 1 token"),
        ((2, 1, 1204), "2 turns, 1 tool call, 1,204 tokens"),
        ((0, None, None), "0 turns, - tool calls, - tokens"),
    ],
)
def test_what_an_agent_used_is_counted_in_words(
    given: tuple[int | None, int | None, int | None], expected: str
) -> None:
    assert spent(*given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\\nlines\\tand a tab"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("back\rover", "back\\x0dover"),
        ("\x9b31m", "\\x9b31m"),
        ("right\u202eleft", "right\\u202eleft"),
        ("line\u2028separator", "line\\u2028separator"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\\xe9"),
        ("ünïcode 日本", "ünïcode 日本"),
    ],
)
def test_one_line_of_anything_cannot_act_on_a_terminal(given: str, expected: str) -> None:
    assert inline(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m\n", "red\n"),
        ("10%\r50%\r\n", "10%\n50%\n"),
        ("a\tb\n", "a\tb\n"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x07", "link"),
        ("half \x1b", "half \\x1b"),
        ("bell\x07", "bell\\x07"),
    ],
)
def test_program_output_keeps_lines_and_loses_its_power(given: str, expected: str) -> None:
    assert block(given) == expected


def test_lengths_are_written_for_people() -> None:
    assert [duration(value) for value in (None, 0.9, 59, 60, 3725)] == ["-", "0s", "59s", "1m00s", "1h02m"]
    assert [size(value) for value in (None, 0, 999, 1000, 2_500_000)] == ["-", "0 B", "999 B", "1.0 kB", "2.5 MB"]


def test_wide_and_combining_characters_count_as_a_terminal_counts_them() -> None:
    assert [width(text) for text in ("abc", "日本", "e\u0301")] == [3, 4, 1]


def test_piped_tables_align_and_never_cut() -> None:
    long = "x" * 300
    text = plain(
        [Line("head"), Table(("name", "value"), [("日本", "1"), ("b", long)]), Block("one\n\x1b[31mtwo", "| ")]
    )
    assert text == f"head\nname  value\n日本  1\nb     {long}\n| one\n| two\n"


def test_an_empty_table_draws_nothing() -> None:
    assert plain([Table(("a",), [])]) == ""


def test_a_terminal_view_keeps_whole_values_and_neutralises_markup() -> None:
    stream = io.StringIO()
    draw([Line("[bold]not markup[/bold]"), Table(("name",), [("\x1b[2Jx",), ("landed",)])], console(stream))
    text = stream.getvalue()
    assert "[bold]not markup[/bold]" in text
    assert "\\x1b[2Jx" in text
    assert "\x1b[2J" not in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("It failed.", "It failed."),
        ("`make` ended with exit code 1:\nboom\nboom (not retried)", "`make` ended with exit code 1 ..."),
        ("one\n", "one"),
        ("", ""),
    ],
)
def test_what_goes_on_for_many_lines_is_told_by_its_first(given: str, expected: str) -> None:
    assert headed(given) == expected


@pytest.mark.parametrize(("across", "whole"), [(60, True), (34, False)])
def test_a_table_breaks_no_word_where_there_is_no_room_for_its_columns(
    across: int, *, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(across))
    stream = io.StringIO()
    table = Table(("task", "attempts", "turns", "cost", ""), [("contributing", "3", "", "$0.0012", "exactly")])
    draw([table], console(stream))
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    below = ["contributing", "  attempts 3  cost $0.0012", "  exactly"]
    assert lines == (plain([table]).splitlines() if whole else below)
