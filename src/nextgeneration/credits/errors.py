"""What can go wrong with credits, named.

Amounts in an error's values are integers in micro-credits; its texts say them in credits.
"""

from __future__ import annotations

from typing import Any, ClassVar

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class Micro(int):
    """Micro-credits that are written as credits: ``1500000`` as ``1.5``."""

    def __str__(self) -> str:
        whole, part = divmod(abs(self), 1_000_000)
        return ("-" if self < 0 else "") + f"{whole}.{part:06}".rstrip("0").rstrip(".")

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class CreditError(NGError):
    """Base of errors about credits."""

    amounts: ClassVar[tuple[str, ...]] = ()
    """The values that are micro-credits."""

    def __init__(self, *, where: str | None = None, **values: Any) -> None:
        super().__init__(where=where, **values | {name: Micro(values[name]) for name in self.amounts})


class AmountRefused(CreditError, ValueError):
    """An amount that cannot stand in the books: negative, no integer, or too large."""

    code = "NG-CREDITS-001"
    what = Texts("{field} cannot be {value}", "{field} ne peut valoir {value}")
    mend = Texts(
        "Give a number of credits from 0 to 9007199254 with at most six decimals.",
        "Donnez un nombre de crédits de 0 à 9007199254 avec six décimales au plus.",
    )
    exit_code = 2


class HoldRefused(CreditError):
    """Base of the reasons why a call may not be made."""

    exit_code = 6


class OverLimit(HoldRefused):
    """The worst case of a call does not fit what a limit leaves, and waiting cannot help."""

    code = "NG-CREDITS-002"
    what = Texts(
        "{limit} leaves {left} credits, the call may cost {wanted} ({spent} spent)",
        "{limit} laisse {left} crédits, l'appel peut en coûter {wanted} ({spent} dépensés)",
    )
    mend = Texts(
        "Give more with `nextgen credits grant`, or choose a cheaper model or a shorter answer.",
        "Accordez-en avec `nextgen credits grant`, ou choisissez un modèle moins cher ou une réponse plus courte.",
    )
    amounts = ("spent", "wanted", "left")


class HoldWaits(CreditError):
    """The worst case of a call does not fit now, because of what other calls hold."""

    code = "NG-CREDITS-003"
    what = Texts(
        "{limit} has {held} credits held by other calls, {wanted} more do not fit",
        "{limit} a {held} crédits réservés par d'autres appels, {wanted} de plus ne tiennent pas",
    )
    mend = Texts("Try again when one of them is settled.", "Réessayez quand l'un d'eux sera réglé.")
    retryable = True
    exit_code = 6
    amounts = ("held", "spent", "wanted")


class AccountStopped(HoldRefused):
    """A call cost more than its worst case: nothing more is held until a human has looked."""

    code = "NG-CREDITS-004"
    what = Texts(
        "{account} is stopped: {hold} cost {overrun} credits more than its worst case",
        "{account} est arrêté : {hold} a coûté {overrun} crédits de plus que son pire cas",
    )
    mend = Texts(
        "Look at it with `nextgen credits history`, correct the price, then `nextgen credits clear`.",
        "Regardez avec `nextgen credits history`, corrigez le prix, puis `nextgen credits clear`.",
    )
    amounts = ("overrun",)


class HoldTimedOut(HoldRefused):
    """A call waited for what others hold until its time was over."""

    code = "NG-CREDITS-005"
    what = Texts(
        "{limit} had no room for {wanted} credits within {seconds} s: other calls hold {held}",
        "{limit} n'a pas eu place pour {wanted} crédits en {seconds} s : d'autres appels en réservent {held}",
    )
    mend = Texts(
        "Give more with `nextgen credits grant`, or run fewer missions at once.",
        "Accordez-en avec `nextgen credits grant`, ou lancez moins de missions à la fois.",
    )
    retryable = True
    amounts = ("wanted", "held")


class PriceMissing(HoldRefused):
    """A model without a price cannot be used where a hard limit applies."""

    code = "NG-CREDITS-006"
    what = Texts(
        "{model} has no known price, and {limit} is a hard limit",
        "{model} n'a pas de prix connu, et {limit} est une limite ferme",
    )
    mend = Texts(
        "Give its price in the settings, choose another model, or remove the limit.",
        "Donnez son prix dans les réglages, choisissez un autre modèle, ou retirez la limite.",
    )


class HoldUnknown(CreditError, LookupError):
    """Nothing was held under this id."""

    code = "NG-CREDITS-007"
    what = Texts("Nothing is held as {hold}", "Rien n'est réservé sous {hold}")
    mend = Texts("`nextgen credits history` shows the holds.", "`nextgen credits history` montre les réservations.")


class HoldKnown(CreditError, ValueError):
    """An id was used for a second hold."""

    code = "NG-CREDITS-008"
    what = Texts("{hold} was already held", "{hold} a déjà été réservé")
    mend = Texts("Each try of a call is a hold of its own.", "Chaque essai d'un appel est une réservation à lui.")


class ScopeRefused(CreditError, ValueError):
    """No account can have this name."""

    code = "NG-CREDITS-009"
    what = Texts("{given} names no account", "{given} ne désigne aucun compte")
    mend = Texts("Give one of {known}, and a name.", "Donnez l'un de {known}, et un nom.")
    exit_code = 2


class LimitForeign(CreditError, ValueError):
    """A call came with a limit on an account that it does not concern."""

    code = "NG-CREDITS-010"
    what = Texts("{limit} does not concern {hold}", "{limit} ne concerne pas {hold}")
    mend = Texts(
        "A limit that comes with a call names one of the call's own scopes.",
        "Une limite qui vient avec un appel nomme l'une des portées de cet appel.",
    )


class LimitUnknown(CreditError, LookupError):
    """There is no such limit."""

    code = "NG-CREDITS-011"
    what = Texts("There is no limit {limit}", "Il n'y a pas de limite {limit}")
    mend = Texts("`nextgen credits limits list` shows the limits.", "`nextgen credits limits list` montre les limites.")


class NothingStopped(CreditError, LookupError):
    """The account is not stopped."""

    code = "NG-CREDITS-012"
    what = Texts("{account} is not stopped", "{account} n'est pas arrêté")
    mend = Texts("`nextgen credits show` shows what is stopped.", "`nextgen credits show` montre ce qui est arrêté.")


class BooksWrong(CreditError):
    """The books do not agree with their own postings."""

    code = "NG-CREDITS-013"
    what = Texts("The books disagree in {n} places, first: {first}", "Les comptes divergent en {n} endroits : {first}")
    mend = Texts(
        "Make no further calls; keep a copy of the database and restore a backup.",
        "N'appelez plus rien ; gardez une copie de la base et restaurez une sauvegarde.",
    )
