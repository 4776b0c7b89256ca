"""The values that must not be seen in what gitfleet writes and shows: keys and logins of the user's accounts.

A value is replaced as it is. One that was encoded, cut in two or changed is not recognised, and neither is a secret
that belongs to no account.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.keys import known_secrets
from gitfleet.agents.accounts.store import Accounts
from gitfleet.errors import GitfleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def secret_values(caller: Mapping[str, str], now: Callable[[], float]) -> dict[str, str]:
    """What to replace, and by what, for all accounts as they are now, of whom the environment ``caller`` belongs to.

    Nothing where there is no home, and so no account.
    """
    found: dict[str, str] = {}
    with suppress(OSError, GitfleetError):
        accounts = Accounts.of(caller, now)
        for account in accounts.all():
            values = known_secrets(account, accounts.home(account.ref), accounts.caller)
            found |= dict.fromkeys(values, f"<secret of {account.ref}>")
    return found
