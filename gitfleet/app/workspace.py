"""Where a command works: the repository it was started in, its state, its config. Cheap to open: one git call."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.git.repository import Repository, discover
from gitfleet.store.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitfleet.model.config import Config

CONFIG_NAME = ".planning/config.yaml"


@dataclass(slots=True)
class Workspace:
    """A repository as seen from one of its worktrees; ``now`` gives POSIX seconds."""

    repository: Repository
    layout: Layout
    now: Callable[[], float] = time.time
    _config: Config | None = field(default=None, repr=False)

    @property
    def config(self) -> Config:
        """The settings of the worktree the command runs in; defaults where there are none."""
        if self._config is None:
            from gitfleet.app.load import load_config  # noqa: PLC0415 - pulls in YAML, which most commands do without

            self._config = load_config(self.config_bytes(), CONFIG_NAME)
        return self._config

    def config_bytes(self) -> bytes | None:
        """The config file as it is; none when there is none."""
        root = self.repository.worktree
        if root is None:
            return None
        try:
            return (root / CONFIG_NAME).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None


def open_workspace(start: Path) -> Workspace:
    """Find the repository that ``start`` lies in; raises ``GitfleetError`` when there is none."""
    repository = discover(start)
    return Workspace(repository, Layout(repository.common_dir))
