"""Ask the coordinator of an open session, through a file, and wait for its answer.

Whether somebody coordinates a session is a held lock; whether they are able to answer shows only in the answer.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.coordinator.control.requests import Requests
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import decode, encode
from gitfleet.model.request import Reply
from gitfleet.store.files import make_directory, read_regular, remove_durable, write_durable
from gitfleet.store.locks import holder

if TYPE_CHECKING:
    from gitfleet.model.request import Request
    from gitfleet.store.holders import Holder
    from gitfleet.store.layout import Layout

ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nobody coordinates the session; the request lies there for whoever does next."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Somebody coordinates the session and did not answer in time; the request lies there still."""

    holder: Holder


def ask(layout: Layout, session: str, request: Request, *, seconds: float = ANSWER_SECONDS) -> Reply | Nobody | Silence:
    """Leave the request and wait for the answer, at most so many seconds.

    Raises ``GitfleetError`` when the session refuses.
    """
    requests = Requests(layout.session(session))
    make_directory(requests.directory)
    answer = requests.reply(request.id)
    write_durable(requests.request(request.id), encode(request))
    deadline = time.monotonic() + seconds
    while True:
        # In this order: a coordinator answers before it lets go of the session.
        facts = holder(layout.session_lock(session))
        if answer.exists():
            reply = decode(read_regular(answer), Reply)
            remove_durable(answer)
            if reply.error:
                raise GitfleetError(Kind.USAGE, reply.error, reply.message)
            return reply
        if facts is None:
            return Nobody()
        if time.monotonic() >= deadline:
            return Silence(facts)
        time.sleep(POLL_SECONDS)


def withdraw(layout: Layout, session: str, request: Request) -> None:
    """Take back a request that was not answered."""
    remove_durable(Requests(layout.session(session)).request(request.id))


def is_stopped(facts: Holder) -> bool:
    """Whether the process that holds a lock is stopped by job control, and so cannot answer anybody."""
    import psutil  # noqa: PLC0415 - heavy, and only needed once nobody has answered

    if facts.host != os.uname().nodename or not facts.pid:
        return False
    try:
        return bool(psutil.Process(facts.pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def unanswered(session: str, facts: Holder) -> GitfleetError:
    """The refusal that says who holds a session and does not answer."""
    who = f"process {facts.pid} on {facts.host}" + (f" ({facts.command})" if facts.command else "")
    how = "is stopped (Ctrl-Z or SIGSTOP)" if is_stopped(facts) else "did not answer"
    return GitfleetError(
        Kind.BUSY,
        "no-answer",
        f"Session {session} is held by {who}, which {how} for {ANSWER_SECONDS:.0f} s; nothing was done.",
        hint=f"Let it go on (`fg`, or `kill -CONT {facts.pid}`), or end it: `gitfleet continue {session} --take-over`.",
    )
