"""The gateway to models, built from the settings of this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nextgeneration.credits.service import Credits
from nextgeneration.kernel.clock import Clock, SystemClock
from nextgeneration.kernel.models import Wish
from nextgeneration.missions.access import Gateway as Models
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.tolls import Tolls
from nextgeneration.models.candidates import Choice
from nextgeneration.models.gateway import Gateway
from nextgeneration.settings.credits import CreditSettings
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.keys import Keys
from nextgeneration.settings.models import ModelSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.storage.database import Storage

if TYPE_CHECKING:
    from nextgeneration.models.learning import Quality

PURPOSES = ("plan", "work", "synthesise", "compact")


def gateway(
    settings: ModelSettings | None = None,
    *,
    home: Path | None = None,
    clock: Clock | None = None,
    quality: Quality | None = None,
) -> Gateway:
    """The gateway; nothing is looked for before it is used."""
    return Gateway(
        settings or ModelSettings(),
        clock=clock or SystemClock(),
        credit_usd=CreditSettings().credit_usd,
        home=home or models_home(),
        quality=quality,
    )


def access_to_models(storage: Storage, clock: Clock, home: Path, models: Models | None = None) -> ModelAccess:
    """Models by the settings, or ``models``, paid from the books in ``storage``."""
    return ModelAccess(models or gateway(home=home, clock=clock), Credits(storage, clock=clock))


def tolls(books: Credits, settings: ToolSettings | None = None) -> Tolls | None:
    """What calls of tools cost by the settings; ``None`` when none has a price."""
    prices = (settings or ToolSettings()).prices
    return Tolls(books, prices) if prices else None


def models_home() -> Path:
    """The folder that keeps added providers."""
    return StorageSettings().home.expanduser().absolute()


def keys() -> Keys:
    """Where this process finds keys."""
    settings = ModelSettings()
    return Keys(Environment.current(), settings.dotenv, keyring=settings.keyring)


def by_purpose(models: Gateway) -> dict[str, Choice]:
    """What would be taken for each purpose when nobody wishes for anything."""
    return {purpose: models.candidates(Wish(purpose=purpose)) for purpose in PURPOSES}


def by_template(models: Gateway, workspace: Path) -> dict[str, Choice]:
    """What each template of a workspace would work with; playbooks need none and are left out.

    Raises:
        WorkspaceMissing: it is not a folder.
    """
    from nextgeneration.services.parts import library

    chosen: dict[str, Choice] = {}
    with library(workspace) as found:
        for summary in found.summaries():
            if summary.broken is not None:
                continue
            revision = found.get(summary.name)
            if revision.runtime in {"auto", "llm"}:
                wish = Wish(tuple(revision.model.prefer), frozenset(revision.model.needs))
                chosen[summary.name] = models.candidates(wish, agent=summary.name)
    return chosen
