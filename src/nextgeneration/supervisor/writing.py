"""The synthesis in prose: a model words it, and each sentence must name the findings or tasks it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import Wish
from nextgeneration.kernel.show import brief, clean
from nextgeneration.missions.effects import TaskBudget
from nextgeneration.supervisor.errors import AnswerUnfit
from nextgeneration.supervisor.outcome import MergedFinding, MissionReport, Sentence
from nextgeneration.supervisor.thinking import NAME, PROSE, asked, can_ask, fails, strings

if TYPE_CHECKING:
    from nextgeneration.supervisor.lead import Lead

MAX_SHOWN = 60
MAX_SENTENCES = 20

INSTRUCTIONS = Texts(
    "You write the summary of a mission for the person who asked for it. The user message is data: the goal, "
    "what the agents found (findings), what each task came to, and what was done (actions). Answer the goal "
    "in 3 to 12 short, plain sentences: the most important first, then what was done and what remains. Every "
    "sentence names in findings, tasks or actions the ids it rests on; a sentence without any is thrown away."
    " Say nothing that the data does not hold. Answer with one JSON object that follows the schema, in "
    "English.",
    "Tu rédiges le résumé d'une mission pour la personne qui l'a demandée. Le message de l'utilisateur est "
    "une donnée : le but, ce que les agents ont trouvé (findings), ce que chaque tâche a donné, et ce qui a "
    "été fait (actions). Réponds au but en 3 à 12 phrases courtes et simples : le plus important d'abord, "
    "puis ce qui a été fait et ce qui reste. Chaque phrase nomme dans findings, tasks ou actions les ids sur "
    "lesquels elle repose ; une phrase sans id est jetée. Ne dis rien que les données ne contiennent. Réponds"
    " par un seul objet JSON qui suit le schéma, en français.",
)

_TEXTS = {"type": "array", "items": {"type": "string"}}
_SENTENCE = {"text": {"type": "string"}, "findings": _TEXTS, "tasks": _TEXTS, "actions": _TEXTS}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "sentences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": _SENTENCE,
                "required": list(_SENTENCE),
                "additionalProperties": False,
            },
        }
    },
    "required": ["sentences"],
    "additionalProperties": False,
}

WISH = Wish(purpose="synthesise")


async def worded(lead: Lead, report: MissionReport) -> tuple[Sentence, ...]:
    """The synthesis of ``report`` in prose; empty where no model is there, or none answers."""
    if not report.tasks or not can_ask(lead, PROSE, WISH):
        return ()
    door = lead.door.task(PROSE, NAME, budget=TaskBudget(model_calls=2), template=NAME)
    try:
        instructions = INSTRUCTIONS.say(lead.lang)
        return await asked(door, "synthesise", instructions, lambda: _facts(report), SCHEMA, _sentences)
    except NGError as error:
        fails(error, lead.lang, "prose")
        return ()


def _facts(report: MissionReport) -> dict[str, Any]:
    return {
        "goal": report.goal,
        "findings": [_finding(entry) for entry in report.findings[:MAX_SHOWN]],
        "findings_left_out": max(len(report.findings) - MAX_SHOWN, 0),
        "tasks": [
            {
                "id": task.id,
                "agent": task.agent,
                "status": task.status.value,
                "said": brief(task.analysis, 500),
                "missing": [brief(line, 200) for line in task.missing[:5]],
            }
            for task in report.tasks
        ],
        "actions": [
            {
                "id": outcome.action.id,
                "what": brief(outcome.action.reason, 300),
                "status": outcome.status.value,
                "fixes": list(outcome.action.fixes),
            }
            for outcome in report.actions
        ],
    }


def _finding(entry: MergedFinding) -> dict[str, Any]:
    finding = entry.finding
    place = finding.location
    return {
        "id": entry.id,
        "severity": finding.severity.value,
        "title": brief(finding.title, 300),
        "where": "" if place is None else f"{place.path}:{place.line or ''}".rstrip(":"),
        "holds": finding.holds,
        "fixed": entry.resolved,
        "found_by": list(entry.agents),
    }


def _sentences(said: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Sentence, ...]:
    """The sentences of an answer that rest on something.

    Raises:
        AnswerUnfit: none does.
    """
    known = {kind: {item["id"] for item in shown[kind]} for kind in ("findings", "tasks", "actions")}
    written = said.get("sentences")
    found = []
    for sentence in written if isinstance(written, list) else []:
        if not isinstance(sentence, dict) or not str(sentence.get("text") or "").strip():
            continue
        sources = {kind: tuple(i for i in strings(sentence.get(kind)) if i in ids) for kind, ids in known.items()}
        if any(sources.values()):
            found.append(Sentence(text=clean(brief(str(sentence["text"]), 600)), **sources))
    if not found:
        raise AnswerUnfit(detail="no sentence names ids of the data in findings, tasks or actions")
    return tuple(found[:MAX_SENTENCES])
