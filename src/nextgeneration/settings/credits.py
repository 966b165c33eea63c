"""Settings of credits."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from nextgeneration.settings.group import SettingsGroup


class CreditSettings(SettingsGroup):
    """What a credit is worth, and how calls behave near a limit."""

    credit_usd: Decimal = Field(default=Decimal("0.01"), gt=0, description="what one credit is worth, in US dollars")
    credit_wait_seconds: float = Field(
        default=120.0,
        ge=0,
        description="how long a call waits for credits that other calls hold before it is refused, in seconds",
    )
    credit_warn_percent: int = Field(
        default=80, ge=1, le=100, description="share of a soft limit from which it warns, in per cent"
    )
