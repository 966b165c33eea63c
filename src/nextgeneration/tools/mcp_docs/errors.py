"""Errors of the documentation look-up over MCP."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


def filled(text: Texts, **values: object) -> Texts:
    """``text`` with its fields filled in, in both languages, so that it can be a field of another."""
    return Texts(text.en.format(**values), text.fr.format(**values))


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


class ServerUnknown(ToolError):
    """No configured MCP server has this name."""

    code = "NG-MCP-002"
    what = Texts("No MCP server is named {server}", "Aucun serveur MCP ne s'appelle {server}")
    mend = Texts(
        "Known: {known}. Servers are named in NG_TOOLS_MCP_SERVERS only.",
        "Connus : {known}. Les serveurs sont nommés uniquement dans NG_TOOLS_MCP_SERVERS.",
    )


class ServerMisconfigured(ToolError):
    """The entry of a server in the settings cannot be used."""

    code = "NG-MCP-003"
    what = Texts(
        "The MCP server {server} needs either a command or an http(s) url",
        "Le serveur MCP {server} doit avoir soit une commande, soit une url http(s)",
    )
    mend = Texts("Correct its entry in NG_TOOLS_MCP_SERVERS.", "Corrigez son entrée dans NG_TOOLS_MCP_SERVERS.")


class ServerFailed(ToolError):
    """A server could not be started or reached, died, hung, or answered with rubbish or too much."""

    code = "NG-MCP-004"
    what = Texts("The MCP server {server} failed: {detail}", "Le serveur MCP {server} a échoué : {detail}")
    mend = Texts(
        "Start it by hand to see why; docs/how-to/documentation-lookup.md says what is expected of it.",
        "Démarrez-le à la main pour voir pourquoi ; docs/how-to/documentation-lookup.md dit ce qui en est attendu.",
    )
    retryable = True


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
