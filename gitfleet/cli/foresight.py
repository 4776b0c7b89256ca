"""How coupling and the forecast are told: a line each in every plan, and the evidence with ``--explain``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gitfleet.cli.output import Line
from gitfleet.model.words import plural, roughly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.model.reports import Disclosure
    from gitfleet.model.reports.plans import CoupledTasks, PlanForecast

_BASES = {
    "estimate": "the plan's estimates",
    "measured": "past sessions",
    "usual": "what is usual for their kind",
}


def outlook(disclosure: Disclosure) -> str:
    """The forecast in a line; empty where there is nothing to foresee."""
    found = disclosure.forecast
    if found is None or disclosure.agents < 2 or found.parallel_minutes is None or found.sequence_minutes is None:
        return ""
    return f"{roughly(found.parallel_minutes)}, one agent alone {roughly(found.sequence_minutes)} (not measured)"


def warnings(disclosure: Disclosure) -> Iterator[Line]:
    """What a person should think about before the start; nothing here blocks."""
    if disclosure.coupled:
        first = disclosure.coupled[0]
        files = first.files[0]
        more = f"; {plural(len(disclosure.coupled) - 1, 'more pair')} of tasks" if len(disclosure.coupled) > 1 else ""
        yield Line(
            f"coupled: {first.first} and {first.second} run at once, and {files.first} and {files.second} changed "
            f"together in {files.together} of {files.fewer} commits{more}",
            "yellow",
        )
    if disclosure.forecast is not None and disclosure.agents > 1:
        for doubt in disclosure.forecast.doubts:
            yield Line(f"several agents may not be worth it: {doubt}", "yellow")


def reasons(disclosure: Disclosure) -> Iterator[Line]:
    """The evidence behind both."""
    found = disclosure.forecast
    if found is None:
        return
    yield Line()
    yield Line("forecast", "bold")
    yield from _time(disclosure, found)
    if disclosure.budget_tokens:
        yield Line(f"  tokens: hints of {disclosure.budget_tokens:,}, by several agents or by one; not measured")
    yield Line(f"  changes that clash though no file is shared: {found.clash}")
    history = disclosure.history
    if history is None:
        return
    yield Line()
    yield Line("coupling", "bold")
    large = f", {history.large} more left out for their size" if history.large else ""
    cut = f"; nothing older was read ({_CUTS[history.cut]})" if history.cut else ""
    yield Line(f"  {plural(history.commits, 'commit')} of history{large}{cut}")
    if not disclosure.coupled:
        yield Line("  no two tasks that run at once write what history couples")
    for pair in disclosure.coupled:
        yield from _pair(pair)


_CUTS = {
    "commits": "enough of them",
    "seconds": "it took too long",
    "bytes": "it was too much",
    "missing": "this clone lacks it",
}


def _time(disclosure: Disclosure, found: PlanForecast) -> Iterator[Line]:
    tasks = [task for wave in disclosure.waves for task in wave.tasks]
    unknown = [task.task for task in tasks if task.minutes is None]
    if unknown:
        yield Line(f"  time: not known; no estimate and nothing measured for {_some(unknown)}")
    else:
        count = Counter(task.minutes_from for task in tasks)
        bases = [f"{_BASES[basis]} ({count[basis]})" for basis in _BASES if count[basis]]
        yield Line(f"  minutes of tasks from {', '.join(bases)}")
        if len(found.chain) > 1 and found.chain_minutes is not None:
            yield Line(f"  longest chain: {' -> '.join(found.chain)}, {roughly(found.chain_minutes)}")
    added = [
        f"{name} {roughly(minutes)}" if minutes is not None else f"{name} not measured, left out"
        for name, minutes in (("a worktree", found.preparing_minutes), ("a landing's checks", found.landing_minutes))
    ]
    yield Line(f"  on top: {'; '.join(added)}")


def _pair(pair: CoupledTasks) -> Iterator[Line]:
    yield Line(
        f"  {pair.first} and {pair.second}: {pair.together} of {plural(pair.either, 'commit')} to one's scope or the "
        "other's changed both"
    )
    for files in pair.files:
        yield Line(
            f"    {files.first} with {files.second}: {files.together} of {files.fewer} times, {files.lift:g} times as "
            "often as by chance"
        )
    if pair.more:
        yield Line(f"    and {plural(pair.more, 'more pair')} of files")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
