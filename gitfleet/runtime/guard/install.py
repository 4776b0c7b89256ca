"""Laying a guard out for one attempt, and the variables that put an agent's git behind it.

=================  =======================================================================================
``hooks/<name>``   one script under every name that git runs on this side of a push (``hook.sh``)
``bin/git``        refuses what no hook hears of, and is the real git otherwise (``git.sh``); first on the PATH
``tries``          what was refused, a line each, bounded (``tries.py``)
=================  =======================================================================================

Hooks that are the person's run as well, with the same arguments and standard input. Nothing is flushed: after a power
cut no agent is left.
"""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOOKS = (
    "applypatch-msg",
    "commit-msg",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-rewrite",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "prepare-commit-msg",
    "reference-transaction",
    "sendemail-validate",
)
"""The hooks of githooks(5) for who works in a repository; those of a server never see this environment."""

NO_PUSH = "gitfleet-refused"
"""The transport that URLs get for pushes: git looks for a program of that name, which refuses (gitremote-helpers)."""

# An agent's git must neither repack nor prune what the person and other agents have, not even by itself.
_SETTINGS = (("gc.auto", "0"), ("maintenance.auto", "false"))

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Guard:
    """What the guard of one attempt holds against.

    ``directory`` is its own, in the attempt's; ``common_dir`` the shared git directory; ``branch`` the only one that
    the agent may move; ``chain`` the person's hooks directory, which may be relative to where hooks run; ``remotes``
    the URLs that configured remotes are pushed to.
    """

    directory: Path
    common_dir: Path
    branch: str
    chain: str
    remotes: Sequence[str] = ()


def install(guard: Guard, environment: Mapping[str, str]) -> dict[str, str]:
    """Write the guard's files and give the variables that an agent with this environment needs besides.

    The environment has a PATH, and a TMPDIR of the attempt's own. Raises ``OSError``; may be called again for the
    same attempt.
    """
    git = shutil.which("git", path=environment["PATH"]) or "git"
    facts = {
        "guard": guard.directory,
        "common": os.path.realpath(guard.common_dir),
        "branch": guard.branch,
        "git": git,
        "chain": guard.chain,
        "home": environment.get("HOME", ""),
    }
    head = "#!/bin/sh\n" + "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in facts.items())
    hooks, programs = guard.directory / "hooks", guard.directory / "bin"
    for directory in (hooks, programs):
        directory.mkdir(parents=True, exist_ok=True)
    _program(guard.directory / "hook", head + (_HERE / "hook.sh").read_text())
    _program(programs / "git", head + (_HERE / "git.sh").read_text())
    for link in (*(hooks / name for name in HOOKS), programs / f"git-remote-{NO_PUSH}"):
        if not link.is_symlink():
            link.symlink_to("../hook")
    path = f"{_speakable(programs, environment)}{os.pathsep}{environment['PATH']}"
    return {"PATH": path, **_settings(environment, [("core.hooksPath", str(hooks)), *_SETTINGS, *_pushes(guard)])}


def _speakable(programs: Path, environment: Mapping[str, str]) -> Path:
    """Give a name of a directory that a PATH can hold, which has no way to quote what separates its entries."""
    if os.pathsep not in str(programs):
        return programs
    temporary = Path(environment["TMPDIR"])
    temporary.mkdir(mode=0o700, exist_ok=True)
    link = temporary / ".guard"
    link.unlink(missing_ok=True)
    link.symlink_to(programs)
    return link


def _program(path: Path, text: str) -> None:
    path.write_bytes(os.fsencode(text))
    path.chmod(0o700)


def _pushes(guard: Guard) -> list[tuple[str, str]]:
    """Lead pushes astray that skip the hook; whole URLs, since those of other repositories are no business of ours."""
    return [(f"url.{NO_PUSH}::{url}.pushInsteadOf", url) for url in guard.remotes]


def _settings(environment: Mapping[str, str], settings: list[tuple[str, str]]) -> dict[str, str]:
    """Add settings to those that the environment holds already (``git-config(1)``, GIT_CONFIG_COUNT)."""
    count = environment.get("GIT_CONFIG_COUNT", "0")
    first = int(count) if count.isdecimal() else 0
    variables = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings, first):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
