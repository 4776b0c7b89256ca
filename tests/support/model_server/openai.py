"""OpenAI's two languages: Responses, which ``codex`` speaks, and chat completions, which opencode speaks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.support.model_server.asked import Asked, Frame, Refusal, event, text_of
from tests.support.model_server.script import Overflow, Status, UsageLimit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.support.model_server.asked import Reply
    from tests.support.model_server.script import Fault, Usage

_CREATED = 1_767_323_045
_RESULTS = ("function_call_output", "custom_tool_call_output", "local_shell_call_output")


class Responses:
    """``POST /v1/responses``."""

    name = "responses"

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Read a request."""
        given = body.get("input") or []
        items = given if isinstance(given, list) else [{"type": "message", "role": "user", "content": given}]
        messages = [item for item in items if item.get("type", "message") == "message"]
        return Asked(
            model=str(body["model"]),
            system=str(body.get("instructions") or ""),
            user="\n".join(text_of(item["content"]) for item in messages if item["role"] == "user"),
            texts=tuple(text_of(item["content"]) for item in messages if item["role"] == "assistant"),
            results=sum(item.get("type") in _RESULTS for item in items),
            tools=frozenset(_tools([*(body.get("tools") or ()), *items])),
            stream=bool(body.get("stream")),
        )

    def is_helper(self, asked: Asked) -> bool:
        """Whether an agent asks for itself: those requests offer no tool."""
        return not asked.tools

    def tells(self, usage: Usage) -> Usage:
        """What is left of a usage once it went through this dialect's own fields."""
        return usage

    def frames(self, reply: Reply) -> Iterator[Frame]:
        """An answer as a stream."""
        document = self.document(reply)
        begun = {**document, "status": "in_progress", "output": [], "usage": None}
        yield _frame("response.created", response=begun)
        for index, item in enumerate(document["output"]):
            at = {"output_index": index, "item_id": item["id"]}
            opened = {**item, "status": "in_progress"}
            if item["type"] == "message":
                yield _frame("response.output_item.added", output_index=index, item={**opened, "content": []})
                part = item["content"][0]
                yield _frame("response.content_part.added", **at, content_index=0, part={**part, "text": ""})
                yield _frame("response.output_text.delta", **at, content_index=0, delta=part["text"], logprobs=[])
                yield _frame("response.output_text.done", **at, content_index=0, text=part["text"], logprobs=[])
                yield _frame("response.content_part.done", **at, content_index=0, part=part)
            elif item["type"] == "function_call":
                yield _frame("response.output_item.added", output_index=index, item={**opened, "arguments": ""})
                yield _frame("response.function_call_arguments.delta", **at, delta=item["arguments"])
                yield _frame("response.function_call_arguments.done", **at, arguments=item["arguments"])
            else:
                yield _frame("response.output_item.added", output_index=index, item={**opened, "input": ""})
            yield _frame("response.output_item.done", output_index=index, item=item)
        yield Frame(_frame("response.completed", response=document).data, last=True)

    def document(self, reply: Reply) -> dict[str, Any]:
        """An answer in one piece."""
        output: list[dict[str, Any]] = []
        if reply.text:
            part = {"type": "output_text", "text": reply.text, "annotations": []}
            output.append(
                {
                    "type": "message",
                    "id": f"msg_{reply.number:06}",
                    "role": "assistant",
                    "status": "completed",
                    "content": [part],
                }
            )
        if reply.calling is not None:
            call = {"call_id": f"call_{reply.number:06}", "name": reply.calling.name, "status": "completed"}
            if isinstance(reply.calling.arguments, str):
                made = {"type": "custom_tool_call", "id": f"ctc_{reply.number:06}", "input": reply.calling.arguments}
            else:
                made = {"type": "function_call", "id": f"fc_{reply.number:06}", "arguments": reply.calling.json}
            output.append({**made, **call})
        usage = reply.usage
        given = _input(usage)
        return {
            "id": f"resp_{reply.number:06}",
            "object": "response",
            "created_at": _CREATED,
            "status": "completed",
            "model": reply.model,
            "output": output,
            "usage": {
                "input_tokens": given,
                "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
                "output_tokens": usage.output,
                "output_tokens_details": {"reasoning_tokens": usage.reasoning},
                "total_tokens": given + usage.output,
            },
        }

    def refuse(self, fault: Fault) -> Refusal:
        """A failure as an HTTP error."""
        return _refuse(fault)


