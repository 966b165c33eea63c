"""The base of a settings group."""

from __future__ import annotations

from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from nextgeneration.settings.errors import SettingInvalid


class SettingsGroup(BaseSettings):
    """Settings read from environment variables, with errors that name the variable."""

    model_config = SettingsConfigDict(env_prefix="NG_", extra="ignore")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except (ValidationError, SettingsError) as error:
            self._refuse(error)

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            self._refuse(error)

    @classmethod
    def _refuse(cls, error: ValidationError | SettingsError) -> NoReturn:
        if isinstance(error, SettingsError):
            raise SettingInvalid(names=cls.model_config["env_prefix"] + "…", detail=str(error)) from None
        prefix = cls.model_config["env_prefix"]
        names = {prefix + ".".join(map(str, e["loc"])).upper(): e["msg"] for e in error.errors(include_input=False)}
        raise SettingInvalid(names=", ".join(names), detail="; ".join(names.values())) from None
