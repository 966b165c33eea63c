"""How a call of a language model can fail, and what may have been billed when it does."""

from __future__ import annotations

from typing import Any, Literal

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import Usage

Spent = Literal["none", "known", "unknown"]


class ModelFailure(NGError):
    """Base of every failure of a model call.

    Attributes:
        spent: what may have been billed: ``none``; ``known``, the ``usage`` given; ``unknown``, anything up to the
            worst case of the request.
        usage: the tokens known of, when there are any.
        again: whether the same model may answer if it is asked again.
        retry_after: seconds after which the provider says it can be asked again.
        other: whether another model may answer.
    """

    spent: Spent = "none"
    usage: Usage | None = None
    again: bool = False
    retry_after: float | None = None
    other: bool = True

    def __init__(self, *, where: str | None = None, **values: Any) -> None:
        for name in ("spent", "usage", "again", "retry_after", "other"):
            if name in values:
                setattr(self, name, values[name])
        super().__init__(where=where, **values)


class ModelUnreachable(ModelFailure):
    """No connection came about, so nothing was sent."""

    code = "NG-MODELS-001"
    what = Texts("{model} cannot be reached: {detail}", "{model} est injoignable : {detail}")
    mend = Texts(
        "Check the connection and the address; `nextgen models` shows where each model is looked for.",
        "Vérifiez la connexion et l'adresse ; `nextgen models` montre où chaque modèle est cherché.",
    )
    retryable = True
    exit_code = 7
    again = True


class ModelRateLimited(ModelFailure):
    """The provider takes no more calls for now."""

    code = "NG-MODELS-002"
    what = Texts(
        "{model} takes no more calls for now: {detail}", "{model} ne prend plus d'appels pour l'instant : {detail}"
    )
    mend = Texts(
        "Wait, run fewer agents at once, or name a second model it may fall back to.",
        "Attendez, lancez moins d'agents à la fois, ou nommez un second modèle de repli.",
    )
    retryable = True
    again = True


class ModelOverloaded(ModelFailure):
    """The provider says that it has too much to do."""

    code = "NG-MODELS-003"
    what = Texts("{model} is overloaded: {detail}", "{model} est surchargé : {detail}")
    mend = Texts("Try again later, or name a second model.", "Réessayez plus tard, ou nommez un second modèle.")
    retryable = True
    again = True


class ModelTimedOut(ModelFailure):
    """No whole answer within the time limit; the provider may have worked on it all the while."""

    code = "NG-MODELS-004"
    what = Texts("{model} did not answer within {seconds:g} s", "{model} n'a pas répondu en {seconds:g} s")
    mend = Texts(
        "Raise NG_MODELS_ANSWER_SECONDS or NG_MODELS_SILENCE_SECONDS, or use a faster model.",
        "Augmentez NG_MODELS_ANSWER_SECONDS ou NG_MODELS_SILENCE_SECONDS, ou prenez un modèle plus rapide.",
    )
    retryable = True
    spent: Spent = "unknown"


class ContextTooLong(ModelFailure):
    """The prompt does not fit the model."""

    code = "NG-MODELS-005"
    what = Texts("The prompt is too long for {model}: {detail}", "L'invite est trop longue pour {model} : {detail}")
    mend = Texts(
        "Name a model with a larger context, or give the agent less to read.",
        "Nommez un modèle au contexte plus large, ou donnez moins à lire à l'agent.",
    )


class KeyRefused(ModelFailure):
    """The provider does not accept the key, or the key may not use the model."""

    code = "NG-MODELS-006"
    what = Texts(
        "{provider} refuses the key {key} for {model}: {detail}",
        "{provider} refuse la clé {key} pour {model} : {detail}",
    )
    mend = Texts(
        "Check the key that {key} holds and what it may use, then `nextgen models check {model}`.",
        "Vérifiez la clé que contient {key} et ses droits, puis `nextgen models check {model}`.",
    )
    exit_code = 7


class KeyMissing(ModelFailure):
    """A provider that needs a key, and none was found under its name."""

    code = "NG-MODELS-007"
    what = Texts(
        "{model} needs a key, and {key} was not found in the environment, `.env` or the keyring",
        "{model} demande une clé, et {key} n'est ni dans l'environnement, ni dans `.env`, ni dans le trousseau",
    )
    mend = Texts("Set {key} to your key of {provider}.", "Donnez à {key} votre clé de {provider}.")
    exit_code = 7


class BadModelRequest(ModelFailure):
    """The provider does not take the request as it is."""

    code = "NG-MODELS-008"
    what = Texts("{model} refuses the request: {detail}", "{model} refuse la requête : {detail}")
    mend = Texts(
        "Name a model that can do what the agent needs; `nextgen models` shows what each can do.",
        "Nommez un modèle capable de ce que demande l'agent ; `nextgen models` montre ce que chacun sait faire.",
    )


