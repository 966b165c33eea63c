"""Errors every tool can raise. A tool's own errors stand beside it, under ``NG-TOOL-1xx`` and up."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class ToolError(NGError):
    """Base of what a tool raises when it could not work."""


class ToolUnknown(ToolError, KeyError):
    """No tool has this name."""

    code = "NG-TOOL-001"
    what = Texts("There is no tool named {name}{hint}", "Aucun outil ne s'appelle {name}{hint}")
    mend = Texts("`nextgen tools list` shows the tools.", "`nextgen tools list` montre les outils.")


class BadArguments(ToolError, ValueError):
    """The arguments do not fit the tool's schema."""

    code = "NG-TOOL-002"
    what = Texts("{tool} cannot take these arguments: {detail}", "{tool} n'accepte pas ces arguments : {detail}")
    mend = Texts("`nextgen tools show {tool}` shows the schema.", "`nextgen tools show {tool}` montre le schéma.")


class ToolTimedOut(ToolError):
    """The call took longer than the tool's limit and was ended."""

    code = "NG-TOOL-003"
    what = Texts("{tool} was ended after {seconds} s", "{tool} a été arrêté après {seconds} s")
    mend = Texts(
        "Give it less to do, or raise the limit in its arguments if it has one.",
        "Donnez-lui moins à faire, ou augmentez sa limite dans ses arguments si elle existe.",
    )
    retryable = True


class NetworkOff(ToolError):
    """A tool that needs the network was called without a grant."""

    code = "NG-TOOL-004"
    what = Texts(
        "{tool} needs the network, which was not granted to this mission",
        "{tool} a besoin du réseau, qui n'a pas été accordé à cette mission",
    )
    mend = Texts("Run the mission with --network.", "Lancez la mission avec --network.")


class NetworkFailed(ToolError):
    """The network was granted, but what was asked could not be reached."""

    code = "NG-TOOL-005"
    what = Texts("{tool} could not reach {target}: {detail}", "{tool} n'a pas pu joindre {target} : {detail}")
    mend = Texts("Check the connection and try again.", "Vérifiez la connexion et réessayez.")
    retryable = True


class MissingProgram(ToolError):
    """A program the tool runs is not installed."""

    code = "NG-TOOL-006"
    what = Texts(
        "{tool} needs {program}, which is not installed", "{tool} a besoin de {program}, qui n'est pas installé"
    )
    mend = Texts("Install it: {install}", "Installez-le : {install}")
