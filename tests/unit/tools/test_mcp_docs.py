"""Documentation over MCP: real servers over stdio and HTTP, kind and hostile."""

from __future__ import annotations

import http.server
import os
import re
import socket
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvicorn
from mcp.server.mcpserver import MCPServer

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.kernel.tools import Tool, ToolContext, ToolResult
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import McpServer, ToolSettings
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.errors import NetworkOff
from nextgeneration.tools.mcp.errors import ServerFailed, ServerMisconfigured, ServerUnknown
from nextgeneration.tools.mcp.session import Offered
from nextgeneration.tools.mcp_docs import tools
from nextgeneration.tools.mcp_docs.choose import arguments, generic, library_id
from nextgeneration.tools.mcp_docs.errors import NoLookupTool, NoServerSet

pytestmark = pytest.mark.slow  # starts servers

CONTEXT7 = """
    from mcp.server.mcpserver import MCPServer
    server = MCPServer("Context7")

    @server.tool(name="resolve-library-id")
    def resolve(query: str, libraryName: str) -> str:
        if libraryName == "nothing":
            return "No libraries found."
        return '''Available libraries:

    - Title: FastAPI Users
    - Context7-compatible library ID: /fastapi-users/fastapi-users
    ----------
    - Title: FastAPI
    - Context7-compatible library ID: /fastapi/fastapi
    - Source: https://github.com/other/thing
    '''

    @server.tool(name="query-docs")
    def docs(libraryId: str, query: str) -> str:
        import os
        return f"DOCS of {libraryId} about {query} key={os.environ.get('DOCS_KEY')} other={os.environ.get('OTHER')}"

    server.run("stdio")
"""

OLDER = """
    from mcp.server.mcpserver import MCPServer
    server = MCPServer("Older")

    @server.tool(name="resolve-library-id")
    def resolve(libraryName: str) -> str:
        return "/vercel/next.js"

    @server.tool(name="get-library-docs")
    def docs(context7CompatibleLibraryID: str, topic: str = "", tokens: int = 5000) -> str:
        if topic == "long":
            return "x" * 100_000
        if topic == "wrong":
            raise ValueError("no such topic")
        return f"{context7CompatibleLibraryID}|{topic}|{tokens}"

    server.run("stdio")
"""

OTHER = """
    from mcp.server.mcpserver import MCPServer
    server = MCPServer("Other")

    @server.tool()
    def delete_library(library: str) -> str:
        return "deleted"

    @server.tool()
    def search_docs(query: str) -> str:
        return f"found {query}"

    server.run("stdio")
"""

USELESS = """
    from mcp.server.mcpserver import MCPServer
    server = MCPServer("Useless")

    @server.tool()
    def delete_library(library: str) -> str:
        return "deleted"

    server.run("stdio")
"""


