"""LangGraph: the same two turns as a graph of bare functions, with its own SQLite saver.

Leaner than what its users write: no chat model classes, no prompt, no validated arguments, no agent around them
(``create_agent`` costs more on top). ``durability="sync"``: a step is on disk before the next begins.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from script import CITY, INSTRUCTIONS, QUESTION, called, get_weather

FULL = 2


class State(TypedDict):
    messages: Annotated[list[dict[str, Any]], operator.add]
    ended: Annotated[list[float], operator.add]


def graph(latency: float) -> StateGraph[Any, Any, Any]:
    async def model(state: State) -> dict[str, Any]:
        if latency:
            await asyncio.sleep(latency)
        messages = state["messages"]
        if called(sum(message["role"] == "tool" for message in messages)):
            said = {"role": "assistant", "calls": [{"id": "c", "name": "get_weather", "args": {"city": CITY}}]}
        else:
            said = {"role": "assistant", "text": "final: " + messages[-1]["text"]}
        return {"messages": [said], "ended": [perf_counter()]}

    async def tool(state: State) -> dict[str, Any]:
        text = await get_weather(**state["messages"][-1]["calls"][0]["args"])
        return {"messages": [{"role": "tool", "id": "c", "text": text}], "ended": [perf_counter()]}

    def onwards(state: State) -> str:
        return "tool" if state["messages"][-1].get("calls") else END

    made = StateGraph(State)
    made.add_node("model", model)
    made.add_node("tool", tool)
    made.add_edge(START, "model")
    made.add_conditional_edges("model", onwards, ["tool", END])
    made.add_edge("tool", "model")
    return made


@asynccontextmanager
async def durable(
    folder: Path, _at_once: int, latency: float
) -> AsyncIterator[Callable[[int, int, list[float]], Awaitable[None]]]:
    async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
        await saver.setup()
        for pragma, wanted in (("journal_mode", "wal"), ("synchronous", FULL)):
            async with saver.conn.execute(f"PRAGMA {pragma}") as found:
                assert await found.fetchone() == (wanted,), pragma
        app = graph(latency).compile(checkpointer=saver)
        asked = [{"role": "system", "text": INSTRUCTIONS}, {"role": "user", "text": QUESTION}]

        async def run(lane: int, number: int, ended: list[float]) -> None:
            config = {"configurable": {"thread_id": f"{lane}-{number}"}}
            state = await app.ainvoke({"messages": asked, "ended": []}, config, durability="sync")
            assert "sunny" in state["messages"][-1]["text"]
            ended.extend(state["ended"])

        yield run
