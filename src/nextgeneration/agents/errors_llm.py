"""What can go wrong while a model drives an agent."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class ModelMissing(NGError):
    """A template asks for a model and none is there that could do its work."""

    code = "NG-LLM-001"
    what = Texts(
        "{agent} needs a model that can do {needs}, and none is there",
        "{agent} demande un modèle sachant faire {needs}, et il n'y en a pas",
    )
    mend = Texts(
        "`nextgen models` shows what was found and how to add one; with `runtime: auto` the template would run its "
        "playbook.",
        "`nextgen models` montre ce qui a été trouvé et comment en ajouter ; avec `runtime: auto` le modèle d'agent "
        "suivrait son playbook.",
    )
    exit_code = 7


class ModelRefused(NGError):
    """The model declined to answer."""

    code = "NG-LLM-002"
    what = Texts("The model declined to answer: {detail}", "Le modèle a refusé de répondre : {detail}")
    mend = Texts(
        "Say in other words what is wanted, or let the template prefer another model.",
        "Reformulez la demande, ou préférez un autre modèle dans le modèle d'agent.",
    )


class GoingInCircles(NGError):
    """The model made the same call again and again."""

    code = "NG-LLM-003"
    what = Texts(
        "The model called {tool} with the same arguments again after it was told",
        "Le modèle a rappelé {tool} avec les mêmes arguments après avoir été prévenu",
    )
    mend = Texts(
        "Narrow the goal, or let the template prefer a stronger model.",
        "Précisez le but, ou préférez un modèle plus capable.",
    )


class AnswerCutOff(NGError):
    """The model's answer did not end within the tokens it may use."""

    code = "NG-LLM-004"
    what = Texts(
        "The model's answer was cut off {times} times at {tokens} tokens",
        "La réponse du modèle a été coupée {times} fois à {tokens} jetons",
    )
    mend = Texts("Raise `model.max_output` in the template.", "Augmentez `model.max_output` dans le modèle d'agent.")


class NothingSaid(NGError):
    """The model answered with nothing, several times."""

    code = "NG-LLM-005"
    what = Texts("The model gave {times} empty answers", "Le modèle a donné {times} réponses vides")
    mend = Texts("Let the template prefer another model.", "Préférez un autre modèle dans le modèle d'agent.")


class NoReport(NGError):
    """The model used all its answers without handing in a report."""

    code = "NG-LLM-006"
    what = Texts("The model gave {turns} answers and no report", "Le modèle a donné {turns} réponses et aucun rapport")
    mend = Texts(
        "Narrow the goal, or raise `budget.model_calls` in the template.",
        "Précisez le but, ou augmentez `budget.model_calls` dans le modèle d'agent.",
    )


class ReportUnfit(NGError):
    """The model's report did not follow its form, also after it was told."""

    code = "NG-LLM-007"
    what = Texts("The model's report does not fit: {detail}", "Le rapport du modèle ne convient pas : {detail}")
    mend = Texts(
        "Simplify `output_schema`, or let the template prefer a stronger model.",
        "Simplifiez `output_schema`, ou préférez un modèle plus capable.",
    )
