from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitfleet.model.paths import quote_path, unquote_path

PATHS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=3), st.sampled_from([b'"', b"\\", b"\n", b"\xff", "é".encode(), b"/", b"0"])
    ),
    max_size=12,
).map(b"".join)


@given(PATHS)
@example(b'"')
@example(b"\\")
@example(b"\xff1")
@example(b"\x011")
@example(b"\xc3\xa9\xc3")
def test_every_path_survives_a_document(path: bytes) -> None:
    quoted = quote_path(path)
    quoted.encode("utf-8")
    assert not any(ord(char) < 32 or ord(char) == 127 for char in quoted)
    assert unquote_path(quoted) == path


@given(PATHS, PATHS)
def test_two_paths_never_look_the_same(one: bytes, other: bytes) -> None:
    assert (quote_path(one) == quote_path(other)) is (one == other)


@given(st.text(alphabet='"\\a017né', max_size=8).map(lambda text: f'"{text}'))
@settings(max_examples=300)
def test_what_is_read_at_all_is_read_as_it_was_meant(text: str) -> None:
    try:
        path = unquote_path(text)
    except ValueError:
        return
    assert text.endswith('"')
    assert unquote_path(quote_path(path)) == path
    # What stands between the quotes is whole: no quote is left over, and none is escaped away.
    inside = text[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inside
    assert not inside.endswith("\\")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"', "unbalanced"),
        ('"a', "unbalanced"),
        ('"a"b"', "unbalanced"),
        ('"a"b', "unbalanced"),
        ('"a\\"', "unbalanced"),
        ('"a\\\\\\"', "unbalanced"),
        ('"a\\q"', "unknown escape"),
        ('"\\18"', "unknown escape"),
        ('"\\1"', "unknown escape"),
        ('"\\400"', "unknown escape"),
        ('"\\777"', "unknown escape"),
    ],
)
def test_a_broken_quotation_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        unquote_path(text)


def test_a_path_is_quoted_as_git_quotes_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    repo = tmp_path_factory.mktemp("quoting")
    names = [
        b"plain",
        b"a b",
        b'q"uote',
        b"b\\s",
        b"tab\t",
        b"nl\n",
        b"\x01",
        b"\x7f",
        b"\xff\xfe",
        "é".encode(),
        b"\xc3\xa9\xff",
    ]
    subprocess.run(["git", "init", "-q", repo], check=True)
    zeros = "".join(f"100644 {'1' * 40}\t" + name.decode("utf-8", "surrogateescape") + "\0" for name in names)
    feed = zeros.encode("utf-8", "surrogateescape")
    subprocess.run(["git", "update-index", "-z", "--index-info"], cwd=repo, input=feed, check=True)
    listed = subprocess.run(
        ["git", "-c", "core.quotePath=false", "ls-files"], cwd=repo, stdout=subprocess.PIPE, check=True
    ).stdout.splitlines()
    assert len(listed) == len(names)
    read = [unquote_path(line.decode("utf-8", "surrogateescape")) if line[:1] == b'"' else line for line in listed]
    assert sorted(read) == sorted(names)
