"""Stands in for ``claude``: speaks its stream, keeps its sessions in its home, and does what the task's name says.

Standard library alone, since it is started by itself, in a worktree. What may happen once only is remembered in the
person's letter box, before it is told; everything else comes out the same however often it is done.
"""

import itertools
import json
import os
import sys
import time
import uuid
from pathlib import Path

RESET_SECONDS = 0.4
GRANT = ("Bash", "make deploy")
PLAN = """\
Here it is:
```yaml
name: trial
tasks:
  - {id: plain, instructions: Write plain.txt., scope: [plain.txt]}
  - {id: limited, instructions: Write limited.txt., scope: [limited.txt]}
  - {id: asks, instructions: Deploy., scope: [asks.txt]}
```
"""


def tell(**event: object) -> None:
    """Print an event."""
    print(json.dumps(event), flush=True)  # noqa: T201 - its output is its stream


class Session:
    """A session of the program, and what it used in this process."""

    def __init__(self, resumed: str) -> None:
        """Begin one, or go on with one that the home knows."""
        self.name = resumed or str(uuid.uuid4())
        self.turns = 0
        memory = Path(os.environ["CLAUDE_CONFIG_DIR"], "projects", f"{self.name}.jsonl")
        if resumed and not memory.exists():
            tell(type="result", subtype="error_during_execution", is_error=True, errors=[f"No conversation {resumed}"])
            sys.exit(1)
        memory.parent.mkdir(mode=0o700, exist_ok=True)
        memory.touch(mode=0o600)
        tell(type="system", subtype="init", session_id=self.name, model="scripted")

    def turn(self, *blocks: dict[str, object]) -> None:
        """Answer once: ten tokens in, five out."""
        self.turns += 1
        known = f"msg-{uuid.uuid4()}"
        start = {"id": known, "model": "scripted", "usage": {"input_tokens": 10}}
        tell(type="stream_event", event={"type": "message_start", "message": start})
        tell(type="assistant", message={"id": known, "model": "scripted", "content": blocks})
        delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
        tell(type="stream_event", event=delta)

    def say(self, text: str) -> None:
        """Answer with words."""
        self.turn({"type": "text", "text": text})

    def end(self, **facts: object) -> None:
        """Tell everything that was used, with seven tokens of a helper, and the end."""
        used = {"inputTokens": 10 * self.turns + 4, "outputTokens": 5 * self.turns + 3, "costUSD": 0.01}
        whole = {"scripted": used}
        tell(**{"type": "result", "subtype": "success", "model_usage_since_last_result": whole, **facts})


def once(box: Path, word: str) -> bool:
    """Whether this never happened before."""
    try:
        (box / word).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def limited(session: Session, box: Path) -> None:
    """Meet a limit that ends soon, once."""
    if once(box, "limited"):
        session.say("I begin.")
        Path("limited.txt").write_text("half\n")
        info = {"status": "rejected", "resetsAt": time.time() + RESET_SECONDS, "rateLimitType": "five_hour"}
        tell(type="rate_limit_event", rate_limit_info=info)
        words = [{"type": "text", "text": "You have reached your limit."}]
        tell(type="assistant", error="rate_limit", message={"model": "<synthetic>", "content": words})
        session.end(is_error=True, result="You have reached your limit.", terminal_reason="api_error")
        sys.exit(1)
    session.say("I go on.")
    Path("limited.txt").write_text("half\nwhole\n")
    session.end()


def asks(session: Session, allowed: list[str]) -> None:
    """Do what only a person can permit."""
    tool, argument = GRANT
    call: dict[str, object] = {"type": "tool_use", "id": "call-1", "name": tool, "input": {"command": argument}}
    session.turn(call)
    if f"{tool}({argument})" in allowed:
        Path("asks.txt").write_text("half\ndeployed\n")
        session.say("It is deployed.")
        session.end()
        return
    Path("asks.txt").write_text("half\n")
    denied = {"tool_name": tool, "tool_use_id": "call-1", "tool_input": {"command": argument}}
    tell(type="system", subtype="permission_denied", tool_name=tool, tool_use_id="call-1")
    session.end(permission_denials=[denied])


def plain(session: Session) -> None:
    """Do a piece of work in two answers."""
    Path("plain.txt").write_text("plain\n")
    session.say("It is written.")
    session.say("That is all.")
    session.end()


def main(*argv: str) -> None:
    """Read the prompt and do the task."""
    options = dict(itertools.pairwise(argv))
    sys.stdin.read()
    box = Path(os.environ["GITFLEET_WORKTREE"]).parent.parent / "person"
    allowed = json.loads(Path(options["--settings"]).read_text())["permissions"]["allow"]
    session = Session(options.get("--resume", ""))
    match os.environ["GITFLEET_TASK"]:
        case "limited":
            limited(session, box)
        case "asks":
            asks(session, allowed)
        case "plain":
            plain(session)
        case _:
            session.say(PLAN)
            session.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
