"""Credits as people write them, micro-credits as the books keep them."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation

from nextgeneration.credits.errors import AmountRefused, Micro
from nextgeneration.credits.schema import MAX_AMOUNT
from nextgeneration.kernel.show import shortened

MICRO = 1_000_000
"""Micro-credits in a credit."""


def from_credits(text: str | int | Decimal, field: str = "amount") -> int:
    """Micro-credits of an amount in credits, rounded up.

    Raises:
        AmountRefused: it is no number, or negative.
    """
    try:
        amount = Decimal(text)
        finite = amount.is_finite() and amount >= 0
    except (InvalidOperation, TypeError, ValueError):
        finite = False
    if not finite or isinstance(text, bool):
        raise AmountRefused(field=field, value=_repr(text))
    return _up(amount * MICRO)


def typed(text: str, field: str = "amount") -> int:
    """Micro-credits of an amount that a person typed: exactly, never rounded, and no more than an account can hold.

    Raises:
        AmountRefused: it is no such number.
    """
    micro = from_credits(text, field)
    if Decimal(text) * MICRO != micro or micro > MAX_AMOUNT:
        raise AmountRefused(field=field, value=_repr(text))
    return micro


def from_usd(price: Decimal, credit_usd: Decimal) -> int:
    """Micro-credits of a price in US dollars, rounded up, when a credit is worth ``credit_usd``."""
    return _up(price * MICRO / credit_usd)


def shown(micro: int) -> str:
    """An amount in credits, exactly, without idle zeros: ``1.5``."""
    return str(Micro(micro))


def _repr(text: object) -> str:
    return shortened(repr(text), 60)


def _up(amount: Decimal) -> int:
    return int(amount.to_integral_value(rounding=ROUND_CEILING))
