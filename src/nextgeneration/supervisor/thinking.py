"""The supervisor's own questions to a model: a plan at the beginning, prose at the end.

Either may fail; the mission goes on. What the model is shown is recorded first, so that the same question is asked when
the mission is resumed; what it answers is checked against what exists, sent back once with what is wrong, and otherwise
left.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.models import Message, ModelRequest, Wish
from nextgeneration.supervisor.errors import AnswerUnfit

if TYPE_CHECKING:
    from nextgeneration.missions.effects import TaskDoor
    from nextgeneration.supervisor.lead import Lead

log = logging.getLogger(__name__)

T = TypeVar("T")

NAME = "supervisor"
"""The agent, and the account, of these questions."""

PLAN, PROSE = "supervisor.plan", "supervisor.prose"
"""Their tasks."""

MAX_OUTPUT = 4_000


def can_ask(lead: Lead, task: str, wish: Wish) -> bool:
    """Whether there is a model for a question, or the question was begun before: then the records answer it."""
    access = lead.door.access
    return (task, 1) in lead.claim.effects or (access is not None and access.gateway.available(wish))


async def asked(
    door: TaskDoor,
    purpose: str,
    instructions: str,
    facts: Callable[[], Mapping[str, Any]],
    schema: Mapping[str, Any],
    read: Callable[[Mapping[str, Any], Mapping[str, Any]], T],
) -> T:
    """Ask a model for one JSON object, and once more with what was wrong with the first.

    Args:
        door: the question's own task.
        purpose: of the wish, by which the router chooses.
        instructions: what is wanted, in the mission's language.
        facts: what the model is shown, as plain JSON; made once and recorded.
        schema: of the answer.
        read: makes something of the answer and the facts, or raises ``AnswerUnfit`` saying what is wrong.

    Raises:
        AnswerUnfit: the second answer is no better.
        ModelsFailed, OverBudget, …: there is no answer.
    """
    shown = await door.record(f"{purpose}.facts", lambda: dict(facts()))
    messages = [
        Message("system", instructions),
        Message("user", json.dumps(shown, ensure_ascii=False, sort_keys=True)),
    ]
    wish = Wish(purpose=purpose)

    def question() -> ModelRequest:
        # The digest of a request without a fraction in it is made by the interpreter's own encoder.
        return ModelRequest(tuple(messages), max_output=MAX_OUTPUT, schema=schema, temperature=0, stable=1)

    answer = await door.think(question(), wish)
    try:
        return read(_object(answer.text), shown)
    except AnswerUnfit as error:
        messages += [answer.message(), Message("user", error.message("en"))]
    again = await door.think(question(), wish)
    return read(_object(again.text), shown)


def _object(text: str) -> Mapping[str, Any]:
    """The JSON object in an answer, which may stand in a fence of Markdown or between words."""
    begin, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[begin : end + 1])
    except ValueError as error:
        raise AnswerUnfit(detail=f"it is no JSON object: {error}") from None
    if not isinstance(found, dict):
        raise AnswerUnfit(detail="it is no JSON object")
    return found


def strings(value: object) -> list[str]:
    """The strings in a list that a model wrote."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def fails(error: NGError, lang: Lang, what: str) -> str:
    """Why a model's part is missing, for the log and the report.

    Raises:
        NGError: it concerns the whole mission.
    """
    if error.control:
        raise error
    said = error.problem(lang)["message"]
    log.info("no %s by a model: %s", what, said)
    return str(said)
