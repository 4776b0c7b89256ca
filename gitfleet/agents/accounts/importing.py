"""Taking settings over from a person's own home of a program: named files alone, and no line that holds a secret.

What cannot be told to be harmless is left out and named; nothing is written, moved or locked where it is read from.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.programs import PROGRAMS
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.words import plural
from gitfleet.store.files import read_regular, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.model.account import Account

FILE_BYTES = 1 << 20
MOST_FILES = 2000
"""How many files of one directory are taken over."""

_NAMED = re.compile(
    r"""["']?[\w.-]*(?:token|secret|passw|api[_-]?key|private[_-]?key|credential|authorization|bearer|apikeyhelper)"""
    r"""[\w.-]*["']?\s*[:=]\s*["'\[{]""",
    re.IGNORECASE,
)
_SHAPED = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[\w-]{10,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\beyJ[\w-]{20,}\.[\w-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|(?i:\bbearer\s+[\w.-]{12,})"
)


@dataclass(frozen=True, slots=True)
class Imported:
    """Paths in the account's home that were written, and what was left out, with why."""

    taken: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def take_over(account: Account, home: Path, caller: Mapping[str, str], source: Path | None) -> Imported:
    """Copy settings into an account's home from ``source``, or from the person's own home of the program."""
    program = PROGRAMS[account.kind]
    own, below = program.own_home
    root = source or Path(caller.get(program.own_variable) or Path(caller.get("HOME", "/")) / own)
    if not root.is_dir():
        raise GitfleetError(Kind.USAGE, "no-settings", f"There are no settings to import: {root} is no directory.")
    if os.path.realpath(root).startswith(os.path.realpath(home)):
        raise GitfleetError(Kind.USAGE, "own-settings", f"{root} is the account's own home.")
    taken, left = [], []
    for name in program.settings:
        files = _files(root / name)
        if len(files) > MOST_FILES:
            left.append(f"{name}: all but {MOST_FILES} files")
        for path in files[:MOST_FILES]:
            shown = str(path.relative_to(root))
            content, why = harmless(path)
            if why:
                left.append(f"{shown}: {why}")
            if content is not None:
                write_private(home / below / path.relative_to(root), content)
                taken.append(str(Path(below) / shown))
    return Imported(tuple(taken), tuple(left))


def harmless(path: Path) -> tuple[bytes | None, str]:
    """The content of a file that may be taken over, without secrets; and what was left out, as a clause."""
    if path.is_symlink():
        return None, "a symbolic link"
    try:
        data = read_regular(path, FILE_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, getattr(error, "strerror", None) or "not text"
    return (None, "too large") if len(data) > FILE_BYTES else _without_secrets(path, text)


def _without_secrets(path: Path, text: str) -> tuple[bytes | None, str]:
    """Leave lines out of TOML, where a line mostly stands for itself; any other file goes or stays as a whole."""
    lines = text.splitlines()
    secret = [line for line in lines if _NAMED.search(line) or _SHAPED.search(line)]
    if not secret:
        return text.encode(), ""
    if path.suffix != ".toml" or any(line.rstrip().endswith(("[", "{", '"""', "'''")) for line in secret):
        return None, "it holds what looks like a secret"
    kept = [line for line in lines if line not in secret]
    return ("\n".join(kept) + "\n").encode(), f"without {plural(len(secret), 'line')} that may hold a secret"


def _files(path: Path) -> list[Path]:
    """A file, or the files and links below a directory, sorted: at most one more than ``MOST_FILES``."""
    if not os.path.isdir(path) or path.is_symlink():  # noqa: PTH112 - does not raise where nobody may look
        return [path] if os.path.lexists(path) else []
    below = (one for one in path.rglob("*") if one.is_symlink() or not one.is_dir())
    return sorted(islice(below, MOST_FILES + 1))
