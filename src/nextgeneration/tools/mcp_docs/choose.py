"""Which tool of an unknown server looks documentation up, and what its arguments are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

ID = re.compile(r"(?<![\w:/.])/[A-Za-z0-9][\w.-]*/[\w.-]+(?:/[\w.-]+)?(?![\w/])")
_RESOLVE = frozenset({"resolvelibraryid"})
_FETCH = ("getlibrarydocs", "querydocs")
_LOOKS = re.compile(r"doc|search|query|fetch|lookup|get|read|find|resolve", re.IGNORECASE)
_CHANGES = re.compile(r"delete|remove|write|create|update|set|send|post|upload|exec|run|edit", re.IGNORECASE)
_ID_NAMES = frozenset({"context7compatiblelibraryid", "libraryid", "library_id"})
_LIBRARY_NAMES = frozenset(
    {"library", "libraryname", "package", "packagename", "name", "project", "module", "repo", "reponame"}
)
_TOPIC_NAMES = frozenset({"topic", "query", "question", "q", "search", "text", "searchquery", "keywords", "prompt"})


class Described(Protocol):
    """A tool as its server describes it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its arguments."""
        ...

    @property
    def read_only(self) -> bool | None:
        """The server's hint that it changes nothing."""
        ...

    @property
    def destructive(self) -> bool | None:
        """The server's hint that it destroys something."""
        ...


T = TypeVar("T", bound=Described)


def resolver(tools: Sequence[T]) -> T | None:
    """The tool that turns a library's name into an id, as Context7 has it."""
    return next((tool for tool in tools if plain(tool.name) in _RESOLVE), None)


def fetcher(tools: Sequence[T]) -> T | None:
    """The tool that takes such an id, under its older or its newer name."""
    return next((tool for name in _FETCH for tool in tools if plain(tool.name) == name), None)


def generic(tools: Sequence[T], library: str, topic: str) -> T | None:
    """Any other tool that reads and whose schema takes a library or a query; documentation first."""
    fitting = [tool for tool in tools if _reads(tool) and arguments(tool.schema, library, topic) is not None]
    return min(fitting, key=lambda tool: "doc" not in tool.name.lower(), default=None)


def plain(name: str) -> str:
    """A name without case and separators."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _reads(tool: Described) -> bool:
    if tool.destructive or tool.read_only is False:
        return False
    return bool(tool.read_only) or (_LOOKS.search(tool.name) is not None and _CHANGES.search(tool.name) is None)


def arguments(schema: dict[str, Any], library: str, topic: str, library_id: str = "") -> dict[str, str] | None:
    """Arguments for a schema: the library, the topic and the id under the names it has for them.

    ``None`` when a required one cannot be filled, or when nothing of what is asked would get in.
    """
    properties = schema.get("properties")
    required = schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        return None
    filled: dict[str, str] = {}
    names = {name: plain(name) for name in properties if isinstance(name, str) and _takes_text(properties[name])}
    has_library = any(name in _LIBRARY_NAMES or name in _ID_NAMES for name in names.values())
    for name, known in names.items():
        if known in _ID_NAMES:
            if library_id:
                filled[name] = library_id
        elif known in _LIBRARY_NAMES:
            filled[name] = library
        elif known in _TOPIC_NAMES and (topic or not has_library or name in required):
            filled[name] = (topic or library) if has_library else f"{library} {topic}".strip()
    return filled if filled and all(name in filled for name in required) else None


def _takes_text(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type", "string") in ("string", ["string", "null"])


def library_id(answer: str, library: str) -> str:
    """The id in a resolver's answer: that of the entry titled like the library, else the first."""
    wanted = plain(library)
    for entry in re.split(r"\n-{3,}\n|\n\s*\n", answer):
        title = re.search(r"Title:\s*(.+)", entry)
        found = ID.search(entry)
        if title and found and plain(title[1]) == wanted:
            return found[0]
    found = ID.search(answer)
    return found[0] if found else ""
