"""Errors of the compose tools."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class RuleUnknown(ToolError):
    """A filter names a rule or severity that does not exist."""

    code = "NG-COMPOSE-001"
    what = Texts(
        "There is no compose rule or severity named {name}{hint}",
        "Aucune règle compose ni gravité ne s'appelle {name}{hint}",
    )
    mend = Texts("The tool `compose.rules` lists the rules.", "L'outil `compose.rules` liste les règles.")


class NotText(ToolError):
    """A file named as a compose file is not UTF-8 text."""

    code = "NG-COMPOSE-002"
    what = Texts("{path} is not UTF-8 text", "{path} n'est pas du texte UTF-8")
    mend = Texts("Save it as UTF-8.", "Enregistrez-le en UTF-8.")


class TooMany(ToolError):
    """The workspace has more compose files than one audit reads."""

    code = "NG-COMPOSE-003"
    what = Texts("{path} was not read: too many compose files", "{path} n'a pas été lu : trop de fichiers compose")
    mend = Texts("Audit it by its path.", "Auditez-le par son chemin.")
