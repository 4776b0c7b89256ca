"""What the structs of plans, configs and errors answer."""

from __future__ import annotations

from gitfleet.errors import GitfleetError, Kind, Problem
from gitfleet.model.config import TimeoutsConfig
from gitfleet.model.later import is_later_value, later_fields
from gitfleet.model.plan import Check, TaskKind
from gitfleet.model.reports import ErrorReport


def test_each_kind_of_task_has_its_deadline() -> None:
    timeouts = TimeoutsConfig(skill=1, research=2, build=3, verify=4)
    assert [timeouts.of(kind) for kind in TaskKind] == [1, 2, 3, 4]


def test_a_check_is_called_by_its_name_or_its_command() -> None:
    assert Check(run="pytest -q").title == "pytest -q"
    assert Check(run="pytest -q", name="tests").title == "tests"


def test_later_fields_are_named_as_people_write_them() -> None:
    assert "tasks[].scorer" in later_fields("plan")
    assert "landing" in later_fields("config")
    assert is_later_value("config", ("waves", "overlap"), "narrow")
    assert not is_later_value("config", ("waves", "overlap"), "sequence")


def test_an_error_report_says_what_the_error_says() -> None:
    problem = Problem("plan.yaml", "tasks[0].id", "is missing", expected="a name", hint="give one", line=3, column=5)
    error = GitfleetError(Kind.DOCUMENT, "invalid-plan", "It is wrong.", hint="Mend it.", problems=[problem])
    told = ErrorReport.of(error).error
    assert (told.kind, told.code, told.message, told.hint) == ("document", "invalid-plan", "It is wrong.", "Mend it.")
    (placed,) = told.problems
    assert (placed.document, placed.path, placed.line, placed.column) == ("plan.yaml", "tasks[0].id", 3, 5)
    assert (placed.message, placed.expected, placed.hint) == ("is missing", "a name", "give one")
