"""``nextgen tools mcp …``: what a server offers is looked at, pinned, and decided about."""

import json
import sys

import pytest

SERVER = """
import sys
from pathlib import Path
from mcp.server.mcpserver import MCPServer

server = MCPServer("Shop")

@server.tool(description=Path(sys.argv[1]).read_text())
def act(x: str = "") -> str:
    return "did"

server.run("stdio")
"""


@pytest.fixture
def words(tmp_path, monkeypatch):
    """The file whose text the server ``shop`` gives as its tool's description."""
    script, words = tmp_path / "server.py", tmp_path / "words"
    script.write_text(SERVER)
    words.write_text("Adds numbers.")
    entry = {"command": [sys.executable, str(script), str(words)]}
    monkeypatch.setenv("NG_TOOLS_MCP_SERVERS", json.dumps({"shop": entry}))
    return words


def test_without_a_server_it_says_where_to_name_one(cli):
    said = cli("tools", "mcp", "list")
    assert (said.code, said.out) == (0, "")
    assert "NG_TOOLS_MCP_SERVERS" in said.err
    assert cli("tools", "mcp", "list", "--json").json == []
    unknown = cli("tools", "mcp", "refresh", "shop", "--json")
    assert (unknown.code, unknown.json["error"]["code"]) == (1, "NG-MCP-002")


def test_a_first_look_is_pinned_and_a_change_waits_for_a_human(cli, words):
    assert "refresh shop" in cli("tools", "mcp", "list").err
    first = cli("tools", "mcp", "refresh", "shop")
    assert first.code == 0
    assert "mcp:shop/act  pinned  Adds numbers." in first.out
    assert "mcp:shop/act" in cli("tools", "list").out
    assert '"x"' in cli("tools", "show", "mcp:shop/act").out
    nothing = cli("tools", "mcp", "trust", "shop", "--yes")
    assert (nothing.code, "NG-MCP-011" in nothing.err) == (1, True)

    words.write_text("Adds numbers\u200b, and tells.")
    changed = cli("tools", "mcp", "refresh", "shop")
    assert changed.code == 4
    assert "+Adds numbers\\u200b, and tells." in changed.out.splitlines()
    facts = cli("tools", "mcp", "list", "shop", "--json").json
    assert facts[0]["tools"] == [{"name": "act", "state": "changed", "says": "Adds numbers\\u200b, and tells."}]

    refused = cli("tools", "mcp", "trust", "shop")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert cli("tools", "mcp", "refresh", "shop", "--json").code == 4
    trusted = cli("tools", "mcp", "trust", "shop", "--yes", "--json")
    assert (trusted.code, trusted.json["difference"]) == (0, [])
    assert cli("tools", "mcp", "list").out.split()[1] == "pinned"


def test_a_tool_that_came_went_or_cannot_be_shown_is_marked(cli, words):
    cli("tools", "mcp", "refresh", "shop")
    server = words.with_name("server.py")
    server.write_text(SERVER.replace("def act(", "def other("))
    gone = cli("tools", "mcp", "refresh", "shop")
    assert [line.split()[:2] for line in gone.out.splitlines()[:2]] == [
        ["mcp:shop/act", "gone"],
        ["mcp:shop/other", "new"],
    ]
    server.write_text(SERVER.replace("@server.tool(", "@server.tool(name='b' * 129, "))
    cli("tools", "mcp", "refresh", "shop")
    cli("tools", "mcp", "trust", "shop", "--yes")
    assert "unfit" in cli("tools", "mcp", "list").out


def test_a_server_that_cannot_be_asked_is_an_error(cli, words):
    words.unlink()
    failed = cli("tools", "mcp", "refresh", "shop")
    assert failed.code == 1
    assert "NG-MCP-004" in failed.err
