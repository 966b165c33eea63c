"""What can go wrong while a mission is planned and led."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class NoTemplateNamed(NGError, ValueError):
    """An agent was asked for without saying from which template."""

    code = "NG-SUPERVISOR-001"
    what = Texts("No template was named", "Aucun modèle n'a été nommé")
    mend = Texts(
        "Give the name under the key `template`; `nextgen templates list` shows the names.",
        "Donnez le nom sous la clé `template` ; `nextgen templates list` montre les noms.",
    )


class AgentNotCreated(NGError, RuntimeError):
    """The supervisor could not create the agent it was asked for."""

    code = "NG-SUPERVISOR-002"
    what = Texts(
        "No agent could be made from {template}: {detail}", "Aucun agent n'a pu être créé depuis {template} : {detail}"
    )
    mend = Texts(
        "`nextgen templates lint {template}` says what is wrong.",
        "`nextgen templates lint {template}` dit ce qui ne va pas.",
    )


class PlanRefused(NGError):
    """A plan does not hold together, so nothing of it runs."""

    code = "NG-SUPERVISOR-003"
    what = Texts("The plan was refused: {detail}", "Le plan a été refusé : {detail}")
    mend = Texts(
        "Say the goal differently or name the agents with --agent.",
        "Reformulez le but ou nommez les agents avec --agent.",
    )


class TaskHung(NGError):
    """A task did not come back within its time and was ended."""

    code = "NG-SUPERVISOR-004"
    what = Texts(
        "{agent} did not answer within {seconds} s and was ended",
        "{agent} n'a pas répondu en {seconds} s et a été arrêté",
    )
    mend = Texts(
        "Raise `budget.seconds` of the template, or of the mission with --seconds.",
        "Augmentez `budget.seconds` du modèle, ou celui de la mission avec --seconds.",
    )


class DependencyFailed(NGError):
    """All tasks this one waited for failed."""

    code = "NG-SUPERVISOR-005"
    what = Texts(
        "{task} was skipped: {needed} gave nothing to go on with", "{task} n'a pas été lancée : {needed} n'a rien donné"
    )
    mend = Texts("See the failed tasks in the report.", "Voyez les tâches en échec dans le rapport.")


class CheckpointRefused(NGError):
    """A stored checkpoint holds something our serializer does not build."""

    code = "NG-SUPERVISOR-006"
    what = Texts(
        "A checkpoint of {thread} was refused: {detail}", "Un point de reprise de {thread} a été refusé : {detail}"
    )
    mend = Texts(
        "The record was changed from outside. `nextgen missions cancel` ends the mission; its journal stays.",
        "L'enregistrement a été modifié. `nextgen missions cancel` termine la mission ; son journal reste.",
    )


class RubbishReport(NGError):
    """An agent handed back something that is no report."""

    code = "NG-SUPERVISOR-007"
    what = Texts("{agent} handed back no valid report: {detail}", "{agent} n'a pas rendu de rapport valable : {detail}")
    mend = Texts(
        "Mend the agent's `process`; the other agents' results stand.",
        "Corrigez le `process` de l'agent ; les autres résultats restent.",
    )


class AnswerUnfit(NGError):
    """A model answered the supervisor with something that cannot be used."""

    code = "NG-SUPERVISOR-008"
    what = Texts("The answer cannot be used: {detail}", "La réponse est inutilisable : {detail}")
    mend = Texts(
        "The mission goes on by rules. Name a better model for planning, or none.",
        "La mission continue par règles. Nommez un meilleur modèle pour planifier, ou aucun.",
    )
