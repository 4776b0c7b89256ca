"""Make the whole environment of an agent or a check: a short list of what passes, and nothing else.

What the caller has in its environment is not the agent's business: ``GIT_*`` would point it at another repository, and
tokens would leak into logs. ``HOME`` passes, so the user's own git configuration, identity and signing hold.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitfleet.agents.base import Assignment

PASSED = ("PATH", "HOME", "LANG", "TERM", "SHELL", "USER")
"""Names that pass besides ``LC_*``."""

IDENTITY = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL")
"""Names that pass to agents as well: somebody whose identity is in the environment alone commits as themselves."""

_SECRET = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIAL|AUTHORIZATION"
    r"|(?:^|_)(?:KEY|PASS|PAT|AUTH|BEARER|COOKIE)S?$",
    re.IGNORECASE,
)

# A socket's path may have 104 bytes on macOS and 108 on Linux; tools put names of some forty bytes below TMPDIR.
_LONGEST_TEMPORARY = 60


def looks_secret(name: str) -> bool:
    """Say whether a variable of this name is refused in an allowlist."""
    return _SECRET.search(name) is not None


def refuse_secrets(names: Iterable[str], where: str) -> None:
    """Raise ``GitfleetError`` when an allowlist names what looks like a secret; ``where`` says which list."""
    secret = [name for name in names if looks_secret(name)]
    if secret:
        raise GitfleetError(
            Kind.DOCUMENT,
            "secret-allowed",
            f"{where} passes on {', '.join(secret)}, which looks like a secret.",
            hint="Take it off the list: what an agent sees can end up in its output and in the repository.",
        )


def temporary_directory(attempt: Path) -> Path:
    """Say where an attempt's TMPDIR is: below its directory, or below the system's where that path would be too long.

    Nor may it hold what separates the PATH, on which the guard stands. It is the host that makes and removes it.
    """
    own = attempt / "tmp"
    if len(os.fsencode(own)) <= _LONGEST_TEMPORARY and os.pathsep not in str(own):
        return own
    return Path(tempfile.gettempdir()) / f"gitfleet-{hashlib.sha256(os.fsencode(attempt)).hexdigest()[:12]}"


def assignment_variables(assignment: Assignment) -> dict[str, str]:
    """Name the ``GITFLEET_*`` variables that tell an agent what it works on."""
    return {
        "GITFLEET_SESSION": assignment.session,
        "GITFLEET_INSTANCE": assignment.instance,
        "GITFLEET_TASK": assignment.task.id,
        "GITFLEET_WAVE": str(assignment.wave),
        "GITFLEET_PROMPT": str(assignment.prompt_file),
        "GITFLEET_HANDOFF": str(assignment.handoff_file),
        "GITFLEET_PORT_BASE": str(assignment.port_base),
        "GITFLEET_WORKTREE": str(assignment.worktree),
        "GITFLEET_ATTEMPT": str(assignment.attempt),
        **({"GITFLEET_REDUCED": "1"} if assignment.reduced else {}),
    }


def agent_environment(
    caller: Mapping[str, str], assignment: Assignment, *, directory: Path, allow: Iterable[str] = ()
) -> dict[str, str]:
    """Make the whole environment of an agent's attempt but for its nonce.

    ``caller`` is the coordinator's environment, ``directory`` the attempt's. An agent's own variables are
    for the caller to add. Raises ``GitfleetError`` when ``allow`` names what looks like a secret.
    """
    refuse_secrets(allow, f"The allowlist of task {assignment.task.id}'s agent")
    return _passed(caller, directory, (*allow, *IDENTITY)) | assignment_variables(assignment)


def check_environment(
    caller: Mapping[str, str], session: str, *, directory: Path, port_base: int = 0
) -> dict[str, str]:
    """Make the whole environment of a check or a set-up command but for its nonce."""
    ports = {"GITFLEET_PORT_BASE": str(port_base)} if port_base else {}
    return _passed(caller, directory, ()) | {"GITFLEET_SESSION": session} | ports


def _passed(caller: Mapping[str, str], directory: Path, allow: Iterable[str]) -> dict[str, str]:
    names = {name for name in caller if name in PASSED or name.startswith("LC_")} | set(allow)
    # The caller's own GITFLEET_* would pass this attempt off as another one, or as a person's shell.
    passed = {name: caller[name] for name in sorted(names) if name in caller and not name.startswith("GITFLEET_")}
    passed.setdefault("PATH", os.defpath)
    return passed | {"TMPDIR": str(temporary_directory(directory))}
