"""The warden's heart: the pulse, and now and then a look whether the tree works.

While output comes nothing is looked at, and what is needed for a look is only loaded when one is due: most attempts of
some seconds never pay for it.
"""

from __future__ import annotations

import os
import time

from gitfleet.runtime.pulse import Pulse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.runtime.tree import Tree
    from gitfleet.runtime.vitals import Vitals

BEAT_SECONDS = 2.0
"""How long the warden goes without saying that it is there, when it does not look."""


class Heart:
    """Beats for one attempt; ``stall`` is the period in which somebody waits for life, none when nobody does."""

    def __init__(
        self, path: str, *, stall: float | None, started: float, awake: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the pulse at ``path``; the attempt started at ``started``, in the seconds that ``awake`` gives."""
        self._pulse = Pulse(path, awake=awake)
        self._awake = awake
        self._stall = stall
        self._started = started
        self._vitals: Vitals | None = None
        self._every = BEAT_SECONDS if stall is None else min(BEAT_SECONDS, stall / 3)
        self._due = started + self._every

    def came(self, size: int) -> None:
        """Note that output came, ``size`` bytes so far."""
        self._pulse.came(size)

    def woke(self) -> None:
        """Note that the agent goes on after a pause, which is life until it shows some of its own."""
        self._pulse.woke()

    def beat(self, tree: Tree, agent: int) -> None:
        """Write what a flood held back; look at the tree when that is due. ``agent`` is 0 before there is one."""
        self._pulse.flush()
        now = self._awake()
        # Output is life enough.
        if now < max(self._due, self._pulse.output + self._every):
            return
        self._due = now + self._every
        if self._stall is None or not agent:
            self._pulse.beat()
            return
        from gitfleet.runtime import vitals  # noqa: PLC0415 - a millisecond that most attempts need not pay

        if self._vitals is None:
            self._vitals = vitals.Vitals(tree, os.getpid(), agent, self._started)
        signs = self._vitals.look(now)
        self._pulse.felt(cpu=signs.cpu, children=signs.children, kin=signs.kin, stopped=signs.stopped)
        self._due = now + vitals.interval(self._awake() - now, self._stall)
