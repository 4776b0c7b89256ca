"""What one session is run with; the composition root fills it in, and nothing reaches for a global."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gitfleet.git.objects import Objects
    from gitfleet.git.refs import Refs
    from gitfleet.git.repository import Repository
    from gitfleet.model.config import Config
    from gitfleet.pool.leasing import Pool
    from gitfleet.runtime.hosts.base import Host
    from gitfleet.store.claims import Claims
    from gitfleet.store.journal import Journal
    from gitfleet.store.layout import Layout
    from gitfleet.store.locks import SessionLock
    from gitfleet.store.state import State


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one session.

    ``proof`` is the session lock, held for the coordinator's life. ``objects`` belongs to the coordinator's own thread;
    every other thread opens its own with ``open_objects``. ``now`` gives POSIX seconds, ``monotonic`` seconds for
    waiting. ``claim_patience`` is how long, in seconds, a wave waits for claims of others before a person is asked
    (DESIGN 7). ``random`` gives numbers in [0, 1), for the waits between attempts. ``caller`` is the environment
    gitfleet was started with, from which agents get an allowed few.
    """

    repository: Repository
    objects: Objects
    open_objects: Callable[[], Objects]
    refs: Refs
    layout: Layout
    state: State
    claims: Claims
    journal: Journal
    host: Host
    proof: SessionLock
    config: Config
    pool: Path
    trees: Pool
    fold: bool
    now: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    caller: Mapping[str, str]
    claim_patience: float = 600.0
    random: Callable[[], float] = random.random
