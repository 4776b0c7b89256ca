"""Which checks have anything to say about a change: ``when`` names paths, in the words of scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.evidence import CheckResult
from gitfleet.planner.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.model.plan import Check


def left_out(check: Check, changed: Sequence[bytes], *, fold: bool) -> bool:
    """Whether a check need not run where these paths changed."""
    if not check.when:
        return False
    scope = Scope.parse(check.when)
    return not any(scope.matches(path, fold=fold) for path in changed)


def skipped(check: Check) -> CheckResult:
    """The evidence of a check that was left out."""
    return CheckResult(name=check.title, run=check.run, skipped=f"nothing in {', '.join(check.when)} changed")
