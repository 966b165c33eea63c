"""The supervisor's public face for programs: create an agent on demand, say where a task belongs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Lang
from nextgeneration.settings.language import user_language
from nextgeneration.supervisor.errors import AgentNotCreated, NoTemplateNamed
from nextgeneration.supervisor.matching import Match
from nextgeneration.supervisor.planner import Planner

if TYPE_CHECKING:
    from nextgeneration.agents.base import BaseAgent
    from nextgeneration.agents.manager import TemplateManager


class FactoryIntegratedSupervisor:
    """Creates agents from templates and routes tasks to them; a new template takes part within a second.

    Args:
        manager: gives the template manager, asked at first use, so that importing this loads nothing.
        lang: the language of ``why``.
    """

    def __init__(self, manager: Callable[[], TemplateManager], lang: Lang | None = None) -> None:
        self._manager = manager
        self._lang: Lang = lang or user_language()
        self._planner: Planner | None = None

    async def dynamic_agent_creation(self, request: Mapping[str, Any]) -> BaseAgent:
        """Create an agent from ``{"template": name, "suffix": …, "config": {…}}``.

        Raises:
            NoTemplateNamed: a ``ValueError``.
            AgentNotCreated: a ``RuntimeError``; its cause is the original error.
        """
        name = request.get("template")
        if not isinstance(name, str) or not name:
            raise NoTemplateNamed
        options = {key: request[key] for key in ("suffix", "config") if request.get(key) is not None}
        try:
            return await self._manager().create_agent_async(name, **options)
        except (NGError, TypeError, ValueError) as error:
            raise AgentNotCreated(template=name, detail=str(error)) from error

    def determine_routing(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Where a task belongs: ``{"route", "template", "score", "why"}``; no model is called.

        ``request`` holds ``task`` (text) and optionally ``context``, whose texts count too. When no
        template fits, ``route`` and ``template`` are ``None``, ``score`` is 0 and ``why`` says so.
        """
        task = str(request.get("task") or "")
        context = request.get("context")
        known = context.values() if isinstance(context, Mapping) else (context,)
        said = " ".join([task, *(value for value in known if isinstance(value, str))])
        matches = self._router().match(said)
        if not matches:
            plan = self._router().plan(said or "-", self._lang)
            return {"route": None, "template": None, "score": 0.0, "why": plan.note}
        best: Match = matches[0]
        return {"route": best.route, "template": best.template, "score": best.score, "why": best.why(self._lang)}

    def _router(self) -> Planner:
        if self._planner is None:
            library = self._manager().library
            self._planner = Planner(library.revisions, library.version)
        return self._planner


def _process_manager() -> TemplateManager:
    from nextgeneration.agents import template_manager

    return template_manager


factory_supervisor = FactoryIntegratedSupervisor(_process_manager)
