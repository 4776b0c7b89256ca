"""What a person says of an account when it is connected, refused where it would be stored and must not be."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitfleet.agents.accounts.keys import NoKey, read_key
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.account import Key
from gitfleet.model.paths import quote_path
from gitfleet.runtime.environment import looks_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS = re.compile(r"[^?#\s\\]+", re.ASCII)
_OURS = re.compile(r"HOME|PATH|SHELL|USER|TMPDIR|CLAUDE_CONFIG_DIR|CODEX_HOME|XDG_.*|GIT_.*|GITFLEET_.*")


def chosen_key(env: str, path: Path | None, caller: Mapping[str, str]) -> Key | None:
    """Where a key is, by the name of a variable or a path; none where neither is. It is there, and can be read."""
    if env and path:
        raise GitfleetError(Kind.USAGE, "two-keys", "--api-key-env and --api-key-file name one key twice; give one.")
    if env:
        if _NAME.fullmatch(env) is None:
            message = "--api-key-env takes the name of a variable, and this is none. It was not stored."
            raise GitfleetError(Kind.USAGE, "no-variable", message, hint="Never put a key itself on a command line.")
        key = Key(env=env)
    elif path:
        key = Key(path=quote_path(os.fsencode(path.absolute())))
    else:
        return None
    value = read_key(key, caller)
    if isinstance(value, NoKey):
        raise GitfleetError(Kind.USAGE, "no-key", f"The key is not to be had: {value.why}.", hint=value.mend)
    return key


def chosen_endpoint(address: str) -> str:
    """An address that is stored, shown and given to programs on their command lines: it holds no password."""
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        named = parts.port != 0 and bool(parts.hostname) and parts.scheme in {"http", "https"}
        told = "@" in parts.netloc
    except ValueError:
        named = told = False
    if not named or _ADDRESS.fullmatch(address) is None:
        raise GitfleetError(
            Kind.USAGE,
            "no-endpoint",
            "--endpoint takes the address of a gateway, as http://HOST or https://HOST/PATH, and nothing else in it.",
        )
    if told:
        raise GitfleetError(
            Kind.USAGE,
            "secret-endpoint",
            "--endpoint holds a name or a password, and addresses are stored and shown as they are.",
            hint="Name a key with --api-key-env or --api-key-file.",
        )
    return address


def chosen_settings(words: Sequence[str]) -> dict[str, str]:
    """Variables for the program, none of which looks like a secret or is gitfleet's own."""
    chosen: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or _NAME.fullmatch(name) is None:
            raise GitfleetError(Kind.USAGE, "no-setting", f"--setting takes NAME=VALUE, and {name!r} is no name.")
        if _OURS.fullmatch(name):
            raise GitfleetError(Kind.USAGE, "own-setting", f"--setting {name}: gitfleet itself sets that variable.")
        if looks_secret(name) and not value.isdecimal():
            raise GitfleetError(
                Kind.USAGE,
                "secret-setting",
                f"--setting {name} looks like a secret, and settings are stored as they are.",
                hint="Name a key with --api-key-env or --api-key-file.",
            )
        chosen[name] = value
    return chosen
