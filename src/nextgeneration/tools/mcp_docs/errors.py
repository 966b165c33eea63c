"""Errors of the documentation look-up over MCP."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class NoServerSet(ToolError):
    """No MCP server is configured."""

    code = "NG-MCP-001"
    what = Texts(
        "{tool} needs an MCP server, and none is set", "{tool} a besoin d'un serveur MCP, et aucun n'est configuré"
    )
    mend = Texts(
        "Set NG_TOOLS_MCP_SERVERS, for example "
        '{{"context7": {{"url": "https://mcp.context7.com/mcp"}}}}; see docs/how-to/documentation-lookup.md.',
        "Définissez NG_TOOLS_MCP_SERVERS, par exemple "
        '{{"context7": {{"url": "https://mcp.context7.com/mcp"}}}} ; voir docs/how-to/documentation-lookup.md.',
    )


class NoLookupTool(ToolError):
    """A server offers nothing that looks documentation up."""

    code = "NG-MCP-005"
    what = Texts(
        "The MCP server {server} offers no tool that looks documentation up (it has: {tools})",
        "Le serveur MCP {server} n'offre aucun outil de recherche de documentation (il a : {tools})",
    )
    mend = Texts(
        "Choose another server, such as Context7.",
        "Choisissez un autre serveur, par exemple Context7.",
    )
