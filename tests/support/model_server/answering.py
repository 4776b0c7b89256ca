"""The HTTP side of the scripted model: connections, streams, and what becomes of an agent that hangs up."""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from tests.support.model_server.anthropic import Messages
from tests.support.model_server.asked import Reply, calling
from tests.support.model_server.ledger import Answered
from tests.support.model_server.openai import Chat, Responses
from tests.support.model_server.script import (
    Cut,
    End,
    Loop,
    Overflow,
    Shell,
    Silence,
    Status,
    Tool,
    Usage,
    UsageLimit,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.model_server.asked import Asked, Dialect, Refusal
    from tests.support.model_server.script import Step
    from tests.support.model_server.server import ModelServer


class Http(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], models: ModelServer) -> None:
        self.models = models
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - socketserver's own
        if not isinstance(sys.exception(), ConnectionError):  # an agent that hangs up is no problem
            self.models.problems.append(traceback.format_exc())

    def enter(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.add(connection)

    def leave(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.discard(connection)

    def cut_all(self) -> None:
        with self._guard:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Http
    dialects: ClassVar[dict[str, Dialect]] = {
        "messages": Messages(),
        "responses": Responses(),
        "chat/completions": Chat(),
    }

    def setup(self) -> None:
        super().setup()
        self.server.enter(self.connection)

    def finish(self) -> None:
        self.server.leave(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing: the ledger knows."""

    def do_HEAD(self) -> None:
        self._send(200, b"", "text/plain")

    def do_GET(self) -> None:
        if urlsplit(self.path).path.endswith("/models"):
            models = [{"id": "scripted", "object": "model", "created": 0, "owned_by": "tests"}]
            self._send_json(200, {"object": "list", "data": models, "models": []})
            return
        self.server.models.strays.append(f"GET {self.path}")
        self._send_json(404, {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        scenario, _, rest = urlsplit(self.path).path.lstrip("/").partition("/")
        rest = rest.removeprefix("v1/")
        dialect = self.dialects.get(rest)
        if rest == "messages/count_tokens":
            self._send_json(200, {"input_tokens": max(1, len(body) // 4)})
        elif dialect is None:
            self.server.models.strays.append(f"POST {self.path}")
            self._send_json(404, {"error": {"message": "no such page"}})
        else:
            self._answer(scenario, dialect, dialect.read(json.loads(body)))

    def _answer(self, scenario: str, dialect: Dialect, asked: Asked) -> None:
        models = self.server.models
        scenario = asked.script if asked.script is not None and models.knows(asked.script) else scenario
        helper = dialect.is_helper(asked)
        chosen = models.choose(scenario, asked, helper=helper)
        number = models.ledger.number()
        reply = self._reply(number, asked, chosen.step)
        refusal = dialect.refuse(chosen.step) if isinstance(chosen.step, Status | UsageLimit | Overflow) else None
        whole = refusal is None and not isinstance(chosen.step, Cut | Silence)
        answered = Answered(
            number=number,
            scenario=scenario,
            dialect=dialect.name,
            model=asked.model,
            turn=chosen.place,
            helper=helper,
            status=refusal.status if refusal else 200,
            usage=dialect.tells(reply.usage),
            told=whole,
            at=time.time(),
        )
        # Entered first: an agent that has its answer may be gone before this thread runs again.
        models.ledger.enter(answered)
        try:
            if refusal is not None:
                self._refuse(refusal)
            elif not whole:
                self._stream(dialect, reply, whole=False)
                if isinstance(chosen.step, Silence):
                    self._hold(models.released(scenario))
                self.close_connection = True
            elif asked.stream:
                self._stream(dialect, reply, whole=True)
            else:
                self._send_json(200, dialect.document(reply))
        except (BrokenPipeError, ConnectionResetError):
            models.ledger.lose(answered)
            self.close_connection = True

    def _reply(self, number: int, asked: Asked, step: Step) -> Reply:
        match step:
            case End(text=text, usage=usage):
                return Reply(number, asked.model, text, None, usage)
            case Tool() | Shell() | Write() | Loop():
                say = "" if isinstance(step, Loop) else step.say
                try:
                    call = calling(step, asked.tools)
                except LookupError as error:
                    self.server.models.problems.append(str(error))
                    return Reply(number, asked.model, str(error), None, step.usage)
                return Reply(number, asked.model, say, call, step.usage)
            case _:
                return Reply(number, asked.model, "I will look into", None, Usage())

    def _stream(self, dialect: Dialect, reply: Reply, *, whole: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("cache-control", "no-cache")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for frame in dialect.frames(reply):
            if frame.last and not whole:
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame.data), frame.data))
        self.wfile.write(b"0\r\n\r\n")

    def _hold(self, released: threading.Event) -> None:
        """Wait until the test releases the stream or the agent hangs up."""
        while not released.wait(0.05):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def _refuse(self, refusal: Refusal) -> None:
        self._send(refusal.status, refusal.body.encode(), "application/json", refusal.headers)

    def _send_json(self, status: int, document: object) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
