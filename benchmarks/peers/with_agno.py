"""Agno: ``Agent``. The fake model stands where its models for providers stand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agno.agent import Agent
from agno.models.base import Model
from agno.models.response import ModelResponse
from script import ARGUMENTS, INSTRUCTIONS, QUESTION, called, get_weather

CALL = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": ARGUMENTS}}


@dataclass
class Fake(Model):
    id: str = "fake"
    name: str = "Fake"
    latency: float = 0.0

    async def ainvoke(self, messages: Any, *_args: Any, **_more: Any) -> ModelResponse:
        if self.latency:
            await asyncio.sleep(self.latency)
        if called(sum(message.role == "tool" for message in messages)):
            return ModelResponse(role="assistant", tool_calls=[dict(CALL)])
        return ModelResponse(role="assistant", content="final: " + str(messages[-1].content))

    def invoke(self, *_args: Any, **_more: Any) -> Any:
        raise NotImplementedError

    invoke_stream = ainvoke_stream = _parse_provider_response = _parse_provider_response_delta = invoke


def weather(latency: float) -> Callable[[], Awaitable[Any]]:
    agent = Agent(model=Fake(latency=latency), instructions=INSTRUCTIONS, tools=[get_weather], telemetry=False)

    async def once() -> Any:
        return (await agent.arun(QUESTION)).content

    return once


def create() -> Callable[[], Any]:
    """As its authors measure it: with an OpenAI model object of its own."""
    from agno.models.openai import OpenAIChat

    return lambda: Agent(model=OpenAIChat(id="gpt-4o"), instructions="Be brief.", tools=[get_weather], telemetry=False)
