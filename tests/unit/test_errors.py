from __future__ import annotations

import pytest

from gitfleet.errors import ExitCode, GitfleetError, Kind, Problem


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("p.yaml", "", "it is empty"), "p.yaml: it is empty"),
        (Problem("p.yaml", "tasks[0]", "no id", line=3), "p.yaml:3: tasks[0]: no id"),
        (
            Problem("p.yaml", "tasks[0].id", "bad", expected="a word", hint="rename it", line=3, column=7),
            "p.yaml:3:7: tasks[0].id: bad (expected a word); rename it",
        ),
        # A column without a line means nothing.
        (Problem("p.toml", "name", "bad", column=7), "p.toml: name: bad"),
    ],
)
def test_a_problem_is_one_line_that_an_editor_can_jump_to(problem: Problem, line: str) -> None:
    assert str(problem) == line


def test_every_kind_has_an_exit_code_and_scripts_can_rely_on_the_numbers() -> None:
    assert {kind: int(kind.exit_code) for kind in Kind} == {
        Kind.RUNS_FAILED: 1,
        Kind.USAGE: 2,
        Kind.DOCUMENT: 2,
        Kind.NEEDS_PERSON: 3,
        Kind.ENVIRONMENT: 4,
        Kind.BUSY: 5,
        Kind.INTERRUPTED: 130,
        Kind.DEFECT: 70,
    }


def test_a_refusal_carries_every_problem() -> None:
    problems = [Problem("p.yaml", "", "one"), Problem("p.yaml", "", "two")]
    error = GitfleetError(Kind.DOCUMENT, "invalid-plan", "The plan is wrong.", hint="Mend it.", problems=problems)
    assert (str(error), error.hint, error.problems) == ("The plan is wrong.", "Mend it.", tuple(problems))
    assert error.exit_code is ExitCode.USAGE
