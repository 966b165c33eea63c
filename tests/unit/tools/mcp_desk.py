"""Real MCP servers for tests, as scripts, and the tools over them."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from nextgeneration.kernel.risk import Assessment
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import McpServer, ToolSettings
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.mcp.toolbox import RemoteTools
from nextgeneration.tools.registry import ToolBox

CHAT = """
    import os, sys, time
    from mcp.server.mcpserver import Context, MCPServer
    from mcp_types import ToolAnnotations
    from pydantic import BaseModel

    server = MCPServer("Chat")
    calls = 0

    class Where(BaseModel):
        channel: str
        thread: int = 0

    @server.tool()
    def post(where: Where, body: str) -> str:
        '''Posts a message.'''
        return f"posted {body} to {where.channel}"

    @server.tool()
    def count() -> str:
        global calls
        calls += 1
        return f"{calls} in {os.getpid()}"

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def read(channel: str) -> dict[str, str]:
        return {"channel": channel, "key": os.environ.get("CHAT_KEY", ""), "other": os.environ.get("OTHER", "none")}

    @server.tool(annotations=ToolAnnotations(read_only_hint=True, destructive_hint=True))
    def wipe() -> str:
        return "wiped"

    @server.tool()
    def fail() -> str:
        raise ValueError("no such channel")

    @server.tool()
    def die() -> str:
        print("out of luck", file=sys.stderr, flush=True)
        os._exit(3)

    @server.tool()
    def hang() -> str:
        time.sleep(3600)

    @server.tool()
    def flood() -> str:
        line = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\\\\n'
        while True:
            sys.stdout.write(line * 1000)

    @server.tool()
    def long() -> str:
        return "x" * 900_000

    @server.tool()
    async def ask(ctx: Context, what: str) -> str:
        if what == "roots":
            await ctx.session.list_roots()
        elif what == "model":
            from mcp_types import SamplingMessage, TextContent
            message = SamplingMessage(role="user", content=TextContent(type="text", text="say yes"))
            await ctx.session.create_message([message], max_tokens=10)
        else:
            await ctx.session.elicit_form("password?", {"type": "object", "properties": {}})
        return "was answered"

    server.run("stdio")
"""

CHANGING = """
    import sys
    from pathlib import Path
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("Changing")
    words = Path(sys.argv[1]).read_text()

    @server.tool(description=words)
    def act(x: str = "") -> str:
        return "did"

    @server.tool()
    def steady() -> str:
        return "did"

    server.run("stdio")
"""

RAW = """
    import json, sys

    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        answer = {"jsonrpc": "2.0", "id": asked["id"]}
        if asked["method"] == "initialize":
            version = asked["params"]["protocolVersion"]
            info = {"name": "raw", "version": "1"}
            answer["result"] = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        elif asked["method"] == "tools/list":
            answer["result"] = {"tools": json.loads(open(sys.argv[1]).read())}
        elif asked["method"] == "tools/call" and asked["params"]["name"] == "unknown":
            answer["error"] = {"code": -32602, "message": "no such thing"}
        elif asked["method"] == "tools/call":
            if asked["params"]["arguments"].get("tell"):
                print('{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}', flush=True)
            answer["result"] = {"content": [], "structuredContent": {"a": "a" * 40 + "!"}}
        else:
            answer["error"] = {"code": -32601, "message": "no"}
        print(json.dumps(answer), flush=True)
"""


class Desk:
    """Settings with servers that are scripts in a folder, and the tools over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.servers: dict[str, McpServer] = {}
        self.variables = {"PATH": os.environ["PATH"], "CHAT_KEY": "key-1234567", "OTHER": "not-handed-on"}
        self.seconds = 30.0
        self._remote: RemoteTools | None = None

    def script(self, name: str, text: str, *args: str, **entry: Any) -> None:
        file = self.folder / f"{name}.py"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        self.servers[name] = McpServer(command=[sys.executable, str(file), *args], **entry)

    @property
    def remote(self) -> RemoteTools:
        if self._remote is None:
            settings = ToolSettings(mcp_servers=self.servers, mcp_seconds=self.seconds)
            environment = Environment(variables=self.variables, home=self.folder)
            self._remote = RemoteTools(settings, self.home / "mcp", environment)
        return self._remote

    @property
    def box(self) -> ToolBox:
        return ToolBox([], self.remote)

    def context(self, mission: str = "a", *, network: bool = True) -> ToolContext:
        folder = self.folder / mission
        folder.mkdir(exist_ok=True)
        return ToolContext(self.folder, folder, network=network)

    def assess(self, name: str, **args: Any) -> Assessment:
        tool = self.box[name]
        return tool.assess(parse_args(tool, args), self.context())

    async def call(self, name: str, mission: str = "a", **args: Any) -> ToolResult:
        tool = self.box[name]
        parsed = parse_args(tool, args)
        tool.assess(parsed, self.context(mission))
        return await tool.call(parsed, self.context(mission))


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.02)
