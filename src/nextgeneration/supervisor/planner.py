"""The plan without a model: which agents work on a goal, on what, in which order, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.credits.units import MICRO
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import brief, shortened
from nextgeneration.supervisor.errors import PlanRefused
from nextgeneration.supervisor.lexicon import clauses, language_of, parts, told_apart
from nextgeneration.supervisor.matching import Index, Match

if TYPE_CHECKING:
    from nextgeneration.templates.revision import Revision

ENOUGH = 2.5
"""Points a template needs to be sent out: less than one keyword says too little."""

SURE = 4.0
"""Points by which one of several things a step names brings in an agent of its own."""

LONGEST_LIST = 300
"""Characters up to which a step is read as a list of things; beyond, it is something pasted."""

NEAR = 0.4
"""Share of the best score that others must reach to join the team."""

MAX_TEAM = 6

TOOL_CALLS, SECONDS = 100, 300.0
"""What a task may use when its template does not say."""

MAX_DEPTH = 10
MAX_QUERY = 200
MAX_EXAMPLES = 6

_CHOSEN = Texts("{agent}: {why} ({score:.1f} points)", "{agent} : {why} ({score:.1f} points)")
_NAMED = Texts("{agent}: named by the user", "{agent} : nommé par l'utilisateur")
_INSTEAD = Texts("{agent}: takes over from {failed}; {why}", "{agent} : reprend la tâche de {failed} ; {why}")
_NOBODY = Texts("No agent here can serve this goal: “{goal}”.", "Aucun agent ici ne peut servir ce but : « {goal} ».")
_NOBODY_STEP = Texts(
    "Nobody here can do this part of the goal: “{step}”", "Personne ici ne peut faire cette partie du but : « {step} »"
)
_CLOSEST = Texts(
    "The closest were {names}, with too little in common.", "Les plus proches : {names}, avec trop peu en commun."
)
_CAN = Texts("What can be asked, for example: {goals}.", "Ce qu'on peut demander, par exemple : {goals}.")
_QUOTED = Texts("“{goal}”", "« {goal} »")
_NEEDED = Texts(
    "It would need a template whose keywords, examples or capabilities name it "
    "(`nextgen templates new NAME`), or a model that can plan from it.",
    "Il faudrait un modèle d'agent dont les mots-clés, exemples ou capacités le nomment "
    "(`nextgen templates new NOM`), ou un modèle de langage qui sache le planifier.",
)
_ERROR = re.compile(
    r"error|exception|not found|not recogni[sz]ed|failed|erreur|introuvable|reconnu|échec", re.IGNORECASE
)
_PATH = re.compile(r"(?<![\w/.-])(?:[\w-]+/)*[\w-]+\.[A-Za-z][\w.]*|(?<![\w/.-])(?:[\w-]+/)+[\w-]*")


class RecordedAgent(BaseModel):
    """A recorded agent as its mission keeps it: the id of its record, its name and configuration."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    config: dict[str, Any] = Field(default_factory=dict)


class PlannedTask(BaseModel):
    """One task of a plan.

    ``recorded`` works on it, or one made for it from ``template``. ``depends`` are ids of tasks that must have ended
    first. ``credits`` are micro-credits; ``None``: as much as the mission has. ``criteria`` say when it has succeeded.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    template: str
    goal: str
    why: str
    recorded: RecordedAgent | None = None
    input: dict[str, Any] = Field(default_factory=dict)
    depends: tuple[str, ...] = ()
    replaces: str = ""
    tool_calls: int = 100
    seconds: float = 300.0
    model_calls: int | None = None
    credits: int | None = None
    criteria: str = ""

    @property
    def pin(self) -> str:
        """The name under which the mission keeps its agent's revision: a recorded agent has its own."""
        return self.recorded.name if self.recorded else self.template


Known = Mapping[str, tuple[RecordedAgent, "Revision"]]
"""Recorded agents by name, with the revisions they were made from."""


class Plan(BaseModel):
    """The tasks for a goal; ``note`` says in words what the plan rests on, or why there is none.

    ``unserved`` are the steps of the goal that nobody here can do, in words.
    """

    model_config = ConfigDict(frozen=True)

    goal: str
    tasks: tuple[PlannedTask, ...] = ()
    note: str = ""
    unserved: tuple[str, ...] = ()