class StreamBroken(ModelFailure):
    """The answer broke off in the middle."""

    code = "NG-MODELS-009"
    what = Texts("The answer of {model} broke off: {detail}", "La réponse de {model} s'est interrompue : {detail}")
    mend = Texts("Run it again.", "Relancez.")
    retryable = True
    spent: Spent = "unknown"
    again = True


class RubbishAnswer(ModelFailure):
    """What came back is no answer that can be read."""

    code = "NG-MODELS-010"
    what = Texts("{model} sent what cannot be read: {detail}", "{model} a envoyé une réponse illisible : {detail}")
    mend = Texts(
        "Check with `nextgen models check {model}` that the address speaks the format it is said to speak.",
        "Vérifiez avec `nextgen models check {model}` que l'adresse parle bien le format annoncé.",
    )
    spent: Spent = "unknown"


class AnswerTooLarge(RubbishAnswer):
    """More came back than any answer has."""

    code = "NG-MODELS-019"
    what = Texts(
        "{model} sent more than {limit} bytes, so it was cut off",
        "{model} a envoyé plus de {limit} octets : la réponse est coupée",
    )
    mend = Texts(
        "Check with `nextgen models check {model}` what answers at the address; longer answers need a larger "
        "NG_MODELS_ANSWER_BYTES.",
        "Vérifiez avec `nextgen models check {model}` ce qui répond à l'adresse ; pour de plus longues réponses, "
        "augmentez NG_MODELS_ANSWER_BYTES.",
    )
    retryable = True


class NoModel(ModelFailure):
    """There is no model that can do what is asked."""

    code = "NG-MODELS-011"
    what = Texts("No model can do this: {detail}", "Aucun modèle ne peut faire cela : {detail}")
    mend = Texts(
        "`nextgen models` shows what was found and how to add one.",
        "`nextgen models` montre ce qui a été trouvé et comment en ajouter.",
    )
    exit_code = 7
    other = False


class ExtraMissing(ModelFailure):
    """The library that speaks to the provider is not installed."""

    code = "NG-MODELS-012"
    what = Texts(
        "{model} needs the package {package}, which is not installed",
        "{model} demande le paquet {package}, qui n'est pas installé",
    )
    mend = Texts("Install it: {install}", "Installez-le : {install}")
    exit_code = 7


class PriceUnknown(ModelFailure):
    """The price of a model is not known, so no limit could hold."""

    code = "NG-MODELS-013"
    what = Texts(
        "The price of {model} is not known, so no budget can be kept with it",
        "Le prix de {model} est inconnu, aucun budget ne peut donc être tenu",
    )
    mend = Texts(
        "Give its price, in USD per million tokens: `nextgen models price {model} --input … --output …`.",
        "Donnez son prix, en USD par million de jetons : `nextgen models price {model} --input … --output …`.",
    )


class ModelMissing(ModelFailure):
    """The provider has no such model."""

    code = "NG-MODELS-014"
    what = Texts("{provider} has no model named {model}: {detail}", "{provider} n'a pas de modèle {model} : {detail}")
    mend = Texts("`nextgen models` lists what was found.", "`nextgen models` liste ce qui a été trouvé.")


class ServerFailed(ModelFailure):
    """The provider's side failed."""

    code = "NG-MODELS-015"
    what = Texts("{model} failed: {detail}", "{model} a échoué : {detail}")
    mend = Texts("Try again later, or name a second model.", "Réessayez plus tard, ou nommez un second modèle.")
    retryable = True
    again = True


class AccountEmpty(ModelFailure):
    """The account at the provider has nothing left; waiting does not help."""

    code = "NG-MODELS-016"
    what = Texts(
        "The account at {provider} has nothing left for {model}: {detail}",
        "Le compte chez {provider} est épuisé pour {model} : {detail}",
    )
    mend = Texts("Add to the account, or use another model.", "Approvisionnez le compte, ou prenez un autre modèle.")


class NameUnclear(ModelFailure, ValueError):
    """What should name a model or provider does not."""

    code = "NG-MODELS-017"
    what = Texts("{name} cannot be used: {detail}", "{name} ne peut servir : {detail}")
    mend = Texts(
        "A model is written provider:model; `nextgen models` lists what is here.",
        "Un modèle s'écrit fournisseur:modèle ; `nextgen models` liste ce qu'il y a.",
    )
    exit_code = 2
    other = False


class ModelsFileBroken(ModelFailure):
    """The file of added providers cannot be read or written."""

    code = "NG-MODELS-018"
    what = Texts("{path} cannot be used: {detail}", "{path} est inutilisable : {detail}")
    mend = Texts(
        "Correct it or remove it; `nextgen models add` writes it anew.",
        "Corrigez-le ou supprimez-le ; `nextgen models add` le réécrit.",
    )
    other = False
