"""What ``scope.on_violation`` makes of a merge that carries a run's change outside of its scope; in the train's thread.

What crossed is remembered by what was merged and what came of it, so that each candidate that is built, and each one
that is built anew, finds it. A claim that grew stays grown until its run is sealed, whether or not the candidate lands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.coordinator.attempt.gating import extension
from gitfleet.coordinator.sealing import extended_by
from gitfleet.integrate.gate.crossing import Barred, Crossed, without
from gitfleet.integrate.gate.inspecting import REPORTED, Inspection, carried, recorded
from gitfleet.integrate.gate.spilling import NotKept, keep, spill_branch
from gitfleet.model.config import ViolationPolicy
from gitfleet.model.evidence import GateReport
from gitfleet.model.run import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitfleet.git.objects import Objects
    from gitfleet.integrate.gate.bounds import Bounds
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts


@dataclass(frozen=True, slots=True)
class Crossing:
    """What a merge carried outside: ``whole`` is its tree with all of it where a part was spilled."""

    found: Inspection
    whole: str = ""
    extended: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()


@dataclass(slots=True)
class PolicyBorder:
    """The border of one session's runs."""

    parts: Parts
    objects: Objects
    runs: Mapping[str, Run]
    _crossings: dict[tuple[str, str], Crossing] = field(default_factory=dict)

    def cross(self, instance: str, bounds: Bounds, onto: str, tree: str) -> Crossed | Barred:
        """See ``integrate.gate.crossing.Border``."""
        found = carried(self.objects, onto, tree, bounds)
        if found.passed:
            return Crossed(tree)
        if not found.only_border:
            return Barred(found)
        match self.parts.config.scope.on_violation:
            case ViolationPolicy.REJECT:
                return Barred(found)
            case ViolationPolicy.SPILL:
                return self._spill(instance, found, onto, tree)
            case ViolationPolicy.EXTEND:
                return self._extend(instance, found, bounds, tree)
            case other:
                assert_never(other)

    def _spill(self, instance: str, found: Inspection, onto: str, tree: str) -> Crossed | Barred:
        rest = without(self.objects, onto, tree, found)
        if rest is None:
            return Barred(found, "nothing of it would be left in its scope")
        self._crossings[instance, rest] = Crossing(found, whole=tree)
        return Crossed(rest)

    def _extend(self, instance: str, found: Inspection, bounds: Bounds, tree: str) -> Crossed | Barred:
        run = next(run for run in self.runs.values() if run.instance == instance)
        grown = extension(self.parts, run, bounds, found.violations)
        if isinstance(grown, str):
            return Barred(found, f"its claim did not grow: {grown}")
        self._crossings[instance, tree] = Crossing(found, extended=grown[0], claimed=grown[1])
        return Crossed(tree)

    def told(self, merged: Iterable[tuple[str, str]]) -> dict[str, Run]:
        """The runs of a candidate, by task and merge commit, with what crossed the border on record."""
        runs = dict(self.runs)
        for task, commit in merged:
            crossing = self._of(runs[task], commit)
            if crossing is not None:
                runs[task] = self._with(runs[task], crossing)
        return runs

    def keep(self, merged: Iterable[tuple[str, str]]) -> None:
        """Write the spill branches of what is about to land without a part; raises ``OSError`` where one cannot be."""
        for task, commit in merged:
            run = self.runs[task]
            crossing = self._of(run, commit)
            if crossing is None or not crossing.whole:
                continue
            kept = keep(
                self.objects,
                self.parts.refs,
                self._branch(run),
                inside=commit,
                tip=run.tip,
                tree=crossing.whole,
                name=run.name,
            )
            if isinstance(kept, NotKept):
                raise OSError(kept.why)

    def _of(self, run: Run, commit: str) -> Crossing | None:
        return self._crossings.get((run.instance, self.objects.commit(commit).tree))

    def _with(self, run: Run, crossing: Crossing) -> Run:
        before = run.gate or GateReport(passed=True)
        more = recorded(crossing.found.violations, "spilled" if crossing.whole else "extended")
        report = msgspec.structs.replace(
            before,
            violations=(*before.violations, *more)[:REPORTED],
            outside=before.outside + len(crossing.found.violations),
            spilled=self._branch(run) if crossing.whole else before.spilled,
        )
        return record(run, gate=report, **extended_by(run, crossing.extended, crossing.claimed))

    def _branch(self, run: Run) -> str:
        return spill_branch(self.parts.config.branch_prefix, run.session, run.task)
