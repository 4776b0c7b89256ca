"""What is remembered of trees: everything for the length of a train, and what was green for later ones.

A green is kept only when the environment's fingerprint was the same before and after the checks, so that nothing that
changed under them is remembered. A red target is noted for whoever wants to start a session on it; no train takes the
note for a verdict. Runs in the train's thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.coordinator.trains.integration_worktree import integration_path
from gitfleet.integrate.fingerprint import Unknown, checks_key, fingerprint
from gitfleet.integrate.verify import InTrain, check_out
from gitfleet.model.plan import Check
from gitfleet.runtime.environment import check_environment
from gitfleet.store.layout import verify_label
from gitfleet.store.verify_cache import VerifyCache

if TYPE_CHECKING:
    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.git.command import Git
    from gitfleet.model.evidence import CheckResult, Verification
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts

FINGERPRINT_SECONDS = 60
"""Deadline of a command of ``verify.fingerprint``."""


@dataclass(slots=True)
class Remembering:
    """The memory of one train, backed by the repository's cache.

    ``fresh`` asks nothing of the cache, for a person who wants the checks to run. ``note`` says, after the train, why a
    green is not remembered.
    """

    parts: Parts
    session: Session
    checks: CheckRunner
    git: Git
    fresh: bool = False
    note: str = ""
    _train: InTrain = field(default_factory=InTrain)
    _before: dict[str, str] = field(default_factory=dict)

    def recall(self, tree: str, commit: str) -> Verification | None:
        """What this train found, or what was green before in this environment."""
        known = self._train.recall(tree, commit)
        if known is not None:
            return known
        here = self._fingerprint(commit)
        if here is None:
            return None
        self._before[tree] = here
        found = None if self.fresh else self._cache.recall(tree, here)
        if found is not None:
            self._train.remember(found, commit)
            self._cache.forget_red(tree, self._key)
        return found

    def remember(self, verification: Verification, commit: str) -> None:
        """Keep it for this train, and when it is green for later ones."""
        self._train.remember(verification, commit)
        if not all(check.green for check in verification.checks):
            return
        self._cache.forget_red(verification.tree, self._key)
        before = self._before.pop(verification.tree, None)
        if before is None:
            return
        after = self._fingerprint(commit)
        if after == before:
            self._cache.remember(verification, before)
        elif after is not None:
            self.note = "what verify.fingerprint or the config names changed while the checks ran"

    def note_red(self, verification: Verification) -> None:
        """Note that the target itself fails."""
        self._cache.note_red(verification.tree, self._key, verification.checks[-1].run)

    @property
    def _cache(self) -> VerifyCache:
        return VerifyCache(self.parts.layout, self.parts.now)

    @property
    def _key(self) -> str:
        return checks_key(self.parts.config.verify.commands, self.parts.config)

    def _fingerprint(self, commit: str) -> str | None:
        config = self.parts.config
        if config.verify.fingerprint.commands:
            check_out(self.git, commit)
        home = self.parts.layout.attempt(verify_label(self.session.id), 1)
        environment = check_environment(self.parts.caller, self.session.id, directory=home)
        found = fingerprint(config.verify.commands, config, self.parts.repository, environment, self._ask)
        if isinstance(found, Unknown):
            self.note = f"a green tree is not remembered: {found.why}"
            return None
        return found

    def _ask(self, command: str) -> CheckResult | None:
        check = Check(run=command, timeout_seconds=FINGERPRINT_SECONDS)
        return self.checks.one(check, integration_path(self.parts, self.session), verify_label(self.session.id))
