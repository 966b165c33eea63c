"""MCP servers that die, hang, flood, ask back or stay: contained, and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from tests.unit.tools.mcp_desk import Desk, children, until

from nextgeneration.settings.environment import Environment
from nextgeneration.tools.mcp.connections import Connections
from nextgeneration.tools.mcp.errors import (
    AnswerLost,
    ServerFailed,
    ServersBusy,
)

pytestmark = pytest.mark.slow  # starts servers


async def test_a_mission_keeps_its_conversation_and_shares_it_with_no_other(chat: Desk) -> None:
    first = (await chat.call("mcp:chat/count", "a")).text
    assert first.startswith("1 in ")
    assert (await chat.call("mcp:chat/count", "a")).text == "2" + first[1:]
    other = (await chat.call("mcp:chat/count", "b")).text
    assert other.startswith("1 in ")
    assert other != first
    many = await asyncio.gather(*(chat.call("mcp:chat/count", "c") for _ in range(20)))
    assert len({result.text.split()[-1] for result in many}) == 1
    assert {int(result.text.split()[0]) for result in many} == set(range(1, 21))


async def test_a_server_that_dies_is_quoted_and_the_next_call_starts_another(chat: Desk) -> None:
    first = (await chat.call("mcp:chat/count")).text
    with pytest.raises(AnswerLost) as lost:
        await chat.call("mcp:chat/die")
    assert "not known whether" in lost.value.message()
    again = (await chat.call("mcp:chat/count")).text
    assert again.startswith("1 in ")
    assert again != first
    psutil.Process(int(again.split()[-1])).kill()
    await until(lambda: not psutil.pid_exists(int(again.split()[-1])))
    assert (await chat.call("mcp:chat/post", where={"channel": "x"}, body="y")).ok


@pytest.mark.slow
async def test_a_server_that_hangs_costs_one_call_its_time_and_goes(chat: Desk) -> None:
    await chat.remote.close()
    chat.seconds = 15.0
    chat._remote = None
    with pytest.raises(AnswerLost) as slow:
        await chat.call("mcp:chat/hang", "h")
    assert "15.0 s" in slow.value.message()
    assert (await chat.call("mcp:chat/count", "h")).text.startswith("1 in ")


@pytest.mark.slow
async def test_a_server_that_floods_is_cut_off_and_memory_stays_flat(chat: Desk) -> None:
    await chat.call("mcp:chat/count")
    before = psutil.Process().memory_info().rss
    with pytest.raises(AnswerLost) as flood:
        await chat.call("mcp:chat/flood")
    assert "more than" in flood.value.message()
    assert psutil.Process().memory_info().rss - before < 100_000_000
    assert (await chat.call("mcp:chat/count")).text.startswith("1 in ")


@pytest.mark.parametrize("what", ["roots", "model", "user"])
async def test_a_server_that_asks_for_a_model_a_user_or_a_folder_is_refused(chat: Desk, what: str) -> None:
    try:
        result = await chat.call("mcp:chat/ask", what=what)
    except (ServerFailed, AnswerLost):
        return
    assert not result.ok
    assert "was answered" not in result.text


@pytest.mark.slow
async def test_only_so_many_servers_run_at_once_and_unused_ones_go(chat: Desk) -> None:
    before = len(children())
    environment = Environment(variables=chat.variables, home=chat.folder)
    few = Connections(chat.servers, environment, 20.0, most=2, idle=1.0)
    (two, three) = (chat.context(name).scratch for name in ("two", "three"))
    async with few.using("chat", chat.context("one").scratch) as first:
        await first.tools()
        async with few.using("chat", two) as second:
            await second.tools()
            quick = Connections(chat.servers, environment, 0.2, most=0)
            with pytest.raises(ServersBusy):
                async with quick.using("chat", three):
                    pass
        async with few.using("chat", three) as third:
            await third.tools()
            assert not second.usable
    assert first.usable
    await until(lambda: not first.usable and not third.usable)
    await few.close()
    await until(lambda: len(children()) <= before)


@pytest.mark.parametrize("work", ["call", "open"])
async def test_a_call_that_is_cut_short_leaves_nothing_behind(chat: Desk, work: str) -> None:
    """Whoever is cancelled while the server is being started, or while it works, loses nothing but his own call."""
    if work == "call":
        await chat.call("mcp:chat/count")
    task = asyncio.create_task(chat.call("mcp:chat/hang" if work == "call" else "mcp:chat/count"))
    await asyncio.sleep(0.3 if work == "call" else 0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.slow
def test_servers_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    """Also after ``kill -9``, and with children of their own that ignore everything."""
    server = tmp_path / "server.py"
    server.write_text(
        textwrap.dedent(
            f"""
            import os, signal, subprocess, sys, time
            from mcp.server.mcpserver import MCPServer
            sleeper = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
            child = subprocess.Popen([sys.executable, "-c", sleeper], start_new_session=True)
            open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child.pid}}\\n")
            server = MCPServer("S")
            @server.tool()
            def hang() -> str:
                time.sleep(3600)
            server.run("stdio")
            """
        )
    )
    driver = f"""
import asyncio, sys
from pathlib import Path
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import McpServer
from nextgeneration.tools.mcp.connections import Connections
entry = McpServer(command=[sys.executable, {str(server)!r}])
async def main():
    connections = Connections({{"s": entry}}, Environment.current(), 600.0)
    async with connections.using("s", Path({str(tmp_path)!r})) as connection:
        await connection.tools()
        print("ready", flush=True)
        await connection.call("hang", {{}}, changes=True)
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(psutil.pid_exists(pid) for pid in pids)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    end = time.monotonic() + 30
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        assert time.monotonic() < end, "a server outlived us"
        time.sleep(0.05)
