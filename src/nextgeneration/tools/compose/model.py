"""A compose file as rules see it: services with their effective keys, and what surrounds the file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import NamedTuple

from nextgeneration.kernel.errors import NGError
from nextgeneration.tools.compose.yaml_tree import Entry, Mapping, Node, Scalar, Sequence, Tree, parse
from nextgeneration.tools.workspace import Workspace

BASE_NAMES = frozenset({"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"})
SECTIONS = ("networks", "volumes", "secrets", "configs")

_COMPOSE_NAME = re.compile(r"(?:^|[.-])(?:docker-|podman-)?compose(?:[._-].*)?\.ya?ml$", re.IGNORECASE)
_OVERRIDE_NAME = re.compile(r"compose\.override\.ya?ml$", re.IGNORECASE)
_ENV_NAME = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=", re.MULTILINE)
_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})


def is_compose_name(path: str) -> bool:
    """Whether a file's name says that it is a compose file."""
    return _COMPOSE_NAME.search(PurePosixPath(path).name) is not None


class Variable(NamedTuple):
    """One item of ``environment``, ``labels`` or ``args``: ``value`` is None when none is written."""

    name: str
    value: str | None
    node: Scalar
    listed: bool


class Mount(NamedTuple):
    """One item of ``volumes``."""

    source: str
    target: str
    read_only: bool
    kind: str
    node: Node
    creates: bool = True

    @property
    def host(self) -> bool:
        """Whether the source is a path of the host."""
        return self.kind == "bind"


@dataclass(slots=True, eq=False)
class Service:
    """One service with its effective keys, merges followed."""

    name: str
    key: Scalar
    node: Mapping

    def entry(self, key: str) -> Entry | None:
        """The key and value, when the key stands there and has a value."""
        entry = self.node.entries.get(key)
        if entry is None or (isinstance(entry.value, Scalar) and entry.value.null):
            return None
        return entry

    def has(self, *keys: str) -> bool:
        """Whether one of ``keys`` has a value."""
        return any(self.entry(key) for key in keys)

    def value(self, key: str) -> Node | None:
        """The key's value, when it has one."""
        entry = self.entry(key)
        return entry.value if entry else None

    def scalar(self, key: str) -> Scalar | None:
        """The key's value when it is a single one."""
        value = self.value(key)
        return value if isinstance(value, Scalar) else None

    def text(self, key: str) -> str:
        """The key's single value as text; empty without one."""
        value = self.scalar(key)
        return value.text if value else ""

    def mapping(self, *path: str) -> Mapping | None:
        """The mapping at a path of keys, such as ``deploy``, ``resources``."""
        node: Node | None = self.node
        for key in path:
            entry = node.entries.get(key) if isinstance(node, Mapping) else None
            node = entry.value if entry else None
        return node if isinstance(node, Mapping) else None

    def items(self, key: str) -> list[Node]:
        """The list's items; a single value counts as a list of one."""
        value = self.value(key)
        if isinstance(value, Sequence):
            return value.items
        return [value] if isinstance(value, Scalar) else []

    def names(self, key: str) -> list[Scalar]:
        """The names a key refers to: items of a list, keys of a mapping, or each item's ``source``."""
        value = self.value(key)
        if isinstance(value, Mapping):
            return [entry.key for entry in value.entries.values()]
        found = []
        for item in self.items(key):
            source = item.entries["source"].value if isinstance(item, Mapping) and "source" in item.entries else item
            if isinstance(source, Scalar):
                found.append(source)
        return found

    def variables(self, key: str = "environment") -> list[Variable]:
        """The variables of ``environment`` or ``labels``."""
        return variables_of(self.value(key))

    def build_args(self) -> list[Variable]:
        """The arguments of the build."""
        build = self.mapping("build")
        args = build.entries.get("args") if build else None
        return variables_of(args.value if args else None)

    def mounts(self) -> list[Mount]:
        """The items of ``volumes`` that can be read."""
        return [mount for item in self.items("volumes") if (mount := _mount(item))]

    def true(self, key: str) -> Scalar | None:
        """The value when it reads as true."""
        value = self.scalar(key)
        return value if value and value.text in _TRUE else None

    def command_text(self, key: str) -> str:
        """``command`` or ``entrypoint`` as one line."""
        return " ".join(item.text for item in self.items(key) if isinstance(item, Scalar))


