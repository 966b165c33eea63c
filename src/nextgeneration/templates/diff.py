"""What differs between two revisions, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.templates.errors import pointer_of
from nextgeneration.templates.revision import Revision

_KEYED = {"capabilities": "id", "playbook": "id", "parents": "name"}
_WORDS = {
    "added": Texts("added", "ajouté"),
    "removed": Texts("removed", "retiré"),
    "changed": Texts("changed", "modifié"),
}
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``pointer`` names items of lists by their id or value, not by their position."""

    kind: Literal["added", "removed", "changed"]
    pointer: str
    before: Any = None
    after: Any = None

    def say(self, lang: Lang = "en") -> str:
        """One line, such as ``~ /version (changed): "1.0.0" -> "1.1.0"``."""
        values = {"added": [self.after], "removed": [self.before], "changed": [self.before, self.after]}[self.kind]
        shown = " -> ".join(_shown(value) for value in values)
        return f"{_SIGNS[self.kind]} {escaped(self.pointer, newlines=False)} ({_WORDS[self.kind].say(lang)}): {shown}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, without the side that is not there."""
        sides = {"before": self.before, "after": self.after}
        absent = {"added": "before", "removed": "after"}.get(self.kind)
        return {"kind": self.kind, "pointer": self.pointer, **{k: v for k, v in sides.items() if k != absent}}


@dataclass(frozen=True, slots=True)
class Diff:
    """All differences from one revision to another; none when the digests are equal."""

    before: Revision
    after: Revision
    changes: tuple[Change, ...]

    def lines(self, lang: Lang = "en") -> list[str]:
        """For people."""
        if not self.changes:
            return [Texts("no difference", "aucune différence").say(lang)]
        return [change.say(lang) for change in self.changes]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "before": {"name": self.before.name, "version": self.before.version, "digest": self.before.digest},
            "after": {"name": self.after.name, "version": self.after.version, "digest": self.after.digest},
            "changes": [change.as_dict() for change in self.changes],
        }


def diff(before: Revision, after: Revision) -> Diff:
    """What one has to do to ``before`` to get ``after``."""
    return Diff(before, after, tuple(_differences(_named(before.data), _named(after.data), ())))


def _named(data: dict[str, Any]) -> dict[str, Any]:
    """The canonical form with lists whose order means nothing, or whose items have names, as objects."""
    result = dict(data)
    for key, name in _KEYED.items():
        result[key] = {item[name]: {k: v for k, v in item.items() if k != name} for item in data[key]}
    result["tools"] = dict.fromkeys(data["tools"], True)
    result["permissions"] = {
        str(level): {verdict: dict.fromkeys(rules.get(verdict, ()), True) for verdict in ("allow", "ask", "deny")}
        for level, rules in enumerate(data["permissions"])
    }
    return result


def _differences(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            inner = (*path, key)
            if key not in after:
                yield Change("removed", pointer_of(inner), before=before[key])
            elif key not in before:
                yield Change("added", pointer_of(inner), after=after[key])
            else:
                yield from _differences(before[key], after[key], inner)
    elif before != after or isinstance(before, bool) is not isinstance(after, bool):
        yield Change("changed", pointer_of(path), before, after)


def _shown(value: Any) -> str:
    return shortened(escaped(json.dumps(value, ensure_ascii=False), newlines=False), _LONGEST)
