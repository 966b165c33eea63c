"""What can go wrong with missions, effects and approvals, named.

Errors with ``control`` end an agent's run without being its failure: the mission decides what follows.
"""

from __future__ import annotations

from typing import Any

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Lang, Texts


class MissionError(NGError):
    """Base of errors about one mission."""


class MissionUnknown(MissionError, LookupError):
    """No mission has this id."""

    code = "NG-MISSION-001"
    what = Texts("There is no mission {ref}", "Il n'y a pas de mission {ref}")
    mend = Texts("`nextgen missions list` shows the missions.", "`nextgen missions list` montre les missions.")


class MissionAmbiguous(MissionError, LookupError):
    """Several missions fit what was given."""

    code = "NG-MISSION-002"
    what = Texts("{ref} fits several missions: {found}", "{ref} convient à plusieurs missions : {found}")
    mend = Texts("Give more characters of the id.", "Donnez plus de caractères de l'identifiant.")
    exit_code = 2


class GoalRefused(MissionError, ValueError):
    """The goal is empty or too long."""

    code = "NG-MISSION-003"
    what = Texts("This goal cannot be taken: {detail}", "Cet objectif ne peut être accepté : {detail}")
    mend = Texts("Say in a few sentences what is to be done.", "Dites en quelques phrases ce qu'il faut faire.")
    exit_code = 2


class BudgetRefused(MissionError, ValueError):
    """The budget is no budget, or exceeds what the settings leave."""

    code = "NG-MISSION-004"
    what = Texts("{field} cannot be {value}", "{field} ne peut valoir {value}")
    mend = Texts("Give a number above 0 and at most {limit}.", "Donnez un nombre supérieur à 0 et d'au plus {limit}.")
    exit_code = 2


class SpendRefused(BudgetRefused):
    """The budget of credits is none, or exceeds what the settings leave."""

    code = "NG-MISSION-015"
    mend = Texts("Give a number of credits from 0 to {limit}.", "Donnez un nombre de crédits de 0 à {limit}.")


class CreditsShort(BudgetRefused):
    """The mission asks for more credits than the limits on it leave."""

    code = "NG-MISSION-014"
    what = Texts(
        "The limits leave {limit} credits, and the mission asks for {value}",
        "Les limites laissent {limit} crédits, et la mission en demande {value}",
    )
    mend = Texts(
        "Ask for no more than that with --budget, or add to a limit with `nextgen credits grant`; `nextgen credits "
        "limits` shows them.",
        "N'en demandez pas plus avec --budget, ou ajoutez à une limite avec `nextgen credits grant` ; `nextgen credits "
        "limits` les montre.",
    )


class MissionHeld(MissionError):
    """A live worker holds the mission."""

    code = "NG-MISSION-005"
    what = Texts("Mission {mission} is being worked on by {holder}", "La mission {mission} est traitée par {holder}")
    mend = Texts(
        "Watch it with `nextgen missions watch {mission}`, or wait until that worker stops.",
        "Suivez-la avec `nextgen missions watch {mission}`, ou attendez que ce processus s'arrête.",
    )


class MissionEnded(MissionError):
    """The mission has ended; nothing more happens in it."""

    code = "NG-MISSION-006"
    what = Texts("Mission {mission} has ended: {status}", "La mission {mission} est terminée : {status}")
    mend = Texts("See it with `nextgen missions show {mission}`.", "Voyez-la avec `nextgen missions show {mission}`.")


class MissionNotEnded(MissionError):
    """What is recorded of a mission is needed until it has ended."""

    code = "NG-MISSION-013"
    what = Texts("Mission {mission} has not ended: {status}", "La mission {mission} n'est pas terminée : {status}")
    mend = Texts(
        "Finish it, or cancel it first: `nextgen missions cancel {mission}`.",
        "Terminez-la, ou annulez-la d'abord : `nextgen missions cancel {mission}`.",
    )


class LeaseLost(MissionError):
    """Another worker took the mission over; this one may write nothing more."""

    code = "NG-MISSION-007"
    what = Texts(
        "Attempt {attempt} no longer holds mission {mission}",
        "La tentative {attempt} ne tient plus la mission {mission}",
    )
    mend = Texts("Nothing to do: the other worker goes on.", "Rien à faire : l'autre processus continue.")
    control = True


class MissionCancelled(MissionError):
    """Somebody cancelled the mission."""

    code = "NG-MISSION-008"
    what = Texts("Mission {mission} was cancelled by {by}", "La mission {mission} a été annulée par {by}")
    mend = Texts("Start a new mission if it is still wanted.", "Lancez une nouvelle mission si elle reste voulue.")
    control = True
    exit_code = 130


class MissionStopped(MissionError):
    """This process stops working on the mission, which can be resumed."""

    code = "NG-MISSION-009"
    what = Texts("Work on mission {mission} was stopped", "Le travail sur la mission {mission} a été arrêté")
    mend = Texts("`nextgen missions resume {mission}` goes on.", "`nextgen missions resume {mission}` continue.")
    control = True
    exit_code = 130


