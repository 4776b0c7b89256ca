"""The environment's fingerprint: what a green tree must share with a later one for its checks to count again.

It holds what checks are given (how they are run, their environment, what is put into their tree), the machine, the
programs on the PATH as far as their directories tell, git's settings that change files on checkout, and what
``verify.fingerprint`` names. It cannot hold what nobody names: the network, the date, services, history, files
elsewhere. Where a part of it cannot be told there is no fingerprint, and nothing is remembered.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitfleet import __version__
from gitfleet.git.command import GitFailed
from gitfleet.integrate.places import Digests, TooMany, identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitfleet.git.repository import Repository
    from gitfleet.model.config import Config
    from gitfleet.model.evidence import CheckResult
    from gitfleet.model.plan import Check

_FORMAT = 1

# What git may write into a file on checkout, besides what the tree says.
_CHECKOUT = r"^(core|filter|lfs)\."

_PASSING = frozenset({"TMPDIR", "GITFLEET_SESSION", "GITFLEET_PORT_BASE"})
"""Variables of a check that differ with every one of them."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no fingerprint; ``why`` is a clause for people."""

    why: str


def checks_key(checks: Sequence[Check], config: Config) -> str:
    """Which checks these are: what they run, in which order, with which deadlines."""
    return _digest(
        [
            _FORMAT,
            [msgspec.to_builtins(check) for check in checks],
            [check.timeout_seconds or config.timeouts.verify for check in checks],
        ]
    )


def fingerprint(
    checks: Sequence[Check],
    config: Config,
    repository: Repository,
    environment: Mapping[str, str],
    ask: Callable[[str], CheckResult | None],
) -> str | Unknown:
    """The fingerprint as it is now.

    ``environment`` is what a check is given; ``ask`` runs a command of ``verify.fingerprint`` under a warden, and gives
    none when the session was stopped.
    """
    digests = Digests()
    wanted = config.worktrees
    try:
        facts: list[object] = [
            _FORMAT,
            __version__,
            checks_key(checks, config),
            msgspec.to_builtins(config.verify),
            [list(wanted.setup), config.timeouts.setup if wanted.setup else 0],
            {name: _below(repository, name, digests) for name in wanted.copied},
            {name: _below(repository, name, digests) for name in wanted.link},
            {name: _named(repository, name, environment, digests) for name in config.verify.fingerprint.files},
            {name: value for name, value in sorted(environment.items()) if name not in _PASSING},
            _machine(),
            _programs(environment.get("PATH", "")),
            _checkout(repository, environment, digests),
        ]
    except TooMany:
        return Unknown("more files belong to it than gitfleet looks at")
    except OSError as error:
        return Unknown(f"{error.filename or 'a file'} cannot be read: {error.strerror}")
    except GitFailed as error:
        return Unknown(str(error))
    for command in config.verify.fingerprint.commands:
        said = ask(command)
        if said is None:
            return Unknown("the session was stopped")
        if said.exit_code != 0 or said.timed_out or not said.output_sha256:
            return Unknown(f"`{command}` did not succeed")
        facts.append(said.output_sha256)
    return _digest(facts)


def _digest(facts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic"), usedforsecurity=False).hexdigest()


def _below(repository: Repository, name: str, digests: Digests) -> str:
    return digests.of(repository.worktree / name) if repository.worktree is not None else "no checkout"


def _named(repository: Repository, name: str, environment: Mapping[str, str], digests: Digests) -> str:
    if name.startswith("~/"):
        return digests.of(Path(environment.get("HOME", "/")) / name.removeprefix("~/"))
    return digests.of(Path(name)) if name.startswith("/") else _below(repository, name, digests)


def _machine() -> list[object]:
    """The system, by its name as well: a container that mounts the repository has another one."""
    return [*os.uname(), os.getuid()]


def _programs(path: str) -> list[str]:
    """The directories of the PATH: installing or replacing a program in one changes its times."""
    return [identity(place) for place in path.split(os.pathsep) if place.startswith("/")]


def _checkout(repository: Repository, environment: Mapping[str, str], digests: Digests) -> list[str]:
    git = repository.git
    settings = git.run("config", "-z", "--get-regexp", _CHECKOUT, ok=(0, 1)).stdout
    named = git.run("config", "--type=path", "core.attributesFile", ok=(0, 1)).text
    everywhere = Path(named or environment.get("HOME", "/") + "/.config/git/attributes")
    own = repository.common_dir / "info" / "attributes"
    return [repr(settings), digests.of(own), digests.of(everywhere)]
