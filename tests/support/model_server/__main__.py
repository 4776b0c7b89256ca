"""The model server as a process of its own, for trying an agent by hand.

``python -m tests.support.model_server --scenario-file FILE``: a JSON object of scenario to list of steps, each
``{"step": "Shell", "command": "…"}`` with the fields of the dataclass of that name in ``script``. The first line on
standard output is the port; the rest is one line of the ledger for each answer, until end of input or Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.support.model_server import script
from tests.support.model_server.server import ModelServer


def step(document: dict[str, Any]) -> script.Step:
    """Read one step."""
    fields = dict(document)
    kind = getattr(script, fields.pop("step"))
    if "usage" in fields:
        fields["usage"] = script.Usage(**fields["usage"])
    made: script.Step = kind(**fields)
    return made


def main() -> None:
    """Serve until there is nobody to serve for."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.model_server", description=__doc__)
    parser.add_argument("--scenario-file", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    with ModelServer(asked.port) as server:
        for scenario, steps in json.loads(asked.scenario_file.read_text()).items():
            server.script(scenario, *map(step, steps))
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        stop = threading.Thread(target=sys.stdin.read, daemon=True)
        stop.start()
        seen = 0
        with suppress(KeyboardInterrupt):
            while stop.is_alive():
                stop.join(0.2)
                for answered in server.requests()[seen:]:
                    seen += 1
                    sys.stdout.write(json.dumps(asdict(answered)) + "\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