class IdempotencyConflict(MissionError, ValueError):
    """The idempotency key was used for another request."""

    code = "NG-MISSION-010"
    what = Texts(
        "This idempotency key already stands for another request (mission {mission})",
        "Cette clé d'idempotence désigne déjà une autre demande (mission {mission})",
    )
    mend = Texts("Use a new key for a new request.", "Utilisez une nouvelle clé pour une nouvelle demande.")


class PinChanged(MissionError):
    """A mission pinned one revision under a name and was given another."""

    code = "NG-MISSION-011"
    what = Texts(
        "The mission pinned {name} as {pinned}, not as {given}", "La mission a fixé {name} à {pinned}, pas à {given}"
    )
    mend = Texts("A running mission keeps its revisions.", "Une mission en cours garde ses révisions.")


class StateExposed(MissionError, ValueError):
    """The workspace holds this installation's own state, where a command of an agent could write to it."""

    code = "NG-MISSION-012"
    what = Texts(
        "The workspace {workspace} holds the state of NextGeneration ({home})",
        "L'espace de travail {workspace} contient l'état de NextGeneration ({home})",
    )
    mend = Texts(
        "Set NG_HOME to a folder outside the workspace, or to one called .nextgen, closed to agents.",
        "Réglez NG_HOME sur un dossier hors de l'espace de travail, ou nommé .nextgen, fermé aux agents.",
    )
    exit_code = 2


class EffectError(NGError):
    """Base of errors about one effect."""


class ToolFailed(EffectError):
    """The tool could not work. ``problem`` is its own error."""

    code = "NG-EFFECT-001"
    what = Texts("{tool} failed: {message}", "{tool} a échoué : {message}")
    mend = Texts("{hint}", "{hint}")

    def problem(self, lang: Lang = "en") -> dict[str, Any]:
        """The tool's own error."""
        return dict(self.values["problem"])


class ModelsFailed(EffectError):
    """No model answered. ``problem`` is the last one's own error; its ``room`` is what a shorter request may have."""

    code = "NG-EFFECT-010"
    what = Texts("no model answered: {message}", "aucun modèle n'a répondu : {message}")
    mend = Texts("{hint}", "{hint}")
    exit_code = 7

    def problem(self, lang: Lang = "en") -> dict[str, Any]:
        """The last model's own error."""
        return dict(self.values["problem"])


class EffectRefused(EffectError):
    """The call was not made: a rule denies it, or a human said no."""

    code = "NG-EFFECT-002"
    what = Texts("{tool} was refused: {why}", "{tool} a été refusé : {why}")
    mend = Texts(
        "Nothing was done. Change the template's permissions or the answer if this was not meant.",
        "Rien n'a été fait. Changez les permissions du modèle ou la réponse si ce n'était pas voulu.",
    )
    exit_code = 4


class ApprovalStale(EffectRefused):
    """What was approved is no longer what would happen."""

    code = "NG-EFFECT-003"
    what = Texts(
        "{tool} was approved under other conditions: {why}", "{tool} a été approuvé dans d'autres conditions : {why}"
    )
    mend = Texts("Nothing was done. Run the mission again.", "Rien n'a été fait. Relancez la mission.")


class OverBudget(EffectError):
    """The call does not fit the budget of its task or mission."""

    code = "NG-EFFECT-004"
    what = Texts(
        "The budget of {scope} has no room for this call: {limit} {unit}",
        "Le budget de {scope} ne laisse pas de place à cet appel : {limit} {unit}",
    )
    mend = Texts("Give more with a larger budget.", "Accordez davantage avec un budget plus grand.")
    exit_code = 6


class EffectMismatch(EffectError):
    """A replayed task asks for something else than it did before."""

    code = "NG-EFFECT-005"
    what = Texts(
        "{key} was {recorded} ({recorded_digest}) and is now {asked} ({asked_digest})",
        "{key} était {recorded} ({recorded_digest}) et est maintenant {asked} ({asked_digest})",
    )
    mend = Texts(
        "The agent is not deterministic: take time, random numbers and other inputs through the door.",
        "L'agent n'est pas déterministe : prenez l'heure, le hasard et les autres entrées par la porte.",
    )
    control = True


class OutcomeUnknown(EffectError):
    """A call was interrupted, and a human said it failed."""

    code = "NG-EFFECT-006"
    what = Texts(
        "{tool} was interrupted by a crash and is taken as failed ({by})",
        "{tool} a été interrompu par un arrêt brutal et tenu pour échoué ({by})",
    )
    mend = Texts("Check what it left behind.", "Vérifiez ce qu'il a laissé.")


class OutcomeTooLarge(EffectError):
    """A tool returned more than an effect can keep."""

    code = "NG-EFFECT-007"
    what = Texts(
        "{tool} returned {size} bytes; the limit is {limit}", "{tool} a rendu {size} octets ; la limite est {limit}"
    )
    mend = Texts("Ask it for less.", "Demandez-lui moins.")


