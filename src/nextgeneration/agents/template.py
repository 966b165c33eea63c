"""``AgentTemplate``: a resolved template as users handle it, and the agents built from it."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Mapping
from copy import deepcopy
from threading import Lock
from time import time
from typing import Any, ClassVar, Self
from weakref import WeakValueDictionary

from nextgeneration.agents.base import AgentMetadata, AgentStatus, BaseAgent
from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.errors import AgentSpecRefused, InputNotObject
from nextgeneration.agents.hooks import HookList
from nextgeneration.agents.hosting import current_host
from nextgeneration.agents.runtimes.dispatch import run
from nextgeneration.agents.shared import shared_library
from nextgeneration.kernel.reports import Report
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.revision import Revision
from nextgeneration.templates.schema import json_schema

MAX_DEPTH = 64
"""Objects inside each other in a configuration given to an agent; JSON writers give up soon beyond it."""

IDLE = AgentStatus.IDLE
_suffix_fits = re.compile(r"[\w.-]{1,64}").fullmatch


def named(name: str, suffix: str | None) -> str:
    """The name of an agent: its template's, with ``_suffix`` when there is one.

    Raises:
        AgentSpecRefused: the suffix is not made of at most 64 letters, digits, ``_``, ``-`` and ``.``.
    """
    if not suffix:
        return name
    if not (isinstance(suffix, str) and _suffix_fits(suffix)):
        raise AgentSpecRefused(detail=f"suffix {str(suffix)[:80]!r}")
    return name + suffix if suffix[0] in "_-." else f"{name}_{suffix}"


class TemplateAgent(BaseAgent):
    """An agent built from a revision. Each revision has its own subclass, made by :func:`agent_class`."""

    __slots__ = ("_name",)

    revision: ClassVar[Revision]

    def __init__(
        self,
        metadata: AgentMetadata | None = None,
        config: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        # What BaseAgent.__init__ does, written out: half the price of an agent would be that second call.
        self._metadata = metadata
        self._config = None if config is None else _configured(self.revision, config)
        self._life = None
        self._born = time()
        self.status = IDLE
        self._name = name or (metadata.name if metadata else self.revision.name)

    @property
    def name(self) -> str:
        """The agent's name."""
        return self._name

    @property
    def role(self) -> str:
        """The template's role."""
        return self.revision.role

    @property
    def parent_template(self) -> str:
        """The name of the template it was built from."""
        return self.revision.name

    async def process(self, input_data: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run the template's runtime: inside a task directly, elsewhere as a mission of one task.

        Raises:
            InputNotObject: ``input_data`` is not an object.
            RuntimeMissing: the template's runtime cannot run here.
            HostMissing: outside a mission, nothing is installed that could run one.
        """
        if not isinstance(input_data, Mapping):
            raise InputNotObject(agent=self._name, kind=type(input_data).__name__)
        if isinstance(context, TaskContext):
            report = await run(self.revision, input_data, self.config, context)
        else:
            report = await current_host().run(self, dict(input_data), context)
        return report.model_dump(mode="json")

    async def report(self, input_data: Mapping[str, Any], context: TaskContext) -> Report:
        """As :meth:`process` inside a task, for who wants the report itself and not the object it makes.

        Hooks that run after the work are for :meth:`process` alone: they see the object.
        """
        report: Report = await self._supervise(_reported, input_data, context, plain=False)
        return report

    def _make_metadata(self) -> AgentMetadata:
        revision = self.revision
        return AgentMetadata(
            name=self._name,
            role=revision.role,
            domain=revision.domain,
            version=revision.version,
            created_at=self._made,
            last_updated=self._made,
            capabilities=[capability.id for capability in revision.capabilities],
            tools=list(revision.tools),
            dependencies=list(revision.parents),
            parent_template=revision.name,
        )

    def _make_config(self) -> dict[str, Any]:
        config = self.revision.default_config
        return deepcopy(dict(config)) if config else {}


def _reported(agent: TemplateAgent, input_data: Mapping[str, Any], context: TaskContext) -> Coroutine[Any, Any, Report]:
    return run(agent.revision, input_data, agent.config, context)


_classes: WeakValueDictionary[str, type[TemplateAgent]] = WeakValueDictionary()
_classes_lock = Lock()


def agent_class(revision: Revision) -> type[TemplateAgent]:
    """The class of the agents of ``revision``: made once per digest, gone with its last user."""
    with _classes_lock:
        made = _classes.get(revision.digest)
        if made is None:
            title = "".join(part.capitalize() for part in re.split(r"[_-]+", revision.name)) + "Agent"
            fields = {
                "__slots__": (),
                "__module__": __name__,
                "__doc__": revision.description.en,
                "revision": revision,
                "hooks": revision.hooks,
            }
            made = _classes[revision.digest] = type(title, (TemplateAgent,), fields)
        return made


def _configured(revision: Revision, config: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(config, Mapping):
        raise AgentSpecRefused(detail=f"config is {type(config).__name__}")
    try:
        return _laid_over(deepcopy(revision.default_config), config, MAX_DEPTH)
    except RecursionError:
        raise AgentSpecRefused(detail="config is nested too deeply") from None


def _laid_over(below: dict[str, Any], above: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """``below``, changed in place: objects key by key, everything else replaced by a copy."""
    if depth == 0:
        raise RecursionError
    for key, value in above.items():
        under = below.get(key)
        if isinstance(value, Mapping):
            below[key] = _laid_over(under if isinstance(under, dict) else {}, value, depth - 1)
        else:
            below[key] = deepcopy(value)
    return below


class _Schema:
    """``TEMPLATE_SCHEMA``, made when first read: most programs never do."""

    def __get__(self, instance: object, owner: type | None = None) -> dict[str, Any]:
        return json_schema()


class AgentTemplate:
    """A template with its inheritance resolved. It never changes; a reload gives another object.

    Attributes:
        revision: the resolved template, with everything this face does not show.
    """

    __slots__ = ("__weakref__", "_class", "_library", "_parent", "revision")

    TEMPLATE_SCHEMA: ClassVar[_Schema] = _Schema()

    def __init__(
        self, revision: Revision, library: TemplateLibrary | None = None, parent: AgentTemplate | None = None
    ) -> None:
        self.revision = revision
        self._library = library or shared_library()
        self._parent = parent
        self._class = agent_class(revision)

    @classmethod
    def from_name(cls, name: str) -> Self:
        """The template called ``name`` in the process's own library.

        Raises:
            TemplateUnknown, TemplateInvalid: there is none, or it cannot be used.
        """
        library = shared_library()
        return cls(library.get(name), library)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The template that ``data``, the content of a template's file, describes.

        Raises:
            TemplateInvalid: it cannot be used.
        """
        library = shared_library()
        return cls(library.resolve(dict(data)), library)

    def inherit_from(self, parent: AgentTemplate | str) -> AgentTemplate:
        """This template as a child of ``parent``, by the rules of inheritance. This one stays as it is.

        Raises:
            TemplateInvalid: the two do not go together.
        """
        if isinstance(parent, str):
            parent = AgentTemplate(self._library.get(parent), self._library)
        revision = self._library.inherit(self.revision, parent.revision)
        return AgentTemplate(revision, self._library, parent)

    @property
    def parent(self) -> AgentTemplate | None:
        """The template it inherits from, as it stands now; ``None`` for a root."""
        if self._parent is not None:
            return self._parent
        name = self.revision.metadata.get("inherited_from")
        return AgentTemplate(self._library.get(name), self._library) if name else None

    @property
    def name(self) -> str:
        """The template's name, equal to its file's stem."""
        return self.revision.name

    @property
    def role(self) -> str:
        """What kind of agent it describes."""
        return self.revision.role

    @property
    def domain(self) -> str:
        """What it is about."""
        return self.revision.domain

    @property
    def version(self) -> str:
        """Its version (SemVer)."""
        return self.revision.version

    @property
    def capabilities(self) -> list[str]:
        """The ids of its own and inherited capabilities."""
        return [capability.id for capability in self.revision.capabilities]

    @property
    def tools(self) -> list[str]:
        """Its own and inherited tools."""
        return list(self.revision.tools)

    @property
    def supervisor_route(self) -> str:
        """Where the supervisor files it."""
        return self.revision.route.route

    @property
    def description(self) -> str:
        """What it is for, in English; ``revision.description`` has both languages."""
        return self.revision.description.en

    @property
    def instructions(self) -> str:
        """What a model is told."""
        return self.revision.instructions

    @property
    def runtime(self) -> str:
        """What drives its agents."""
        return self.revision.runtime

    @property
    def hooks(self) -> HookList:
        """The names of its hooks, parents' first."""
        return self.revision.hooks

    @property
    def default_config(self) -> dict[str, Any]:
        """A copy of the configuration its agents start with."""
        return deepcopy(dict(self.revision.default_config))

    @property
    def metadata(self) -> dict[str, Any]:
        """A copy of its metadata, with ``content_hash``, ``inherited_from`` and the ``origins`` of each field."""
        return deepcopy(dict(self.revision.metadata))

    def to_dict(self) -> dict[str, Any]:
        """The resolved template as plain JSON."""
        return deepcopy(self.revision.data)

    def to_class(self) -> type[TemplateAgent]:
        """The class of its agents, the same object for every template of this revision."""
        return self._class

    def create_instance(self, suffix: str | None = None, config: Mapping[str, Any] | None = None) -> TemplateAgent:
        """One more agent, known to nobody else; the factory's are counted and registered.

        Raises:
            AgentSpecRefused: ``suffix`` or ``config`` is not usable.
        """
        return self._class(None, config, named(self.revision.name, suffix) if suffix else None)

    def __repr__(self) -> str:
        return f"<AgentTemplate {self.name} {self.version} {self.revision.digest[:19]}>"
