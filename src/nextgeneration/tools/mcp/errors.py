"""Errors of MCP servers and their tools."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


def filled(text: Texts, **values: object) -> Texts:
    """``text`` with its fields filled in, in both languages, so that it can be a field of another."""
    return Texts(text.en.format(**values), text.fr.format(**values))


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
        "Start it by hand to see why; docs/how-to/mcp.md says what is expected of it.",
        "Démarrez-le à la main pour voir pourquoi ; docs/how-to/mcp.md dit ce qui en est attendu.",
    )
    retryable = True


class AnswerLost(ToolError):
    """A server failed while a call that changes something was under way."""

    code = "NG-MCP-006"
    what = Texts(
        "The MCP server {server} failed during {tool}: {detail}; it is not known whether the call was carried out",
        "Le serveur MCP {server} a échoué pendant {tool} : {detail} ; on ne sait pas si l'appel a été exécuté",
    )
    mend = Texts(
        "Look at what the call was to change before it is made again.",
        "Regardez ce que l'appel devait changer avant de le refaire.",
    )


class NotListed(ToolError):
    """Nobody has yet looked at what this server offers."""

    code = "NG-MCP-007"
    what = Texts(
        "The tools of the MCP server {server} have not been looked at yet",
        "Les outils du serveur MCP {server} n'ont pas encore été regardés",
    )
    mend = Texts(
        "Look at them and pin them: `nextgen tools mcp refresh {server}`.",
        "Regardez-les et épinglez-les : `nextgen tools mcp refresh {server}`.",
    )


class NotOffered(ToolError):
    """The pinned tools of a server do not include this one."""

    code = "NG-MCP-008"
    what = Texts(
        "The MCP server {server} has no pinned tool named {tool}",
        "Le serveur MCP {server} n'a pas d'outil épinglé nommé {tool}",
    )
    mend = Texts(
        "`nextgen tools mcp list {server}` shows what it has; after a change of the server: "
        "`nextgen tools mcp refresh {server}`.",
        "`nextgen tools mcp list {server}` montre ce qu'il a ; après un changement du serveur : "
        "`nextgen tools mcp refresh {server}`.",
    )


class DescriptionChanged(ToolError):
    """A server describes a tool otherwise than when a human looked at it."""

    code = "NG-MCP-009"
    what = Texts(
        "The MCP server {server} now describes {tool} otherwise than when it was pinned; it is not called",
        "Le serveur MCP {server} décrit maintenant {tool} autrement que lors de l'épinglage ; il n'est pas appelé",
    )
    mend = Texts(
        "See what changed, and decide: `nextgen tools mcp trust {server}`. If the server took it back: "
        "`nextgen tools mcp refresh {server}`.",
        "Voyez ce qui a changé, et décidez : `nextgen tools mcp trust {server}`. Si le serveur est revenu en arrière : "
        "`nextgen tools mcp refresh {server}`.",
    )


class PinsUnusable(ToolError):
    """The file of a server's pinned descriptions cannot be used."""

    code = "NG-MCP-010"
    what = Texts(
        "The pinned descriptions of the MCP server {server} cannot be used: {path}: {detail}",
        "Les descriptions épinglées du serveur MCP {server} sont inutilisables : {path} : {detail}",
    )
    mend = Texts(
        "Mend or remove that file, then look at the tools again: `nextgen tools mcp refresh {server}`.",
        "Réparez ou supprimez ce fichier, puis regardez les outils : `nextgen tools mcp refresh {server}`.",
    )


class NothingToTrust(ToolError):
    """There is no change to decide about."""

    code = "NG-MCP-011"
    what = Texts(
        "Nothing is waiting to be trusted for the MCP server {server}",
        "Rien n'attend d'être approuvé pour le serveur MCP {server}",
    )
    mend = Texts(
        "Ask the server what it offers now: `nextgen tools mcp refresh {server}`.",
        "Demandez au serveur ce qu'il offre maintenant : `nextgen tools mcp refresh {server}`.",
    )


class ServersBusy(ToolError):
    """As many servers as may run at once are all at work."""

    code = "NG-MCP-012"
    what = Texts(
        "{limit} MCP servers are at work already, and none became free in {seconds} s",
        "{limit} serveurs MCP sont déjà au travail, et aucun ne s'est libéré en {seconds} s",
    )
    mend = Texts("Try again, or run fewer missions at once.", "Réessayez, ou lancez moins de missions à la fois.")
    retryable = True


class ToolUnfit(ToolError):
    """A server describes a tool in a way that no agent is shown."""

    code = "NG-MCP-013"
    what = Texts(
        "The tool {tool} of the MCP server {server} cannot be used: {detail}",
        "L'outil {tool} du serveur MCP {server} est inutilisable : {detail}",
    )
    mend = Texts("Tell whoever wrote the server.", "Dites-le à l'auteur du serveur.")
