"""Connect, list and remove accounts. The user's own homes are read where settings are taken over, and never written."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.accounts.importing import Imported, take_over
from gitfleet.agents.accounts.keys import identity, missing
from gitfleet.agents.accounts.lease_files import alive
from gitfleet.agents.accounts.programs import PROGRAMS, found
from gitfleet.agents.accounts.readiness import Condition
from gitfleet.app.account_options import chosen_endpoint, chosen_key, chosen_settings
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.account import DEFAULT_CAPACITY, Account, AccountState, Key
from gitfleet.model.base import instant
from gitfleet.model.reports import AccountChanged, AccountHolder, AccountRow, AccountsReport
from gitfleet.runtime.environment import looks_secret
from gitfleet.runtime.shell import ended_by_signals, run
from gitfleet.store.locks import hold, holder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gitfleet.agents.accounts.store import Accounts
    from gitfleet.model.agent_config import AgentKind


@dataclass(frozen=True, slots=True)
class Connection:
    """What a person asked for. ``ref`` is an account to connect anew, empty for a new one.

    Of an account that is connected anew everything stays that is not named; an empty ``endpoint`` is the vendor's own.
    ``key_env`` and ``key_path`` say where its key is; neither: the program's own login. ``settings`` are
    ``NAME=VALUE``. With ``imports`` settings are taken over, from ``import_from`` or the person's own home.
    """

    kind: AgentKind
    ref: str = ""
    key_env: str = ""
    key_path: Path | None = None
    endpoint: str | None = None
    settings: Sequence[str] = field(default_factory=tuple)
    capacity: int | None = None
    import_from: Path | None = None
    imports: bool = False


def connect(accounts: Accounts, wanted: Connection, *, output: int | None = None) -> AccountChanged:
    """Connect an account; a login has the terminal, and ``output`` is a descriptor for what it prints.

    Raises ``GitfleetError``; then an account that was to be new is not there, and one that was is as it was. So it is
    when this process is terminated meanwhile; where it is killed, one that was to be new makes room for the next.
    """
    program = PROGRAMS[wanted.kind]
    key = chosen_key(wanted.key_env, wanted.key_path, accounts.caller)
    if wanted.endpoint is not None:
        wanted = replace(wanted, endpoint=chosen_endpoint(wanted.endpoint))
    settings = chosen_settings(wanted.settings)
    if key is None and not found(wanted.kind, accounts.caller):
        raise GitfleetError(
            Kind.ENVIRONMENT,
            "no-program",
            f"There is no program {program.name} on the PATH, which would log in.",
            hint=program.install,
        )
    with ended_by_signals(), ExitStack() as login:
        return _connect(accounts, wanted, key, settings, login, output)


def _connect(
    accounts: Accounts,
    wanted: Connection,
    key: Key | None,
    settings: dict[str, str],
    login: ExitStack,
    output: int | None,
) -> AccountChanged:
    with accounts.lock() as proof:
        before = _before(accounts, wanted)
        if before is None:
            for left in _abandoned(accounts, wanted.kind):
                accounts.take_away(proof, left)
        ref = wanted.ref or accounts.new_ref(proof, wanted.kind)
        if key is None:
            # Held while the program logs in, so that an account whose login was killed is told from one under way.
            login.enter_context(hold(accounts.login_lock(ref), timeout=0, what=f"the login of {ref}"))
        account = Account(
            ref=ref,
            kind=wanted.kind,
            key=key,
            endpoint=wanted.endpoint if wanted.endpoint is not None else before.endpoint if before else "",
            settings=settings or (before.settings if before else {}),
            capacity=wanted.capacity or (before.capacity if before else DEFAULT_CAPACITY),
            connected=instant(accounts.now()) if key else "",
        )
        if before is None:
            # The name is its own from now on. What is connected anew stays as it was until all went well.
            accounts.write(proof, account)
    imported = Imported()
    try:
        accounts.empty_bin()
        if wanted.imports:
            imported = take_over(account, accounts.home(ref), accounts.caller, wanted.import_from)
        if key is None:
            _log_in(accounts, account, output)
            account = msgspec.structs.replace(account, connected=instant(accounts.now()))
        with accounts.lock() as proof:
            accounts.write_state(proof, ref, _fresh(accounts, ref))
            accounts.write(proof, account)
    except BaseException:
        if before is None:
            with accounts.lock() as proof, suppress(FileNotFoundError):
                accounts.take_away(proof, ref)
            accounts.empty_bin()
        raise
    row = next(row for row in listed(accounts, ref).accounts)
    return AccountChanged(action="connected", ref=ref, account=row, imported=imported.taken, left_out=imported.left_out)


def listed(accounts: Accounts, ref: str | None = None) -> AccountsReport:
    """All accounts, or one, as they stand now. Raises ``GitfleetError`` (``unknown-account``)."""
    if ref is not None:
        accounts.check(ref)
    refs = accounts.refs() if ref is None else [ref]
    return AccountsReport(directory=str(accounts.root), accounts=tuple(_row(accounts, one) for one in refs))


def remove(accounts: Accounts, ref: str) -> AccountChanged:
    """Take an account away, with everything in its home.

    Raises ``GitfleetError``: ``unknown-account``, ``account-leased`` while attempts work with it, or ``logging-in``.
    """
    accounts.empty_bin()
    with accounts.lock() as proof:
        accounts.check(ref)
        leases = accounts.leases(ref)
        holders = [lease for lease in leases.values() if lease is None or alive(lease)]
        if holders:
            first = next((lease for lease in holders if lease is not None), None)
            damaged = next((path for path, lease in leases.items() if lease is None), None)
            who = f"{first.instance} of {first.session}" if first else f"a lease that cannot be read, {damaged}"
            more = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
            raise GitfleetError(
                Kind.BUSY,
                "account-leased",
                f"Account {ref} is in use by {who}{more}; nothing was removed.",
                hint=f"gitfleet stop {first.session}" if first else "gitfleet doctor says what to do with it",
            )
        who_logs_in = holder(accounts.login_lock(ref))
        if who_logs_in is not None:
            raise GitfleetError(
                Kind.BUSY,
                "logging-in",
                f"The program of account {ref} is logging in, started by {who_logs_in}; nothing was removed.",
                hint="Finish that login, or end that process; then remove it.",
            )
        accounts.take_away(proof, ref)
    accounts.empty_bin()
    return AccountChanged(action="removed", ref=ref)


def _abandoned(accounts: Accounts, kind: AgentKind) -> Iterator[str]:
    """Accounts of a kind that never came to a login, since whoever connected them was killed."""
    for account in accounts.all():
        never = not account.connected and bool(missing(account, accounts.home(account.ref), accounts.caller))
        idle = not accounts.leases(account.ref) and holder(accounts.login_lock(account.ref)) is None
        if account.kind is kind and never and idle:
            yield account.ref


def _before(accounts: Accounts, wanted: Connection) -> Account | None:
    if not wanted.ref:
        return None
    before = accounts.read(wanted.ref)
    if before.kind is not wanted.kind:
        raise GitfleetError(
            Kind.USAGE, "other-kind", f"{wanted.ref} is an account of {before.kind}, not {wanted.kind}."
        )
    return before


def _fresh(accounts: Accounts, ref: str) -> AccountState:
    """What is still known of an account that was connected anew: how often it was used."""
    return AccountState(used=accounts.state(ref).used)


def _log_in(accounts: Accounts, account: Account, output: int | None) -> None:
    """Let the vendor's program log in, inside the account's home."""
    program, home = PROGRAMS[account.kind], accounts.home(account.ref)
    code = run((program.name, *program.login), home, login_environment(accounts.caller, account, home), output=output)
    lacks = missing(account, home, accounts.caller)
    if code or lacks:
        said = f"it ended with exit code {code}" if code or lacks is None else lacks.why
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "login-failed",
            f"`{program.name} {' '.join(program.login)}` did not log in: {said}. Nothing was connected.",
            hint=f"gitfleet accounts connect {account.kind} --api-key-env NAME, where you have a key",
        )


def login_environment(caller: Mapping[str, str], account: Account, home: Path) -> dict[str, str]:
    """The environment of a login: the person's own, but everything of the program lies in the account's home.

    Keys in the person's environment stay out: the program would take one of them for a login.
    """
    homes = {name for program in PROGRAMS.values() for name in (*program.home, program.key)}
    kept = {name: value for name, value in caller.items() if name not in homes and not looks_secret(name)}
    return {**kept, **account.settings, **PROGRAMS[account.kind].variables(home)}


def _row(accounts: Accounts, ref: str) -> AccountRow:
    holders = tuple(
        AccountHolder(
            instance=lease.instance,
            attempt=lease.attempt,
            session=lease.session,
            repository=lease.repository,
            since=lease.since,
            alive=alive(lease),
        )
        for lease in accounts.leases(ref).values()
        if lease is not None
    )
    try:
        account = accounts.read(ref)
    except GitfleetError as error:
        return AccountRow(
            ref=ref, kind="", readiness="damaged", message=error.message, next=error.hint, holders=holders
        )
    now, state = accounts.standing(ref), accounts.state(ref)
    return AccountRow(
        ref=ref,
        kind=account.kind.value,
        readiness=now.condition.value,
        message=now.clause,
        next=now.mend if now.condition not in {Condition.READY, Condition.BUSY} else "",
        until=instant(now.until) if now.until else "",
        identity=identity(account, accounts.home(ref)),
        endpoint=account.endpoint,
        settings=tuple(sorted(account.settings)),
        capacity=account.capacity,
        allowed=now.allowed,
        busy=now.busy,
        queued=now.queued,
        available=now.available,
        used=state.used,
        trouble=state.said,
        holders=holders,
    )
