"""What can go wrong with recorded agents."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class AgentNameTaken(NGError, ValueError):
    """An agent with this name is already recorded."""

    code = "NG-AGENT-101"
    what = Texts("There is already an agent named {name}", "Il existe déjà un agent nommé {name}")
    mend = Texts(
        "Give it another suffix, or remove the other one: nextgen agents remove NAME.",
        "Donnez-lui un autre suffixe, ou supprimez l'autre : nextgen agents remove NOM.",
    )


class AgentUnknown(NGError, LookupError):
    """No recorded agent has this name."""

    code = "NG-AGENT-102"
    what = Texts("There is no agent named {name}", "Il n'y a pas d'agent nommé {name}")
    mend = Texts("`nextgen agents list` shows the agents.", "`nextgen agents list` montre les agents.")
