"""What `gitfleet accounts` answers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.reports.answers import Report


class AccountHolder(Report, frozen=True, kw_only=True):
    """An attempt that an account was given to."""

    instance: Annotated[str, Meta(description="Who it was given to.")]
    attempt: Annotated[int, Meta(description="Number of the attempt.")]
    session: Annotated[str, Meta(description="Session of the attempt.")]
    repository: Annotated[str, Meta(description="Git common directory of the session.")]
    since: Annotated[str, Meta(description="When it was given, as an instant.")]
    alive: Annotated[bool, Meta(description="Whether it still works with the account; else its run is dead.")]


class AccountRow(Report, frozen=True, kw_only=True):
    """One account as it stands now."""

    ref: Annotated[str, Meta(description="Its name, such as codex-2.")]
    kind: Annotated[str, Meta(description="Whose program it is for: claude, codex or opencode.")]
    readiness: Annotated[
        str,
        Meta(
            description="ready, busy, at-capacity, cooling, fell-through, refused, not-connected, no-program, damaged."
        ),
    ]
    message: Annotated[str, Meta(description="The same as a clause.")]
    next: Annotated[str, Meta(description="The command that changes it; empty where nothing need be done.")] = ""
    until: Annotated[str, Meta(description="When it rests no more; empty when it does not rest.")] = ""
    identity: Annotated[str, Meta(description="Who it is, or where its key comes from.")] = ""
    endpoint: Annotated[str, Meta(description="Address of a gateway; empty for the vendor's own.")] = ""
    settings: Annotated[tuple[str, ...], Meta(description="Names of the variables that its program gets.")] = ()
    capacity: Annotated[int, Meta(description="Most attempts that may work with it at once.")] = 0
    allowed: Annotated[int, Meta(description="How many may now: fewer after a rate limit.")] = 0
    busy: Annotated[int, Meta(description="Attempts that work with it.")] = 0
    queued: Annotated[int, Meta(description="Attempts that wait for it, among others.")] = 0
    available: Annotated[int, Meta(description="How many more attempts may work with it now.")] = 0
    used: Annotated[int, Meta(description="Attempts that were given to it so far.")] = 0
    trouble: Annotated[str, Meta(description="What the last limit or refusal said; empty where there was none.")] = ""
    holders: Annotated[
        tuple[AccountHolder, ...], Meta(description="Attempts that it was given to and that did not give it back.")
    ] = ()


class AccountsReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/accounts/v1"):
    """Accounts as they stand now."""

    directory: Annotated[str, Meta(description="Where all accounts lie.")]
    accounts: Annotated[tuple[AccountRow, ...], Meta(description="The accounts, by name.")] = ()


class AccountChanged(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/account/v1"):
    """An account was connected or removed."""

    action: Annotated[str, Meta(description="connected or removed.")]
    account: Annotated[AccountRow | None, Meta(description="As it stands now; none when it was removed.")] = None
    ref: Annotated[str, Meta(description="Name of the account.")]
    imported: Annotated[tuple[str, ...], Meta(description="Settings that were taken over, by path in its home.")] = ()
    left_out: Annotated[
        tuple[str, ...], Meta(description="What was not taken over, or only without the lines that held a secret.")
    ] = ()
