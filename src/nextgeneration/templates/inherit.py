"""One template laid over its resolved parent, with the origin of every field.

A parent is resolved once and every child is one step from it, so that a library of templates costs
one merge each, however deep its lineages are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nextgeneration.templates.errors import pointer_of
from nextgeneration.templates.form import EXTENSION
from nextgeneration.templates.revision import COMPUTED_METADATA, HOOK_POINTS, Revision
from nextgeneration.templates.versions import DEFAULT_VERSION

MAX_PARENTS = 8
DEFAULT = "(default)"
"""Stands in ``origins`` where no template of the lineage says anything."""

DEFAULT_PLAYBOOK: list[dict[str, Any]] = [
    {"id": "listing", "tool": "fs.list", "with": {}, "when": True, "each": None, "on_error": "continue"}
]
"""What an agent does when its lineage has no playbook: it looks at the workspace, and its report is ``partial``."""

_SCALARS = ("runtime", "playbook_first")
_SCHEMAS = ("input_schema", "output_schema")
_MERGED = ("default_config", "metadata")
_BUDGET = ("credits", "model_calls", "tool_calls", "seconds")
_NO_RULES: dict[str, list[str]] = {"allow": [], "ask": [], "deny": []}

_ROOT: dict[str, Any] = {
    "capabilities": [],
    "description": {"en": "", "fr": ""},
    "instructions": "",
    "runtime": "auto",
    "tools": [],
    "playbook": DEFAULT_PLAYBOOK,
    "default_playbook": True,
    "playbook_first": False,
    "model": {"prefer": [], "needs": []},
    "permissions": [],
    "budget": {},
    "hooks": {point: [] for point in HOOK_POINTS},
    "default_config": {},
    "input_schema": {},
    "output_schema": {},
    "metadata": {},
}
_ROOT_ORIGINS = {
    f"/{key}": DEFAULT for key in _ROOT if key not in {"permissions", "budget", "metadata", "hooks", "default_config"}
}


def resolve(file: Mapping[str, Any], parent: Revision | None, source: str) -> Revision:
    """The revision of a checked template.

    Args:
        file: the template's data, as :func:`validation.check` returned it.
        parent: the resolved parent, when ``file`` names one.
        source: where the template comes from.
    """
    layer = _Layer(file, parent)
    return Revision.from_data(layer.data, source=source, origins=layer.origins)


def adopt(child: Revision, parent: Revision) -> Revision:
    """``child`` as it would be with ``parent`` as its root: what it or its own parents say lies over the parent's.

    Unlike :func:`resolve` this works without the child's file, on what its lineage left of it.
    """
    layer = _Layer(_as_file(child), parent)
    for level in child.data["permissions"][1:]:
        layer.add_rules(level)
    others = [entry for entry in child.data["parents"] if entry not in layer.data["parents"]]
    layer.data["parents"] = [*layer.data["parents"], *others]
    return Revision.from_data(layer.data, source=child.source, origins=layer.origins)


def _as_file(revision: Revision) -> dict[str, Any]:
    """What a file would say to give this revision without a parent; the first level of permissions only."""
    data, origins = revision.data, revision.origins
    file = {key: value for key, value in data.items() if key not in {"parents", "default_playbook"}}
    for key in ("description", "instructions", "model", *_SCALARS, *_SCHEMAS):
        if origins.get(f"/{key}") == DEFAULT:
            del file[key]
    if data["default_playbook"]:
        del file["playbook"]
    levels = file.pop("permissions")
    return {**file, "permissions": levels[0]} if levels else file


class _Layer:
    """A merge under way: ``data`` and ``origins`` start as the parent's and take the child's say."""

    def __init__(self, file: Mapping[str, Any], parent: Revision | None) -> None:
        self.name: str = file["name"]
        self.file = file
        self.data: dict[str, Any] = dict(parent.data if parent else _ROOT)
        self.origins: dict[str, str] = dict(parent.origins if parent else _ROOT_ORIGINS)
        self._identity(parent)
        self._texts()
        self._unions()
        self._wholes()
        self._lists()
        for key in _MERGED:
            self._deep(key)
        for key in file:
            if key.startswith(EXTENSION):
                self._set(key, file[key])

    def _set(self, key: str, value: Any) -> None:
        """Replace a whole field."""
        place = pointer_of([key])
        self._forget(place)
        self.data[key] = value
        self.origins[place] = self.name

    def _forget(self, place: str) -> None:
        self.origins.pop(place, None)
        inside = place + "/"
        for pointer in [pointer for pointer in self.origins if pointer.startswith(inside)]:
            del self.origins[pointer]

    def _identity(self, parent: Revision | None) -> None:
        for key in ("name", "role", "domain", "version"):
            self.data[key] = self.file.get(key, DEFAULT_VERSION)
            self.origins[f"/{key}"] = self.name
        if parent:
            self.data["parents"] = [{"name": parent.name, "digest": parent.digest}, *parent.data["parents"]]
        else:
            self.data["parents"] = []
        route = self.file.get("supervisor_route")
        if route is None and parent is None:
            route = self.file["domain"]
        if route is not None:
            given = {"route": route} if isinstance(route, str) else route
            self._set("supervisor_route", {"keywords": [], "examples": [], "priority": 0, **given})

    def _texts(self) -> None:
        if "description" in self.file:
            self._set("description", _both(self.file["description"]))
        instructions = self.file.get("instructions")
        if isinstance(instructions, str):
            self._set("instructions", instructions)
        elif instructions is not None:
            before, more = self.data["instructions"], instructions["append"]
            origin = self.origins.get("/instructions", DEFAULT)
            self._set("instructions", f"{before}\n\n{more}" if before and more else before or more)
            if before:
                self.origins["/instructions"] = f"{origin} + {self.name}"

    def _unions(self) -> None:
        """``tools`` by name and ``capabilities`` by id, united and sorted."""
        tools: dict[str, str] = self._owners("tools", self.data["tools"])
        for tool in self.file.get("tools", []):
            tools.setdefault(tool, self.name)
        self._list("tools", sorted(tools), [tools[tool] for tool in sorted(tools)])

        known = {item["id"]: item for item in self.data["capabilities"]}
        owners = self._owners("capabilities", list(known))
        for item in self.file.get("capabilities", []):
            given = {"id": item} if isinstance(item, str) else item
            before = known.get(given["id"])
            merged = {**(before or _EMPTY_CAPABILITY), **given}
            known[given["id"]] = {**merged, "description": _both(merged["description"])}
            if before is None or known[given["id"]] != before:
                owners[given["id"]] = self.name
        names = sorted(known)
        self._list("capabilities", [known[name] for name in names], [owners[name] for name in names])

    def _owners(self, key: str, names: list[str]) -> dict[str, str]:
        return {name: self.origins[f"/{key}/{index}"] for index, name in enumerate(names)}

    def _list(self, key: str, items: list[Any], owners: list[str]) -> None:
        self._forget(f"/{key}")
        self.data[key] = items
        self.origins.update((f"/{key}/{index}", owner) for index, owner in enumerate(owners))

    def _wholes(self) -> None:
        """What a child replaces whole."""
        for key in (*_SCALARS, *_SCHEMAS):
            if key in self.file:
                self._set(key, self.file[key])
        if "model" in self.file:
            self._set("model", {"prefer": [], "needs": [], **self.file["model"]})
        if self.file.get("playbook"):
            steps = [_step(step, index) for index, step in enumerate(self.file["playbook"], 1)]
            self._set("playbook", steps)
            self.data["default_playbook"] = False
            self.origins.pop("/default_playbook", None)

    def _lists(self) -> None:
        """Permissions as one more level, hooks after the parents', budgets that only shrink."""
        if "permissions" in self.file:
            self.add_rules(self.file["permissions"])
        hooks = dict(self.data["hooks"])
        for point in HOOK_POINTS:
            given = self.file.get("hooks", {}).get(point, [])
            for hook in [given] if isinstance(given, str) else given:
                if hook not in hooks[point]:
                    self.origins[f"/hooks/{point}/{len(hooks[point])}"] = self.name
                    hooks[point] = [*hooks[point], hook]
        self.data["hooks"] = hooks
        budget = dict(self.data["budget"])
        for key in _BUDGET:
            limit = self.file.get("budget", {}).get(key)
            if limit is not None and (key not in budget or limit < budget[key]):
                budget[key] = limit
                self.origins[f"/budget/{key}"] = self.name
        self.data["budget"] = budget

    def add_rules(self, rules: Mapping[str, Any]) -> None:
        """One more level of permissions, below all that are there."""
        levels = [*self.data["permissions"], {**_NO_RULES, **rules}]
        self.data["permissions"] = levels
        self.origins[f"/permissions/{len(levels) - 1}"] = self.name

    def _deep(self, key: str) -> None:
        given = self.file.get(key, {})
        if key == "metadata":
            given = {name: value for name, value in given.items() if name not in COMPUTED_METADATA}
        self.data[key] = self._merged(self.data[key], given, f"/{key}")

    def _merged(self, before: dict[str, Any], given: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Objects key by key; everything else replaces. Depth is bounded by the reader."""
        result = dict(before)
        for name, value in given.items():
            inner = place + pointer_of([name])
            if isinstance(value, dict) and isinstance(before.get(name), dict):
                result[name] = self._merged(before[name], value, inner)
                continue
            self._forget(inner)
            if isinstance(value, dict) and value:
                result[name] = self._merged({}, value, inner)
            else:
                result[name] = value
                self.origins[inner] = self.name
        return result


_EMPTY_CAPABILITY: dict[str, Any] = {"description": "", "examples": [], "input_schema": {}}


def _both(text: str | Mapping[str, str]) -> dict[str, str]:
    return {"en": text, "fr": text} if isinstance(text, str) else dict(text)


def _step(step: Mapping[str, Any], number: int) -> dict[str, Any]:
    given = {"with": {}, "when": True, "each": None, "on_error": "stop", **step}
    return {**given, "id": step.get("id") or f"step{number}"}
