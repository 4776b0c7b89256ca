"""Anthropic's Messages: what ``claude`` speaks, and opencode with that provider."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.model_server.asked import Asked, Frame, Refusal, event, text_of
from tests.support.model_server.script import Overflow, Status, UsageLimit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.model_server.asked import Reply
    from tests.support.model_server.script import Fault, Usage

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class Messages:
    """``POST /v1/messages``."""

    name = "messages"

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Read a request."""
        user, texts, results = [], [], 0
        for message in body["messages"]:
            blocks = message["content"] if isinstance(message["content"], list) else []
            kinds = [block.get("type") for block in blocks]
            if message["role"] == "user":
                user.append(text_of(message["content"]))
                results += kinds.count("tool_result")
            elif message["role"] == "assistant" and "tool_use" not in kinds:
                texts.append(text_of(message["content"]))
        return Asked(
            model=str(body["model"]),
            system=text_of(body.get("system")),
            user="\n".join(user),
            texts=tuple(texts),
            results=results,
            tools=frozenset(tool["name"] for tool in body.get("tools") or ()),
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
        begun = {
            **document,
            "content": [],
            "stop_reason": None,
            "usage": {**document["usage"], "output_tokens": min(1, reply.usage.output)},
        }
        yield _frame("message_start", message=begun)
        yield _frame("ping")
        for index, block in enumerate(document["content"]):
            if block["type"] == "text":
                empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
            else:
                empty = {**block, "input": {}}
                delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            yield _frame("content_block_start", index=index, content_block=empty)
            yield _frame("content_block_delta", index=index, delta=delta)
            yield _frame("content_block_stop", index=index)
        stop = {"stop_reason": document["stop_reason"], "stop_sequence": None}
        yield Frame(_frame("message_delta", delta=stop, usage=document["usage"]).data, last=True)
        yield Frame(_frame("message_stop").data, last=True)

    def document(self, reply: Reply) -> dict[str, Any]:
        """An answer in one piece."""
        content: list[dict[str, Any]] = []
        if reply.text:
            content.append({"type": "text", "text": reply.text})
        if reply.calling is not None:
            number, call = f"toolu_{reply.number:06}", reply.calling
            content.append({"type": "tool_use", "id": number, "name": call.name, "input": call.arguments})
        return {
            "id": f"msg_{reply.number:06}",
            "type": "message",
            "role": "assistant",
            "model": reply.model,
            "content": content,
            "stop_reason": "end_turn" if reply.calling is None else "tool_use",
            "stop_sequence": None,
            "usage": {
                "input_tokens": reply.usage.input,
                "cache_creation_input_tokens": reply.usage.cache_write,
                "cache_read_input_tokens": reply.usage.cache_read,
                "output_tokens": reply.usage.output,
                "output_tokens_details": {"thinking_tokens": reply.usage.reasoning},
            },
        }

    def refuse(self, fault: Fault) -> Refusal:
        """A failure as an HTTP error."""
        match fault:
            case Status(status=status, headers=headers, body=body):
                return Refusal(status, body if body is not None else _error(status, f"Scripted {status}."), headers)
            case UsageLimit(resets_at=resets_at):
                window = "anthropic-ratelimit-unified"
                headers = (
                    (f"{window}-status", "rejected"),
                    (f"{window}-reset", str(resets_at)),
                    (f"{window}-representative-claim", "five_hour"),
                    (f"{window}-5h-status", "rejected"),
                    (f"{window}-5h-reset", str(resets_at)),
                    (f"{window}-5h-utilization", "1.0"),
                    (f"{window}-overage-status", "rejected"),
                    (f"{window}-overage-disabled-reason", "org_level_disabled"),
                )
                return Refusal(429, _error(429, "This request would exceed your account's rate limit."), headers)
            case Overflow():
                return Refusal(400, _error(400, "prompt is too long: 250000 tokens > 200000 maximum"))
            case _:
                raise TypeError(fault)


def _error(status: int, message: str) -> str:
    kind = _KINDS.get(status, "api_error")
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"})


def _frame(kind: str, **more: object) -> Frame:
    return Frame(event(kind, {"type": kind, **more}))
