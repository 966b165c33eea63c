"""Keys of other services, found by name; their values are handed over and never shown."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from nextgeneration.settings.environment import Environment

log = logging.getLogger(__name__)

SERVICE = "nextgeneration"
"""Under what the system keyring keeps our keys."""

Where = Literal["environment", ".env", "keyring"]


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key and where it was."""

    name: str
    where: Where
    value: SecretStr = field(repr=False)


class Keys:
    """Looks for keys in the environment, then in a ``.env`` file, then in the system keyring.

    Args:
        environment: what the process inherited.
        dotenv: the file, relative to the current folder.
        keyring: whether the keyring is asked, when its library is installed.
    """

    def __init__(self, environment: Environment, dotenv: Path | None = None, *, keyring: bool = False) -> None:
        self._environment = environment
        self._dotenv = dotenv
        self._keyring = keyring and importlib.util.find_spec("keyring") is not None
        self._file: dict[str, str] | None = None

    def find(self, name: str) -> FoundKey | None:
        """The key of this name, or ``None``."""
        if not name:
            return None
        if value := self._environment.get(name).strip():
            return FoundKey(name, "environment", SecretStr(value))
        if value := self._in_file(name):
            return FoundKey(name, ".env", SecretStr(value))
        if value := self._in_keyring(name):
            return FoundKey(name, "keyring", SecretStr(value))
        return None

    def _in_file(self, name: str) -> str:
        if self._file is None:
            self._file = _read(self._dotenv) if self._dotenv is not None else {}
        return self._file.get(name, "").strip()

    def _in_keyring(self, name: str) -> str:
        if not self._keyring:
            return ""
        # A keyring that cannot be asked is one that holds nothing: no daemon, locked, or no back end at all.
        try:
            import keyring

            return (keyring.get_password(SERVICE, name) or "").strip()
        except Exception as error:
            log.debug("the keyring cannot be asked: %s", type(error).__name__)
            self._keyring = False
            return ""


def _read(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    try:
        if not path.is_file():
            return {}
        return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read: %s", path, type(error).__name__)
        return {}
