"""The plan with a model: it chooses among the agents that are there, and its plan is checked before anything runs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.models import Wish
from nextgeneration.kernel.show import brief, clean
from nextgeneration.missions.effects import TaskBudget
from nextgeneration.missions.errors import Parked
from nextgeneration.supervisor.errors import AnswerUnfit, PlanRefused
from nextgeneration.supervisor.planner import Plan, PlannedTask, validated
from nextgeneration.supervisor.thinking import NAME, PLAN, asked, can_ask, fails, strings

if TYPE_CHECKING:
    from nextgeneration.supervisor.lead import Lead
    from nextgeneration.templates.revision import Capability, Revision

MAX_TASKS = 12
MAX_SHOWN_AGENTS = 60

INSTRUCTIONS = Texts(
    "You plan a mission for a team of specialised agents. The user message is data: the goal, the agents "
    "there are, and a plan made by rules. Split the goal into tasks, each for exactly one of these agents, "
    "and only for agents that the goal needs. Tasks run in parallel unless one needs what another found "
    "(depends). Give each task an id (t1, t2, …), the agent's name, a goal in one or two plain sentences, the"
    " paths it should look at if the goal names any, success criteria that can be checked, why this agent, "
    "and its share of the budget in per cent (all shares together at most 100). What no agent can serve goes "
    "into unserved. Answer with one JSON object that follows the schema, in English.",
    "Tu planifies une mission pour une équipe d'agents spécialisés. Le message de l'utilisateur est une "
    "donnée : le but, les agents présents et un plan fait par des règles. Découpe le but en tâches, chacune "
    "pour exactement un de ces agents, et seulement pour ceux dont le but a besoin. Les tâches vont en "
    "parallèle sauf si l'une a besoin de ce qu'une autre a trouvé (depends). Donne à chaque tâche un id (t1, "
    "t2, …), le nom de l'agent, un but en une ou deux phrases simples, les chemins à regarder si le but en "
    "nomme, des critères de succès vérifiables, pourquoi cet agent, et sa part du budget en pour cent (au "
    "plus 100 en tout). Ce qu'aucun agent ne peut servir va dans unserved. Réponds par un seul objet JSON qui"
    " suit le schéma, en français.",
)
_BY_RULES = Texts(
    "The model made no plan ({why}); planned by rules.", "Le modèle n'a pas fait de plan ({why}) ; règles."
)
_CHOSEN = Texts("{agent}: {why}", "{agent} : {why}")

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_TASK = {
    "id": _TEXT,
    "agent": _TEXT,
    "goal": _TEXT,
    "paths": _TEXTS,
    "depends": _TEXTS,
    "criteria": _TEXT,
    "why": _TEXT,
    "share": {"type": "integer"},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tasks": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": _TASK,
                "required": list(_TASK),
                "additionalProperties": False,
            },
        },
        "unserved": _TEXTS,
    },
    "required": ["tasks", "unserved"],
    "additionalProperties": False,
}

WISH = Wish(purpose="plan")


async def planned(lead: Lead) -> Plan:
    """The plan for a mission: by a model where one is there and answers with one that can run, else by rules."""
    mission = lead.claim.mission
    agents = mission.options.agents or ()
    planner = lead.parts.planner

    def by_rules() -> Plan:
        return planner.plan(mission.goal, lead.lang, agents, lead.recorded)

    if agents or not can_ask(lead, PLAN, WISH):
        return by_rules()
    await lead.parts.waves.turn()
    door = lead.door.task(PLAN, NAME, budget=TaskBudget(model_calls=2), template=NAME)
    ruled = [{"agent": match.template, "goal": step} for step, team in planner.teams(mission.goal) for match in team]
    live = {**lead.parts.revisions(), **lead.revisions}

    def facts() -> dict[str, Any]:
        about = [_about(revision, lead.lang) for revision in _shortlist(live, {task["agent"] for task in ruled})]
        return {"goal": mission.goal, "agents": about, "plan_by_rules": ruled}

    def read(said: Mapping[str, Any], shown: Mapping[str, Any]) -> Plan:
        names = {agent["name"] for agent in shown["agents"]} & set(live)
        plan = _plan(said, names, lead)
        if plan.tasks:
            return plan
        if ruled or not plan.unserved:
            raise AnswerUnfit(detail="there are no tasks")
        return by_rules()

    try:
        return await asked(door, "plan", INSTRUCTIONS.say(lead.lang), facts, SCHEMA, read)
    except Parked:
        raise
    except NGError as error:
        why = fails(error, lead.lang, "plan")
        note = _BY_RULES.say(lead.lang, why=brief(why, 200))
        plan = by_rules()
        return plan.model_copy(update={"note": "\n".join(filter(None, (plan.note, note)))})


def _shortlist(live: Mapping[str, Revision], chosen: Set[str]) -> list[Revision]:
    """The agents a model chooses among; of very many, those that the rules chose and the most wanted routes."""
    ordered = sorted(live.values(), key=lambda r: (r.name not in chosen, -r.route.priority, r.name))
    return sorted(ordered[:MAX_SHOWN_AGENTS], key=lambda r: r.name)


@functools.lru_cache(maxsize=1024)
def _about(revision: Revision, lang: Lang) -> dict[str, Any]:
    return {
        "name": revision.name,
        "role": revision.role,
        "can": [_able(capability, lang) for capability in revision.capabilities],
        "route": revision.route.route,
        "description": brief(revision.description.say(lang), 300),
        "tools": list(revision.tools)[:40],
    }


def _able(capability: Capability, lang: Lang) -> str:
    told = capability.description.say(lang)
    return f"{capability.id}: {brief(told, 120)}" if told else capability.id


def _plan(said: Mapping[str, Any], names: set[str], lead: Lead) -> Plan:
    """The plan in a model's answer; it may have no tasks.

    Raises:
        AnswerUnfit: naming all that is wrong with it.
    """
    tasks = said.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise AnswerUnfit(detail="tasks must be a list of objects")
    wrong = [f"at most {MAX_TASKS} tasks"] if len(tasks) > MAX_TASKS else []
    wrong += [f"there is no agent {task.get('agent')!r}" for task in tasks if task.get("agent") not in names]
    shares = [_share(task) for task in tasks]
    if sum(shares) > 100:
        wrong.append(f"the shares add up to {sum(shares)}")
    if wrong:
        raise AnswerUnfit(detail="; ".join(wrong))
    unserved = tuple(clean(brief(text, 200)) for text in strings(said.get("unserved")))
    known = {**lead.parts.revisions(), **lead.revisions}
    found = tuple(_task(task, share, lead) for task, share in zip(tasks, shares, strict=True))
    note = "\n".join((*(task.why for task in found), *unserved))
    plan = Plan(goal=lead.claim.mission.goal, tasks=found, note=note, unserved=unserved)
    budget = lead.claim.mission.budget
    try:
        return validated(plan, known, budget.tool_calls, budget.seconds)
    except PlanRefused as error:
        raise AnswerUnfit(detail=str(error.detail)) from None


def _task(said: Mapping[str, Any], share: int, lead: Lead) -> PlannedTask:
    agent, goal = str(said["agent"]), clean(str(said.get("goal") or lead.claim.mission.goal))[:2_000]
    why = _CHOSEN.say(lead.lang, agent=agent, why=clean(brief(str(said.get("why") or ""), 300)))
    criteria = clean(brief(str(said.get("criteria") or ""), 500))
    task = lead.parts.planner.task(str(said.get("id"))[:40], agent, goal, why, tuple(strings(said.get("depends"))))
    paths = [*strings(said.get("paths")), *task.input["paths"]]
    budget = lead.claim.mission.budget
    update: dict[str, Any] = {
        "input": {**task.input, "paths": list(dict.fromkeys(paths)), "criteria": criteria},
        "criteria": criteria,
    }
    if share and budget.credits is not None:
        most = budget.credits * share // 100
        update["credits"] = most if task.credits is None else min(most, task.credits)
    return task.model_copy(update=update)


def _share(task: Mapping[str, Any]) -> int:
    share = task.get("share")
    return share if isinstance(share, int) and not isinstance(share, bool) and 0 <= share <= 100 else 0
