"""A gateway before a provider on loopback, for the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.models import Message, ModelAnswer, ModelRequest, ToolSchema, Wish
from nextgeneration.models.candidates import Candidate
from nextgeneration.models.gateway import Gateway
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.models import ModelPrice, ModelProvider, ModelSettings
from nextgeneration.testing.wire import Step, WireServer

SECRET = "sk-far-0123456789abcdef"
KEY = "FAR_API_KEY"
DIALECTS = {
    "openai": "openai",
    "openai-responses": "openai-responses",
    "anthropic": "anthropic",
    "gemini": "google",
    "ollama": "ollama",
}
MODELS = {
    "openai": "gpt-4o",
    "openai-responses": "gpt-5.4-mini",
    "anthropic": "claude-sonnet-5-5",
    "gemini": "gemini-3.8-flash",
    "ollama": "qwen3:8b",
}
READ = ToolSchema(
    "fs.read",
    "Read a file",
    {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"], "additionalProperties": False},
)


@dataclass
class Far:
    """The far end, and one model of it as it is asked from here."""

    server: WireServer
    gateway: Gateway
    candidate: Candidate

    async def ask(self, *steps: Step, listen: bool = False, **request: Any) -> ModelAnswer:
        """Script ``steps`` and ask once; with ``listen`` the pieces heard must be the text."""
        self.server.script(*steps)
        asked = ModelRequest(**{"messages": (Message("user", "hello"),), "max_output": 1_000, **request})
        if not listen:
            return await self.candidate.client.answer(asked)
        pieces: list[str] = []
        answer = await self.candidate.client.answer(asked, pieces.append)
        assert "".join(pieces) in {answer.text, ""}, "what was heard is not what was said"
        return answer


@asynccontextmanager
async def far(
    provider: str, *, model: str = "", server: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Far]:
    """A provider and a gateway that knows nothing else."""
    name = model or MODELS[provider]
    async with WireServer(provider, **(server or {})) as wire:
        made = ModelSettings(
            **{
                "discover": False,
                "keyring": False,
                "answer_seconds": 30.0,
                "silence_seconds": 30.0,
                "providers": {
                    "far": ModelProvider(url=wire.url, key=KEY, dialect=DIALECTS[provider], models=[name]),
                },
                "prices": {f"far:{name}": ModelPrice(input=2, output=10, cached="0.5", cache_written="2.5")},
                **settings,
            }
        )
        gateway = Gateway(made, clock=SystemClock(), environment=Environment({KEY: SECRET}, Path("/nowhere")))
        try:
            first = gateway.candidates(Wish()).first
            assert first is not None
            yield Far(wire, gateway, first)
        finally:
            await gateway.close()
