"""Settings of the tools."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field
from pydantic_settings import SettingsConfigDict

from nextgeneration.settings.group import SettingsGroup


class McpServer(BaseModel):
    """How one MCP server is started or reached. Only settings say this, never a template."""

    command: list[str] = Field(default=[], description="argv that starts a stdio server")
    url: str = Field(default="", description="address of a streamable HTTP server")
    env: list[str] = Field(default=[], description="names of environment variables handed to the server")
    headers: dict[str, str] = Field(
        default={}, description="HTTP headers for a url: each header's name with the environment variable that holds it"
    )
    trust_hints: bool = Field(
        default=False,
        description="whether a tool that this server calls read-only may count as one that changes nothing",
    )


ServerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


ToolPattern = Annotated[str, Field(min_length=1, max_length=200)]
ToolPrice = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]


class ToolSettings(SettingsGroup):
    """What the tools may use."""

    model_config = SettingsConfigDict(env_prefix="NG_TOOLS_", env_nested_delimiter="__", extra="ignore")

    command_seconds: float = Field(default=120.0, gt=0, description="wall-clock limit of one shell command, in seconds")
    command_memory_mb: int = Field(default=2048, gt=0, description="memory limit of one shell command, in MB")
    command_output_kb: int = Field(default=256, gt=0, description="output kept of one shell command, in kB")
    http_seconds: float = Field(default=20.0, gt=0, description="time limit of one HTTP request, in seconds")
    http_max_kb: int = Field(default=2048, gt=0, description="largest HTTP body read, in kB")
    search_url: str = Field(
        default="", description="address of a SearXNG-compatible search service; empty: the search page is read"
    )
    search_page: str = Field(
        default="https://html.duckduckgo.com/html/",
        description="address of the HTML search page that is read, as well as it can be, when search_url is empty",
    )
    prices: dict[ToolPattern, ToolPrice] = Field(
        default={},
        description="credits for each call of a tool, by its name or a pattern of names; of several that fit the "
        "longest decides",
    )
    mcp_seconds: float = Field(
        default=30.0, gt=0, description="time limit of one conversation with an MCP server, in seconds"
    )
    mcp_servers: dict[ServerName, McpServer] = Field(
        default={}, description="MCP servers by name, as JSON or `NG_TOOLS_MCP_SERVERS__<name>__command`"
    )
