"""Errors of the system tools."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class TrialNotApproved(ToolError):
    """A command was to be tried outside the sandbox, and nobody approved it."""

    code = "NG-SYSTEM-001"
    what = Texts(
        "{command} is only tried in the user's own shell after approval",
        "{command} n'est essayé dans le shell de l'utilisateur qu'après approbation",
    )
    mend = Texts(
        "Approve the call, or the action that this trial verifies.",
        "Approuvez l'appel, ou l'action que cet essai vérifie.",
    )


class CommandNameRefused(ToolError, ValueError):
    """A text is not the plain name of one command."""

    code = "NG-SYSTEM-002"
    what = Texts("{name} is not the plain name of a command", "{name} n'est pas un simple nom de commande")
    mend = Texts(
        "Give one name without folder, spaces or arguments, such as docker-compose.",
        "Donnez un seul nom, sans dossier, espace ni argument, par exemple docker-compose.",
    )