class Planner:
    """Plans from the templates that are there now.

    Args:
        revisions: gives the live revisions; asked again whenever ``version`` answers something new.
        version: a value that changes when the templates changed.
    """

    def __init__(self, revisions: Callable[[], Mapping[str, Revision]], version: Callable[[], object]) -> None:
        self._revisions = revisions
        self._version = version
        self._seen: object = None
        self._live: Mapping[str, Revision] = {}
        self._index = Index(())

    def match(self, goal: str) -> list[Match]:
        """Every template that has something in common with ``goal``, best first."""
        self._look()
        return self._index.match(goal)

    def _look(self) -> None:
        """Take over the templates as they are now; a plan is made from one look."""
        version = self._version()
        if version != self._seen:
            self._live = self._revisions()
            self._index = Index(self._live.values())
            self._seen = version

    def plan(self, goal: str, lang: Lang, agents: Sequence[str] = (), recorded: Known = MappingProxyType({})) -> Plan:
        """The plan for ``goal``; without tasks, and with an honest note, when nobody can serve it.

        Steps that the goal names one after the other (``…, then …``) depend on each other; the agents
        of one step run in parallel. ``agents`` overrides the choice: names of ``recorded`` agents, else of
        templates.
        """
        if agents:
            self._look()
            named = [
                self.task(f"t{n}", name, goal, _NAMED.say(lang, agent=name), recorded=recorded.get(name))
                for n, name in enumerate(agents, 1)
            ]
            return Plan(goal=goal, tasks=tuple(named), note="\n".join(task.why for task in named))
        tasks: list[PlannedTask] = []
        before: tuple[str, ...] = ()
        teams = self.teams(goal)
        unserved = [_NOBODY_STEP.say(lang, step=brief(step, 200)) for step, team in teams if not team]
        for clause, team in teams:
            stage = [
                self.task(f"t{len(tasks) + n}", m.template, clause, _said(m, lang), depends=before)
                for n, m in enumerate(team, 1)
            ]
            tasks += stage
            before = tuple(task.id for task in stage) or before
        if not tasks:
            return Plan(goal=goal, note=self._refusal(goal, lang))
        note = "\n".join((*(task.why for task in tasks), *unserved))
        return Plan(goal=goal, tasks=tuple(tasks), note=note, unserved=tuple(unserved))

    def teams(self, goal: str) -> list[tuple[str, list[Match]]]:
        """The steps that ``goal`` names one after the other, and who would work on each."""
        self._look()
        steps = clauses(goal)
        teams = [self._team(step) for step in steps]
        if steps != [goal] and not any(teams):
            # Words that meet nobody step by step may do so together.
            steps, teams = [goal], [self._team(goal)]
        return list(zip(steps, teams, strict=True))

    def instead(self, failed: PlannedTask, used: Sequence[str], number: int, lang: Lang) -> PlannedTask | None:
        """A task for another agent that could do what ``failed`` did not, if there is one.

        Another agent could do it when it shares a capability or the route with the one that failed and
        fits the goal well enough by itself.
        """
        self._look()
        revisions = self._live
        mine = revisions.get(failed.template)
        if mine is None:
            return None
        base = revisions.get(mine.parents[0]) if mine.parents else None
        # What comes from a common parent is no reason to think that one can do the other's work.
        able = {c.id for c in mine.capabilities} - {c.id for c in (base.capabilities if base else ())}
        for match in self._index.match(failed.goal):
            other = revisions.get(match.template)
            if match.score < ENOUGH or other is None or match.template in used:
                continue
            if able & {c.id for c in other.capabilities} or other.route.route == mine.route.route:
                why = _INSTEAD.say(lang, agent=match.template, failed=failed.template, why=match.why(lang))
                return self.task(f"t{number}", match.template, failed.goal, why, failed.depends, failed.id)
        return None

    def _team(self, clause: str) -> list[Match]:
        """Who fits a step of the goal: as a whole, and each of the things it names side by side."""
        wanted, unwanted = told_apart(clause)
        left_out = {m.template for m in self._index.match(unwanted) if m.score >= ENOUGH} if unwanted else set()
        team = {m.template: m for m in self._near(wanted)}
        if len(wanted) <= LONGEST_LIST:
            for part in parts(wanted):
                for match in self._near(part) if part != wanted else ():
                    if match.score >= SURE:
                        team.setdefault(match.template, match)
        return [match for match in team.values() if match.template not in left_out][:MAX_TEAM]

    def _near(self, goal: str) -> list[Match]:
        matches = [m for m in self._index.match(goal) if m.score >= ENOUGH]
        return [m for m in matches if m.score >= NEAR * matches[0].score]

    def task(
        self,
        task_id: str,
        template: str,
        goal: str,
        why: str,
        depends: tuple[str, ...] = (),
        replaces: str = "",
        recorded: tuple[RecordedAgent, Revision] | None = None,
    ) -> PlannedTask:
        """One task for an agent, with the limits of its template, or of the revision a recorded one is made from.

        Raises:
            PlanRefused: there is no such template.
        """
        agent, revision = recorded or (None, self._live.get(template))
        if revision is None:
            raise PlanRefused(detail=f"template {template} is not known")
        return PlannedTask(
            id=task_id,
            template=revision.name,
            recorded=agent,
            goal=goal,
            why=why,
            input=given(goal),
            depends=depends,
            replaces=replaces,
            tool_calls=TOOL_CALLS if revision.budget.tool_calls is None else revision.budget.tool_calls,
            seconds=revision.budget.seconds or SECONDS,
            model_calls=revision.budget.model_calls,
            credits=None if revision.budget.credits is None else revision.budget.credits * MICRO,
        )

    def _examples(self, lang: Lang) -> list[str]:
        """A goal that each route serves, in the user's language, the most wanted routes first."""
        found: dict[str, str] = {}
        for revision in sorted(self._live.values(), key=lambda r: (-r.route.priority, r.name)):
            spoken = (example for example in revision.route.examples if language_of(example) == lang)
            example = next((e for e in spoken if e not in found.values()), None)
            if example is not None:
                found.setdefault(revision.route.route, example)
        return list(found.values())[:MAX_EXAMPLES]

    def _refusal(self, goal: str, lang: Lang) -> str:
        closest = [m.template for m in self._index.match(goal)[:3]]
        lines = [_NOBODY.say(lang, goal=shortened(goal, 200))]
        if closest:
            lines.append(_CLOSEST.say(lang, names=", ".join(closest)))
        goals = self._examples(lang)
        if goals:
            lines.append(_CAN.say(lang, goals=", ".join(_QUOTED.say(lang, goal=goal) for goal in goals)))
        return " ".join([*lines, _NEEDED.say(lang)])


