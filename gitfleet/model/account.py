"""Accounts of agents: what is written down of one, who works with it, and who waits for one.

None of these holds a secret: a key is named by its variable or its file. Whether an account is ready is computed from
these documents and the clock, and written nowhere.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from gitfleet.model.agent_config import AgentKind
from gitfleet.model.base import Count, Document, PositiveInt

ACCOUNT_SCHEMA = "gitfleet/account/v1"
ACCOUNT_STATE_SCHEMA = "gitfleet/account-state/v1"
ACCOUNT_LEASE_SCHEMA = "gitfleet/account-lease/v1"

DEFAULT_CAPACITY = 8
"""How many attempts may work with an account at once, unless somebody says otherwise."""


class Key(Document, frozen=True, kw_only=True):
    """Where the key of an account comes from; never the key itself."""

    env: Annotated[str, Meta(description="Variable of the caller's environment that holds it.")] = ""
    path: Annotated[str, Meta(description="File that holds it, C-quoted where it is not plain text.")] = ""


class Account(Document, frozen=True, kw_only=True, tag_field="schema", tag=ACCOUNT_SCHEMA):
    """One account of an agent's program, in a home of its own."""

    ref: Annotated[str, Meta(description="Its name, such as codex-2.", pattern="^[a-z][a-z0-9-]*$")]
    kind: Annotated[AgentKind, Meta(description="Which program it is an account of.")]
    connected: Annotated[str, Meta(description="When it was connected last; empty while a login is not over.")] = ""
    made: Annotated[str, Meta(description="When its home was made; connecting it anew keeps that.")] = ""
    key: Annotated[Key | None, Meta(description="Where its key is; none for a login of the program's own.")] = None
    endpoint: Annotated[str, Meta(description="Address of a gateway; empty for the vendor's own.")] = ""
    settings: Annotated[dict[str, str], Meta(description="Variables for its program that are no secrets.")] = field(
        default_factory=dict
    )
    capacity: Annotated[PositiveInt, Meta(description="Most attempts that may work with it at once.")] = (
        DEFAULT_CAPACITY
    )


class AccountState(Document, frozen=True, kw_only=True, tag_field="schema", tag=ACCOUNT_STATE_SCHEMA):
    """What attempts met with an account; losing it costs at most a request that is refused."""

    allowed: Annotated[
        PositiveInt | None, Meta(description="Attempts at once now: less than its capacity after a rate limit.")
    ] = None
    streak: Annotated[Count, Meta(description="Attempts in a row that met no limit, since `allowed` changed.")] = 0
    used: Annotated[Count, Meta(description="Attempts that were given to it so far.")] = 0
    until: Annotated[str, Meta(description="It rests until this instant; empty when it does not.")] = ""
    why: Annotated[str, Meta(description="Code of the failure that it rests for, or is refused for.")] = ""
    said: Annotated[str, Meta(description="What its program said then.")] = ""
    at: Annotated[str, Meta(description="When that was.")] = ""
    strikes: Annotated[Count, Meta(description="Limits in a row without a time at which they end.")] = 0
    refused: Annotated[bool, Meta(description="Whether its credentials were refused, until it is connected again.")] = (
        False
    )
    fell_through: Annotated[
        bool, Meta(description="Whether the last attempt with it ended before anything was spent.")
    ] = False


class AccountLease(Document, frozen=True, kw_only=True, tag_field="schema", tag=ACCOUNT_LEASE_SCHEMA):
    """Who works with an account, or waits for one.

    It is alive while nothing stands at ``over`` and somebody holds one of the ``locks``; paths are C-quoted where they
    are not plain text.
    """

    instance: str
    attempt: Annotated[int, Meta(ge=1)]
    session: str
    repository: Annotated[str, Meta(description="Git common directory of the session.")]
    over: Annotated[str, Meta(description="File whose presence says that the attempt is over.")]
    locks: Annotated[tuple[str, ...], Meta(description="Lock files: of the attempt's warden, of its coordinator.")]
    since: Annotated[str, Meta(description="ISO 8601 instant at which it was given, or the waiting began.")]
    wants: Annotated[tuple[str, ...], Meta(description="Refs that would do, of one who waits.")] = ()
