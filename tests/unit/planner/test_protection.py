"""Which paths are protected, in which spellings, and which words of a check may name its script."""

from __future__ import annotations

import pytest

from gitfleet.planner.protection import Protection, Word, words_of
from gitfleet.planner.scopes import ScopeError

ALL = ("@ci", "@locks", "@checks")


@pytest.mark.parametrize(
    ("path", "held"),
    [
        (b".github/workflows/x.yml", True),
        (b".github/CODEOWNERS", False),
        (b"docs/.github/workflows/x.yml", False),
        (b".gitlab-ci.yml", True),
        (b"package-lock.json", True),
        (b"web/deep/package-lock.json", True),
        (b"Package-Lock.json", False),
        (b"package-lock.json5", False),
        (b"migrations/1.sql", False),
        (b"ci/check.sh", True),
        (b"ci/Check.sh", False),
    ],
)
def test_the_words_of_the_default(path: bytes, held: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert Protection.of(ALL, [b"ci/check.sh"]).holds(path) is held


@pytest.mark.parametrize("path", [b"Package-Lock.json", b".GitHub/Workflows/x", b"CI/check.SH", b"JENKINSFILE"])
def test_a_folding_repository_takes_every_spelling(path: bytes) -> None:
    assert Protection.of(ALL, [b"ci/check.sh"], fold=True).holds(path)


def test_both_forms_of_an_accent_are_one_name_where_names_fold() -> None:
    composed, decomposed = "caf\u00e9.sh".encode(), "cafe\u0301.sh".encode()
    assert Protection.of(ALL, [composed], fold=True).holds(decomposed)
    assert not Protection.of(ALL, [composed]).holds(decomposed)


def test_patterns_and_their_exclusions() -> None:
    protection = Protection.of(["@locks", "deploy/**/*.yml", "!vendor"])
    assert protection.holds(b"deploy/a/b.yml")
    assert not protection.holds(b"deploy/a/b.txt")
    assert protection.holds(b"go.sum")
    assert not protection.holds(b"vendor/go.sum")
    with pytest.raises(ScopeError):
        Protection.of(["../x"])


def test_without_the_word_the_checks_files_are_free() -> None:
    assert not Protection.of(["@ci"], [b"check.sh"]).holds(b"check.sh")
    assert not Protection.of([], [b"check.sh"]).holds(b".github/workflows/x")


def test_a_link_in_front_of_a_shared_place_is_one_too() -> None:
    protection = Protection.of(["@ci"])
    assert protection.holds(b".github", link=True)
    assert not protection.holds(b".github")
    assert not protection.holds(b"src", link=True)


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("./check.sh --fast", {"check.sh"}),
        ("sh ./check.sh a.txt", {"sh", "check.sh"}),
        ("CI=1 bash -e ci/x y", {"bash", "ci/x"}),
        ("cd sub && make", {"cd", "make"}),
        ("python -m pytest tests/x.py", {"python", "pytest"}),
        ("sh -c 'tools/a b; tools/c'", {"sh", "tools/a", "tools/c"}),
        ("if ! ./a; then . ./b; fi", {"if", "!", "a", "then", ".", "b", "fi"}),
        ("x=$(tools/v) && (cd y; ./z)", {"tools/v", "cd", "z"}),
        ("/usr/bin/env python3.11 tools/c.py", {"python3.11", "tools/c.py"}),
        ("../out/side $HOME/x", set()),
        ("", set()),
    ],
)
def test_what_a_command_runs(command: str, run: set[str]) -> None:
    assert {word.text for word in words_of(command) if word.run} == run


def test_other_words_are_named_only() -> None:
    assert Word("a.txt", run=False) in words_of("grep -q x ./a.txt")
