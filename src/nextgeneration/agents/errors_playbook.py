"""What can go wrong while a playbook runs."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class ExpressionFailed(NGError):
    """A ``{"$": …}`` expression could not be evaluated."""

    code = "NG-PLAYBOOK-001"
    what = Texts("The expression {expression} failed: {detail}", "L'expression {expression} a échoué : {detail}")
    mend = Texts(
        "Check it against the step's data: `nextgen templates lint`.",
        "Vérifiez-la avec les données de l'étape : `nextgen templates lint`.",
    )


class TooManyIterations(NGError):
    """The steps of one run looped more often than allowed."""

    code = "NG-PLAYBOOK-002"
    what = Texts("The playbook made more than {limit} iterations", "Le playbook a fait plus de {limit} itérations")
    mend = Texts("Narrow the list in `each`.", "Réduisez la liste de `each`.")


class InputRefused(NGError, ValueError):
    """The input does not fit the template's ``input_schema``."""

    code = "NG-PLAYBOOK-003"
    what = Texts("{agent} cannot take this input: {detail}", "{agent} n'accepte pas cette entrée : {detail}")
    mend = Texts(
        "`nextgen templates show {agent}` shows its schema.", "`nextgen templates show {agent}` montre son schéma."
    )


class OutputRefused(NGError):
    """The result does not fit the template's ``output_schema``."""

    code = "NG-PLAYBOOK-004"
    what = Texts(
        "The result of {agent} does not fit its schema: {detail}",
        "Le résultat de {agent} ne suit pas son schéma : {detail}",
    )
    mend = Texts("Mend the playbook or the schema of {agent}.", "Corrigez le playbook ou le schéma de {agent}.")


class TooManyActions(NGError):
    """One run proposed more than a human could decide about."""

    code = "NG-PLAYBOOK-005"
    what = Texts(
        "The playbook proposed more than {limit} actions, or more than {megabytes} MB of them",
        "Le playbook a proposé plus de {limit} actions, ou plus de {megabytes} Mo d'actions",
    )
    mend = Texts("Narrow the list in `each`.", "Réduisez la liste de `each`.")
