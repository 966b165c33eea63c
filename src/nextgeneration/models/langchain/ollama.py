"""Ollama's chat, with calls as the model wrote them.

LangChain reads every text among a call's arguments as JSON or Python where it can: a file's content that happens to be
JSON would arrive as an object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_ollama import ChatOllama

WRITTEN: ContextVar[list[Mapping[str, Any]] | None] = ContextVar("nextgeneration_ollama_calls", default=None)
"""Where the calls of the answer being read are put."""


class Chat(ChatOllama):
    """Ollama's chat."""

    async def _acreate_chat_stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[Mapping[str, Any] | str]:
        async for part in super()._acreate_chat_stream(messages, stop, **kwargs):
            written = WRITTEN.get()
            if written is None or isinstance(part, str):
                yield part
                continue
            data = part.model_dump() if hasattr(part, "model_dump") else dict(part)
            message = data.get("message") or {}
            written.extend(message.pop("tool_calls", None) or ())
            yield data
