"""The values that must not be seen in what gitfleet writes and shows: keys and logins of the user's accounts.

A value is replaced as it is. One that was encoded, cut in two or changed is not recognised, and neither is a secret
that belongs to no account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.agents.accounts.keys import known_secrets
from gitfleet.errors import GitfleetError

if TYPE_CHECKING:
    from gitfleet.agents.accounts.store import Accounts


def secret_values(accounts: Accounts) -> dict[str, str]:
    """What to replace, and by what, for all accounts as they are now."""
    found: dict[str, str] = {}
    try:
        for account in accounts.all():
            values = known_secrets(account, accounts.home(account.ref), accounts.caller)
            found |= dict.fromkeys(values, f"<secret of {account.ref}>")
    except (OSError, GitfleetError):
        return found
    return found
