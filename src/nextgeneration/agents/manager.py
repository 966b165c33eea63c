"""``template_manager``: templates and their agents, for programs that want plain calls.

Its names and their being synchronous are an old promise to callers. A warm call takes microseconds and
may be made on an event loop; the async forms move a cold one off it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from nextgeneration.agents.errors import AgentLimitReached, AgentNamesEqual, AgentSpecRefused
from nextgeneration.agents.registry import AgentRegistry
from nextgeneration.agents.shared import shared_library
from nextgeneration.agents.template import AgentTemplate, TemplateAgent, agent_class
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.show import escaped
from nextgeneration.observability.metrics import Counts, Family, Timing
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.agents import settings as process_settings
from nextgeneration.templates.entries import TemplateSummary
from nextgeneration.templates.errors import TemplateError, TemplateUnknown
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.revision import Revision

logger = logging.getLogger(__name__)
CREATED = "created"
OUTCOMES: dict[type[NGError], str] = {
    TemplateUnknown: "template_unknown",
    TemplateError: "template_invalid",
    AgentLimitReached: "limit_reached",
}
NO_TEMPLATE = "-"
"""Stands for the template in the counter where none was found, so that callers cannot flood its labels."""


class Records(Protocol):
    """What is known of recorded agents; see :class:`~nextgeneration.agents.records.AgentRecords`."""

    def take_up(self, agents: Sequence[TemplateAgent]) -> None:
        """Let those of ``agents`` whose names are recorded go on from the figures of their records."""
        ...


class TemplateManager:
    """Templates by name, the agents made from them, and the figures of both.

    Every call may come from any thread. ``config.templates_dir`` may be assigned at any time: the library and
    its watch move at once. So do ``enable_hot_reload`` and ``max_agents``; the cache is sized when it is made.
    """

    def __init__(self, config: AgentFactoryConfig, library: TemplateLibrary) -> None:
        self.library = library
        self.registry = AgentRegistry(lambda: self.config.max_agents)
        self.records: Records | None = None
        self.creations = Counts()
        self.creation_time = Timing()
        self._faces: dict[str, AgentTemplate] = {}
        self._faces_lock = threading.Lock()
        self._config = config
        config.subscribe(self._changed)
        for name in config.preload_templates:
            try:
                self.get_template(name)
            except TemplateError as error:
                logger.warning("template %s could not be preloaded: %s", name, error)
        if config.enable_hot_reload:
            library.start_watching()

    @property
    def config(self) -> AgentFactoryConfig:
        """The settings in force."""
        return self._config

    def get_template(self, template_name: str) -> AgentTemplate:
        """The template as it stands now; while nothing changes, the same object.

        Raises:
            TemplateUnknown, TemplateInvalid: there is none, or it cannot be used.
        """
        revision = self.library.get(template_name)
        face = self._faces.get(template_name)
        return face if face is not None and face.revision is revision else self._new_face(revision)

    def list_templates(self) -> list[dict[str, Any]]:
        """Every template in short: ``name``, ``role``, ``domain``, ``version``, ``description``, and so on.

        A template that cannot be used is there too, with the ``broken`` problem.
        """
        return [_summary(summary) for summary in self.library.summaries()]

    def create_agent(
        self,
        template_name: str,
        suffix: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        registry: AgentRegistry | None = None,
    ) -> TemplateAgent:
        """Make an agent from a template.

        Args:
            template_name: the template.
            suffix: told apart by it from others of the same template: ``documentaliste_<suffix>``.
            config: merged deeply into the template's ``default_config``.
            registry: where the agent counts; by default among all of this manager's.

        Raises:
            TemplateUnknown, TemplateInvalid: there is no such template, or it cannot be used.
            AgentSpecRefused: ``suffix`` or ``config`` is not usable.
            AgentLimitReached: as many agents are alive or recorded as may be.
        """
        started = perf_counter()
        try:
            agent = self.get_template(template_name).create_instance(suffix, config)
            if self.records is not None:
                self.records.take_up((agent,))
            (self.registry if registry is None else registry).add((agent,))
        except NGError as error:
            self._failed(template_name, error)
            raise
        self._created(agent, started)
        return agent

    def bulk_create_agents(
        self, specs: Iterable[Mapping[str, Any]], *, registry: AgentRegistry | None = None
    ) -> dict[str, TemplateAgent]:
        """Make one agent for each spec, all or none, and return them by name.

        Args:
            specs: objects of ``template_name`` (or ``template``), ``suffix`` and ``config``.
            registry: where the agents count; by default among all of this manager's.

        Raises:
            AgentNamesEqual: two of them would have one name.
            TemplateUnknown, TemplateInvalid, AgentSpecRefused, AgentLimitReached: as for one agent.
        """
        started = perf_counter()
        agents: dict[str, TemplateAgent] = {}
        name = NO_TEMPLATE
        try:
            for spec in specs:
                name, suffix, config = _spec(spec)
                agent = self.get_template(name).create_instance(suffix, config)
                if agents.setdefault(agent.name, agent) is not agent:
                    raise AgentNamesEqual(name=agent.name)
            if self.records is not None:
                self.records.take_up(tuple(agents.values()))
            (self.registry if registry is None else registry).add(tuple(agents.values()))
        except NGError as error:
            self._failed(name, error)
            raise
        for agent in agents.values():
            self._created(agent, started)
            started = perf_counter()
        return agents

    bulk_create = bulk_create_agents

    def hire(self, revision: Revision, name: str, config: Mapping[str, Any] | None = None) -> TemplateAgent:
        """Make the agent ``name`` from a pinned revision, whatever its template has become since.

        Raises:
            AgentSpecRefused, AgentLimitReached: as for :meth:`create_agent`.
        """
        started = perf_counter()
        try:
            agent = agent_class(revision)(None, config, name=name)
            self.registry.add((agent,))
        except NGError as error:
            self._failed(revision.name, error)
            raise
        self._created(agent, started)
        return agent

    async def create_agent_async(
        self, template_name: str, suffix: str | None = None, config: Mapping[str, Any] | None = None
    ) -> TemplateAgent:
        """:meth:`create_agent`; a template that must be read from disk is read in a thread."""
        if not self.warm(template_name):
            await self.warm_up(template_name)
        return self.create_agent(template_name, suffix, config)

    @contextmanager
    def recorded_in(self, records: Records) -> Iterator[None]:
        """Let agents that are made inside the block, under a recorded name, go on from the figures of their records."""
        before, self.records = self.records, records
        try:
            yield
        finally:
            self.records = before

    def warm(self, template_name: str) -> bool:
        """Whether a template was loaded before, so that getting it again costs at most a glance at its file."""
        return template_name in self._faces

    async def warm_up(self, template_name: str) -> None:
        """Load a template in a thread; what is wrong with it shows when it is asked for."""
        with suppress(TemplateError):
            await asyncio.to_thread(self.get_template, template_name)

    async def reload_template_async(self, template_name: str) -> AgentTemplate:
        """Read a template's file again, in a thread, and return what it is now.

        Raises:
            TemplateUnknown, TemplateInvalid: it is gone or cannot be used; the last good one stays live.
        """
        await asyncio.to_thread(self.library.reload, template_name)
        return self.get_template(template_name)

    def refresh_cache(self) -> int:
        """Read every template folder again; returns how many templates there are."""
        self.library.refresh()
        count = len(self.library.names())
        logger.info("templates refreshed: %d", count)
        return count

    def get_metrics(self) -> dict[str, Any]:
        """The library's figures (``templates_loaded``, ``cache_hits``, …), and how long creating agents took."""
        return {
            **self.library.metrics(),
            "active_agents": len(self.registry),
            "agents_created": self.creations_by(CREATED),
            "creation": self.creation_time.as_dict(),
        }

    def creations_by(self, outcome: str) -> int:
        """How many creations ended with ``outcome``."""
        return sum(count for (_, ended), count in self.creations.values().items() if ended == outcome)

    def families(self) -> list[Family]:
        """The same figures as Prometheus shows them."""
        figures = self.library.metrics()
        labels = ("template", "outcome")
        return [
            Family("counter", "agent_factory_creation", "Agents asked for.", self.creations.values(), labels),
            _summary_of("creation", "Creating an agent, in seconds.", self.creation_time),
            _summary_of("template_load", "Reading and resolving a template, in seconds.", self.library.load_timing),
            _gauge("active_agents", "Agents alive.", len(self.registry)),
            _gauge("max_agents", "Agents that may be alive at once.", self.registry.limit),
            _gauge("template_cache_hit_rate", "Share of templates served from memory.", figures["cache_hit_rate"]),
            _gauge("templates_loaded", "Templates read since the start.", figures["templates_loaded"]),
            _counter("template_cache_hits", "Templates served from memory.", figures["cache_hits"]),
            _counter("template_cache_misses", "Templates that had to be read.", figures["cache_misses"]),
        ]

    def close(self) -> None:
        """Stop watching the template folders."""
        self.library.stop_watching()

    def _get_template_path(self, template_name: str) -> Path:
        """The file a template is read from; for one that does not exist yet, where it would be looked for first."""
        return self.library.path(template_name)

    def _new_face(self, revision: Revision) -> AgentTemplate:
        face = AgentTemplate(revision, self.library)
        with self._faces_lock:
            self._faces[revision.name] = face
            if len(self._faces) > self.config.cache_size:
                del self._faces[next(iter(self._faces))]
        return face

    def _changed(self, field: str) -> None:
        """Bring a newly assigned setting into force."""
        if field == "templates_dir":
            self.library.move(self.config.templates_dir)
        elif field == "enable_hot_reload":
            (self.library.start_watching if self.config.enable_hot_reload else self.library.stop_watching)()

    def _created(self, agent: TemplateAgent, started: float) -> None:
        self.creation_time.add(perf_counter() - started)
        self.creations.add(agent.revision.name, CREATED)
        if logger.isEnabledFor(logging.INFO):
            logger.info("agent %s created from template %s", agent.name, agent.revision.name)

    def _failed(self, template_name: str, error: NGError) -> None:
        outcome = next((outcome for kind, outcome in OUTCOMES.items() if isinstance(error, kind)), "refused")
        self.creations.add(NO_TEMPLATE if isinstance(error, TemplateUnknown) else template_name, outcome)
        logger.warning("no agent from template %s: %s", escaped(str(template_name)[:80], newlines=False), error.code)


