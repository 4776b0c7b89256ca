"""A model on 127.0.0.1 that says what a script says, for many agents at once.

The first word of a request's path names the scenario, so each agent gets a base URL of its own; ``script:NAME`` in the
prompt overrules it, for agents that share an account. Nothing but loopback is ever listened on.

It does not check keys, count tokens or hold agents to the parts of the protocols that they do not use.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from tests.support.model_server.answering import Http
from tests.support.model_server.ledger import Answered, Ledger
from tests.support.model_server.script import Chosen, End, Script, Usage

if TYPE_CHECKING:
    from types import TracebackType

    from tests.support.model_server.asked import Asked
    from tests.support.model_server.script import Step

HELPER = -1


class ModelServer:
    """Scripts by scenario, the ledger, and the threads that answer; a context manager."""

    def __init__(self, port: int = 0) -> None:
        """Listen; requests are answered at once."""
        self.ledger = Ledger()
        self.strays: list[str] = []
        """Requests that no dialect knows."""
        self.problems: list[str] = []
        """What a test did wrong: a scenario without a script, a step that the agent has no tool for."""
        self._scripts: dict[str, Script] = {}
        self._released: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._http = Http(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="model-server")
        self._thread.start()

    def __enter__(self) -> Self:
        """Answer until the block is left."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self._http.server_address[1])

    def url(self, scenario: str) -> str:
        """The base URL of a scenario, without ``/v1``."""
        return f"http://127.0.0.1:{self.port}/{scenario}"

    def script(self, scenario: str, *steps: Step, helper_usage: Usage | None = None) -> str:
        """Set what a scenario says, from its beginning; gives its base URL."""
        made = Script(steps) if helper_usage is None else Script(steps, helper_usage)
        with self._lock:
            self._scripts[scenario] = made
            self._released[scenario] = threading.Event()
        return self.url(scenario)

    def release(self, scenario: str) -> None:
        """Cut every silent stream of a scenario, those to come too."""
        with self._lock:
            event = self._released[scenario]
        event.set()

    def requests(self, scenario: str | None = None) -> list[Answered]:
        """Every request that was answered, or is."""
        return self.ledger.answers(scenario)

    def usage(self, scenario: str | None = None) -> Usage:
        """The sum of the usage that was told to agents."""
        return self.ledger.usage(scenario)

    def wait_for(self, scenario: str, turn: int, times: int = 1) -> None:
        """Wait until a turn of a script was asked for so often."""
        self.ledger.wait_for(scenario, turn, times)

    def close(self) -> None:
        """Release what is held, cut every connection and end every thread."""
        with self._lock:
            events = list(self._released.values())
        for event in events:
            event.set()
        self._http.shutdown()
        self._http.cut_all()
        self._http.server_close()
        self._thread.join()

    def choose(self, scenario: str, asked: Asked, *, helper: bool) -> Chosen:
        """Find what answers a request."""
        with self._lock:
            script = self._scripts.get(scenario)
            if script is None:
                self.problems.append(f"scenario {scenario!r} has no script")
                return Chosen(HELPER, End("There is no script."))
            if helper:
                return Chosen(HELPER, End("A title", usage=script.helper_usage))
            return script.choose(asked.results, asked.texts, time.time())

    def knows(self, scenario: str | None) -> bool:
        """Whether a scenario has a script."""
        with self._lock:
            return scenario in self._scripts

    def released(self, scenario: str) -> threading.Event:
        """What a silent stream of a scenario waits for."""
        with self._lock:
            return self._released[scenario]
