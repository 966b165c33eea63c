"""What can go wrong when one agent calls another."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class CallerNotAllowed(NGError, PermissionError):
    """An agent calls another one, and its template does not say that it may."""

    code = "NG-AGENT-020"
    what = Texts(
        "{template} does not list `agent.run` among its tools, so it calls nobody",
        "{template} ne cite pas `agent.run` parmi ses outils : il n'appelle personne",
    )
    mend = Texts("Add `agent.run` to `tools` of the template.", "Ajoutez `agent.run` aux `tools` du modèle.")


class CallingInCircles(NGError):
    """An agent calls one of the templates that it works for itself."""

    code = "NG-AGENT-021"
    what = Texts(
        "{agent} already works above this task ({chain}), so it is not called again",
        "{agent} travaille déjà au-dessus de cette tâche ({chain}) : il n'est pas rappelé",
    )
    mend = Texts(
        "Call another template, or do this part yourself.", "Appelez un autre modèle, ou faites cette part vous-même."
    )


class CalledTooDeep(NGError):
    """Agents called agents that called agents, deeper than is allowed."""

    code = "NG-AGENT-022"
    what = Texts(
        "{agent} would be agent number {depth} below its mission's task, and {limit} is the limit ({chain})",
        "{agent} serait l'agent numéro {depth} sous la tâche de sa mission, et la limite est {limit} ({chain})",
    )
    mend = Texts(
        "Let an agent further up call it, or set NG_SUB_AGENT_DEPTH (at most 3).",
        "Faites-le appeler par un agent situé plus haut, ou réglez NG_SUB_AGENT_DEPTH (3 au plus).",
    )


class CalledTooMany(NGError):
    """One task called more agents than it may."""

    code = "NG-AGENT-023"
    what = Texts(
        "{agent} has called {limit} agents in this task, which is the limit",
        "{agent} a appelé {limit} agents dans cette tâche, ce qui est la limite",
    )
    mend = Texts(
        "Work with what they reported, or raise NG_SUB_AGENTS.",
        "Travaillez avec leurs rapports, ou augmentez NG_SUB_AGENTS.",
    )


class ReportRefused(NGError, TypeError):
    """An agent that was called handed back something that is no report."""

    code = "NG-AGENT-024"
    what = Texts("The report of {agent} cannot be used: {detail}", "Le rapport de {agent} est inutilisable : {detail}")
    mend = Texts(
        "Return a Report, or an object with its fields, from `process`.",
        "Renvoyez depuis `process` un Report, ou un objet qui en a les champs.",
    )
