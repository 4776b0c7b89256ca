"""What ``plan`` says about a plan before it runs: coupling, and the forecast."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import write
from tests.support.git_env import GitCounter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

PLAN = """\
name: coupled
tasks:
  - {id: api, command: "true", scope: [api/], estimate: {minutes: 10}}
  - {id: web, command: "true", scope: [web/], estimate: {minutes: 20}}
  - {id: docs, command: "true", scope: [docs/], estimate: {minutes: 4, tokens: 1000}}
"""


def coupled(fleet: FleetEnv, times: int = 4) -> Path:
    """A repository in which the form changes with the user, and nothing with the docs."""
    repo = fleet.repo({"api/user": "0", "web/form": "0", "docs/a": "0", "other": "0"})
    for number in range(times):
        write(repo, dict.fromkeys(("api/user", "web/form"), f"{number + 1}"))
        fleet.git("commit", "-qam", "Both")
        for name in ("docs/a", "other"):
            write(repo, {name: f"{number + 1}"})
            fleet.git("commit", "-qam", "One")
    return repo


def test_coupled_tasks_of_one_wave_are_warned_of(fleet: FleetEnv) -> None:
    coupled(fleet)
    plan = fleet.plan(PLAN)
    short = fleet.run("plan", plan).ok().out
    warning = "coupled: api and web run at once, and api/user and web/form changed together in 4 of 4 commits"
    assert warning in short.splitlines()
    assert "forecast:      about 20 min, one agent alone about 35 min (not measured)" in short.splitlines()
    long = fleet.run("plan", plan, "--explain").ok().out
    for line in (
        "  api and web: 4 of 4 commits to one's scope or the other's changed both",
        "    api/user with web/form: 4 of 4 times, 3 times as often as by chance",
        "  tokens: hints of 1,000, by several agents or by one; not measured",
        "  changes that clash though no file is shared: likely",
        "  minutes of tasks from the plan's estimates (3)",
        "  on top: a worktree not measured, left out; a landing's checks not measured, left out",
    ):
        assert line in long.splitlines(), line
    assert "several agents may not be worth it: what api and web write has changed together" in short.splitlines()
    assert max(map(len, long.splitlines())) <= 120
    report = fleet.run("plan", plan, "--json").ok().json
    (pair,) = report["coupled"]
    assert (pair["first"], pair["second"], pair["together"], pair["either"], pair["more"]) == ("api", "web", 4, 4, 0)
    assert pair["files"] == [{"first": "api/user", "second": "web/form", "together": 4, "fewer": 4, "lift": 3.0}]
    assert report["history"] == {"commits": 12, "large": 0, "cut": ""}
    assert report["forecast"] == {
        "parallel_minutes": 20.0,
        "sequence_minutes": 34.0,
        "chain": ["web"],
        "chain_minutes": 20.0,
        "preparing_minutes": None,
        "landing_minutes": None,
        "clash": "likely",
        "doubts": ["what api and web write has changed together"],
    }
    # A chain of dependencies keeps the two apart, rolling or not.
    ordered = fleet.plan(PLAN.replace("scope: [web/]", "scope: [web/], depends_on: [api]"), "ordered.yaml")
    for style in ("--rolling", "--no-rolling"):
        assert fleet.run("plan", ordered, style, "--json").ok().json["coupled"] == []
    assert fleet.run("plan", plan, "--rolling", "--json").ok().json["coupled"] == [pair]


def test_history_is_read_in_one_git_process_and_not_again(fleet: FleetEnv) -> None:
    repo = coupled(fleet, times=1)
    plan = fleet.plan(PLAN)
    counter = GitCounter(fleet.root / "counter")
    fleet.variables["PATH"] = f"{counter.directory}:{fleet.environ['PATH']}"

    def calls() -> tuple[int, int]:
        counter.calls()
        fleet.run("plan", plan).ok()
        made = counter.calls()
        return len(made), sum(call.startswith("log ") for call in made)

    cold = calls()
    warm = calls()
    assert (cold[1], warm[1]) == (1, 0)
    assert warm[0] == cold[0] - 1
    fleet.git("commit", "-q", "--allow-empty", "-m", "More")
    assert calls() == cold
    # The cache is nobody's only copy: what is damaged is read again, and what is in its way is told by nobody.
    cache = repo / ".git" / "gitfleet" / "cache" / "history"
    cache.write_bytes(cache.read_bytes()[:-1])
    assert calls() == cold
    assert calls() == warm
    cache.unlink()
    cache.mkdir()
    assert calls() == cold


def test_past_sessions_say_how_long_work_takes(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, "verify: {commands: [{run: 'true'}]}\nwaves: {max_agents: 1}\n")
    tasks = "".join(f"  - {{id: t{n}, command: echo > f{n}, scope: [f{n}]}}\n" for n in range(3))
    plan = fleet.plan("name: past\ntasks:\n" + tasks)
    before = fleet.run("plan", plan, "--json").ok().json
    assert before["forecast"]["parallel_minutes"] is None
    assert before["waves"][0]["tasks"][0]["minutes_from"] == "unknown"
    assert "no estimate and nothing measured for t0, t1, t2" in fleet.run("plan", plan, "--explain").ok().out
    assert "forecast:" not in fleet.run("plan", plan).ok().out
    fleet.run("wave", plan, "--yes").ok()
    for place in ("state", "records"):
        after = fleet.run("plan", plan, "--json").ok().json
        (first, *_) = after["waves"][0]["tasks"]
        assert (first["minutes_from"], first["minutes"] < 1) == ("measured", True), place
        assert after["forecast"]["preparing_minutes"] is not None
        assert after["forecast"]["landing_minutes"] is not None
        assert after["forecast"]["parallel_minutes"] <= 3
        (repo / ".git" / "gitfleet" / "state").rename(fleet.root / "gone") if place == "state" else None


@pytest.mark.slow
@pytest.mark.share(3)
def test_twenty_thousand_commits_cost_one_bounded_reading(fleet: FleetEnv) -> None:
    repo = fleet.repo({"api/user": "0", "web/form": "0", "docs/a": "0"})
    stream = [b"feature done\n"]
    for number in range(20_000):
        stream.append(b"commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata 1\nx\n" % (1_900_000_000 + number))
        stream.append(b"from refs/heads/main^0\n" if not number else b"")
        paths = (b"api/user", b"web/form") if number % 9 == 0 else (b"d%d/f%d" % (number % 50, number % 997),)
        stream += [b"M 100644 inline %s\ndata %d\n%d\n" % (path, len(str(number)), number) for path in paths]
    stream.append(b"done\n")
    subprocess.run(["git", "fast-import", "--quiet"], input=b"".join(stream), cwd=repo, env=fleet.environ, check=True)
    fleet.git("reset", "-q", "--hard")
    plan = fleet.plan(PLAN)
    traces = fleet.root / "traces"
    traces.mkdir()
    fleet.variables["GIT_TRACE2_EVENT"] = str(traces)

    def processes() -> int:
        before = len(list(traces.iterdir()))
        report = fleet.run("plan", plan, "--json").ok().json
        assert report["history"] == {"commits": 5000, "large": 0, "cut": "commits"}
        assert [(pair["first"], pair["second"]) for pair in report["coupled"]] == [("api", "web")]
        return len(list(traces.iterdir())) - before

    cold = processes()
    assert processes() == cold - 1
    fleet.git("commit", "-q", "--allow-empty", "-m", "More")
    assert processes() == cold
    assert (repo / ".git" / "gitfleet" / "cache" / "history").stat().st_size < 1 << 20
