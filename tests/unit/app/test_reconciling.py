"""Rows held against what the agents' own programs wrote down: what agrees, differs, is missing or cannot be told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gitfleet.app.reconciling import reconciled
from gitfleet.app.usage import Spent
from gitfleet.app.workspace import open_workspace
from gitfleet.model.account import Account
from gitfleet.model.agent_config import AgentKind
from gitfleet.model.base import encode
from gitfleet.model.reports import UsageBy, UsageGroup, UsageReport
from gitfleet.model.usage import Tokens, Truth, UsageRow, UsageRows
from gitfleet.store.usage import UsageStore
from tests.support.git_env import LEAKS, hermetic
from tests.support.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path

SESSION, INSTANCE = "auth-k3f9qm", "fleet-auth-k3f9qm-w1-a1"
REPORT = UsageReport(by=UsageBy.TASK, all=UsageGroup(name="all"))


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    for name in LEAKS:
        monkeypatch.delenv(name, raising=False)
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return Repo.with_files(tmp_path / "project")


def spent(attempt: int = 1, cli_session: str = "s-1", account: str = "claude") -> Spent:
    return Spent(
        session=SESSION,
        task="api",
        instance=INSTANCE,
        attempt=attempt,
        agent="claude",
        account=account,
        cli_session=cli_session,
        at="2026-01-02T03:04:05.000Z",
        used=None,
        reports=True,
    )


def kept(repo: Repo, attempt: int, *tokens: int, helper: int = 0, truth: Truth = Truth.EXACT) -> None:
    """Rows of an attempt, an answer each; one of a helper where it is said."""
    known = {"session": SESSION, "task": "api", "instance": INSTANCE, "attempt": attempt, "agent": "claude"}
    rows = [UsageRow(**known, turn=str(place), tokens=Tokens(input=count)) for place, count in enumerate(tokens)]  # type: ignore[arg-type]
    if helper:
        rows.append(UsageRow(**known, turn="title", tokens=Tokens(input=helper), helper=True))  # type: ignore[arg-type]
    store = UsageStore(open_workspace(repo.path).layout)
    store.write(SESSION, INSTANCE, attempt, UsageRows(rows=tuple(rows), truth=truth))
    file = open_workspace(repo.path).layout.usage_of(SESSION, INSTANCE, attempt)
    assert json.loads(file.read_bytes())["schema"] == "gitfleet/usage-rows/v1"


def theirs(state: Path, *tokens: int) -> None:
    """What the program wrote down of its session."""
    file = state / "gitfleet/accounts/claude/home/projects/-tree/s-1.jsonl"
    file.parent.mkdir(parents=True)
    lines = [
        {"type": "assistant", "message": {"id": f"m{place}", "usage": {"input_tokens": count}}}
        for place, count in enumerate(tokens)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def account(state: Path, made: str = "") -> None:
    file = state / "gitfleet/accounts/claude/account.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode(Account(ref="claude", kind=AgentKind.CLAUDE, made=made)))


def gone(repo: Repo, state: Path, one: Spent) -> int:
    report = reconciled(open_workspace(repo.path), REPORT, [one], {"XDG_STATE_HOME": str(state)})
    assert (report.reconciled, report.differences) == (1 - report.gone, ())
    return report.gone


def found(repo: Repo, state: Path, *attempts: Spent) -> list[tuple[str, int | None, int | None]]:
    report = reconciled(open_workspace(repo.path), REPORT, attempts, {"XDG_STATE_HOME": str(state)})
    assert report.reconciled == len(attempts)
    names = {(one.session, one.task, one.instance) for one in report.differences}
    assert names <= {(SESSION, "api", INSTANCE)}
    assert all(one.message and one.cli_session for one in report.differences)
    return [(one.problem, one.rows, one.theirs) for one in report.differences]


def test_attempts_that_go_on_with_a_session_are_one_sum(repo: Repo, tmp_path: Path) -> None:
    theirs(tmp_path, 100, 20, 3)
    kept(repo, 1, 100)
    kept(repo, 2, 20, 3)
    assert found(repo, tmp_path, spent(1), spent(2)) == []


def test_the_accounts_lie_where_they_lie_for_everybody(repo: Repo, tmp_path: Path) -> None:
    theirs(tmp_path / ".local/state", 100)
    kept(repo, 1, 100)
    report = reconciled(
        open_workspace(repo.path), REPORT, [spent()], {"HOME": str(tmp_path), "XDG_STATE_HOME": "relative"}
    )
    assert report.differences == ()


def test_helpers_that_the_program_keeps_elsewhere_are_no_difference(repo: Repo, tmp_path: Path) -> None:
    theirs(tmp_path, 100)
    kept(repo, 1, 100, helper=7)
    assert found(repo, tmp_path, spent()) == []


def test_rows_that_say_other_are_named(repo: Repo, tmp_path: Path) -> None:
    theirs(tmp_path, 100, 20)
    kept(repo, 1, 100)
    assert found(repo, tmp_path, spent()) == [("differs", 100, 120)]


def test_what_was_cut_off_is_incomplete(repo: Repo, tmp_path: Path) -> None:
    theirs(tmp_path, 100, 20)
    kept(repo, 1, 100, truth=Truth.NOT_MEASURED)
    assert found(repo, tmp_path, spent()) == [("incomplete", 100, 120)]


def test_rows_and_files_that_are_not_there_are_named(repo: Repo, tmp_path: Path) -> None:
    account(tmp_path)
    assert found(repo, tmp_path, spent()) == [("missing", None, None)]
    kept(repo, 1, 100)
    assert found(repo, tmp_path, spent()) == [("no-file", 100, None)]
    assert found(repo, tmp_path, spent(account="")) == [("no-file", 100, None)]


@pytest.mark.parametrize("name", ["claude", "../claude"])
def test_what_went_with_a_removed_account_is_no_difference(repo: Repo, tmp_path: Path, name: str) -> None:
    kept(repo, 1, 100)
    assert gone(repo, tmp_path, spent(account=name)) == 1, "there is none of that name"


def test_an_account_that_was_made_later_is_another_one(repo: Repo, tmp_path: Path) -> None:
    kept(repo, 1, 100)
    account(tmp_path, made="2026-01-02T03:04:06.000Z")
    assert gone(repo, tmp_path, spent()) == 1
    theirs(tmp_path, 100)
    account(tmp_path, made="2026-01-02T03:04:04.000Z")
    assert gone(repo, tmp_path, spent()) == 0


def test_a_proof_has_nothing_to_be_held_against(repo: Repo, tmp_path: Path) -> None:
    kept(repo, 1, 0)
    proof = spent(cli_session=f"fixture-{INSTANCE}")
    report = reconciled(open_workspace(repo.path), REPORT, [proof], {"XDG_STATE_HOME": str(tmp_path)})
    assert (report.reconciled, report.gone, report.differences) == (0, 0, ())
