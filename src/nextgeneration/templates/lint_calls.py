"""What lint sees of agents calling agents: calls that can only ever be refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.templates.errors import TemplateInvalid, TemplateUnknown
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.revision import Revision

AGENT_RUN = "agent.run"
"""The tool by which an agent calls another. It is made in a room above this one, which looks for it in ``tools``."""


class Doubt(NamedTuple):
    """One remark: the rule, the place in the file, what, and the fix."""

    rule: str
    path: tuple[str | int, ...]
    what: Texts
    fix: Texts


def calls(data: Mapping[str, Any], revision: Revision, library: TemplateLibrary) -> Iterator[Doubt]:
    """What is to be said of the steps that call agents.

    Args:
        data: the template's file.
        revision: what it resolves to; a playbook that the file does not hold is its parent's.
        library: where the called templates are.
    """
    own = "playbook" in data
    allowed = any(fnmatchcase(AGENT_RUN, tool) for tool in revision.tools)
    for index, step in enumerate(revision.data["playbook"]):
        if step["tool"] != AGENT_RUN:
            continue
        if own and not allowed:
            yield _unlisted(("playbook", index, "tool"))
        name = _called(step)
        place = ("playbook", index, "with", "agent") if own else ("parent",)
        if name and name != revision.name and name not in library.found():
            if own:
                yield _unknown(name, place, library.found())
        elif name:
            chain = _way_back(revision.name, name, library)
            if chain:
                yield _circle((revision.name, *chain), place)


def _called(step: Mapping[str, Any]) -> str:
    """The template that a step surely calls; an expression may give any."""
    arguments = step.get("with") or {}
    name = arguments.get("agent") if step["tool"] == AGENT_RUN and isinstance(arguments, dict) else None
    return name if isinstance(name, str) else ""


def _way_back(origin: str, name: str, library: TemplateLibrary) -> tuple[str, ...]:
    """The shortest chain of calls from ``name`` to ``origin``, both included; empty when there is none."""
    seen = {name}
    waiting: list[tuple[str, ...]] = [(name,)]
    for chain in waiting:
        if chain[-1] == origin:
            return chain
        for step in _playbook(chain[-1], library):
            further = _called(step)
            if further and further not in seen:
                seen.add(further)
                waiting.append((*chain, further))
    return ()


def _playbook(name: str, library: TemplateLibrary) -> Iterable[Mapping[str, Any]]:
    try:
        steps: Iterable[Mapping[str, Any]] = library.get(name).data["playbook"]
    except (TemplateUnknown, TemplateInvalid):
        return ()  # remarked on where it stands
    return steps


def _unlisted(path: tuple[str | int, ...]) -> Doubt:
    what = Texts(
        f"`tools` does not list `{AGENT_RUN}`: this call is refused.",
        f"`tools` ne cite pas `{AGENT_RUN}` : cet appel est refusé.",
    )
    fix = Texts(f"Add `{AGENT_RUN}` to `tools`.", f"Ajoutez `{AGENT_RUN}` aux `tools`.")
    return Doubt("agent-run-unlisted", path, what, fix)


def _unknown(name: str, path: tuple[str | int, ...], known: Iterable[str]) -> Doubt:
    shown = shortened(escaped(name, newlines=False), 80)
    close = difflib.get_close_matches(name, known, 1)
    what = Texts(f"there is no template `{shown}`.", f"il n'y a pas de modèle `{shown}`.")
    fix = (
        Texts(f"Did you mean `{close[0]}`?", f"Vouliez-vous dire `{close[0]}` ?")
        if close
        else Texts("See `nextgen templates list`.", "Voir `nextgen templates list`.")
    )
    return Doubt("agent-unknown", path, what, fix)


def _circle(chain: tuple[str, ...], path: tuple[str | int, ...]) -> Doubt:
    shown = " → ".join(chain)
    what = Texts(
        f"this calls in a circle ({shown}): the last call is refused.",
        f"ceci appelle en cercle ({shown}) : le dernier appel est refusé.",
    )
    fix = Texts("Call another template, or do this part here.", "Appelez un autre modèle, ou faites cette part ici.")
    return Doubt("agent-circle", path, what, fix)
