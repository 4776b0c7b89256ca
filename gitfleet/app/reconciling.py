"""Usage rows held against what the agents' own programs wrote down of their sessions. Read only.

The unit is a session of the program: attempts that went on with one another are one sum there. Helpers that the program
keeps out of its own file may make rows larger; that is no difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.accounts.store import Accounts
from gitfleet.agents.ledgers import ledger
from gitfleet.app.load import load_config
from gitfleet.app.usage import difference
from gitfleet.errors import GitfleetError
from gitfleet.model.agent_config import BUILT_IN, AgentKind
from gitfleet.model.config import Config
from gitfleet.model.usage import Truth, added
from gitfleet.store.state import State
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitfleet.app.usage import Spent
    from gitfleet.app.workspace import Workspace
    from gitfleet.model.reports import Difference, UsageReport
    from gitfleet.model.usage import Tokens, UsageRows


def reconciled(
    workspace: Workspace, report: UsageReport, spent: Sequence[Spent], environment: Mapping[str, str]
) -> UsageReport:
    """The report with what is missing, or differs from the programs' own files, of these attempts."""
    homes = _Homes(workspace, environment)
    store = UsageStore(workspace.layout)
    found: list[Difference] = []
    sessions: dict[tuple[str, str], list[Spent]] = {}
    told = [one for one in spent if one.reports]
    for one in told:
        try:
            rows = store.read(one.session, one.instance, one.attempt)
        except GitfleetError as error:
            found.append(difference(one, "damaged", error.message))
            continue
        if rows is None:
            found.append(difference(one, "missing", f"attempt {one.attempt} has no rows"))
        elif one.cli_session:
            sessions.setdefault((one.account, one.cli_session), []).append(one)
    for members in sessions.values():
        other = _against_ledger(homes, store, members)
        found += [other] if other else []
    return msgspec.structs.replace(report, reconciled=len(told), differences=(*report.differences, *found))


def _against_ledger(homes: _Homes, store: UsageStore, members: Sequence[Spent]) -> Difference | None:
    last = members[-1]
    theirs = homes.ledger(last)
    kept = [rows for one in members if (rows := store.read(one.session, one.instance, one.attempt)) is not None]
    ours, agents = _sum(kept, helpers=True), _sum(kept, helpers=False)
    if theirs is None:
        return difference(last, "no-file", "its program wrote no session that can be read", ours)
    if _same(theirs, agents) or _same(theirs, ours):
        return None
    words = f"the rows have {ours.total:,} tokens, and its program wrote down {theirs.total:,}"
    if any(rows.truth is not Truth.EXACT for rows in kept):
        return difference(last, "incomplete", f"{words}; it was cut off before it told all", ours, theirs)
    return difference(last, "differs", words, ours, theirs)


def _same(one: Tokens, other: Tokens) -> bool:
    names = ("input", "cache_read", "cache_write", "output")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _sum(kept: Sequence[UsageRows], *, helpers: bool) -> Tokens:
    return added(row.tokens for rows in kept for row in rows.rows if helpers or not row.helper)


class _Homes:
    """Where the accounts' homes are, and of which kind the agents were."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str]) -> None:
        self._accounts = Accounts.of(environment, workspace.now)
        self._state = State(workspace.layout)
        self._configs: dict[str, Config] = {}

    def ledger(self, one: Spent) -> Tokens | None:
        """What its program wrote down."""
        if one.account not in self._accounts.refs():
            return None
        return ledger(self._kind(one), self._accounts.home(one.account), one.cli_session)

    def _kind(self, one: Spent) -> AgentKind:
        if one.session not in self._configs:
            self._configs[one.session] = self._config(one.session)
        agent = self._configs[one.session].agent_named(one.agent) or BUILT_IN.get(one.account.partition("-")[0])
        return agent.kind if agent else AgentKind.COMMAND

    def _config(self, session: str) -> Config:
        try:
            return load_config(self._state.read_config_bytes(session), "config.yaml")
        except GitfleetError:  # a session that is gone: its agents go by the names of their programs
            return Config()
