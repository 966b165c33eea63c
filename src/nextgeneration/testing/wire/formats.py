"""The wire formats by name."""

from __future__ import annotations

from nextgeneration.testing.wire.anthropic import Anthropic
from nextgeneration.testing.wire.base import Format
from nextgeneration.testing.wire.openai_chat import OpenAIChat

FORMATS: dict[str, type[Format]] = {form.name: form for form in (OpenAIChat, Anthropic)}
