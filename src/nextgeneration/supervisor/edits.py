"""The calls that a human changed before they were made, as the report says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nextgeneration.missions.records import Effect
from nextgeneration.supervisor.outcome import EditedCall


def edited_calls(effects: Iterable[Effect], agents: Mapping[str, str]) -> tuple[EditedCall, ...]:
    """Every call of these that was made with other arguments than its task asked for.

    Args:
        effects: of one mission.
        agents: who works at each task and action; one below a task (``t1/3``) is its agent's.
    """
    found = []
    # Only what was asked about can have been edited: the others' records need not be read.
    asked = [effect for effect in effects if effect.approval is not None]
    for effect in sorted(asked, key=lambda each: (each.task, each.position)):
        edit = effect.edit
        if edit is not None:
            agent = agents.get(effect.task.partition("/")[0], effect.task)
            about = (effect.task, agent, effect.name, effect.approval or "", edit.by, edit.asked, edit.args)
            found.append(EditedCall(**dict(zip(EditedCall.model_fields, about, strict=True))))
    return tuple(found)
