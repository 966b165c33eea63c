"""The wire formats by name."""

from __future__ import annotations

from nextgeneration.testing.wire.anthropic import Anthropic
from nextgeneration.testing.wire.base import Format
from nextgeneration.testing.wire.gemini import Gemini
from nextgeneration.testing.wire.ollama import Ollama
from nextgeneration.testing.wire.openai_chat import OpenAIChat
from nextgeneration.testing.wire.openai_responses import OpenAIResponses

FORMATS: dict[str, type[Format]] = {
    form.name: form for form in (OpenAIChat, OpenAIResponses, Anthropic, Gemini, Ollama)
}