def variables_of(node: Node | None) -> list[Variable]:
    """The variables of a mapping or of a list of ``NAME=value``."""
    if isinstance(node, Mapping):
        return [
            Variable(name, None if entry.value.null else entry.value.text, entry.value, listed=False)
            for name, entry in node.entries.items()
            if isinstance(entry.value, Scalar)
        ]
    found = []
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, Scalar):
            name, equals, value = item.text.partition("=")
            found.append(Variable(name.strip(), value if equals else None, item, listed=True))
    return found


def _mount(node: Node) -> Mount | None:
    if isinstance(node, Scalar):
        return _short_mount(node)
    if not isinstance(node, Mapping):
        return None
    texts = {name: entry.value.text for name, entry in node.entries.items() if isinstance(entry.value, Scalar)}
    bind = node.entries["bind"].value if "bind" in node.entries else None
    creates = bind.entries.get("create_host_path") if isinstance(bind, Mapping) else None
    creates_text = creates.value.text if creates and isinstance(creates.value, Scalar) else "true"
    return Mount(
        texts.get("source", ""),
        texts.get("target", ""),
        texts.get("read_only") in _TRUE,
        texts.get("type", "volume"),
        node,
        creates_text in _TRUE,
    )


def _short_mount(node: Scalar) -> Mount | None:
    text = re.sub(r"\$\{[^}]*\}", lambda m: m[0].replace(":", "\0"), node.text)
    if re.match(r"^[A-Za-z]:[\\/]", text):
        return None
    parts = [part.replace("\0", ":") for part in text.split(":")]
    if len(parts) == 1:
        return Mount("", parts[0], False, "anonymous", node)
    source, target = parts[0], parts[1]
    options = parts[2].split(",") if len(parts) > 2 else []
    kind = "bind" if source.startswith(("/", ".", "~")) else "volume"
    if source.startswith("$"):
        rest = re.sub(r"^\$(?:\{[^}]*\}|\w+)", "", source)
        kind = "bind" if rest.startswith("/") else "unknown"
    return Mount(source, target, "ro" in options, kind, node)


class Surroundings:
    """What lies around a compose file, as far as rules ask: whether paths exist, and names in ``.env``.

    Paths outside the workspace are not looked at: their answer is None.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._root = workspace.root

    def kind(self, folder: str, path: str) -> str | None:
        """``file``, ``folder`` or ``missing``; None when the path leaves the workspace."""
        try:
            place = (self._root / folder / path).resolve()
            if not place.is_relative_to(self._root):
                return None
            if place.is_dir():
                return "folder"
            return "file" if place.exists() else "missing"
        except (OSError, ValueError, RuntimeError):
            return None

    def read(self, path: str) -> str | None:
        """The text of a file of the workspace, when it can be read."""
        try:
            return self._workspace.read_text(path, limit=200_000)
        except NGError:
            return None

    def env_names(self, folder: str) -> frozenset[str] | None:
        """The names a folder's ``.env`` defines, never their values; None without such a file."""
        text = self.read(joined(folder, ".env"))
        return None if text is None else frozenset(_ENV_NAME.findall(text))


def joined(folder: str, name: str) -> str:
    """A path below ``folder``, where an empty folder is the workspace itself."""
    return posixpath.normpath(posixpath.join(folder, name))