class Chat:
    """``POST /v1/chat/completions``."""

    name = "chat"

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Read a request."""
        messages = body["messages"]
        by_role: dict[str, list[str]] = {}
        for message in messages:
            if not message.get("tool_calls"):
                by_role.setdefault(message["role"], []).append(text_of(message.get("content")))
        return Asked(
            model=str(body["model"]),
            system="\n".join(by_role.get("system", [])),
            user="\n".join(by_role.get("user", [])),
            texts=tuple(by_role.get("assistant", [])),
            results=len(by_role.get("tool", [])),
            tools=frozenset(tool["function"]["name"] for tool in body.get("tools") or ()),
            stream=bool(body.get("stream")),
        )

    def is_helper(self, asked: Asked) -> bool:
        """Whether an agent asks for itself: those requests offer no tool."""
        return not asked.tools

    def tells(self, usage: Usage) -> Usage:
        """What is left of a usage once it went through this dialect's fields: it has none for writing a cache."""
        return replace(usage, input=usage.input + usage.cache_write, cache_write=0)

    def frames(self, reply: Reply) -> Iterator[Frame]:
        """An answer as a stream."""
        document = self.document(reply)
        message = document["choices"][0]["message"]
        common = {**document, "object": "chat.completion.chunk"}
        del common["choices"], common["usage"]

        def chunk(delta: object, finish: str | None = None) -> bytes:
            return event(None, {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

        yield Frame(chunk({"role": "assistant", "content": ""}))
        if reply.text:
            yield Frame(chunk({"content": reply.text}))
        for index, call in enumerate(message.get("tool_calls", ())):
            yield Frame(chunk({"tool_calls": [{"index": index, **call}]}))
        yield Frame(chunk({}, document["choices"][0]["finish_reason"]))
        yield Frame(event(None, {**common, "choices": [], "usage": document["usage"]}), last=True)
        yield Frame(event(None, "[DONE]"), last=True)

    def document(self, reply: Reply) -> dict[str, Any]:
        """An answer in one piece."""
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        if reply.calling is not None:
            function = {"name": reply.calling.name, "arguments": reply.calling.json}
            message["tool_calls"] = [{"id": f"call_{reply.number:06}", "type": "function", "function": function}]
        usage = reply.usage
        given = _input(usage)
        return {
            "id": f"chatcmpl-{reply.number:06}",
            "object": "chat.completion",
            "created": _CREATED,
            "model": reply.model,
            "choices": [
                {"index": 0, "message": message, "finish_reason": "tool_calls" if reply.calling else "stop"},
            ],
            "usage": {
                "prompt_tokens": given,
                "prompt_tokens_details": {"cached_tokens": usage.cache_read},
                "completion_tokens": usage.output,
                "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
                "total_tokens": given + usage.output,
            },
        }

    def refuse(self, fault: Fault) -> Refusal:
        """A failure as an HTTP error."""
        return _refuse(fault)


def _tools(offered: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Names of tools, which for a model that Codex knows are offered in the conversation, by name spaces."""
    for tool in offered:
        match tool.get("type"):
            case "additional_tools" | "namespace":
                yield from _tools(tool["tools"])
            case "message" | "reasoning" | None:
                pass
            case kind if "call" not in str(kind):
                yield str(tool.get("name") or kind)


def _input(usage: Usage) -> int:
    """What OpenAI calls input: with the cached tokens in it."""
    return usage.input + usage.cache_read + usage.cache_write


def _refuse(fault: Fault) -> Refusal:
    match fault:
        case Status(status=status, headers=headers, body=body):
            kinds = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
            said = _error(f"Scripted {status}.", "error", kinds.get(status, "server_error"))
            return Refusal(status, body if body is not None else said, headers)
        case UsageLimit(resets_at=resets_at):
            error = {
                "type": "usage_limit_reached",
                "message": "The usage limit has been reached",
                "plan_type": "pro",
                "resets_at": resets_at,
            }
            return Refusal(429, json.dumps({"error": error}))
        case Overflow():
            message = "Your input exceeds the context window of this model. Please adjust your input and try again."
            return Refusal(400, _error(message, "invalid_request_error", "context_length_exceeded"))
        case _:
            raise TypeError(fault)


def _error(message: str, kind: str, code: str) -> str:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


def _frame(kind: str, **more: object) -> Frame:
    return Frame(event(kind, {"type": kind, **more}))
