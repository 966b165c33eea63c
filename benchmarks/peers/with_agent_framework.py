"""Microsoft Agent Framework: ``Agent``; its mission is a workflow with fan-out and fan-in edges, all in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent_framework import (
    Agent,
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    Content,
    Executor,
    FunctionInvocationLayer,
    Message,
    WorkflowBuilder,
    WorkflowContext,
    handler,
)
from agent_framework.observability import ChatTelemetryLayer
from script import ARGUMENTS, INSTRUCTIONS, QUESTION, called, get_weather


class Fake(FunctionInvocationLayer, ChatMiddlewareLayer, ChatTelemetryLayer, BaseChatClient):
    """With the layers that its client of OpenAI has."""

    def __init__(self, latency: float) -> None:
        super().__init__()
        self.latency = latency

    def _inner_get_response(self, *, messages: Any, stream: Any, options: Any, **_more: Any) -> Any:
        return self._answer(messages)

    async def _answer(self, messages: Any) -> ChatResponse:
        if self.latency:
            await asyncio.sleep(self.latency)
        asked = any(message.role == "user" and message.text == QUESTION for message in messages)
        given = [str(c.result) for message in messages for c in message.contents if c.type == "function_result"]
        if called(len(given)) and asked:
            content = Content.from_function_call(call_id="c", name="get_weather", arguments=ARGUMENTS)
        else:
            content = Content.from_text("final: " + (given[-1] if given else "said"))
        return ChatResponse(messages=[Message(role="assistant", contents=[content])])


def weather(latency: float) -> Callable[[], Awaitable[Any]]:
    agent = Agent(client=Fake(latency), instructions=INSTRUCTIONS, tools=[get_weather], name="a")

    async def once() -> Any:
        return (await agent.run(QUESTION)).text

    return once


class Speaker(Executor):
    """An agent without tools that speaks one turn, and passes on what comes of it."""

    def __init__(self, model: Fake, name: str) -> None:
        super().__init__(id=name)
        self.agent = Agent(client=model, instructions=INSTRUCTIONS, name=name)


class Plan(Speaker):
    @handler
    async def plan(self, goal: str, ctx: WorkflowContext[str]) -> None:
        await self.agent.run("plan: " + goal)
        await ctx.send_message(QUESTION)


class Work(Executor):
    def __init__(self, model: Fake, name: str) -> None:
        super().__init__(id=name)
        self.agent = Agent(client=model, instructions=INSTRUCTIONS, tools=[get_weather], name=name)

    @handler
    async def work(self, task: str, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message((await self.agent.run(task)).text)


class Synthesis(Speaker):
    @handler
    async def synthesise(self, reports: list[str], ctx: WorkflowContext[str, str]) -> None:
        await self.agent.run("sum up: " + " ".join(reports))
        await ctx.yield_output(" ".join(reports))


@asynccontextmanager
async def missions(latency: float, _folder: Path, at_once: int) -> AsyncIterator[list[Callable[[], Awaitable[None]]]]:
    def made() -> Callable[[], Awaitable[None]]:
        model = Fake(latency)
        plan, synthesis = Plan(model, "plan"), Synthesis(model, "synthesis")
        workers = [Work(model, f"w{n}") for n in range(4)]
        builder = WorkflowBuilder(start_executor=plan)
        workflow = builder.add_fan_out_edges(plan, workers).add_fan_in_edges(workers, synthesis).build()

        async def once() -> None:
            (output,) = (await workflow.run("the weather")).get_outputs()
            assert output.count("sunny") == 4, output

        return once

    yield [made() for _ in range(at_once)]
