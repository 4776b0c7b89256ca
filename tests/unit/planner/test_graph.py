from __future__ import annotations

from gitfleet.model.plan import Estimate, Task
from gitfleet.planner.graph import ancestors, chains, dependents, in_order, reaches, unknown_dependencies
from gitfleet.planner.knots import circles


def task(name: str, *wanted: str, minutes: float | None = None) -> Task:
    return Task(id=name, command="x", depends_on=wanted, estimate=Estimate(minutes=minutes) if minutes else None)


def test_a_circle_is_named_in_full() -> None:
    assert list(circles({"a": [], "b": ["a"]})) == []
    assert list(circles({"a": ["a"]})) == [["a", "a"]]
    waits: dict[str, list[str]] = {"z": ["a"], "a": ["b"], "b": ["c", "x"], "c": ["a"], "x": []}
    assert list(circles(waits)) == [["a", "b", "c", "a"]]


def test_a_task_behind_a_circle_is_not_taken_for_a_part_of_it() -> None:
    assert list(circles({"late": ["b"], "b": ["a"], "a": ["b"]})) == [["b", "a", "b"]]


def test_each_knot_is_named_by_a_shortest_way_around_it() -> None:
    waits = {"a": ["b"], "b": ["c", "a"], "c": ["a"], "p": ["q", "a"], "q": ["p"]}
    assert list(circles(waits)) == [["a", "b", "a"], ["p", "q", "p"]]


def test_unknown_dependencies_are_all_listed() -> None:
    assert unknown_dependencies([task("a", "b", "c"), task("c", "d")]) == (("a", "b"), ("c", "d"))


def test_dependencies_come_first_and_the_plan_orders_the_rest() -> None:
    tasks = [task("late", "b", "b"), task("a"), task("b", "a", "elsewhere"), task("c")]
    assert [entry.id for entry in in_order(tasks)] == ["a", "c", "b", "late"]
    assert [entry.id for entry in in_order([task("a", "b"), task("b", "a"), task("c")])] == ["c"]


def test_dependents_are_listed_once() -> None:
    assert dependents([task("a"), task("b", "a", "a"), task("c", "a")]) == {"a": ("b", "c"), "b": (), "c": ()}


def test_order_is_transitive() -> None:
    tasks = [task("a"), task("b", "a"), task("c", "b"), task("d", "a")]
    before = ancestors(tasks)
    place = {entry.id: number for number, entry in enumerate(tasks)}
    assert reaches(before, place, "a", "c")
    assert reaches(before, place, "c", "a")
    assert not reaches(before, place, "c", "d")


def test_a_chain_is_weighed_in_minutes_or_in_tasks() -> None:
    assert chains([task("a"), task("b", "a"), task("c", "b"), task("d")]) == {"a": 3, "b": 2, "c": 1, "d": 1}
    weighed = chains([task("a", minutes=10), task("b", "a"), task("c", minutes=30), task("d", minutes=20)])
    assert weighed == {"a": 30, "b": 20, "c": 30, "d": 20}


def test_an_estimate_of_tokens_alone_says_nothing_about_minutes() -> None:
    assert chains([Task(id="a", command="x", estimate=Estimate(tokens=5))]) == {"a": 1}