def given(goal: str) -> dict[str, Any]:
    """What an agent is given to work on ``goal``."""
    return {"goal": goal, "text": goal, "query": query_of(goal), "paths": _PATH.findall(goal)}


def query_of(goal: str) -> str:
    """What to search for: the goal, or of a long one the line that says most, such as the error of a pasted trace."""
    lines = [line.strip() for line in goal.splitlines() if line.strip()]
    if not lines or len(goal) <= MAX_QUERY:
        return " ".join(lines)
    telling = [line for line in lines if _ERROR.search(line)]
    return brief(telling[-1] if telling else lines[0], MAX_QUERY)


def _said(match: Match, lang: Lang) -> str:
    return _CHOSEN.say(lang, agent=match.template, why=match.why(lang), score=match.score)


def validated(plan: Plan, known: Mapping[str, object], tool_calls: int, seconds: float) -> Plan:
    """``plan`` with its tasks' budgets cut to their share of the mission's.

    Raises:
        PlanRefused: unknown template or dependency, double id, a cycle, or too deep a chain.
    """
    ids = [task.id for task in plan.tasks]
    if len(set(ids)) != len(ids):
        raise PlanRefused(detail="two tasks have one id")
    for task in plan.tasks:
        if "/" in task.id:
            raise PlanRefused(detail=f"the id {task.id} is one of a task below another")
        if task.pin not in known:
            raise PlanRefused(detail=f"template {task.pin} is not known")
        if unknown := set(task.depends) - set(ids):
            raise PlanRefused(detail=f"{task.id} depends on {', '.join(sorted(unknown))}, which is not in the plan")
    depths = _depths(plan.tasks)
    if max(depths.values(), default=0) > MAX_DEPTH:
        raise PlanRefused(detail=f"more than {MAX_DEPTH} tasks wait for each other in a row")
    share = max(1, tool_calls // max(len(plan.tasks), 1))
    if all(task.tool_calls <= share and task.seconds <= seconds for task in plan.tasks):
        return plan
    cut = [
        task.model_copy(update={"tool_calls": min(task.tool_calls, share), "seconds": min(task.seconds, seconds)})
        for task in plan.tasks
    ]
    return plan.model_copy(update={"tasks": tuple(cut)})


def _depths(tasks: Sequence[PlannedTask]) -> dict[str, int]:
    """Each task's place in the longest chain that leads to it, from 1."""
    if not any(task.depends for task in tasks):
        return {task.id: 1 for task in tasks}
    depths: dict[str, int] = {}
    waiting = {task.id: task.depends for task in tasks}
    while waiting:
        ready = [name for name, needs in waiting.items() if all(need in depths for need in needs)]
        if not ready:
            raise PlanRefused(detail=f"{', '.join(sorted(waiting))} wait for each other in a circle")
        for name in ready:
            depths[name] = 1 + max((depths[need] for need in waiting.pop(name)), default=0)
    return depths
