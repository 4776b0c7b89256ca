"""Where a command works: the repository it was started in, its state, its config. Cheap to open: one git call."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.repository import Repository, discover
from gitfleet.store.files import read_regular
from gitfleet.store.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.model.config import Config

CONFIG_NAME = ".planning/config.yaml"

CONFIG_BYTES = 1 << 20
"""Size of a config; what is longer is refused by the reader of documents, and not read to its end."""


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
        path = root / CONFIG_NAME
        try:
            # A branch of somebody else's may make it a link: what lies outside is no config, and messages quote it.
            if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
                raise _unreadable("it is reached through a symlink that leaves the worktree")
            return read_regular(path, CONFIG_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(error.strerror or str(error)) from error


def _unreadable(why: str) -> GitfleetError:
    return GitfleetError(
        Kind.DOCUMENT,
        "invalid-config",
        f"{CONFIG_NAME} cannot be read: {why}.",
        hint="Make it a file with the settings, or remove it: every setting has a default.",
    )


def open_workspace(start: Path) -> Workspace:
    """Find the repository that ``start`` lies in; raises ``GitfleetError`` when there is none."""
    repository = discover(start)
    layout = Layout(repository.common_dir)
    if os.path.lexists(layout.root) and not layout.root.is_dir():
        message = f"{layout.root} is not a directory, and gitfleet keeps its state there."
        raise GitfleetError(Kind.ENVIRONMENT, "damaged-state", message, hint="Move it away.")
    return Workspace(repository, layout)
