"""What a mission used, as far as it is recorded: all its calls, the supervisor's own, and those that were cut off."""

from __future__ import annotations

from collections.abc import Collection

from nextgeneration.kernel.reports import Cost
from nextgeneration.missions.booking import NAME as MODEL
from nextgeneration.missions.records import Effect
from nextgeneration.missions.shared import Shared
from nextgeneration.missions.thinking import cost_of
from nextgeneration.storage.database import Connection


async def spent(shared: Shared, mission: str, effects: Collection[Effect]) -> Cost:
    """What the calls of a mission cost together. A refused call cost nothing but what was tried of it before.

    A call with a price and without an outcome was cut off, or is under way: what is charged for it stands only in the
    books.
    """
    # The time of a call around other agents' work is that of the calls below it.
    around = {effect.task for effect in effects}
    calls, seconds, tolls, cost, cut = 0, 0.0, 0, Cost(), []
    for effect in effects:
        if effect.name == MODEL:
            if effect.outcome is None:
                cut.append(f"{mission}/{effect.task}/{effect.position}/{MODEL}")
            else:
                cost += cost_of(effect)
            continue
        if effect.rule == "record":
            continue
        if toll := effect.toll:
            if effect.outcome is None:
                cut.append(f"{mission}/{effect.task}/{effect.position}/{effect.name}")
            else:
                tolls += toll
        if effect.status != "refused":
            calls += 1
            seconds += 0.0 if f"{effect.task}/{effect.position}" in around else effect.seconds
    cost += Cost(tool_calls=calls, seconds=seconds, credits=tolls)

    def charged(connection: Connection) -> Cost:
        total = Cost()
        for key in cut:
            line = shared.ledger.tried(connection, key, tenant=shared.tenant)
            used = {"input_tokens": line.input, "output_tokens": line.output}
            asked = line.calls if key.endswith(f"/{MODEL}") else 0
            total += Cost(model_calls=asked, credits=line.charged, **used)
        return total

    return cost + await shared.storage.read(charged) if cut else cost
