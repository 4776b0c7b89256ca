"""What `gitfleet usage` shows of books and rows as they are: fallbacks, pieces, small sums, damage, hostile names."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from rich.console import Console

from gitfleet.cli.output import draw
from gitfleet.cli.usage import view
from gitfleet.model.base import instant
from gitfleet.model.evidence import Attempt, Exit
from gitfleet.model.reports import UsageBy, UsageGroup, UsageReport
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.model.usage import Tokens, Truth, UsageRow, UsageRows, UsageSummary
from gitfleet.store.usage import UsageStore
from tests.cli.test_cli_upkeep import publish
from tests.support.commands import STARTED, a_run, a_session, place, run

if TYPE_CHECKING:
    from tests.support.repo import Repo


def an_attempt(number: int = 1, *, agent: str = "", used: UsageSummary | None = None) -> Attempt:
    """One that is over."""
    known: dict[str, Any] = {"number": number, "base": "0" * 40, "started": STARTED, "outcome": "success"}
    return Attempt(**known, agent=agent, account="one", usage=used, exit=Exit(code=0, seconds=2.0))


def summed(tokens: int = 0, *, turns: int = 1, cost: float | None = None, truth: Truth = Truth.EXACT) -> UsageSummary:
    return UsageSummary(tokens=Tokens(input=tokens, cost_usd=cost), turns=turns, truth=truth)


def rows(session: str, agent: str = "codex", tokens: int = 5) -> UsageRows:
    """A row of a call that no session of the state stands for."""
    row = UsageRow(
        session=session, task="plan", instance=session, attempt=1, turn="1", agent=agent, at=STARTED,
        tokens=Tokens(input=tokens),
    )  # fmt: skip
    return UsageRows(rows=(row,), truth=Truth.EXACT)


def groups(repo: Repo, *args: str) -> dict[str, Any]:
    report = run("usage", *args, "--json", "--repo", repo.path).json
    return {group["name"]: group for group in report["groups"]}


def test_each_attempt_counts_for_the_agent_that_did_it(repo: Repo) -> None:
    first, second = an_attempt(1, agent="claude", used=summed(3)), an_attempt(2, agent="codex", used=summed(4))
    place(repo.path, a_session(), a_run("api", RunState.FAILED, agent="codex", attempts=(first, second)))
    assert {name: group["total"] for name, group in groups(repo, "--by", "agent").items()} == {"claude": 3, "codex": 4}


def test_what_only_helpers_told_before_the_end_is_kept(repo: Repo) -> None:
    used = summed(30, turns=0, truth=Truth.NOT_MEASURED)
    place(repo.path, a_session(), a_run("api", RunState.FAILED, attempts=(an_attempt(used=used),)))
    (group,) = groups(repo).values()
    assert (group["total"], group["not_measured"]) == (30, 1)


@pytest.mark.parametrize(
    ("cost", "told"), [(0.0004, "$0.0004"), (0.006, "$0.006"), (1.25, "$1.25"), (1234.5, "$1,234.50")]
)
def test_a_small_cost_is_not_told_as_none(repo: Repo, cost: float, told: str) -> None:
    attempt = an_attempt(used=summed(1, cost=cost))
    place(repo.path, a_session(), a_run("api", RunState.FAILED, attempts=(attempt,)))
    assert f"1 token, {told}, used by 1 attempt." in run("usage", "--repo", repo.path).out


def test_damaged_rows_are_named_and_the_rest_is_shown(repo: Repo) -> None:
    layout = place(repo.path, a_session(), a_run("api", RunState.FAILED, attempts=(an_attempt(used=summed(3)),)))
    UsageStore(layout).write("plan-good", "plan-good", 1, rows("plan-good"))
    broken = layout.usage_of("plan-bad", "plan-bad", 1)
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    answer = run("usage", "--json", "--repo", repo.path)
    assert answer.json["all"]["total"] == 8
    assert answer.json["all"]["not_measured"] == 1
    ((problem, instance),) = {(one["problem"], one["instance"]) for one in answer.json["differences"]}
    assert (answer.code, problem, instance) == (1, "damaged", "plan-bad")
    assert f"plan-bad (plan-bad): the file {broken} cannot be read" in run("usage", "--repo", repo.path).out
    # One of a session of the state, whose books have the sum, matters to those who ask for the rows.
    layout.usage_of("auth-k3f9qm", "fleet-auth-k3f9qm-w1-a1", 1).parent.mkdir()
    layout.usage_of("auth-k3f9qm", "fleet-auth-k3f9qm-w1-a1", 1).write_text("[]")
    found = run("usage", "auth-k3f9qm", "--reconcile", "--json", "--repo", repo.path).json
    assert (found["all"]["total"], [one["problem"] for one in found["differences"]]) == (3, ["damaged"])


def test_a_session_of_a_program_is_reconciled_whole_whatever_days_are_asked_for(repo: Repo) -> None:
    days = ("2026-01-02T12:00:00.000Z", "2026-02-03T12:00:00.000Z")
    attempts = tuple(
        msgspec.structs.replace(an_attempt(number, used=summed(3)), started=day, cli_session="s-1", account="")
        for number, day in enumerate(days, start=1)
    )
    layout = place(repo.path, a_session(), a_run("api", RunState.FAILED, attempts=attempts))
    for number in (1, 2):
        UsageStore(layout).write("auth-k3f9qm", "fleet-auth-k3f9qm-w1-a1", number, rows("auth-k3f9qm"))
    found = run("usage", "--reconcile", "--since", "2026-02-01", "--json", "--repo", repo.path).json
    assert (found["all"]["total"], [one["rows"] for one in found["differences"]]) == (3, [10])


def test_clean_keeps_rows_for_months_and_books_while_the_day_counts_them(repo: Repo) -> None:
    """The session began today by its attempt; its rows outlive it, and go once they are old."""
    today = instant(time.time())
    run_ = a_run("api", RunState.FAILED, attempts=(Attempt(number=1, base="0" * 40, started=today),))
    layout = place(repo.path, a_session(state=SessionState.COMPLETED, ended=today), run_)
    UsageStore(layout).write("auth-k3f9qm", run_.instance, 1, UsageRows())
    publish(repo, layout)
    repo.write(".planning/config.yaml", b"budgets: {day: {max_usd: 5}}\n")
    (kept,) = run("clean", "--repo", repo.path, "--json").json["items"]
    assert (kept["kind"], kept["removed"]) == ("session", False)
    assert kept["reason"] == "what it used counts in the budget of the day until midnight"
    repo.write(".planning/config.yaml", b"agents: {}\n")
    assert [item["kind"] for item in run("clean", "--repo", repo.path, "--json").json["items"]] == ["session"]
    assert run("clean", "--repo", repo.path, "--json").json["items"] == []
    rows = layout.usage_of("auth-k3f9qm", run_.instance, 1)
    os.utime(rows, (0, time.time() - 91 * 86400))
    assert run("clean", "--repo", repo.path, "--json", "--dry-run").json["items"][0]["name"] == "auth-k3f9qm"
    assert rows.exists()
    assert [item["kind"] for item in run("clean", "--repo", repo.path, "--json").json["items"]] == ["usage"]
    assert not rows.parent.exists()


def test_names_are_safe_and_the_table_fits(repo: Repo) -> None:
    layout = place(repo.path, a_session())
    UsageStore(layout).write("plan-good", "plan-good", 1, rows("plan-good", agent="\x1b[2Jred\n", tokens=10**12))
    out = run("usage", "--by", "agent", "--repo", repo.path).out
    assert "\x1b" not in out
    assert "1,000,000,000,000" in out


def test_in_a_narrow_terminal_no_value_is_cut_or_folded() -> None:
    tokens = Tokens(input=123456789, cache_read=12345678, cache_write=345678, output=9876543, cost_usd=123.4567)
    group = UsageGroup(name="auth-refactor-and-more-k3f9qm", attempts=12, not_measured=2, tokens=tokens, turns=1234)
    report = UsageReport(by=UsageBy.SESSION, groups=(group,), all=group)
    narrow, wide = io.StringIO(), io.StringIO()
    draw(view(report), Console(file=narrow, width=80))
    draw(view(report), Console(file=wide, width=200))
    first, *rest = narrow.getvalue().splitlines()[1:]
    assert first == "auth-refactor-and-more-k3f9qm"
    assert max(map(len, rest)) <= 80
    said = [word for line in rest for word in line.strip().split("  ")]
    names = ["attempts", "turns", "tools", "input", "cached", "written", "output", "cost", "time", "measured"]
    assert [word.split()[0] for word in said] == names
    assert said[3] == "input 123,456,789"
    assert said[-1] == "measured but for 2"
    assert len(wide.getvalue().splitlines()) == 3


@pytest.mark.parametrize("named", [(), ("auth-k3f9qm",)])
def test_a_budget_for_what_is_over_is_refused(repo: Repo, named: tuple[str, ...]) -> None:
    place(repo.path, a_session(state=SessionState.COMPLETED), a_run("api", RunState.LANDED))
    assert run("continue", *named, "--repo", repo.path).code == 0
    answer = run("continue", *named, "--budget", "session.max_tokens=9", "--json", "--repo", repo.path)
    assert (answer.code, answer.json["error"]["code"]) == (2, "no-open-session")
    assert "session.max_tokens=9" in answer.json["error"]["message"]
    assert run("continue", *named, "--budget", "nonsense", "--json", "--repo", repo.path).code == 2


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("1e6", "it is not SCOPE.KEY=NUMBER"),
        ("session.max_tokens=2.0", "found the value 2.0 (expected a whole number); write 2"),
        ("session.max_tokens=0", "0 is out of range (expected at least 1)"),
        ("session.max_tokns=5", "unknown field `max_tokns`; did you mean `max_tokens`?"),
        ("sesion.max_tokens=5", "unknown field `sesion`; did you mean `session`?"),
    ],
)
def test_what_is_wrong_with_a_budget_is_said_in_words(repo: Repo, given: str, why: str) -> None:
    error = run("continue", "--budget", given, "--json", "--repo", repo.path).json["error"]
    assert (error["code"], error["message"]) == ("invalid-budget", f"--budget {given}: {why}.")