def _spec(spec: Mapping[str, Any]) -> tuple[str, str | None, Mapping[str, Any] | None]:
    if not isinstance(spec, Mapping):
        raise AgentSpecRefused(detail=f"a spec is {type(spec).__name__}")
    unknown = sorted(map(str, set(spec) - {"template_name", "template", "suffix", "config"}))
    name = spec.get("template_name", spec.get("template"))
    if unknown or not isinstance(name, str):
        raise AgentSpecRefused(detail=f"unknown {', '.join(unknown)[:200]}" if unknown else "no template_name")
    return name, spec.get("suffix"), spec.get("config")


def _summary(summary: TemplateSummary) -> dict[str, Any]:
    return {
        "name": summary.name,
        "role": summary.role,
        "domain": summary.domain,
        "version": summary.version,
        "description": summary.description.en,
        "supervisor_route": summary.route.route,
        "content_hash": summary.digest,
        "source": summary.source,
        "shadows": [str(path) for path in summary.shadows],
        "broken": summary.broken.problem() if summary.broken else None,
    }


def _gauge(name: str, text: str, value: float) -> Family:
    samples: dict[tuple[str, ...], float] = {(): value}
    return Family("gauge", f"agent_factory_{name}", text, samples)


def _counter(name: str, text: str, value: float) -> Family:
    samples: dict[tuple[str, ...], float] = {(): value}
    return Family("counter", f"agent_factory_{name}", text, samples)


def _summary_of(name: str, text: str, timing: Timing) -> Family:
    samples: dict[tuple[str, ...], Timing] = {(): timing}
    return Family("summary", f"agent_factory_{name}_seconds", text, samples)


_lock = threading.Lock()


@cache
def _manager() -> TemplateManager:
    return TemplateManager(process_settings, shared_library())


def shared_manager() -> TemplateManager:
    """The process's own manager, built on first use from its settings, and never again: many hold it by now."""
    with _lock:
        return _manager()


def __getattr__(name: str) -> TemplateManager:
    if name == "template_manager":
        return shared_manager()
    raise AttributeError(name)


def on_sighup(library: TemplateLibrary) -> Callable[[], None]:
    """Have every template read again whenever the process gets SIGHUP; returns what undoes this.

    Only the main thread may call it; where there is no SIGHUP (Windows) it does nothing.
    """
    if not hasattr(signal, "SIGHUP"):
        return lambda: None
    before = signal.signal(signal.SIGHUP, lambda *_: library.refresh())

    def undo() -> None:
        signal.signal(signal.SIGHUP, before)

    return undo
