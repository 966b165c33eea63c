"""Who can be called by an agent: everybody there is a template of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nextgeneration.agents.calling import AgentRun
from nextgeneration.supervisor.planner import given

if TYPE_CHECKING:
    from nextgeneration.agents.manager import TemplateManager
    from nextgeneration.agents.template import TemplateAgent
    from nextgeneration.kernel.language import Lang
    from nextgeneration.settings.missions import MissionSettings
    from nextgeneration.supervisor.planner import Plan, Planner
    from nextgeneration.templates.revision import Revision


class Staff:
    """The agents of a manager's templates, chosen by a planner where none is named."""

    def __init__(self, manager: TemplateManager, planner: Planner) -> None:
        self._manager = manager
        self._planner = planner

    def revision(self, name: str) -> Revision:
        """A template as it is now.

        Raises:
            TemplateUnknown, TemplateInvalid: there is none, or it cannot be used.
        """
        return self._manager.library.get(name)

    def hire(self, revision: Revision, name: str) -> TemplateAgent:
        """An agent made from a revision."""
        return self._manager.hire(revision, name)

    def given(self, goal: str) -> dict[str, Any]:
        """What an agent is given to work on ``goal``."""
        return given(goal)

    def plan(self, goal: str, lang: Lang) -> Plan:
        """Who would work on ``goal``, by rules."""
        return self._planner.plan(goal, lang)


def calling(manager: TemplateManager, planner: Planner, limits: MissionSettings) -> AgentRun:
    """The tool by which agents call one another."""
    return AgentRun(Staff(manager, planner), limits.sub_agent_depth, limits.sub_agents, limits.sub_agents_at_once)