@dataclass(eq=False)
class ComposeFile:
    """One compose file, its services and definitions."""

    path: str
    text: str
    around: Surroundings
    siblings: list[ComposeFile] = field(default_factory=list)

    @cached_property
    def tree(self) -> Tree:
        """The file's nodes and faults."""
        return parse(self.text)

    @property
    def folder(self) -> str:
        """The folder the file is in; empty for the workspace itself."""
        folder = str(PurePosixPath(self.path).parent)
        return "" if folder == "." else folder

    @cached_property
    def top(self) -> dict[str, Entry]:
        """The top-level keys of all documents."""
        found: dict[str, Entry] = {}
        for document in self.tree.documents:
            if isinstance(document, Mapping):
                found |= document.entries
        return found

    @cached_property
    def services(self) -> dict[str, Service]:
        """The services by name."""
        return {
            name: Service(name, entry.key, entry.value)
            for name, entry in self._section("services").items()
            if isinstance(entry.value, Mapping) and not name.startswith("x-")
        }

    def section(self, name: str) -> dict[str, Entry]:
        """The entries of ``networks``, ``volumes``, ``secrets`` or ``configs``."""
        return {key: entry for key, entry in self._section(name).items() if not key.startswith("x-")}

    def _section(self, name: str) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for document in self.tree.documents:
            entry = document.entries.get(name) if isinstance(document, Mapping) else None
            if entry and isinstance(entry.value, Mapping):
                found |= entry.value.entries
        return found

    @cached_property
    def base(self) -> bool:
        """Whether Compose reads this file by itself, without being told."""
        return PurePosixPath(self.path).name in BASE_NAMES

    @cached_property
    def family(self) -> list[ComposeFile]:
        """The files that complete this one: a base file's override, or all files beside an overlay."""
        if self.base:
            return [file for file in self.siblings if _OVERRIDE_NAME.search(file.path)]
        return self.siblings

    @cached_property
    def fragment(self) -> bool:
        """Whether the file is part of something that lies elsewhere, so that absence proves nothing."""
        if self.base:
            return False
        known = {name for file in self.siblings for name in file.services}
        return any(self.partial(service) and name not in known for name, service in self.services.items())

    @staticmethod
    def partial(service: Service) -> bool:
        """Whether the service says neither what it runs nor where that comes from."""
        return not service.has("image", "build", "extends", "provider")

    @cached_property
    def open_ended(self) -> bool:
        """Whether names may come from files that are not read here."""
        return "include" in self.top or self.fragment

    @cached_property
    def service_names(self) -> frozenset[str]:
        """The services known here and in the files that complete this one."""
        return frozenset(self.services).union(*(file.services for file in self.family))

    def defined(self, section: str) -> frozenset[str]:
        """The names a section defines, here and in the files that complete this one."""
        return frozenset(self.section(section)).union(*(file.section(section) for file in self.family))

    def somewhere(self, service: Service, *keys: str) -> bool:
        """Whether the service has one of ``keys`` in this file or in any beside it."""
        if service.has(*keys):
            return True
        others = (file.services.get(service.name) for file in self.siblings)
        return any(other is not None and other.has(*keys) for other in others)

    def whole(self) -> Iterator[Service]:
        """The services of which all is known here, so that what is absent is absent."""
        if self.fragment:
            return
        for service in self.services.values():
            if not service.has("extends", "provider") and not self.partial(service):
                yield service

    @cached_property
    def depended_on(self) -> dict[str, list[tuple[Service, str]]]:
        """For each service, who depends on it and under which condition (empty for the short form)."""
        found: dict[str, list[tuple[Service, str]]] = {}
        for service in self.services.values():
            value = service.value("depends_on")
            for name in service.names("depends_on"):
                condition = ""
                if isinstance(value, Mapping):
                    entry = value.entries[name.text].value
                    said = entry.entries.get("condition") if isinstance(entry, Mapping) else None
                    condition = said.value.text if said and isinstance(said.value, Scalar) else "service_started"
                found.setdefault(name.text, []).append((service, condition))
        return found

    @cached_property
    def lines(self) -> list[str]:
        """The file's lines without their ends."""
        return self.text.split("\n")
