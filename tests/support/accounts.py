"""Accounts of tests: keys that open nothing, in the state directory that the environment names."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.store import Accounts
from gitfleet.app.accounts import Connection, connect

if TYPE_CHECKING:
    from gitfleet.model.agent_config import AgentKind

KEY = "TESTS_ACCOUNT_KEY"
SECRET = "a-key-that-opens-nothing"  # noqa: S105 - it opens nothing


def connected(kind: AgentKind, *, capacity: int = 64) -> None:
    """Have an account of a kind; one that is there stays as it is."""
    os.environ[KEY] = SECRET
    accounts = Accounts.of(os.environ, time.time)
    if not any(account.kind is kind for account in accounts.all()):
        connect(accounts, Connection(kind=kind, key_env=KEY, capacity=capacity))
