"""Who watches a session, and who may ask it to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gitfleet.model.event import Event
    from gitfleet.model.reports import Progress


class Observer(Protocol):
    """Somebody who watches a session, such as a terminal."""

    @property
    def wants_progress(self) -> bool:
        """Whether ``progress`` should be called at all; measuring it costs a git call per agent now and then."""
        ...

    def event(self, event: Event) -> None:
        """Something happened; called from the coordinator's own thread."""
        ...

    def progress(self, progress: Progress) -> None:
        """How things stand, a few times a second."""
        ...

    def notice(self, message: str, *, bell: bool, desktop: bool) -> None:
        """A person who may look elsewhere is wanted: one plain line, to be rung for and to be shown by the desktop."""
        ...


INTERRUPTED = "it was interrupted"
STOPPED = "it was stopped"


@dataclass(slots=True)
class Interrupts:
    """How a signal handler, or `gitfleet stop`, asks a coordinator to stop; setting facts is all that it may do."""

    requested: bool = False
    why: str = INTERRUPTED
    for_good: bool = False

    def request(self, why: str = INTERRUPTED, *, for_good: bool = False) -> None:
        """Ask for a stop with the ladder, a save, and exit code 130; ``for_good`` takes a pause back as well."""
        self.why, self.for_good = why, for_good
        self.requested = True
