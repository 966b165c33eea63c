"""What a human has seen of a server's tools: descriptions pinned by digest, kept in a file of their own a server."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from nextgeneration.kernel.canonical import canonical, digest
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.show import escaped
from nextgeneration.tools.mcp.errors import NothingToTrust, PinsUnusable
from nextgeneration.tools.mcp.schemas import Unfit, shown_schema, shown_text

if TYPE_CHECKING:
    from nextgeneration.tools.mcp.session import Offered

MAX_DESCRIPTION = 2_000
MAX_FILE = 8_000_000
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Descriptor(BaseModel):
    """A tool as its server describes it, word for word."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str = ""
    description: str = ""
    arguments: dict[str, Any] = {}
    read_only: bool | None = None
    destructive: bool | None = None

    @cached_property
    def digest(self) -> str:
        """By what it is recognised."""
        return digest(self.model_dump())

    @cached_property
    def unfit(self) -> str:
        """Why no agent is shown it; empty when it is fit to be called."""
        if not NAME.fullmatch(self.name):
            return "a name of other than letters, digits, '_', '-' and '.'"
        try:
            _ = self.schema_shown
        except Unfit as error:
            return str(error)
        return ""

    @cached_property
    def schema_shown(self) -> dict[str, Any]:
        """Its arguments' schema as a model is shown it."""
        return shown_schema(self.arguments)

    @cached_property
    def shown(self) -> str:
        """Its description as a model is shown it."""
        return shown_text(" ".join(filter(None, (self.title.strip(), self.description.strip()))), MAX_DESCRIPTION)

    def lines(self) -> list[str]:
        """All of it as lines for people, nothing hidden."""
        text = json.dumps(self.model_dump(exclude={"description"}), ensure_ascii=False, indent=1, sort_keys=True)
        return escaped(f"{self.name}\n{self.description}\n{text}").splitlines()


def described(offered: Offered) -> Descriptor:
    """What a server offers as it is pinned; arguments that are no plain JSON become a schema that fits nothing."""
    arguments = offered.schema
    try:
        canonical(arguments)
    except NGError:
        arguments = {"type": "unreadable"}
    return Descriptor(
        name=offered.name,
        title=offered.title,
        description=offered.description,
        arguments=arguments,
        read_only=offered.read_only,
        destructive=offered.destructive,
    )


@dataclass(frozen=True)
class Pins:
    """One server's descriptions.

    Attributes:
        pinned: what a human has seen, by name; ``None`` when nobody has looked yet.
        offered: what the server was last seen to offer, when that differs.
    """

    server: str
    pinned: dict[str, Descriptor] | None = None
    offered: dict[str, Descriptor] | None = None
    stamp: tuple[int, int] = field(default=(0, 0), compare=False)

    def changed(self) -> list[str]:
        """Names of the tools that are new, gone, or described otherwise than they were pinned."""
        before, now = self.pinned or {}, self.offered
        if now is None:
            return []
        return sorted(name for name in {*before, *now} if _digest(before.get(name)) != _digest(now.get(name)))

    def suspended(self, name: str) -> bool:
        """Whether the tool was last seen described otherwise, or not at all."""
        return self.offered is not None and name in self.changed()

    def seen(self, offered: Iterable[Descriptor]) -> Self:
        """These pins after a look at the server. The first look pins what it sees."""
        now = {descriptor.name: descriptor for descriptor in offered}
        if self.pinned is None:
            return replace(self, pinned=now, offered=None)
        fresh = replace(self, offered=now)
        return fresh if fresh.changed() else replace(self, offered=None)

    def trusted(self) -> Self:
        """These pins with what was last seen as what is pinned.

        Raises:
            NothingToTrust: nothing differs.
        """
        if self.offered is None:
            raise NothingToTrust(server=self.server)
        return replace(self, pinned=self.offered, offered=None)

    def difference(self) -> list[str]:
        """What differs, as a unified diff for people, nothing hidden."""
        before, now = self.pinned or {}, self.offered or {}
        lines: list[str] = []
        for name in self.changed():
            old, new = before.get(name), now.get(name)
            label = escaped(name, newlines=False)
            lines += unified_diff(
                old.lines() if old else [],
                new.lines() if new else [],
                f"pinned/{label}",
                f"offered/{label}",
                "",
                "",
                2,
                "",
            )
        return lines


def _digest(descriptor: Descriptor | None) -> str:
    return "" if descriptor is None else descriptor.digest


class PinFiles:
    """The files, one a server, read again when they change.

    Args:
        folder: where they stand; made when the first is written (0700).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Pins] = {}

    def path(self, server: str) -> Path:
        """The file of one server; its name is checked in the settings."""
        return self._folder / f"{server}.json"

    def of(self, server: str) -> Pins:
        """The pins of one server, empty when it has no file.

        Raises:
            PinsUnusable: there is a file, and it cannot be used.
        """
        path = self.path(server)
        try:
            state = path.stat()
        except FileNotFoundError:
            return Pins(server)
        except OSError as error:
            raise self._unusable(server, error) from None
        stamp = (state.st_mtime_ns, state.st_ino)
        known = self._read.get(server)
        if known is None or known.stamp != stamp:
            known = self._read[server] = self._parsed(server, path, state.st_size, stamp)
        return known

    def _parsed(self, server: str, path: Path, size: int, stamp: tuple[int, int]) -> Pins:
        try:
            if size > MAX_FILE:
                raise ValueError(f"{size} bytes")
            data = json.loads(path.read_bytes())
            lists = {key: _by_name(data[key]) for key in ("pinned", "offered")}
        except (OSError, ValueError, ValidationError, KeyError, TypeError, RecursionError) as error:
            raise self._unusable(server, error) from None
        return Pins(server, **lists, stamp=stamp)

    def _unusable(self, server: str, error: Exception) -> PinsUnusable:
        said = str(error).splitlines() or [type(error).__name__]
        return PinsUnusable(server=server, path=str(self.path(server)), detail=escaped(said[0], newlines=False))

    def write(self, pins: Pins) -> None:
        """Keep the pins of one server; the file is there whole or as it was.

        Raises:
            PinsUnusable: it cannot be written.
        """
        data = {"server": pins.server, "pinned": _plain(pins.pinned), "offered": _plain(pins.offered)}
        text = json.dumps(data, ensure_ascii=False, indent=1)
        temporary: Path | None = None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{pins.server}-", dir=self._folder)
            temporary = Path(name)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path(pins.server))
        except OSError as error:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise self._unusable(pins.server, error) from None


def _by_name(listed: Any) -> dict[str, Descriptor] | None:
    if listed is None:
        return None
    descriptors = [Descriptor.model_validate(item) for item in listed]
    return {descriptor.name: descriptor for descriptor in descriptors}


def _plain(descriptors: dict[str, Descriptor] | None) -> list[dict[str, Any]] | None:
    return None if descriptors is None else [descriptor.model_dump() for descriptor in descriptors.values()]
