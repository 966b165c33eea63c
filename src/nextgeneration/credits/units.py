"""Credits as people write them, micro-credits as the books keep them."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation

from nextgeneration.credits.errors import AmountRefused, Micro

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
        raise AmountRefused(field=field, value=repr(text))
    return _up(amount * MICRO)


def from_usd(price: Decimal, credit_usd: Decimal) -> int:
    """Micro-credits of a price in US dollars, rounded up, when a credit is worth ``credit_usd``."""
    return _up(price * MICRO / credit_usd)


def shown(micro: int) -> str:
    """An amount in credits, exactly, without idle zeros: ``1.5``."""
    return str(Micro(micro))


def _up(amount: Decimal) -> int:
    return int(amount.to_integral_value(rounding=ROUND_CEILING))
