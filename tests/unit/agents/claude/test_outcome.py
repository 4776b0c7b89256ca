"""What an end of ``claude`` means: end events, exit codes, and which of them is believed."""

from __future__ import annotations

from typing import Any

import pytest

from gitfleet.agents.claude import ClaudeAgent
from gitfleet.agents.claude.outcome import Refusal, end_of
from gitfleet.agents.events import Denied, Ended, Troubled
from gitfleet.agents.transcript import Transcript
from gitfleet.model.evidence import Exit
from gitfleet.model.run import FailureSource

TRANSPORT, TASK, PERSON = FailureSource.TRANSPORT, FailureSource.TASK, FailureSource.NEEDS_PERSON
DONE = Ended(totals=True)


def judged(ended: Exit, told: Transcript | None) -> tuple[FailureSource, str, str] | None:
    failure = ClaudeAgent().outcome(ended, told)
    return (failure.source, failure.code, failure.message) if failure else None


def api(error: str, status: int | None = None, api_error: str = "", text: str = "Why.") -> Refusal:
    return Refusal(error, api_error, status, text)


@pytest.mark.parametrize(
    ("result", "refusal", "code", "source"),
    [
        ({"subtype": "success"}, None, "", None),
        (
            {"subtype": "success", "is_error": True, "terminal_reason": "prompt_too_long"},
            None,
            "context-overflow",
            None,
        ),
        ({"subtype": "error_max_turns", "is_error": True, "terminal_reason": "max_turns"}, None, "max-turns", None),
        ({"subtype": "error_max_budget_usd", "is_error": True}, None, "budget", None),
        ({"subtype": "error_during_execution", "terminal_reason": "aborted_streaming"}, None, "interrupted", None),
        ({"subtype": "error_during_execution", "errors": ["No conversation found"]}, None, "no-end-event", None),
        ({"subtype": "error_during_execution", "terminal_reason": "hook_stopped"}, None, "model-error", None),
        ({}, api("authentication_failed", 401), "auth", None),
        ({}, api("billing_error", 400), "usage-limit", None),
        ({}, api("rate_limit", 429), "rate-limited", None),
        ({}, api("rate_limit", 429, "usage_limit_reached"), "usage-limit", None),
        ({}, api("server_error", None, "connection_failed"), "network", None),
        ({}, api("server_error", 500), "model-error", None),
        ({}, api("unknown"), "network", None),
        ({}, api("unknown", 400), "model-error", TASK),
        ({}, api("model_not_found", 404), "model-error", TASK),
    ],
)
def test_an_end_event_has_a_code(
    result: dict[str, Any], refusal: Refusal | None, code: str, source: FailureSource | None
) -> None:
    if refusal is not None:
        result = {"subtype": "success", "is_error": True, "terminal_reason": "api_error", "result": "Why."}
    end = end_of(result, refusal)
    assert (end.code, end.source, end.totals) == (code, source, True)


@pytest.mark.parametrize(
    ("ended", "told", "expected"),
    [
        (Exit(code=0), Transcript(ended=DONE), None),
        (Exit(code=1), Transcript(ended=DONE), (TASK, "exit-code", "Agent claude ended with exit code 1.")),
        (
            Exit(code=0),
            Transcript(ended=DONE, denied=[Denied("Write", "/etc/motd")]),
            (
                PERSON,
                "permission-denied",
                "Agent claude was not allowed to do what it wanted: Write /etc/motd.",
            ),
        ),
        (
            Exit(code=0),
            Transcript(ended=Ended("interrupted")),
            (PERSON, "interrupted", "Agent claude was interrupted."),
        ),
        (
            Exit(code=1),
            Transcript(ended=Ended("auth", "Invalid key sk-ant-api03-aB_9-x\nfor this.")),
            (TRANSPORT, "auth", "Agent claude was refused by its account: Invalid key … for this."),
        ),
        (
            Exit(code=1),
            Transcript(ended=Ended("model-error", "No such model", TASK)),
            (TASK, "model-error", "Agent claude got an error from its model: No such model."),
        ),
        (
            Exit(code=0),
            Transcript(),
            (TRANSPORT, "no-end-event", "Agent claude ended without saying how: exit code 0."),
        ),
        (Exit(code=0), None, (TRANSPORT, "no-end-event", "Agent claude ended without saying how: exit code 0.")),
        (
            Exit(code=1),
            Transcript(trouble=Troubled("no-end-event", "error: unknown option")),
            (TRANSPORT, "no-end-event", "Agent claude ended without saying how: error: unknown option."),
        ),
        (
            Exit(code=0),
            Transcript(trouble=Troubled("interrupted", "Request interrupted by user")),
            (PERSON, "interrupted", "Agent claude was interrupted."),
        ),
        (Exit(signal=2), Transcript(), (PERSON, "interrupted", "Agent claude was interrupted.")),
        (Exit(code=143), Transcript(), (TRANSPORT, "killed", "Agent claude was ended from outside: by SIGTERM.")),
        (
            Exit(signal=9),
            Transcript(),
            (
                TRANSPORT,
                "killed",
                "Agent claude was killed, by a person or by a system that was out of memory.",
            ),
        ),
        (
            Exit(signal=11),
            Transcript(),
            (TRANSPORT, "no-end-event", "Agent claude ended without saying how: signal 11."),
        ),
        # Why gitfleet ended it counts more than what it said then.
        (
            Exit(code=0, reason="stalled"),
            Transcript(ended=Ended("interrupted")),
            (TRANSPORT, "stalled", "Agent claude was stopped: it showed no life."),
        ),
    ],
)
def test_an_end_is_judged(
    ended: Exit, told: Transcript | None, expected: tuple[FailureSource, str, str] | None
) -> None:
    assert judged(ended, told) == expected


def test_a_long_message_is_cut() -> None:
    found = judged(Exit(code=1), Transcript(ended=Ended("model-error", "x" * 9000)))
    assert found is not None
    assert len(found[2]) < 500
