"""What the checks say of a candidate's trees: which of them apply, what counts as red, and nothing asked twice.

A check with ``when`` applies where the candidate differs from its base in a path that it names; where it does not, the
check is taken to say what it says of the base, and is recorded as skipped. With ``baseline: allow`` every check runs,
and one that is red on the base as well counts against nobody. The order of checks is kept, and the unit that is
remembered is the list of those that apply, on a tree: a later check may use what an earlier one built.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from gitfleet.integrate.verify import Interrupted, verify, without_planning
from gitfleet.integrate.when import left_out, skipped
from gitfleet.model.evidence import CheckResult, Verdict, Verification
from gitfleet.model.verify_config import Baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects
    from gitfleet.integrate.verify import Memory, Runner
    from gitfleet.model.verify_config import VerifyConfig

_Applying = tuple[int, ...]
"""Positions of checks in the config's list."""


@dataclass(slots=True)
class Judge:
    """The checks of one train. ``checked`` counts runs of the checks, ``doing`` says in words what they are for."""

    objects: Objects
    git: Git
    runner: Runner
    config: VerifyConfig
    label: str
    fold: bool
    say: Callable[[str], None]
    memory: Memory | None = None
    doing: str = ""
    checked: int = 0
    _known: dict[tuple[str, _Applying], Verification] = field(default_factory=dict)

    def look(self, commit: str, base: str, *, like: str) -> Verification | Interrupted:
        """Check a commit that is to land on ``base``, or the base itself, with what applies to the commit ``like``."""
        applying = self._applying(like, base)
        found = self._verify(commit, applying, base=commit == base)
        if isinstance(found, Interrupted) or found.verdict is not Verdict.RED or not self._allows:
            return found
        if commit == base:
            return msgspec.structs.replace(found, verdict=Verdict.NO_WORSE, checks=_known_red(found, found))
        before = self._verify(base, applying, base=True)
        if isinstance(before, Interrupted):
            return before
        return _compared(found, before)

    @property
    def _allows(self) -> bool:
        return self.config.baseline is Baseline.ALLOW

    def _applying(self, commit: str, base: str) -> _Applying:
        checks = self.config.commands
        if not any(check.when for check in checks):
            return tuple(range(len(checks)))
        old, new = (without_planning(self.objects, one)[1] for one in (base, commit))
        changed = [change.path for change in self.objects.diff(old, new)]
        return tuple(number for number, check in enumerate(checks) if not left_out(check, changed, fold=self.fold))

    def _verify(self, commit: str, applying: _Applying, *, base: bool) -> Verification | Interrupted:
        tree = without_planning(self.objects, commit)[1]
        known = self._known.get((tree, applying)) or (self._of_more(tree, applying) if base else None)
        if known is not None:
            return known
        checks = self.config.commands
        found = verify(
            self.objects,
            self.git,
            self.runner,
            [checks[number] for number in applying],
            commit,
            label=self.label,
            say=self._say,
            keep=self.config.keep,
            every=self._allows,
            memory=self.memory,
        )
        if isinstance(found, Interrupted):
            return found
        self.checked += bool(applying) and not found.cached
        left = {number: skipped(check) for number, check in enumerate(checks) if number not in applying}
        self._known[tree, applying] = found = _with_skipped(found, left, applying)
        return found

    def _of_more(self, tree: str, applying: _Applying) -> Verification | None:
        """What a green run of these checks and more says of a tree."""
        for (other, ran), found in self._known.items():
            if other == tree and set(applying) <= set(ran) and (found.verdict is not Verdict.RED or self._allows):
                return found
        return None

    def _say(self, activity: str) -> None:
        so_far = f", {self.checked} {'tree' if self.checked == 1 else 'trees'} checked so far" if self.checked else ""
        self.say(f"{activity}{self.doing}{so_far}")


def _with_skipped(found: Verification, left: Mapping[int, CheckResult], applying: _Applying) -> Verification:
    """The verification with a line for each check that was left out, in the config's order."""
    results = {**left, **dict(zip(applying, found.checks, strict=False))}
    return msgspec.structs.replace(found, checks=tuple(results[number] for number in sorted(results)))


def _compared(found: Verification, before: Verification) -> Verification:
    checks = _known_red(found, before)
    worse = any(check.red and not check.was_red for check in checks)
    return msgspec.structs.replace(found, verdict=Verdict.RED if worse else Verdict.NO_WORSE, checks=checks)


def _known_red(found: Verification, before: Verification) -> tuple[CheckResult, ...]:
    """Results that say where a check is red on the base, too; a check is named by what it runs."""
    red = {(check.name, check.run) for check in before.checks if check.red}
    return tuple(
        msgspec.structs.replace(check, was_red=True) if check.red and (check.name, check.run) in red else check
        for check in found.checks
    )
