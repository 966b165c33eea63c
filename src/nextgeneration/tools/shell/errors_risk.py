"""Lines the risk engine refuses to judge. What cannot be judged is not asked about: it does not run."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class TooLong(ToolError, ValueError):
    """The line is longer than a human would read before agreeing to it."""

    code = "NG-SHELL-001"
    what = Texts(
        "A command line of {size} bytes is refused; the limit is {limit}",
        "Une ligne de commande de {size} octets est refusée ; la limite est {limit}",
    )
    mend = Texts(
        "Write a script file, look at it, and run that.", "Écrivez un fichier de script, relisez-le, et exécutez-le."
    )


class TooManyCommands(TooLong):
    """The line holds more commands than a human would read before agreeing to it."""

    code = "NG-SHELL-002"
    what = Texts(
        "A line of more than {limit} commands is refused", "Une ligne de plus de {limit} commandes est refusée"
    )


class TooDeep(TooLong):
    """The line is nested deeper than anybody writes."""

    code = "NG-SHELL-003"
    what = Texts(
        "A command line nested more than {limit} levels deep is refused",
        "Une ligne de commande imbriquée sur plus de {limit} niveaux est refusée",
    )
