"""What history and past sessions say about a plan: gathered here, judged by the planner, told with the disclosure.

It never fails and never blocks: where history or records cannot be read, less is said.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from gitfleet.errors import GitfleetError
from gitfleet.git.engine import MissingObject
from gitfleet.git.engines import open_objects
from gitfleet.git.history import read_history
from gitfleet.model.base import decode
from gitfleet.model.paths import quote_path
from gitfleet.model.reports.plans import CoupledFiles, CoupledTasks, Disclosure, HistoryRead, PlanForecast
from gitfleet.model.run import Run
from gitfleet.planner.coupling import Coupled, couplings
from gitfleet.planner.forecast import Forecast, forecast
from gitfleet.planner.graph import ancestors, reaches
from gitfleet.planner.past import past_of
from gitfleet.planner.scopes import overlap
from gitfleet.store.history_cache import keep_history, load_history
from gitfleet.store.reading import StateReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitfleet.app.sessions.survey import Survey
    from gitfleet.app.workspace import Workspace
    from gitfleet.model.config import Config
    from gitfleet.model.history import History
    from gitfleet.model.plan import Plan
    from gitfleet.planner.scopes import Scope
    from gitfleet.planner.waves import Schedule

RUNS = 300
"""Run records of past sessions that are read."""


def foretell(
    disclosure: Disclosure,
    workspace: Workspace,
    survey: Survey,
    plan: Plan,
    placed: Schedule,
    config: Config,
    scopes: dict[str, Scope],
    *,
    fold: bool,
) -> Disclosure:
    """Add to a disclosure what is coupled, and what the plan may come to."""
    at_once = _at_once(plan, placed, config, scopes, fold=fold)
    history: History | None = None
    coupled: tuple[Coupled, ...] = ()
    if at_once is not None:
        history = _history(workspace, disclosure.base)
        coupled = couplings(history, scopes, at_once, survey.paths.__contains__, fold=fold)
    counted = _counted(history)
    past = past_of(_past_runs(workspace, survey))
    found = forecast(plan, placed, config, scopes, past, coupled, commits=counted.commits if counted else 0, fold=fold)
    waves = tuple(
        msgspec.structs.replace(
            wave,
            tasks=tuple(
                msgspec.structs.replace(
                    row, minutes=found.expected[row.task].minutes, minutes_from=found.expected[row.task].basis.value
                )
                for row in wave.tasks
            ),
        )
        for wave in disclosure.waves
    )
    return msgspec.structs.replace(
        disclosure,
        waves=waves,
        coupled=tuple(map(_told, coupled)),
        history=counted,
        forecast=_forecast(found),
    )


def _at_once(
    plan: Plan, placed: Schedule, config: Config, scopes: dict[str, Scope], *, fold: bool
) -> Callable[[str, str], bool] | None:
    """Whether two tasks may run at the same time; none where no two that write may."""
    writing = {task.id for task in plan.tasks if not scopes[task.id].is_empty}
    if config.waves.max_agents == 1 or len(writing) < 2:
        return None
    if not config.waves.rolling:
        if all(len(writing.intersection(wave)) < 2 for wave in placed.waves):
            return None
        return lambda one, other: placed.placements[one].wave == placed.placements[other].wave
    before = ancestors(plan.tasks)
    place = {task.id: number for number, task in enumerate(plan.tasks)}
    return lambda one, other: (
        not reaches(before, place, one, other) and overlap(scopes[one], scopes[other], fold=fold) is None
    )


def _history(workspace: Workspace, base: str) -> History:
    known = load_history(workspace.layout)
    history = read_history(workspace.repository.git, base, known)
    if history is not known:
        keep_history(workspace.layout, history)
    return history


def _counted(history: History | None) -> HistoryRead | None:
    if history is None:
        return None
    large = sum(change.large for change in history.changes)
    return HistoryRead(commits=len(history.changes) - large, large=large, cut=history.cut.value)


def _past_runs(workspace: Workspace, survey: Survey) -> Iterator[Run]:
    """Runs of the state first, then those that the base's tree has the records of; each once."""
    state = StateReader(workspace.layout)
    seen: set[tuple[str, str]] = set()
    for session in state.session_ids():
        try:
            runs = state.read_runs(session)
        except (GitfleetError, OSError):
            continue
        for run in runs.values():
            if len(seen) < RUNS:
                seen.add((session, run.task))
                yield run
    left = [record for record in survey.records if record[:2] not in seen][: RUNS - len(seen)]
    if not left:
        return
    with open_objects(workspace.repository, now=workspace.now) as objects:
        for _, _, oid in left:
            # What somebody edited, or a later version wrote, tells us nothing.
            with suppress(MissingObject, msgspec.DecodeError, ValueError):
                yield decode(objects.blob(oid), Run)


def _told(pair: Coupled) -> CoupledTasks:
    return CoupledTasks(
        first=pair.first,
        second=pair.second,
        together=pair.together,
        either=pair.either,
        files=tuple(
            CoupledFiles(
                first=quote_path(files.first),
                second=quote_path(files.second),
                together=files.together,
                fewer=files.fewer,
                lift=round(files.lift, 1),
            )
            for files in pair.pairs
        ),
        more=pair.more,
    )


def _forecast(found: Forecast) -> PlanForecast:
    def rounded(minutes: float | None) -> float | None:
        return None if minutes is None else round(minutes, 2)

    return PlanForecast(
        parallel_minutes=rounded(found.parallel),
        sequence_minutes=rounded(found.sequence),
        chain=found.chain,
        chain_minutes=rounded(found.chain_minutes),
        preparing_minutes=rounded(found.preparing),
        landing_minutes=rounded(found.landing),
        clash=found.clash.value,
        doubts=found.doubts,
    )
