"""The words for one thing wrong, wherever it stands."""

from __future__ import annotations

import pytest

from gitfleet.model.retry import RetryConfig
from gitfleet.planner.findings import Finding, unfit_backoff, unfit_when, unknown_agent

HERE = ("verify", "when")


def test_the_longest_wait_is_not_shorter_than_the_first_one() -> None:
    assert not list(unfit_backoff(HERE, RetryConfig(initial_backoff_seconds=5, max_backoff_seconds=5)))
    (found,) = unfit_backoff(HERE, RetryConfig(initial_backoff_seconds=60, max_backoff_seconds=7.5))
    assert found.message == "the longest wait (7.5 s) is shorter than the first one (60 s)"


EVERYWHERE = "claude, codex, opencode, auto"


@pytest.mark.parametrize(
    ("entries", "trails"),
    [
        ((), []),
        (("src/", "!src/docs/"), []),
        (("!src/docs/",), [HERE]),
        (("src/", "../x"), [(*HERE, 1)]),
    ],
)
def test_a_check_that_could_never_run_is_found(entries: tuple[str, ...], trails: list[tuple[str | int, ...]]) -> None:
    assert [found.trail for found in unfit_when(HERE, entries)] == trails


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("codre", ["coder", "tester"], "did you mean `coder`?"),
        ("codre", ["x", "y"], "did you mean `codex`?"),
        ("gone", ["x", "y"], f"known: x, y, {EVERYWHERE}"),
        ("gone", ["claude"], f"known: {EVERYWHERE}"),
        (
            "gone",
            [f"agent-{n:02}" for n in range(11)],
            f"known: {', '.join(f'agent-{n:02}' for n in range(10))}, …, {EVERYWHERE}",
        ),
        ("gone", [], f"known: {EVERYWHERE}"),
    ],
)
def test_an_unknown_agent_is_named_with_those_that_there_are(name: str, known: list[str], hint: str) -> None:
    found = unknown_agent(HERE, name, known)
    assert found == Finding(HERE, f"unknown agent `{name}`", "a name from the config's agents", hint)
