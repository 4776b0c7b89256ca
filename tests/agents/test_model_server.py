"""The scripted model answers from the conversation alone, and its ledger tells what really went out."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import agent_clis
from tests.support.model_server import (
    Cut,
    End,
    Loop,
    Overflow,
    Shell,
    Silence,
    Status,
    Usage,
    UsageLimit,
)
from tests.support.model_server.script import Script

if TYPE_CHECKING:
    from tests.support.model_server import ModelServer

SHELL = {
    "messages": ("/v1/messages", {"name": "Bash", "input_schema": {}}),
    "responses": ("/v1/responses", {"type": "function", "name": "exec_command"}),
    "chat": ("/v1/chat/completions", {"type": "function", "function": {"name": "bash"}}),
}


def ask(port: int, dialect: str, scenario: str, *, tools: bool = True, stream: bool = True) -> tuple[int, str]:
    path, tool = SHELL[dialect]
    said = {"role": "user", "content": "Work."}
    asked = {"input" if dialect == "responses" else "messages": [said]}
    body: dict[str, Any] = {"model": "m", "stream": stream, "tools": [tool] if tools else [], **asked}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", f"/{scenario}{path}", json.dumps(body))
        response = connection.getresponse()
        try:
            return response.status, response.read().decode()
        except http.client.IncompleteRead as error:
            return response.status, error.partial.decode()
    finally:
        connection.close()


@pytest.mark.parametrize("dialect", SHELL)
def test_each_dialect_streams_fails_and_is_counted(dialect: str, model_server: ModelServer) -> None:
    cost = Usage(input=5, cache_read=4, output=3)
    model_server.script(
        "s", UsageLimit(1), Status(500), Status(429), Overflow(times=1), Cut(), Shell("true", usage=cost)
    )

    said = [ask(model_server.port, dialect, "s") for _ in range(5)]
    plain = ask(model_server.port, dialect, "s", stream=False)
    helper = ask(model_server.port, dialect, "s", tools=False)

    assert [status for status, _ in said] == [500, 429, 400, 200, 200]
    assert "true" not in said[3][1]
    assert "true" in said[4][1]
    assert "true" in plain[1]
    assert "A title" in helper[1]
    answers = model_server.requests("s")
    assert [(one.turn, one.helper, one.told, one.cut) for one in answers] == [
        (1, False, False, False),
        (2, False, False, False),
        (3, False, False, False),
        (4, False, False, True),
        (5, False, True, False),
        (5, False, True, False),
        (-1, True, True, False),
    ]
    assert model_server.usage("s") == Usage(input=17, cache_read=8, output=9)


def test_a_silent_stream_is_held_until_it_is_released(model_server: ModelServer) -> None:
    model_server.script("s", Silence(), End())
    heard: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: heard.append(ask(model_server.port, "messages", "s")))
    asking.start()
    model_server.wait_for("s", 0)
    asking.join(0.2)
    held = asking.is_alive()

    model_server.release("s")
    asking.join()

    assert held
    assert "message_start" in heard[0][1]
    assert "message_stop" not in heard[0][1]
    assert [one.cut for one in model_server.requests("s")] == [True]


@pytest.mark.parametrize("dialect", SHELL)
def test_a_limit_says_when_it_ends(dialect: str, model_server: ModelServer) -> None:
    resets = int(time.time()) + 1000
    model_server.script("s", UsageLimit(resets), End())

    status, said = ask(model_server.port, dialect, "s")

    assert status == 429
    assert "limit" in said
    assert [(one.turn, one.told) for one in model_server.requests()] == [(0, False)]
    with pytest.raises(TimeoutError, match="turn 1 of s was not asked for"):
        model_server.ledger.wait_for("s", 1, seconds=0.01)


def test_the_place_in_a_script_comes_from_the_conversation() -> None:
    script = Script([Shell("one"), End("Half."), Status(500, times=2), Shell("two"), End("All."), Loop()])

    places = [
        script.choose(results, texts).place
        for results, texts in (
            (0, ()),
            (0, ()),
            (1, ()),
            (1, ("Half.",)),
            (1, ("Half.",)),
            (1, ("Something that broke off", " Half.\n")),
            (2, ("Half.",)),
            (2, ("Half.", "All.")),
            (9, ("Half.", "All.")),
        )
    ]

    assert places == [0, 0, 1, 2, 2, 3, 4, 5, 5]


def test_agents_that_cannot_be_had_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setenv(agent_clis.PLACE, str(tmp_path / "clis"))
        changed.setenv("PATH", str(tmp_path))
        with pytest.raises(agent_clis.UnavailableError, match="Install Node"):
            agent_clis.ensure()

        (tmp_path / "clis").mkdir()
        (tmp_path / "clis/other").write_text("")
        with pytest.raises(agent_clis.UnavailableError, match="is not empty"):
            agent_clis.ensure()


FAKE_NPM = """#!/bin/sh
test -e "$0.fails" && { echo "no such registry"; exit 1; }
for package in %s; do
    mkdir -p "node_modules/${package%%@*}"
    printf '{"version": "%%s"}' "${package##*@}" >"node_modules/${package%%@*}/package.json"
done
mkdir node_modules/.bin
for name in claude codex opencode; do echo '#!/bin/sh' >node_modules/.bin/$name; done
chmod +x node_modules/.bin/*
"""


def test_agents_are_installed_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm, place = tmp_path / "npm", tmp_path / "cache/clis"
    npm.write_text(FAKE_NPM % " ".join(f"{name}@{version}" for name, version in agent_clis.PINS.items()))
    npm.chmod(0o755)
    fails = tmp_path / "npm.fails"
    fails.touch()
    with monkeypatch.context() as changed:
        changed.setenv(agent_clis.PLACE, str(place))
        changed.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        with pytest.raises(agent_clis.UnavailableError, match=r"exit code 1(.|\n)*no such registry"):
            agent_clis.ensure()
        assert [path.name for path in place.parent.iterdir()] == ["clis.lock"]

        fails.unlink()
        programs = agent_clis.ensure()

        assert programs.codex == place / "node_modules/.bin/codex"
        fails.touch()
        assert agent_clis.ensure() == programs, "what is there is not installed again"


def test_the_server_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    scenarios = tmp_path / "scenarios.json"
    step = {"step": "End", "text": "Said by a process.", "usage": {"input": 3, "output": 2}}
    scenarios.write_text(json.dumps({"s": [step]}))
    line = [sys.executable, "-m", "tests.support.model_server", "--scenario-file", str(scenarios)]
    with subprocess.Popen(
        line, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())

        status, said = ask(port, "chat", "s", stream=False)
        entry = json.loads(process.stdout.readline())
        process.stdin.close()

    assert (status, process.returncode) == (200, 0)
    assert "Said by a process." in said
    assert (entry["scenario"], entry["usage"]["input"], entry["told"]) == ("s", 3, True)
