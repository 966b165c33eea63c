"""Providers and prices added with ``nextgen models add``, kept in one file without any key."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from nextgeneration.models.errors import ModelsFileBroken
from nextgeneration.settings.models import ModelFacts, ModelPrice, ModelProvider

FILE = "models.json"


class Kept(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(extra="forbid")

    providers: dict[str, ModelProvider] = {}
    prices: dict[str, ModelPrice] = {}
    facts: dict[str, ModelFacts] = {}


def read(home: Path) -> Kept:
    """What was added; nothing when the file is not there.

    Raises:
        ModelsFileBroken: it cannot be read.
    """
    path = home / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Kept()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelsFileBroken(path=str(path), detail=type(error).__name__) from None
    try:
        return Kept.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelsFileBroken(path=str(path), detail=f"{place}: {first['msg']}" if place else first["msg"]) from None


def write(home: Path, kept: Kept) -> None:
    """Keep what was added; the old file stays whole until the new one is.

    Raises:
        ModelsFileBroken: it cannot be written.
    """
    path = home / FILE
    text = json.dumps(kept.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False, indent=2) + "\n"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=f".{FILE}.", dir=home)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ModelsFileBroken(path=str(path), detail=error.strerror or type(error).__name__) from None
