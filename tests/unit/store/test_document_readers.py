"""Readers answer with data or with problems, whatever the bytes are."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitfleet.app.load import load_config, load_plan
from gitfleet.errors import GitfleetError, Problem
from gitfleet.model.config import Config
from gitfleet.store.documents.reading import Format, format_of, read
from gitfleet.store.documents.source import Place, Source, pruned, related, show, trail_text

SOUP = st.lists(
    st.sampled_from(
        [
            *b"{}[]()<>:-,#&*!|>'\"%@`\\ \t\n\r=.0aZ~?/\x7f\x00\xff\xc3\xa9".decode("latin-1"),
            "tasks:",
            "- id: a\n",
            "## a\n",
            "| Campaign |\n|---|\n",
            "[[tasks]]\n",
            "---\n",
            "<<: *a\n",
            "&a ",
            "%YAML 9\n",
            "\u2028",
            "scope:",
        ]
    ),
    max_size=30,
).map("".join)
BYTES = st.binary(max_size=60) | SOUP.map(lambda text: text.encode("latin-1", "replace")) | SOUP.map(str.encode)


@settings(max_examples=300, deadline=None)
@given(BYTES, st.sampled_from(["p", "p.yaml", "p.json", "p.toml", "p.md"]))
@example(b"%TAG ! x\n--- !a b", "p.yaml")
@example(b"%YAML 1.1\n--- a", "p.yaml")
@example(b'"\\U00110000"', "p.yaml")
@example(b"? [a]\n: b", "p.yaml")
@example(b"a: " + b"9" * 5000, "p.yaml")
@example(b"[" + b"9" * 5000 + b"]", "p.json")
@example(b"a = " + b"9" * 5000, "p.toml")
@example(b"a = 2026-13-45", "p.toml")
@example(b"tasks: [{id: a, command: x, estimate: {minutes: 1e999}}]", "p.yaml")
@example(b"## " + b"9" * 5000 + b" x", "p.md")
@example(b"| # | Campaign |\n|---|---|\n| " + b"9" * 5000 + b" | x |", "p.md")
@example(b"tasks: [{id: a, command: x, priority: 99999999999999999999999}]", "p.yaml")
def test_only_refusals_come_out(data: bytes, name: str) -> None:
    for load in (load_plan_problems, load_config_problems):
        for problem in load(data, name):
            assert problem.message
            assert all(char.isprintable() for char in str(problem).replace("\n", ""))


def load_plan_problems(data: bytes, name: str) -> tuple[Problem, ...]:
    try:
        load_plan(data, name, Config())
    except GitfleetError as error:
        return error.problems
    return ()


def load_config_problems(data: bytes, name: str) -> tuple[Problem, ...]:
    try:
        load_config(data, name)
    except GitfleetError as error:
        return error.problems
    return ()


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-99, 99)
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab\n"\\é', max_size=3), inner, max_size=3),
        max_leaves=10,
    ),
    st.sampled_from([None, 1]),
)
def test_json_values_stand_where_they_are_said_to(data: object, indent: int | None) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=False)
    source = read(text.encode(), "x.json")
    assert isinstance(source, Source)
    assert source.data == data
    lines = text.split("\n")
    for trail, place in source.values.items():
        assert place.column is not None
        value = data
        for step in trail:
            value = value[step]  # type: ignore[index]
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value


def test_yaml_places_are_those_of_the_text() -> None:
    source = read(b"a:\n  - b: [x, {c: d}]\n", "x.yaml")
    assert isinstance(source, Source)
    assert source.place(("a", 0, "b", 1, "c")) == Place(2, 16)
    assert source.place(("a", 0, "b"), key=True) == Place(2, 5)
    assert source.place(("a", 0, "b", 7)) == Place(2, 8)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("2026-01-01", "2026-01-01"),
        ("12:30", "12:30"),
        ("010", 10),
        ("0o10", 8),
        ("0x10", 16),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("~", None),
        ("", None),
        ("True", True),
        ("'1'", "1"),
        ('"\\u00e9"', "é"),
        ("+1", 1),
        ("-", [None]),
        ("=", "="),
        (".inf", ".inf"),
    ],
)
def test_plain_words_are_what_they_look_like(text: str, value: object) -> None:
    source = read(f"a:\n  {text}\n".encode(), "x.yaml")
    assert isinstance(source, Source)
    assert source.data == {"a": value}


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.YAML", "{}", Format.YAML),
        ("a.json", "a: b", Format.JSON),
        ("a.txt", ' {"tasks": []}', Format.JSON),
        ("a", "# comment\ntasks:\n", Format.YAML),
        ("a", "# title\n## task\n", Format.MARKDOWN),
        ("a", "# c\n[[tasks]]\nid = 'x'\n", Format.TOML),
        ("a", "| Campaign |\n|---|\n", Format.MARKDOWN),
        ("a", "", Format.YAML),
    ],
)
def test_the_format_is_chosen_by_suffix_then_content(name: str, text: str, wanted: Format) -> None:
    assert format_of(name, text) is wanted


def test_places_are_written_for_people() -> None:
    assert trail_text(("tasks", 2, "scope", 0)) == "tasks[2].scope[0]"
    assert trail_text(("agents", "my agent", "argv")) == 'agents["my agent"].argv'
    assert trail_text(()) == ""
    assert show("a\x1b[31m\n") == "a\\x1b[31m\\n"
    assert len(show("x" * 500)) == 60


def test_pruning_takes_the_nearest_key_and_leaves_the_original() -> None:
    data: dict[str, object] = {"tasks": [{"id": 1, "scope": ["a", 5], "w": {"x": 1}}, 7], "z": 1}
    rest = pruned(data, [("tasks", 0, "scope", 1), ("tasks", 0, "w", "x"), ("z",), ("none", "x")])  # type: ignore[arg-type]
    assert rest == {"tasks": [{"id": 1, "w": {}}, 7]}
    assert data["z"] == 1
    assert related(("a", 1), ("a",))
    assert not related(("a", 1), ("a", 2))


def test_messages_hold_no_control_characters_and_are_short() -> None:
    data = b'tasks:\n- {id: a, command: x, scope: ["../\\e[31m\\n", "/' + b"x" * 5000 + b'"]}\n'
    messages = [problem.message for problem in load_plan_problems(data, "p.yaml")]
    assert messages[0].startswith("bad entry `../\\x1b[31m\\n`: `..` is not allowed")
    assert len(messages[1]) == 500
