"""OpenAI's chat completions and responses, without what LangChain mends silently.

LangChain completes cut JSON and drops what it has no place for. A half written call must never run, so the calls are
handed on as the model wrote them.
"""

from __future__ import annotations

from typing import Any

from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI

RAW_CALLS = "nextgeneration_calls"
REFUSAL = "refusal"


class _AsWritten(BaseChatOpenAI):
    """Keeps the calls of a whole answer as text, and the refusal of a streamed one."""

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        data = response if isinstance(response, dict) or not hasattr(response, "model_dump") else response.model_dump()
        if not isinstance(data, dict):
            return super()._create_chat_result(response, generation_info)
        written: list[list[Any]] = []
        refused: list[str] = []
        for choice in data.get("choices") or []:
            message = choice.get("message") or {}
            written.append(message.pop("tool_calls", None) or [])
            refused.append(message.get("refusal") or "")
        result = super()._create_chat_result(data, generation_info)
        for generation, calls, refusal in zip(result.generations, written, refused, strict=False):
            generation.message.additional_kwargs[RAW_CALLS] = calls
            if refusal:
                generation.message.additional_kwargs[REFUSAL] = refusal
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        choices = chunk.get("choices") or []
        delta = (choices[0].get("delta") or {}) if choices else {}
        # Some servers number no calls; LangChain would drop such a chunk with all that is in it.
        for place, call in enumerate(delta.get("tool_calls") or []):
            if call.get("index") is None:
                call["index"] = place
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if made is not None and delta.get("refusal"):
            made.message.additional_kwargs[REFUSAL] = delta["refusal"]
        return made


class ChatCompletions(_AsWritten, ChatOpenAI):
    """OpenAI itself."""


class Compatible(_AsWritten):
    """Servers that speak the format as it was when most of them were written, with ``max_tokens``."""


class Responses(ChatOpenAI):
    """OpenAI's responses."""
