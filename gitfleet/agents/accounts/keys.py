"""Keys and logins of accounts: read when an attempt starts, known by their place until then, and stored nowhere else.

What a vendor's own login leaves in an account's home belongs to the vendor's program; it is looked into for who the
account is, and for the values that must not appear in what gitfleet writes.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.programs import PROGRAMS
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.agent_config import AgentKind
from gitfleet.model.paths import unquote_path
from gitfleet.store.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitfleet.model.account import Account, Key

KEY_BYTES = 8 * 1024
CREDENTIAL_BYTES = 1 << 20
SHORTEST = 8
"""Values with fewer characters are no secrets that could be told from ordinary words."""

_WORDS = re.compile(r"[a-z]+(?:[-_. ][a-z]+)*")
_LONGEST_WORDS = 19

_SECRET_KEY = re.compile(r"token|secret|password|api_?key|^key$|^access$|^refresh$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NoKey:
    """The key or the login is not to be had; ``why`` is a clause, ``mend`` the command that ends that, if one does."""

    why: str
    mend: str = ""


def place_of(key: Key) -> Path:
    """The file that holds a key."""
    return Path(os.fsdecode(unquote_path(key.path)))


def read_key(key: Key, caller: Mapping[str, str]) -> str | NoKey:
    """Read a key; ``caller`` is the environment that gitfleet was started with."""
    if key.env:
        value = caller.get(key.env, "").strip()
        if not value:
            return NoKey(f"the variable {key.env} is not set here", f"export {key.env}=...")
        return _fit(value, f"the variable {key.env}")
    path = place_of(key)
    unfit = _unfit(path)
    if unfit is not None:
        return unfit
    try:
        value = read_regular(path, KEY_BYTES + 1).decode("utf-8").strip()
    except (OSError, ValueError) as error:
        return NoKey(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}")
    return _fit(value, str(path))


def _fit(value: str, where: str) -> str | NoKey:
    """A key goes into a header of a request: visible characters of ASCII on one line."""
    if len(value) > KEY_BYTES:
        return NoKey(f"{where} holds more than {KEY_BYTES} bytes")
    if not value or re.fullmatch(r"[!-~]+", value) is None:
        return NoKey(f"{where} does not hold a key, alone on one line")
    return value


def _unfit(path: Path) -> NoKey | None:
    """Why a file is not one that a key may lie in."""
    try:
        facts = path.stat()
    except OSError as error:
        return NoKey(f"{path} cannot be read: {error.strerror}")
    if not stat.S_ISREG(facts.st_mode):
        return NoKey(f"{path} is not a regular file")
    if facts.st_uid != os.getuid():
        return NoKey(f"{path} belongs to somebody else")
    if facts.st_mode & 0o077:
        return NoKey(f"{path} can be read by others", f"chmod 600 {shlex.quote(str(path))}")
    return None


def missing(account: Account, home: Path, caller: Mapping[str, str]) -> NoKey | None:
    """What of an account's key or login is not there; none when all is."""
    if account.key is not None:
        found = read_key(account.key, caller)
        return found if isinstance(found, NoKey) else None
    if account.kind is AgentKind.CLAUDE and sys.platform == "darwin":
        return None  # its program keeps the login in the system's own store there
    there = (home / PROGRAMS[account.kind].credentials).exists()
    return None if there else NoKey(f"its home holds no login of {PROGRAMS[account.kind].name}")


def connect_again(account: Account) -> str:
    """The command that connects an account anew, from where its key was before."""
    words = ["gitfleet", "accounts", "connect", account.kind.value, "--ref", account.ref]
    if account.key is not None:
        words += (
            ["--api-key-env", account.key.env] if account.key.env else ["--api-key-file", str(place_of(account.key))]
        )
    return shlex.join(words)


def secrets_of(account: Account, caller: Mapping[str, str]) -> dict[str, str]:
    """The variables for its program's process that hold its key; none for a login of the program's own.

    Raises ``GitfleetError`` (``no-key``) when the key is not to be had.
    """
    if account.key is None:
        return {}
    found = read_key(account.key, caller)
    if isinstance(found, NoKey):
        raise GitfleetError(
            Kind.ENVIRONMENT,
            "no-key",
            f"The key of account {account.ref} is not to be had: {found.why}.",
            hint=found.mend or connect_again(account),
        )
    return {key_variable(account): found}


def key_variable(account: Account) -> str:
    """The variable in which a program gets its key.

    opencode knows each provider by a variable of its own, so without a gateway the one that was named stays its name.
    """
    own = account.kind is AgentKind.OPENCODE and not account.endpoint and account.key and account.key.env
    return own or PROGRAMS[account.kind].key


def known_secrets(account: Account, home: Path, caller: Mapping[str, str]) -> frozenset[str]:
    """The secret values of an account, as far as they can be read now."""
    found = set()
    if account.key is not None:
        value = read_key(account.key, caller)
        if isinstance(value, str):
            found.add(value)
    found |= set(_strings(_credentials(account, home)))
    return frozenset(value for value in found if tellable(value))


def tellable(value: str) -> bool:
    """Whether a value can be told from ordinary words; ``lm-studio`` is what some gateways want for a key."""
    if len(value) < SHORTEST:
        return False
    return len(value) > _LONGEST_WORDS or _WORDS.fullmatch(value) is None


def identity(account: Account, home: Path) -> str:
    """Who an account is, for people: the name in its login, or where its key comes from."""
    if account.key is not None:
        return f"key in ${account.key.env}" if account.key.env else f"key in {place_of(account.key)}"
    match account.kind:
        case AgentKind.CLAUDE:
            settings = _read(home / ".claude.json")
            who = settings.get("oauthAccount")
            return str(who.get("emailAddress", "")) if isinstance(who, dict) else ""
        case AgentKind.CODEX:
            tokens = _credentials(account, home).get("tokens")
            return _email(str(tokens.get("id_token", ""))) if isinstance(tokens, dict) else ""
        case _:
            return ", ".join(sorted(_credentials(account, home)))


def _credentials(account: Account, home: Path) -> dict[str, object]:
    return _read(home / PROGRAMS[account.kind].credentials)


def _read(path: Path) -> dict[str, object]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(read_regular(path, CREDENTIAL_BYTES))
        if isinstance(found, dict):
            return found
    return {}


def _email(token: str) -> str:
    """The address in the middle part of a JSON web token, which is no secret."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    with suppress(ValueError, RecursionError):
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if isinstance(claims, dict):
            return str(claims.get("email", ""))
    return ""


def _strings(login: object) -> Iterator[str]:
    """The values in a login that its names call secret, and all below these, however deep it is nested."""
    left = [(login, False)]
    while left:
        value, secret = left.pop()
        if isinstance(value, str) and secret:
            yield value
        elif isinstance(value, dict):
            left += [(inner, secret or _SECRET_KEY.search(str(name)) is not None) for name, inner in value.items()]
        elif isinstance(value, list):
            left += [(inner, secret) for inner in value]
