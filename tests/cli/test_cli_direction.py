"""What PLAN stands for: a document, free text, or a direction; and the line that tells how a planner is getting on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from gitfleet.cli.direction import Document, Words, sentence, source_of
from gitfleet.coordinator.planning.waiting import Doing
from gitfleet.errors import ExitCode, GitfleetError
from tests.support.commands import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.repo import Repo

TABLE = "# Plan\n\n| # | Campaign | Scope |\n|---|---|---|\n| 1 | docs | docs/ |\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content", "direction"),
    [
        ("plan.yaml", "tasks: []\n", None),
        ("plan", "not a plan\n", None),
        ("two words.yaml", "tasks: []\n", None),
        ("spec.md", TABLE, None),
        ("spec.md", "# Plan\n\n## docs\n\nscope: docs/\n\nWrite it.\n", None),
        ("spec.md", "", None),
        ("spec.md", "---\nbroken: [\n---\ntext\n", None),
        ("spec.md", "\ufeff# An idea\n\nMake it fast.\n", "# An idea\n\nMake it fast."),
        ("idea.markdown", "Make it fast.\n", "Make it fast."),
        ("idea.txt", "Make it fast.\n", "Make it fast."),
        ("idea.txt", "Note: make it\nname: fast\n", "Note: make it\nname: fast"),
        ("idea.txt", "tasks:\n  - {id: a, command: x}\n", None),
        ("idea.txt", '{"tasks": []}\n', None),
        ("idea.txt", '[[tasks]]\nid = "a"\n', None),
        ("idea.txt", TABLE, None),
        ("idea.txt", "nul\0\n", None),
        ("idea.txt", "  \n", None),
        ("idea.json", "Make it fast.\n", None),
    ],
)
def test_what_exists_is_a_document_or_free_text(here: Path, name: str, content: str, direction: str | None) -> None:
    (here / name).write_text(content)
    found = source_of(name, None)
    assert found == (Words(direction) if direction else Document(content.encode(), name))


@pytest.mark.parametrize(
    ("plan", "direction", "found"),
    [
        ("Move authentication to JWT", None, "Move authentication to JWT"),
        ("  fix the bug in plan.yaml ", None, "fix the bug in plan.yaml"),
        ("read src//api and docs/./x", None, "read src//api and docs/./x"),
        ("a\nb", None, "a\nb"),
        ("word " * 5000, None, ("word " * 5000).strip()),
        ("nul \0 here", None, "nul \0 here"),
        (None, "tidy", "tidy"),
        (None, " plan.yaml ", "plan.yaml"),
    ],
)
def test_words_are_a_direction_as_they_were_typed(
    here: Path, plan: str | None, direction: str | None, found: str
) -> None:
    assert here.exists()
    assert source_of(plan, direction) == Words(found)


@pytest.mark.parametrize(
    ("plan", "direction", "code", "words"),
    [
        ("plan.yaml", None, "cannot-read", "plan.yaml cannot be read: No such file"),
        ("idea.txt", None, "cannot-read", "No such file"),
        ("plans/auth", None, "cannot-read", "No such file"),
        ("./plan", None, "cannot-read", "No such file"),
        ("tidy", None, "cannot-read", "'tidy' is neither a file nor a direction of more than one word."),
        ("", None, "cannot-read", "'' is neither"),
        (".", None, "cannot-read", ". cannot be read: Is a directory."),
        ("a b", "c", "two-plans", "Give one of the two"),
        (None, "  ", "no-direction", "The direction is empty."),
    ],
)
def test_what_is_neither_is_refused(here: Path, plan: str | None, direction: str | None, code: str, words: str) -> None:
    assert here.exists()
    with pytest.raises(GitfleetError) as refused:
        source_of(plan, direction)
    error = refused.value
    assert (error.code, error.exit_code) == (code, ExitCode.USAGE)
    assert words in f"{error.message} {error.hint}"


def test_nothing_at_all_is_wrong_usage(repo: Repo) -> None:
    with click.Context(click.Command("plan")), pytest.raises(click.UsageError, match="Missing argument 'PLAN'"):
        source_of(None, None)
    answer = run("wave", "--yes", "--repo", repo.path)
    assert (answer.code, "a direction in words" in answer.err) == (ExitCode.USAGE, True)


def test_a_link_that_leads_nowhere_is_a_file_that_is_not_there(here: Path) -> None:
    (here / "my plan").symlink_to("gone")
    with pytest.raises(GitfleetError, match="No such file"):
        source_of("my plan", None)


@pytest.mark.parametrize(
    ("doing", "words"),
    [
        (Doing(1, 65, 3), "the planner works: 1m05s"),
        (
            Doing(2, 5, 1, 3, 4, 12345, repairs=True),
            "the planner repairs its plan (call 2): 5s, 3 turns, 4 tool calls, 12,345 tokens",
        ),
        (Doing(2, 5, 1), "the planner works (call 2): 5s"),
        (Doing(1, 4, 1, stopping=True), "the planner is stopped: 4s"),
        (Doing(1, 4, 4, waiting="one\n: full"), "4s: the planner waits: one\\n: full"),
        (Doing(1, 40, 12, 0), "the planner works: 40s, 0 turns, 0 tool calls, no output for 12s"),
    ],
)
def test_how_a_planner_is_getting_on(doing: Doing, words: str) -> None:
    assert sentence(doing) == words


@pytest.mark.parametrize("budget", ["reserve", "day"])
@pytest.mark.parametrize("agent", ["codex", "claude"])
def test_dollars_bound_no_planner_whose_program_tells_no_cost(repo: Repo, agent: str, budget: str) -> None:
    text = f"planner: {{agent: {agent}}}\nbudgets: {{{budget}: {{max_usd: 2}}}}\n"
    (repo.path / ".planning").mkdir()
    (repo.path / ".planning/config.yaml").write_text(text)
    answer = run("plan", "Make it fast, please", "--json", "--repo", repo.path)
    assert (answer.json["error"]["code"] == "no-cost-told", answer.code == 2) == (agent == "codex",) * 2
    assert (f"budgets.{budget}.max_usd cannot be held for the planner codex" in answer.out) is (agent == "codex")
