"""Settings of the database."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from nextgeneration.settings.group import SettingsGroup


class StorageSettings(SettingsGroup):
    """Where the state of missions is kept."""

    home: Path = Field(
        default_factory=lambda: Path.home() / ".nextgen", description="folder of everything this installation keeps"
    )
    database_url: str = Field(
        default="", description="database, as `sqlite:///path`; empty: the file `nextgen.db` in `NG_HOME`"
    )
    database_busy_seconds: float = Field(
        default=30.0, gt=0, description="how long to wait for another process that writes, in seconds"
    )

    @property
    def url(self) -> str:
        """The database URL that applies."""
        return self.database_url or f"sqlite:///{self.home.expanduser().absolute() / 'nextgen.db'}"
