from __future__ import annotations

import itertools
from math import ceil, log2
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.integrate.train.batching import MOST, batch_size, cost
from gitfleet.integrate.train.bisecting import BaseToBlame, Eject, Line, Look, Settled

if TYPE_CHECKING:
    from collections.abc import Callable

Runs = tuple[int, ...]


def settle(runs: Runs, ok: Callable[[Runs], bool]) -> tuple[Runs | None, Runs, list[Runs]]:
    """Follow the decisions as a train does: what lands (none when the base is red), who goes, what was checked."""
    line = Line(len(runs))
    checked: list[Runs] = []
    known: dict[Runs, bool] = {}
    gone: list[int] = []
    while True:
        step = line.step()
        match step:
            case Settled():
                return runs, tuple(gone), checked
            case BaseToBlame():
                return None, (), checked
            case Look():
                prefix = runs[: step.prefix]
                if prefix not in known:
                    known[prefix] = ok(prefix)
                    checked.append(prefix)
                line = line.told(step.prefix, green=known[prefix])
            case Eject():
                gone.append(runs[step.green])
                runs = runs[: step.green] + runs[step.green + 1 :]
                line = Line(len(runs), step.green)


def breaking(*groups: frozenset[int]) -> Callable[[Runs], bool]:
    """Checks that are red on every line that holds one of these groups as a whole."""
    return lambda runs: not any(group <= set(runs) for group in groups)


def bound(count: int, ejected: int) -> float:
    return 2 + ejected * (ceil(log2(count)) + 1)


@given(st.integers(1, 40), st.lists(st.frozensets(st.integers(0, 39), min_size=1, max_size=3), max_size=5))
def test_what_lands_is_green_maximal_and_found_within_the_bound(count: int, groups: list[frozenset[int]]) -> None:
    runs, ok = tuple(range(count)), breaking(*groups)
    landed, gone, checked = settle(runs, ok)
    assert landed is not None
    assert sorted((*landed, *gone)) == list(runs)
    assert not landed or landed in checked
    assert ok(landed)
    # By brute force: nobody who went could have come along, given who was before them.
    for run in gone:
        assert not ok((*(other for other in landed if other < run), run))
    assert len(checked) == len(set(checked)) <= (bound(count, len(gone)) if gone else 1)


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_whatever_checks_say_only_what_they_passed_lands_and_it_ends(count: int, random: object) -> None:
    """Also where a check is a coin, and where a run mends what one before it broke."""
    seen: dict[Runs, bool] = {}

    def ok(runs: Runs) -> bool:
        return seen.setdefault(runs, bool(random.getrandbits(1)))  # type: ignore[attr-defined]

    landed, gone, checked = settle(tuple(range(count)), ok)
    if landed is None:
        assert seen[()] is False
        assert gone == ()
    elif landed:
        assert seen[landed]
    assert len(checked) == len(set(checked)) <= bound(count, max(1, len(gone)))


def test_a_red_base_ejects_nobody() -> None:
    assert settle((1, 2, 3), lambda _: False) == (None, (), [(1, 2, 3), ()])


def test_every_pair_of_twenty_that_breaks_together_costs_one_run_and_few_checks() -> None:
    most = 0
    for one, other in itertools.combinations(range(20), 2):
        landed, gone, checked = settle(tuple(range(20)), breaking(frozenset({one, other})))
        assert gone == (other,)
        assert landed is not None
        assert len(landed) == 19
        most = max(most, len(checked))
    print(f"20 runs, any two break together: 19 land, at most {most} checks")  # noqa: T201 - the counts are for people
    assert most <= 2 * log2(20) + 3


def test_every_three_of_twenty_that_break_alone_are_found() -> None:
    most = 0
    for three in itertools.combinations(range(20), 3):
        landed, gone, checked = settle(tuple(range(20)), breaking(*(frozenset({run}) for run in three)))
        assert gone == three
        assert landed is not None
        assert len(landed) == 17
        most = max(most, len(checked))
    print(f"20 runs, any three break alone: 17 land, at most {most} checks")  # noqa: T201 - the counts are for people
    assert most <= bound(20, 3)


# -- batches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("landed", "ejected", "size"),
    [(0, 0, MOST), (500, 0, MOST), (100, 1, MOST), (19, 1, 32), (17, 3, 8), (0, 1, 8), (10, 4, 4), (10, 10, 1)],
)
def test_batches_are_large_while_green_and_small_where_runs_break(landed: int, ejected: int, size: int) -> None:
    assert batch_size(landed, ejected) == size


@given(st.integers(0, 400), st.integers(0, 400))
def test_a_batch_is_the_cheapest_one_a_run_and_never_larger_after_a_failure(landed: int, ejected: int) -> None:
    size = batch_size(landed, ejected)
    assert 1 <= batch_size(landed, ejected + 1) <= size <= MOST
    rate = ejected / (landed + ejected + 8)
    least = min(cost(other, rate) / other for other in range(1, MOST + 1))
    assert cost(size, rate) / size == pytest.approx(least)


def test_the_expected_cost_is_what_bisecting_takes() -> None:
    """With one run of a batch of sixteen to blame on average, the formula is near what the decisions really cost."""
    size, rate = 16, 1 / 16
    spent = 0.0
    # Every set of at most two culprits, weighed by how likely it is.
    weight = 0.0
    for culprits in itertools.chain.from_iterable(itertools.combinations(range(size), many) for many in range(3)):
        likely = rate ** len(culprits) * (1 - rate) ** (size - len(culprits))
        _, _, checked = settle(tuple(range(size)), breaking(*(frozenset({run}) for run in culprits)))
        spent += likely * len(checked)
        weight += likely
    assert spent / weight == pytest.approx(cost(size, rate), rel=0.3)
