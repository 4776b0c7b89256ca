"""The real agents without gitfleet: the command line and environment that run each by itself, and what it says it used.

What each needs to run unattended, on loopback only and in a home of its own:

- ``claude``: ``CLAUDE_CONFIG_DIR``; without ``CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC`` it asks other hosts. As root
  it refuses its bypass unless ``IS_SANDBOX=1``. ``CLAUDE_CODE_MAX_RETRIES`` bounds retries; ``DISABLE_COMPACT`` keeps a
  full context from being summed up by another request. It tells when a limit ends (``rate_limit_event``) only with a
  subscription's token, in ``CLAUDE_CODE_OAUTH_TOKEN`` or in its home, not with an API key.
- ``codex``: ``CODEX_HOME`` with a provider in ``config.toml``; retries and the idle timeout are the provider's. With a
  model that it does not know it offers no tool that writes files, only a shell.
- ``opencode``: the four XDG directories, a file of models of ``{}`` and a title, without which it asks the model for
  one. At its start npm code inside it asks the package registry for a plugin library, and keeps a cache in ``~/.npm``:
  ``npm_config_offline`` and ``npm_config_cache`` stop that. It waits for over a minute after a server's error that does
  not say ``retry-after-ms``; a full context makes it sum up for ever unless ``OPENCODE_DISABLE_AUTOCOMPACT`` is set. A
  tool that is denied is not offered at all; one that it would ask for is refused, and ends the run with exit code 0.
  Chat completions have no field for tokens written to a cache, so there those are ordinary input.

What they count when a session of theirs is resumed: ``claude`` and ``opencode`` only what came since, ``codex``
everything that turns which ended have used, and nothing of one that was killed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.support.model_server import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.agent_clis import Clis

NAMES = ("claude", "codex", "opencode")
KEY = "no-key-at-all"
PERSON = "person"
"""What an agent takes for the person's home: it is to stay empty."""


@dataclass(frozen=True, slots=True)
class Bare:
    """How to start an agent; its prompt goes to standard input."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


def bare(name: str, clis: Clis, home: Path, url: str) -> Bare:
    """Make a home for an agent and say how to start it there against a model."""
    for directory in (home, home / "tmp", home / PERSON):
        directory.mkdir()
    common = {"PATH": os.environ["PATH"], "HOME": str(home / PERSON), "TMPDIR": str(home / "tmp"), "LANG": "C.UTF-8"}
    common |= {name: os.environ[name] for name in ("GITFLEET_TEST_MARK",) if name in os.environ}
    argv, env = {"claude": _claude, "codex": _codex, "opencode": _opencode}[name](clis, home, url)
    return Bare(argv, {**common, **env})


def resumed(name: str, agent: Bare, session: str) -> Bare:
    """The same agent, going on with a session of its own."""
    *argv, last = agent.argv
    match name:
        case "claude":
            return replace(agent, argv=(*agent.argv, "--resume", session))
        case "codex":
            program, command, *options = argv
            return replace(agent, argv=(program, command, "resume", *options, session, last))
        case _:
            return replace(agent, argv=(*agent.argv, "--session", session))


def session_of(out: str) -> str:
    """The session id that an agent's first event tells."""
    event: dict[str, str] = json.loads(out.splitlines()[0])
    return event.get("session_id") or event.get("thread_id") or event["sessionID"]


def used(name: str, out: str) -> Usage:
    """Sum what an agent says it used in the events that it prints."""
    return sum(_used(name, out), Usage())


def _used(name: str, out: str) -> Iterator[Usage]:
    for line in out.splitlines():
        event: dict[str, Any] = json.loads(line)
        match name, event["type"]:
            case "claude", "result":
                told = event["usage"]
                yield Usage(
                    input=told["input_tokens"],
                    cache_read=told["cache_read_input_tokens"],
                    cache_write=told["cache_creation_input_tokens"],
                    output=told["output_tokens"],
                    reasoning=told["output_tokens_details"]["thinking_tokens"],
                )
            case "codex", "turn.completed":
                told = event["usage"]
                cached, written = told["cached_input_tokens"], told["cache_write_input_tokens"]
                yield Usage(
                    input=told["input_tokens"] - cached - written,
                    cache_read=cached,
                    cache_write=written,
                    output=told["output_tokens"],
                    reasoning=told["reasoning_output_tokens"],
                )
            case "opencode", "step_finish":
                told = event["part"]["tokens"]
                yield Usage(
                    input=told["input"],
                    cache_read=told["cache"]["read"],
                    cache_write=told["cache"]["write"],
                    output=told["output"] + told["reasoning"],
                    reasoning=told["reasoning"],
                )
            case _:
                pass


def _claude(clis: Clis, home: Path, url: str) -> tuple[tuple[str, ...], dict[str, str]]:
    argv = (str(clis.claude), "-p", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions")
    off = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_AUTOUPDATER")
    return argv, {
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        "CLAUDE_CODE_MAX_RETRIES": "2",
        "IS_SANDBOX": "1",
        **dict.fromkeys((*off, "DISABLE_ERROR_REPORTING", "DISABLE_COMPACT"), "1"),
    }


def _codex(clis: Clis, home: Path, url: str) -> tuple[tuple[str, ...], dict[str, str]]:
    (home / "codex").mkdir()
    (home / "codex" / "config.toml").write_text(
        f"""model = "scripted"
model_provider = "tests"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.tests]
name = "tests"
base_url = "{url}/v1"
env_key = "TESTS_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
stream_idle_timeout_ms = 2000
"""
    )
    options = ("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--disable", "plugins")
    return (str(clis.codex), "exec", *options, "-"), {"CODEX_HOME": str(home / "codex"), "TESTS_KEY": KEY}


def _opencode(clis: Clis, home: Path, url: str) -> tuple[tuple[str, ...], dict[str, str]]:
    models, config = home / "models.json", home / "opencode.json"
    models.write_text("{}")
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {"scripted": {}},
    }
    config.write_text(json.dumps({"model": "tests/scripted", "provider": {"tests": provider}, "permission": "allow"}))
    off = ("AUTOUPDATE", "MODELS_FETCH", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "SHARE", "AUTOCOMPACT")
    return (str(clis.opencode), "run", "--format", "json", "--title", "Work"), {
        **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA", "STATE")},
        "OPENCODE_CONFIG": str(config),
        "OPENCODE_MODELS_PATH": str(models),
        **{f"OPENCODE_DISABLE_{kind}": "1" for kind in off},
        "npm_config_offline": "true",
        "npm_config_cache": str(home / "npm"),
    }
