"""What is remembered of trees from one train to the next: those that were green; and targets that were red.

A green is kept only when the environment's fingerprint was the same before and after the checks, so that nothing that
changed under them is remembered. A red target is noted for whoever wants to start a session on it; no train takes the
note for a verdict. Runs in the train's thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.setting_up import ReadyFirst
from gitfleet.coordinator.trains.integration_worktree import integration_path
from gitfleet.integrate.fingerprint import Unknown, checks_key, fingerprint
from gitfleet.integrate.verify import check_out
from gitfleet.model.plan import Check
from gitfleet.runtime.environment import check_environment
from gitfleet.store.layout import verify_label
from gitfleet.store.verify_cache import VerifyCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.git.command import Git
    from gitfleet.model.evidence import CheckResult, Verification
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts

FINGERPRINT_SECONDS = 60
"""Deadline of a command of ``verify.fingerprint``."""


@dataclass(slots=True)
class Remembering:
    """The repository's cache, as one train uses it.

    ``fresh`` asks nothing of the cache, for a person who wants the checks to run. ``note`` says, after the train, why a
    green is not remembered.
    """

    parts: Parts
    session: Session
    checks: CheckRunner
    git: Git
    fresh: bool = False
    note: str = ""
    _before: dict[tuple[str, str], str] = field(default_factory=dict)

    def recall(self, tree: str, commit: str, checks: Sequence[Check]) -> Verification | None:
        """What was green before in this environment."""
        here = self._fingerprint(commit, checks)
        if here is None:
            return None
        self._before[tree, commit] = here
        found = None if self.fresh else self._cache.recall(tree, here)
        if found is not None:
            self._forget_red(found)
        return found

    def remember(self, verification: Verification, commit: str, checks: Sequence[Check]) -> None:
        """Keep it for later trains when it is green."""
        before = self._before.pop((verification.tree, commit), None)
        if not all(check.green for check in verification.checks):
            return
        self._forget_red(verification)
        if before is None:
            return
        after = self._fingerprint(commit, checks)
        if after == before:
            self._cache.remember(verification, before)
        elif after is not None:
            self.note = "what verify.fingerprint or the config names changed while the checks ran"

    def note_red(self, verification: Verification) -> None:
        """Note that the target itself fails."""
        self._cache.note_red(verification.tree, self._key, verification.blamed.run)

    def _forget_red(self, green: Verification) -> None:
        note = self._cache.red(green.tree, self._key)
        if note is not None and note.command in {check.run for check in green.checks}:
            self._cache.forget_red(green.tree, self._key)

    @property
    def _cache(self) -> VerifyCache:
        return VerifyCache(self.parts.layout, self.parts.now)

    @property
    def _key(self) -> str:
        return checks_key(self.parts.config.verify.commands, self.parts.config)

    def _fingerprint(self, commit: str, checks: Sequence[Check]) -> str | None:
        config = self.parts.config
        if config.verify.fingerprint.commands:
            check_out(self.git, commit, config.verify.keep)
        home = self.parts.layout.attempt(verify_label(self.session.id), 1)
        environment = check_environment(self.parts.caller, self.session.id, directory=home)
        # The tree was just emptied of what the set-up put there, and a command may well be one of that.
        ready = ReadyFirst(self.parts, self.checks)
        found = fingerprint(checks, config, self.parts.repository, environment, partial(self._ask, ready))
        if isinstance(found, Unknown):
            self.note = f"a green tree is not remembered: {found.why}"
            return None
        return found

    def _ask(self, ready: ReadyFirst, command: str) -> CheckResult | None:
        check = Check(run=command, timeout_seconds=FINGERPRINT_SECONDS)
        return ready.one(check, integration_path(self.parts, self.session), verify_label(self.session.id))
