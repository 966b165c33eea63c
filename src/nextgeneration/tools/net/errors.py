"""Errors of the network tools."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


def filled(text: Texts, **values: object) -> Texts:
    """``text`` with its fields filled in, in both languages, so that it can be a field of another."""
    return Texts(text.en.format(**values), text.fr.format(**values))


class UrlRefused(ToolError, ValueError):
    """An address is not a plain http or https URL."""

    code = "NG-NET-001"
    what = Texts("{url} is refused: {reason}", "{url} est refusée : {reason}")
    mend = Texts(
        "Give an http:// or https:// address with a public host name, without user name or password.",
        "Donnez une adresse http:// ou https:// avec un nom d'hôte public, sans nom d'utilisateur ni mot de passe.",
    )


class AddressRefused(ToolError):
    """A host leads to an address that is not on the public internet."""

    code = "NG-NET-002"
    what = Texts(
        "{host} leads to {address}, which is {kind}: refused", "{host} mène à {address}, qui est {kind} : refusé"
    )
    mend = Texts(
        "Only public addresses are fetched; read local services with a command you approve.",
        "Seules les adresses publiques sont lues ; interrogez un service local par une commande que vous approuvez.",
    )


class TooManyRedirects(ToolError):
    """A server kept sending us elsewhere."""

    code = "NG-NET-003"
    what = Texts("{url} redirected more than {limit} times", "{url} a redirigé plus de {limit} fois")
    mend = Texts("Give the final address.", "Donnez l'adresse finale.")


class SearchUnreadable(ToolError):
    """The search service answered with something that holds no results."""

    code = "NG-NET-004"
    what = Texts(
        "The search service {service} gave no readable answer: {detail}",
        "Le service de recherche {service} n'a pas donné de réponse lisible : {detail}",
    )
    mend = Texts(
        "Set NG_TOOLS_SEARCH_URL to a SearXNG service that answers JSON.",
        "Indiquez dans NG_TOOLS_SEARCH_URL un service SearXNG qui répond en JSON.",
    )
    retryable = True
