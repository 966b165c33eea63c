"""The way to models of one process: the gateway with the settings of this machine, and the books."""

from __future__ import annotations

from pathlib import Path

from nextgeneration.credits.service import Credits
from nextgeneration.kernel.clock import Clock
from nextgeneration.missions.access import Gateway as Models
from nextgeneration.missions.access import ModelAccess
from nextgeneration.models.gateway import Gateway
from nextgeneration.settings.credits import CreditSettings
from nextgeneration.settings.models import ModelSettings
from nextgeneration.storage.database import Storage


def access_to_models(storage: Storage, clock: Clock, home: Path, models: Models | None = None) -> ModelAccess:
    """Models by the settings, or ``models``, paid from the books in ``storage``; looked for when first needed."""
    settings = CreditSettings()
    gateway = models or Gateway(ModelSettings(), clock=clock, credit_usd=settings.credit_usd, home=home)
    return ModelAccess(gateway, Credits(storage, settings, clock=clock))
