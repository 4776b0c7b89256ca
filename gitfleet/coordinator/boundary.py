"""Between two waves: look at what may have changed without this coordinator, and say what was put right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.attempts import worktree_of
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState
from gitfleet.recovery.boundary import release_orphans

if TYPE_CHECKING:
    from gitfleet.coordinator.books import Books
    from gitfleet.parts import Parts


@dataclass(slots=True)
class Boundary:
    """The boundaries of one session's waves; each is crossed once."""

    parts: Parts
    books: Books
    _crossed: tuple[int, bool] = (0, False)

    def cross(self, wave: int, *, over: bool) -> None:
        """Reconcile when ``wave`` is another one than before, and once more when all is ``over``."""
        if self._crossed == (wave, over):
            return
        self._crossed = wave, over
        parts = self.parts
        for words in release_orphans(
            parts.layout,
            parts.state,
            parts.claims,
            parts.claims.clone,
            session=self.books.session.id,
            runs=self.books.runs,
        ):
            self.books.event(EventKind.REQUEUE, words, status="released")
        for run in self.books.runs.values():
            tree = worktree_of(parts, run) if run.state is RunState.RUNNING else None
            if tree is not None and not tree.is_dir():
                words = f"the worktree of {run.task} is gone while its agent runs: {tree.name}"
                self.books.event(EventKind.ERROR, words, run=run, status="worktree-gone")
