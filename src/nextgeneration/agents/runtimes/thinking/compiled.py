"""What thinking needs of a revision, made once for each language and shared by all its runs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nextgeneration.agents.runtimes.thinking.compaction import size_of
from nextgeneration.agents.runtimes.thinking.fencing import visible
from nextgeneration.agents.runtimes.thinking.prompt import system_text
from nextgeneration.agents.runtimes.thinking.reporting import REPORT, report_schema
from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.models import Message, ToolSchema, Wish
from nextgeneration.kernel.risk import EffectRule
from nextgeneration.kernel.tools import ToolSpec

if TYPE_CHECKING:
    from nextgeneration.templates.revision import Revision

TURNS = 40
"""Answers of a model in one run, where the template says nothing."""

MAX_OUTPUT = 4096
MAX_SHOWN_TOOLS = 24
"""Tools whose schemas are sent; the best for the task when an agent has more."""

CONTEXT = 96_000
"""Tokens of a conversation before it is shortened, where the template says nothing."""

MAX_SUMMARY = 2_000
"""Characters of what a tool says of itself."""

_MAX_KEPT = 1024
_WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True, slots=True)
class Ready:
    """A tool, ready to be called: ``validate`` raises ``ValidationError`` on arguments that do not fit."""

    name: str
    spec: ToolSpec
    pure: bool
    validate: Callable[[Any], Any]
    schema: ToolSchema


@dataclass(frozen=True, slots=True)
class Compiled:
    """A revision in one language, ready to think.

    Attributes:
        tools: each tool by its name and its other names.
        schemas: what the model is shown, the report first; nothing when there are no tools.
        only_report: what it is shown when nothing but its report is left to be said.
        schema: what the text of an agent without tools must follow.
        own_limit: whether the template, and not we, decided ``turns``.
        size: bytes of ``system`` as they are counted for whether a conversation fits a model.
    """

    specs: tuple[ToolSpec, ...]
    tools: Mapping[str, Ready]
    schemas: tuple[ToolSchema, ...]
    only_report: tuple[ToolSchema, ...]
    system: Message
    wish: Wish
    max_output: int
    temperature: float | None
    schema: Mapping[str, Any] | None
    turns: int
    own_limit: bool
    characters: int
    size: int

    @property
    def names(self) -> list[str]:
        """The tools by their own names."""
        return [spec.name for spec in self.specs]


_made: dict[tuple[str, Lang], Compiled] = {}


@functools.lru_cache(maxsize=_MAX_KEPT)
def wish_of(revision: Revision) -> Wish:
    """Which model suits a revision."""
    needs = revision.model.needs
    return Wish(revision.model.prefer, frozenset((*needs, "tools") if revision.tools else needs))


def compiled(revision: Revision, lang: Lang, specs: tuple[ToolSpec, ...]) -> Compiled:
    """``revision`` with these tools, compiled; made again when one of them declares something else than before."""
    key = (revision.digest, lang)
    found = _made.get(key)
    if found is None or found.specs != specs:
        if len(_made) >= _MAX_KEPT:
            del _made[next(iter(_made))]
        found = _made[key] = _compile(revision, lang, specs)
    return found


def _compile(revision: Revision, lang: Lang, specs: tuple[ToolSpec, ...]) -> Compiled:
    tools: dict[str, Ready] = {}
    for spec in specs:
        if spec.name != REPORT:
            ready = _ready(spec, lang)
            tools.update({alias: ready for alias in spec.aliases if alias not in tools and alias != REPORT})
            tools[spec.name] = ready
    own = list({ready.name: ready for ready in tools.values()}.values())
    report = report_schema(revision.output_schema, lang)
    schemas = (report, *(ready.schema for ready in own)) if own else ()
    limit = revision.budget.model_calls
    turns = TURNS if limit is None else min(limit, TURNS)
    system = Message("system", system_text(revision, lang, turns, tools=bool(own)))
    return Compiled(
        specs=specs,
        tools=tools,
        schemas=schemas,
        only_report=(report,) if own else (),
        system=system,
        wish=wish_of(revision),
        max_output=revision.model.max_output or MAX_OUTPUT,
        temperature=revision.model.temperature,
        schema=None if own else revision.output_schema or None,
        turns=turns,
        own_limit=limit is not None and limit <= TURNS,
        characters=3 * (revision.model.context or CONTEXT),
        size=size_of(system),
    )


def _ready(spec: ToolSpec, lang: Lang) -> Ready:
    # What a server says of its tools is somebody else's text; what our own classes are called says nothing.
    parameters = _untitled(spec.parameters) if spec.schema is None else spec.schema
    schema = ToolSchema(spec.name, visible(spec.summary.say(lang), lang, MAX_SUMMARY), parameters)
    validator = spec.args.__pydantic_validator__
    return Ready(spec.name, spec, spec.effect is EffectRule.PURE, validator.validate_python, schema)


def _untitled(schema: Any, *, properties: bool = False) -> Any:
    """A JSON Schema without the titles Pydantic makes from names: a model would only pay for them."""
    if isinstance(schema, dict):
        return {
            key: _untitled(value, properties=key in {"properties", "$defs"} and not properties)
            for key, value in schema.items()
            if properties or key != "title"
        }
    return [_untitled(item) for item in schema] if isinstance(schema, list) else schema


def chosen(made: Compiled, task: str, playbook: frozenset[str]) -> tuple[tuple[ToolSchema, ...], list[str]]:
    """The schemas to show for a task, and the names of the tools left unshown.

    Those of the playbook come first, then those whose name and summary share most words with the task; equal ones in
    the order of the template. Nothing else decides, so that a replay shows the same.
    """
    if len(made.schemas) <= MAX_SHOWN_TOOLS + 1:
        return made.schemas, []
    words = {word[:6] for word in _WORD.findall(task.lower())}
    report, *tools = made.schemas

    def fitness(schema: ToolSchema) -> int:
        own = {word[:6] for word in _WORD.findall(f"{schema.name} {schema.description}".lower().replace("_", " "))}
        return 1000 * (schema.name in playbook) + len(words & own)

    ranked = sorted(range(len(tools)), key=lambda n: (-fitness(tools[n]), n))
    kept = set(ranked[:MAX_SHOWN_TOOLS])
    shown = (report, *(schema for n, schema in enumerate(tools) if n in kept))
    return shown, [schema.name for n, schema in enumerate(tools) if n not in kept]
