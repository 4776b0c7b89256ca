"""What the end of ``opencode`` means, from its process and its stream."""

from __future__ import annotations

import pytest

from gitfleet.agents.events import Denied, Ended, Troubled
from gitfleet.agents.opencode import OpencodeAgent
from gitfleet.agents.transcript import Transcript
from gitfleet.model.evidence import Exit
from gitfleet.model.run import FailureSource

TASK, TRANSPORT, PERSON = FailureSource.TASK, FailureSource.TRANSPORT, FailureSource.NEEDS_PERSON
WELL, DENIED = Ended(), Denied("webfetch", "http://x")


def told(*events: Ended | Denied | Troubled) -> Transcript:
    transcript = Transcript()
    for event in events:
        transcript.tell(event)
    return transcript


@pytest.mark.parametrize(
    ("ended", "transcript", "code", "source"),
    [
        (Exit(code=0), told(WELL), None, None),
        (Exit(code=1), told(WELL), "exit-code", TASK),
        (Exit(code=0), told(), "no-end-event", TRANSPORT),
        (Exit(code=1), told(Troubled("network", "gone")), "network", TRANSPORT),
        (Exit(code=0), told(Ended("no-end-event")), "no-end-event", TRANSPORT),
        (Exit(code=0), told(DENIED, Ended("no-end-event")), "permission-denied", PERSON),
        (Exit(code=1), told(DENIED, Ended("auth", "401")), "auth", TRANSPORT),
        (Exit(code=0), told(Ended("rate-limited", "429")), "rate-limited", TRANSPORT),
        (Exit(code=1), told(Ended("model-error", "400", TASK)), "model-error", TASK),
        (Exit(signal=2), told(), "interrupted", PERSON),
        (Exit(code=130), told(WELL), "interrupted", PERSON),
        (Exit(signal=15), told(), "killed", TRANSPORT),
        (Exit(signal=9), told(WELL), "killed", TRANSPORT),
        (Exit(signal=9, reason="stalled"), told(WELL), "stalled", TRANSPORT),
        (Exit(signal=9, reason="budget"), told(WELL), "budget", TASK),
        (Exit(reason="spawn-failed", message="no such file"), told(), "spawn-failed", TRANSPORT),
    ],
)
def test_every_end(ended: Exit, transcript: Transcript, code: str | None, source: FailureSource | None) -> None:
    failure = OpencodeAgent().outcome(ended, transcript)

    assert (failure and failure.code, failure and failure.source) == (code, source)


def test_its_message_is_a_sentence_and_holds_no_key() -> None:
    failure = OpencodeAgent().outcome(
        Exit(code=1), told(Ended("auth", "Incorrect API key\n provided: sk-abc123def456"))
    )

    assert failure is not None
    assert failure.message == "Agent opencode was refused by its account: Incorrect API key provided: …."