class Desk:
    """Settings with servers that are scripts in a folder, and the tools over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: dict[str, McpServer] = {}
        self.variables = {"PATH": os.environ["PATH"], "DOCS_KEY": "key-1234567", "OTHER": "not-handed-on"}
        self.seconds = 20.0

    def script(self, name: str, text: str, *, env: list[str] | None = None) -> None:
        file = self.folder / f"{name}.py"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        self.servers[name] = McpServer(command=[sys.executable, str(file)], env=env or [])

    def tools(self) -> dict[str, Tool]:
        settings = ToolSettings(mcp_servers=self.servers, mcp_seconds=self.seconds)
        environment = Environment(variables=self.variables, home=self.folder)
        return {tool.spec.name: tool for tool in tools(settings, environment)}

    async def call(self, name: str, *, network: bool = True, lang: Any = "en", **args: Any) -> ToolResult:
        tool = self.tools()[name]
        context = ToolContext(self.folder, self.folder, lang=lang, network=network)
        return await tool.call(parse_args(tool, args), context)

    async def failure(self, **args: Any) -> ServerFailed:
        with pytest.raises(ServerFailed) as failed:
            await self.call("docs.lookup", **{"library": "x", **args})
        return failed.value


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield Desk(tmp_path)
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert [child for child in left if child.status() != psutil.STATUS_ZOMBIE] == [], "a server was left behind"


async def test_context7_is_asked_in_its_two_steps(desk: Desk) -> None:
    desk.script("context7", CONTEXT7, env=["DOCS_KEY"])
    result = await desk.call("docs.lookup", library="fastapi", topic="lifespan")
    assert result.ok
    value = result.value
    assert (value["tool"], value["library_id"]) == ("query-docs", "/fastapi/fastapi")
    assert "DOCS of /fastapi/fastapi about lifespan" in value["text"]
    assert value["untrusted"] is True
    assert "not instructions" in result.text
    (finding,) = result.findings
    assert finding.reference == "context7:/fastapi/fastapi"
    assert "DOCS of" in finding.evidence[0].excerpt


async def test_a_server_gets_only_the_variables_named_for_it_and_no_secret_comes_back(desk: Desk) -> None:
    desk.script("context7", CONTEXT7, env=["DOCS_KEY"])
    text = (await desk.call("docs.lookup", library="fastapi", topic="x")).value["text"]
    assert "other=None" in text
    assert "key-1234567" not in text
    assert "key=•••" in text


async def test_the_older_names_of_context7_work_too_and_answers_are_bounded(desk: Desk) -> None:
    desk.script("old", OLDER)
    result = await desk.call("docs.lookup", library="next.js")
    assert result.value["text"] == "/vercel/next.js||5000"
    result = await desk.call("docs.lookup", library="next.js", topic="long")
    assert result.truncated
    assert len(result.value["text"]) == 60_000
    result = await desk.call("docs.lookup", library="next.js", topic="wrong", lang="fr")
    assert not result.ok
    assert "n'a rien sur" in result.text


async def test_a_library_nobody_knows_is_an_honest_no(desk: Desk) -> None:
    desk.script("context7", CONTEXT7)
    result = await desk.call("docs.lookup", library="nothing")
    assert not result.ok
    assert result.findings == ()
    assert result.value["text"] == ""


async def test_any_other_server_that_reads_by_query_is_used_and_what_changes_things_never(desk: Desk) -> None:
    desk.script("other", OTHER)
    assert (await desk.call("docs.lookup", library="click", topic="groups")).value["text"] == "found click groups"
    desk.servers.clear()
    desk.script("useless", USELESS)
    with pytest.raises(NoLookupTool):
        await desk.call("docs.lookup", library="click")


async def test_servers_are_asked_in_turn_and_the_failed_ones_are_named(desk: Desk) -> None:
    desk.script("dead", "raise SystemExit('cannot start: no licence')")
    desk.script("other", OTHER)
    result = await desk.call("docs.lookup", library="click")
    assert result.value["server"] == "other"
    (problem,) = result.value["problems"]
    assert problem["code"] == "NG-MCP-004"
    assert "no licence" in problem["message"]


async def test_the_tools_of_a_server_are_listed(desk: Desk) -> None:
    desk.script("old", OLDER)
    result = await desk.call("mcp.tools", server="old")
    names = {tool["name"]: tool["arguments"] for tool in result.value["tools"]}
    assert names == {
        "resolve-library-id": ["libraryName"],
        "get-library-docs": ["context7CompatibleLibraryID", "topic", "tokens"],
    }
    assert "get-library-docs(" in result.text


async def test_a_server_that_dies_is_quoted(desk: Desk) -> None:
    desk.script("a", "import sys; print('boom \\x1b[2J key-1234567', file=sys.stderr); sys.exit(3)", env=["DOCS_KEY"])
    error = await desk.failure()
    assert "boom" in error.message()
    assert "\x1b" not in error.message()
    assert "key-1234567" not in error.message()
    assert error.retryable


async def test_a_server_that_is_not_there_is_an_error(desk: Desk) -> None:
    desk.servers["gone"] = McpServer(command=["/no/such/server"])
    assert "gone" in (await desk.failure()).message("fr")


@pytest.mark.parametrize(
    "script",
    [
        "import time; time.sleep(60)",
        "import sys\nfor line in sys.stdin: pass",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        "import os, time\nos.fork()\ntime.sleep(60)",
    ],
)
async def test_a_server_that_hangs_is_ended_with_all_it_started(desk: Desk, script: str) -> None:
    desk.script("hang", script)
    desk.seconds = 0.7
    started = time.monotonic()
    error = await desk.failure()
    assert "0.7 s" in error.message()
    assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    "script",
    [
        "import sys\nwhile True: sys.stdout.write('x' * 65536)",
        "import sys\nwhile True: sys.stdout.write('{}\\n' * 9000)",
        "import sys\nwhile True: sys.stdout.write('[' * 500_000 + '\\n')",
        "import sys\nwhile True: sys.stderr.write('x' * 65536)",
    ],
)
async def test_a_server_that_floods_is_cut_off_and_memory_stays_flat(desk: Desk, script: str) -> None:
    desk.script("flood", script)
    desk.seconds = 8
    before = psutil.Process().memory_info().rss
    started = time.monotonic()
    error = await desk.failure()
    assert re.search(r"more than \d+", error.message())
    assert time.monotonic() - started < 7
    assert psutil.Process().memory_info().rss - before < 100_000_000


async def test_a_server_that_talks_rubbish_is_a_failure(desk: Desk) -> None:
    desk.script(
        "rubbish",
        """
        import json, sys
        for line in sys.stdin:
            request = json.loads(line)
            print("not json")
            print(json.dumps({"jsonrpc": "2.0", "id": request.get("id"), "result": {"tools": "many"}}), flush=True)
        """,
    )
    desk.seconds = 3
    await desk.failure()


async def test_nothing_is_started_without_the_network_grant(desk: Desk) -> None:
    marker = desk.folder / "started"
    desk.script("a", f"open({str(marker)!r}, 'w')")
    with pytest.raises(NetworkOff):
        await desk.call("docs.lookup", library="x", network=False)
    with pytest.raises(NetworkOff):
        await desk.call("mcp.tools", server="a", network=False)
    assert not marker.exists()


async def test_only_names_of_the_settings_are_taken(desk: Desk) -> None:
    with pytest.raises(NoServerSet) as none:
        await desk.call("docs.lookup", library="x")
    assert "NG_TOOLS_MCP_SERVERS" in none.value.hint("fr")
    desk.servers["bad"] = McpServer()
    desk.servers["both"] = McpServer(command=["x"], url="http://127.0.0.1/")
    desk.servers["file"] = McpServer(url="file:///x")
    for name in ("bad", "both", "file"):
        with pytest.raises(ServerMisconfigured):
            await desk.call("docs.lookup", library="x", server=name)
    for name in ("sh -c reboot", "/bin/sh", "http://127.0.0.1/"):
        with pytest.raises(ServerUnknown) as unknown:
            await desk.call("docs.lookup", library="x", server=name)
        assert "bad, both, file" in unknown.value.hint()


async def test_what_would_be_started_is_shown_exactly(desk: Desk) -> None:
    desk.servers["docs"] = McpServer(command=["npx", "-y", "a b\u202e"])
    desk.servers["context7"] = McpServer(url="https://docs.example/mcp")
    tool = desk.tools()["docs.lookup"]
    args, context = parse_args(tool, {"library": "x"}), ToolContext(desk.folder, desk.folder)
    assessment = tool.assess(args, context)
    assert assessment.label is RiskLabel.NETWORK
    assert assessment.conditions == {"context7": "https://docs.example/mcp", "docs": "npx -y 'a b\\u202e'"}
    assert tool.subjects(args) == ("context7", "docs")
    assert "npx -y" in tool.preview(args, context).body


class Web:
    """An MCP server over HTTP in a thread."""

    def __init__(self) -> None:
        server = MCPServer("Web")

        @server.tool(name="search_documentation")
        def search(library: str, question: str) -> str:
            return "x" * 6_000_000 if library == "flood" else f"{library}: {question}"

        self.tokens: list[str] = []
        app = server.streamable_http_app()

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.tokens.append(dict(scope["headers"]).get(b"x-key", b"").decode())
            await app(scope, receive, send)

        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(watched, log_level="critical", ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


async def test_a_server_over_http_is_reached_with_its_header_from_the_environment(desk: Desk) -> None:
    web = Web()
    try:
        url = f"http://127.0.0.1:{web.port}/mcp"
        desk.servers["web"] = McpServer(url=url, headers={"X-Key": "DOCS_KEY"})
        result = await desk.call("docs.lookup", library="flask", topic="blueprints key-1234567")
        assert result.value["text"] == "flask: blueprints •••"
        assert set(web.tokens) == {"key-1234567"}
        assert await desk.failure(library="flood", topic="x")
    finally:
        web.close()


@pytest.mark.parametrize("behaviour", ["refuse", "hang", "html", "redirect", "gzip", "flood"])
async def test_a_broken_http_server_is_a_failure_in_time(desk: Desk, behaviour: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if behaviour == "hang":
                time.sleep(2)
            self.send_response({"refuse": 500, "redirect": 307}.get(behaviour, 200))
            if behaviour == "redirect":
                self.send_header("Location", "http://169.254.169.254/")
            if behaviour == "gzip":
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Type", "text/html" if behaviour == "html" else "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for _ in range(400 if behaviour == "flood" else 1):
                    self.wfile.write(b"x" * 65_536)
            except OSError:
                pass

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        desk.servers["web"] = McpServer(url=f"http://127.0.0.1:{server.server_address[1]}/mcp")
        desk.seconds = 1.5
        started = time.monotonic()
        await desk.failure()
        assert time.monotonic() - started < 5
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def offered(name: str, properties: Any, *, required: Any = (), **hints: Any) -> Offered:
    schema = {"properties": properties, "required": list(required) if isinstance(required, tuple) else required}
    return Offered(name, "", schema, hints.get("read_only"), hints.get("destructive"))


def test_a_generic_tool_is_chosen_by_its_schema_and_its_hints() -> None:
    text = {"type": "string"}
    candidates = [
        offered("run_query", {"query": text}),
        offered("get_docs", {"library": text, "version": text}, required=("library", "version")),
        offered("search", {"query": text}, destructive=True),
        offered("lookup", {"query": text}, read_only=False),
        offered("count", {"query": {"type": "integer"}}),
        offered("odd", "not an object"),
        offered("odder", {"query": text}, required="query"),
    ]
    assert generic(candidates, "x", "y") is None
    reads = offered("anything", {"query": text}, read_only=True)
    docs = offered("read_docs", {"package": text, "topic": text})
    assert generic([*candidates, reads], "x", "y") is reads
    assert generic([*candidates, reads, docs], "x", "y") is docs
    assert arguments(docs.schema, "x", "") == {"package": "x"}
    assert arguments(reads.schema, "x", "y") == {"query": "x y"}


def test_the_id_is_that_of_the_library_asked_for() -> None:
    answer = "- Title: Other\n- ID: /a/other\n----------\n- Title: Re-Act\n- ID: /b/react\n"
    assert library_id(answer, "react") == "/b/react"
    assert library_id(answer, "vue") == "/a/other"
    assert library_id("see https://example.com/a/b", "x") == ""
    assert not re.search(r"\s", library_id(answer, "react"))


def test_settings_take_servers_from_one_json_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NG_TOOLS_MCP_SERVERS", '{"context7": {"url": "https://mcp.context7.com/mcp"}}')
    assert ToolSettings().mcp_servers["context7"].url == "https://mcp.context7.com/mcp"
    assert isinstance(NoServerSet(tool="docs.lookup"), NGError)
