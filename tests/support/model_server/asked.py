"""What a request asks and what it is answered with, without the words of any dialect."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tests.support.model_server.script import Loop, Shell, Tool, Write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.model_server.script import Call as Step
    from tests.support.model_server.script import Fault, Usage

SCRIPT_WORD = re.compile(r"\bscript:([A-Za-z0-9_.-]*[A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for an answer: what was said, which tools are offered, and whether the answer is a stream."""

    model: str
    system: str
    user: str
    """Everything that the person's side said."""
    texts: tuple[str, ...]
    """What the model said in this conversation, where it called no tool."""
    results: int
    """How many results of tools the conversation has."""
    tools: frozenset[str]
    stream: bool

    @property
    def script(self) -> str | None:
        """The script that the prompt asks for with ``script:NAME``, for agents that share a base URL."""
        found = SCRIPT_WORD.search(self.user)
        return found.group(1) if found else None


@dataclass(frozen=True, slots=True)
class Calling:
    """A tool call by the agent's own name: arguments, or one text where the tool takes one."""

    name: str
    arguments: Mapping[str, Any] | str

    @property
    def json(self) -> str:
        """The arguments as they go over the wire."""
        return json.dumps(self.arguments)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    number: int
    model: str
    text: str
    calling: Calling | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an HTTP error."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream; ``last`` from the one on that tells the whole usage."""

    data: bytes
    last: bool = False


class Dialect(Protocol):
    """One of the languages in which models are asked."""

    @property
    def name(self) -> str:
        """What the ledger calls it."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Read a request."""

    def is_helper(self, asked: Asked) -> bool:
        """Whether an agent asks for itself, not for the work: a title, a warm-up, a question about the quota."""

    def tells(self, usage: Usage) -> Usage:
        """What is left of a usage once it went through this dialect's own fields."""

    def frames(self, reply: Reply) -> Iterator[Frame]:
        """An answer as a stream."""

    def document(self, reply: Reply) -> dict[str, Any]:
        """An answer in one piece."""

    def refuse(self, fault: Fault) -> Refusal:
        """A failure as an HTTP error."""


def calling(step: Step, tools: frozenset[str]) -> Calling:
    """A step as a call of a tool that the request offers; a ``LookupError`` when it offers none for that."""
    match step:
        case Tool(name=name, arguments=arguments):
            return Calling(name, arguments)
        case Shell(command=command) | Loop(command=command):
            return _shell(command, tools)
        case Write(path=path, text=text):
            return _write(path, text, tools)


def _write(path: str, text: str, tools: frozenset[str]) -> Calling:
    if "Write" in tools:
        return Calling("Write", {"file_path": path, "content": text})
    if "write" in tools:
        return Calling("write", {"filePath": path, "content": text})
    lines = "".join(f"+{line}\n" for line in text.splitlines())
    patch = f"*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch"
    if "apply_patch" in tools:
        return Calling("apply_patch", patch)
    if "exec" in tools:
        return Calling("exec", f"text(await tools.apply_patch({json.dumps(patch)}));")
    return _shell(f"printf %s {shlex.quote(text)} >{shlex.quote(path)}", tools)


def _shell(command: str, tools: frozenset[str]) -> Calling:
    if "Bash" in tools:
        return Calling("Bash", {"command": command, "description": "Work"})
    if "bash" in tools:
        return Calling("bash", {"command": command, "description": "Work"})
    if "exec_command" in tools:
        return Calling("exec_command", {"cmd": command})
    if "exec" in tools:  # Codex's tool of tools, which takes a script
        return Calling("exec", f"text(await tools.exec_command({json.dumps({'cmd': command})}));")
    if "shell_command" in tools:
        return Calling("shell_command", {"command": command})
    if "shell" in tools:
        return Calling("shell", {"command": ["bash", "-c", command]})
    msg = f"the agent offers no shell, only {', '.join(sorted(tools)) or 'nothing'}"
    raise LookupError(msg)


def event(name: str | None, data: object) -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def text_of(content: object) -> str:
    """The text of a message's content: a string, or blocks with ``text`` in them."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(str(block["text"]) for block in blocks if isinstance(block, dict) and block.get("text"))