class GrantMismatch(EffectError, ValueError):
    """A call was made under an approval that does not cover it."""

    code = "NG-EFFECT-008"
    what = Texts(
        "The approval {approval} does not cover this call of {tool}",
        "L'accord {approval} ne couvre pas cet appel de {tool}",
    )
    mend = Texts("Ask for an approval of this call.", "Demandez un accord pour cet appel.")


class Parked(EffectError):
    """The task waits for a human. It runs again from its first line after the decision."""

    code = "NG-EFFECT-009"
    what = Texts("Waiting for an answer to {approvals}", "En attente d'une réponse à {approvals}")
    mend = Texts("`nextgen approvals list` shows what is asked.", "`nextgen approvals list` montre ce qui est demandé.")
    control = True
    exit_code = 4


class ApprovalError(NGError):
    """Base of errors about one approval."""


class ApprovalUnknown(ApprovalError, LookupError):
    """No approval has this id."""

    code = "NG-APPROVAL-001"
    what = Texts("There is no approval {ref}", "Il n'y a pas de demande d'accord {ref}")
    mend = Texts("`nextgen approvals list` shows what waits.", "`nextgen approvals list` montre ce qui attend.")


class ApprovalAmbiguous(ApprovalError, LookupError):
    """Several approvals fit what was given."""

    code = "NG-APPROVAL-002"
    what = Texts("{ref} fits several approvals: {found}", "{ref} convient à plusieurs demandes : {found}")
    mend = Texts("Give more characters of the id.", "Donnez plus de caractères de l'identifiant.")
    exit_code = 2


class ApprovalAlreadyDecided(ApprovalError):
    """Somebody has already answered."""

    code = "NG-APPROVAL-003"
    what = Texts("{approval} was already answered: {status}", "{approval} a déjà reçu une réponse : {status}")
    mend = Texts("The first answer holds.", "La première réponse vaut.")


class ApprovalExpired(ApprovalError):
    """Nobody answered in time: that is a no."""

    code = "NG-APPROVAL-004"
    what = Texts("{approval} expired at {at}", "{approval} a expiré le {at}")
    mend = Texts("Start the mission again to be asked again.", "Relancez la mission pour être interrogé de nouveau.")


class ApprovalChanged(ApprovalError, ValueError):
    """The answer was given to something else than what is asked."""

    code = "NG-APPROVAL-005"
    what = Texts(
        "{approval} has digest {digest}, the answer is for {given}",
        "{approval} a l'empreinte {digest}, la réponse vise {given}",
    )
    mend = Texts("Look at it again, then answer.", "Regardez-la de nouveau, puis répondez.")


class VerdictRefused(ApprovalError, ValueError):
    """This is not an answer to this kind of question."""

    code = "NG-APPROVAL-006"
    what = Texts("{verdict} is no answer to {approval}", "{verdict} n'est pas une réponse à {approval}")
    mend = Texts("Answer one of {choices}: `{command}`.", "Répondez par {choices} : `{command}`.")
    exit_code = 2


class DeciderRefused(ApprovalError, PermissionError):
    """Only a human, or a rule a human made, may answer."""

    code = "NG-APPROVAL-007"
    what = Texts("{by} may not answer approvals", "{by} ne peut pas répondre aux demandes d'accord")
    mend = Texts("Answer as human:<name>.", "Répondez en tant que human:<nom>.")
    exit_code = 5


class ApprovalReplaced(ApprovalAlreadyDecided):
    """What was asked changed, and another question stands for it."""

    code = "NG-APPROVAL-008"
    what = Texts("{approval} no longer stands; {instead} does", "{approval} ne vaut plus ; {instead} la remplace")
    mend = Texts(
        "Look at what is asked now: `nextgen approvals show {instead}`.",
        "Voyez ce qui est demandé maintenant : `nextgen approvals show {instead}`.",
    )


class EditRefused(ApprovalError, ValueError):
    """What is asked cannot be changed, or not into this."""

    code = "NG-APPROVAL-009"
    what = Texts("{approval} cannot be edited: {why}", "{approval} ne peut être modifiée : {why}")
    mend = Texts(
        "Nothing was changed, it is asked as before: `nextgen approvals show {approval}`.",
        "Rien n'a changé, elle est posée comme avant : `nextgen approvals show {approval}`.",
    )
    exit_code = 2


def remade(code: str, where: str | None, values: dict[str, Any]) -> NGError | None:
    """The recorded refusal as the error it was; ``None`` for a code this version does not know."""
    kind = _REFUSALS.get(code)
    return None if kind is None else kind(where=where, **values)


_REFUSALS: dict[str, type[NGError]] = {
    kind.code: kind for kind in (EffectRefused, ApprovalStale, OverBudget, GrantMismatch)
}
