"""Write docs/transcript.md: a mission with a model, from its journal, its records and what the provider's end saw.

``python scripts/transcript.py`` runs the mission and writes the page; ``--check`` exits 1 when the page is not what it
would write, but for figures: they move with every word a model is told. The models are
``nextgeneration.testing.wire.demo`` behind Anthropic's wire format on loopback; the provider's library and everything
else are real. Ids and times are left out, so that the page changes only with what it tells.
"""

from __future__ import annotations

import asyncio
import difflib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "transcript.md"
GOAL = "check this project"
MODELS = {"claude-opus-4-8": (5, 25), "claude-sonnet-5-5": (3, 15)}
"""Each with its price in USD per million tokens, in and out."""

KEY = "TRANSCRIPT_KEY"
MOST = 18
"""Lines shown of anything long."""

WIDE = 140
_WRAP: dict[str, Any] = {"subsequent_indent": "  ", "break_long_words": False, "drop_whitespace": True}

if TYPE_CHECKING:
    from nextgeneration.events.schema import Event
    from nextgeneration.missions.records import Effect
    from nextgeneration.missions.schema import Approval
    from nextgeneration.supervisor.outcome import MissionReport
    from nextgeneration.testing.wire import Seen, WireServer

INTRO = f"""# A mission with models, as it happened

*Written by `python scripts/transcript.py` from the journal and the records of a real mission. The models are a
[double](../src/nextgeneration/testing/wire/demo.py) behind Anthropic's wire format on this machine, so that the page
can be made again anywhere; they answer by what they are shown. The supervisor, the agents, their tools, the provider's
library, the approval and the books are what they always are. Ids and times are left out; what is long is cut, which is
said.*

```console
$ nextgen run "{GOAL}" --workspace orders --actions 1 --budget 100
```

`orders` is a copy of the [sample project](../src/nextgeneration/sample), the one that `make try` works on. Two models
were found: by default the better one plans and words the answer, the one that is good for its price does the work."""


class Told:
    """Everything that is known of the mission afterwards."""

    def __init__(
        self,
        events: Sequence[Event],
        effects: Sequence[Effect],
        approvals: Sequence[Approval],
        report: MissionReport,
        server: WireServer,
    ) -> None:
        self.events, self.approvals, self.report, self.server = events, approvals, report, server
        self.effects = sorted(effects, key=lambda effect: effect.position)

    def of(self, task: str) -> list[tuple[Effect, dict[str, Any]]]:
        """The calls of a task in their order, with what the journal says of each."""
        said: dict[int, dict[str, Any]] = {}
        for event in self.events:
            if event.task == task and event.type in {"effect.intent", "effect.outcome"}:
                said.setdefault(event.data["position"], {}).update(event.data)
        return [(one, said[one.position]) for one in self.effects if one.task == task and one.position in said]

    def seen(self, agent: str) -> list[Seen]:
        """What one agent's model was shown, question by question."""
        starts = {"supervisor.plan": "You plan", "supervisor.prose": "You write"}
        start = starts.get(agent, f"You are {agent},")
        return [seen for seen in self.server.requests if seen.system.startswith(start)]


async def happened(folder: Path) -> Told:
    """Run the mission; the one question is answered with yes."""
    from nextgeneration.kernel.clock import SystemClock
    from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest
    from nextgeneration.models.gateway import Gateway
    from nextgeneration.services.assembly import open_services
    from nextgeneration.settings.environment import Environment
    from nextgeneration.settings.models import ModelPrice, ModelProvider, ModelSettings
    from nextgeneration.settings.storage import StorageSettings
    from nextgeneration.testing.wire import WireServer
    from nextgeneration.testing.wire.demo import DemoModel

    project = folder / "orders"
    shutil.copytree(ROOT / "src/nextgeneration/sample", project, ignore=shutil.ignore_patterns("__pycache__"))
    with WireServer("anthropic").answers(DemoModel()) as server:
        provider = ModelProvider(url=server.url, key=KEY, dialect="anthropic", models=list(MODELS))
        prices = {
            f"anthropic:{name}": ModelPrice(input=Decimal(given), output=Decimal(said))
            for name, (given, said) in MODELS.items()
        }
        settings = ModelSettings(discover=False, keyring=False, providers={"anthropic": provider}, prices=prices)
        keys = Environment({KEY: "none"}, folder)
        models = Gateway(settings, clock=SystemClock(), environment=keys)
        kept = StorageSettings(home=folder / "home")
        async with open_services(project, storage_settings=kept, models=models) as services:
            budget, options = MissionBudget(credits=100_000_000), MissionOptions(actions=1)
            request = MissionRequest(goal=GOAL, workspace=str(project), budget=budget, options=options)
            mission = (await services.missions.accept(request)).id
            outcome = await services.worker.run(mission)
            approvals = [await services.approvals.get(name) for name in outcome.pending]
            for approval in approvals:
                await services.approvals.decide(approval.id, "approved", by="human:ada", digest=approval.digest)
            outcome = await services.worker.run(mission)
            events, effects = await services.missions.journal(mission), await services.missions.effects(mission)
        await models.close()
    return Told(events, effects, approvals, outcome.report, server)


# -- the page ----------------------------------------------------------------------------------------------------------


def page(told: Told) -> str:
    """The whole page."""
    parts = [INTRO, *_plan(told), *_work(told), *_asked(told), *_answer(told), *_cost(told)]
    return "\n\n".join(parts).rstrip() + "\n"


def _plan(told: Told) -> Iterator[str]:
    yield "## 1. The plan"
    yield "The supervisor shows a model the goal, the agents that are there and the plan it would make by rules."
    ((effect, said),) = _thoughts(told, "supervisor.plan")
    (seen,) = told.seen("supervisor.plan")
    yield _who(said)
    yield _block("It was told", seen.system)
    yield _block("and shown", _outline(json.loads(seen.turns[0].text)))
    plan = json.loads(_answered(effect)["text"])
    yield "It answered with a plan, which was checked against what exists before anything ran:"
    rows = [
        (task["id"], f"`{task['agent']}`", task["goal"], ", ".join(task["depends"]) or "–", task["why"])
        for task in plan["tasks"]
    ]
    yield _table(("task", "agent", "what it is asked", "after", "why this agent"), rows)


def _work(told: Told) -> Iterator[str]:
    yield "## 2. The work"
    yield (
        "Tasks run side by side as soon as what they need is done. Each agent runs its playbook first; then its model "
        "is shown what that gave, goes on with the agent's tools, and hands in a report. Every call goes through one "
        "door: judged, journaled, counted."
    )
    for task in told.report.tasks:
        yield f"### {task.id} · {task.agent}"
        seen = iter(told.seen(task.agent))
        calls = told.of(task.id)
        turn = 0
        for place, (effect, said) in enumerate(calls):
            if effect.name != "model":
                before = calls[place - 1][0] if place else None
                if before is None or before.name == "model":
                    yield "Its playbook called:" if not turn else "They gave:"
                    yield _calls(calls[place:])
                continue
            yield _who(said)
            yield from _turn(next(seen), _answered(effect), turn, full=task is told.report.tasks[0])
            turn += 1
        yield _believed(told, task.agent)


def _turn(seen: Seen, answer: dict[str, Any], turn: int, *, full: bool) -> Iterator[str]:
    """One question and its answer; in full for one agent, since the others are told the same."""
    if not turn and full:
        yield _block("It was told", seen.system)
        yield _block("and shown", seen.turns[0].text, MOST + 6)
        yield f"with the tools {', '.join(f'`{tool.name}`' for tool in seen.tools)}."
    elif full:
        yield from (_block("It was shown", result.text, 8) for result in seen.turns[-1].results)
    words = f"It said “{answer['text']}” and called:" if answer["text"] else "It called:"
    made = [f"{call['name']}({json.dumps(call['args'], ensure_ascii=False, indent=2)})" for call in answer["calls"]]
    yield words
    yield "```js\n" + "\n".join(made) + "\n```"


def _calls(calls: Sequence[tuple[Effect, dict[str, Any]]]) -> str:
    """The calls up to the next question, as a table."""
    from nextgeneration.storage.sealed import unseal

    rows = []
    for effect, said in calls:
        if effect.name == "model":
            break
        args = unseal(effect.args, "effects", effect.name)["args"]
        given = ", ".join(f"{key}={json.dumps(value)}" for key, value in args.items() if value not in (None, [], ""))
        found = said.get("findings", 0)
        rows.append((f"`{effect.name}`", f"`{given}`" if given else "", said["label"], said["status"], str(found)))
    return _table(("tool", "arguments", "risk", "outcome", "findings"), rows)


def _believed(told: Told, agent: str) -> str:
    """What of the report was taken, and how."""
    task = next(one for one in told.report.tasks if one.agent == agent)
    lines = [f"Taken as **{task.status.value}**: “{task.analysis}”", ""]
    for entry in told.report.findings:
        finding = entry.finding
        if agent not in entry.agents or not finding.rule.startswith("model."):
            continue
        if entry.agents[0] != agent:
            lines.append(f"- Its own finding is the one of `{entry.agents[0]}`: they are merged.")
            continue
        quote = finding.evidence[0]
        lines.append(
            f"- The model's own finding *{finding.title}* stands under `{finding.rule}`: its quote `{quote.excerpt}` "
            f"was found word for word in what `{quote.source}` gave."
        )
    lines += [
        f"- “{opinion.text}” is kept as an opinion{f': {opinion.reason}' if opinion.reason else ''}."
        for opinion in task.opinions
    ]
    return "\n".join(lines).rstrip()


def _asked(told: Told) -> Iterator[str]:
    from nextgeneration.cli.cards import card_lines
    from nextgeneration.cli.voice import Voice

    yield "## 3. The approval"
    yield (
        "Nothing was changed so far. The supervisor puts the best action to a human, on a card that holds exactly what "
        "would happen; the answer counts for this digest, once. It was proposed by a playbook, before any model had "
        "read anything: otherwise the card would name what the model had read."
    )
    for approval in told.approvals:
        voice = Voice(lang="en", out=io.StringIO(), err=io.StringIO(), into=io.StringIO())
        yield _block("", "\n".join(card_lines(approval, voice, voice.err, None)), 120)
    for outcome in (one for one in told.report.actions if one.status.value != "offered"):
        yield (
            f"Answered **yes** by `{outcome.decided_by}`. The patch was applied, and the check that had found the "
            "faults ran again:"
        )
        checks = [(f"`{check.tool}`", "passed" if check.passed else "failed") for check in outcome.checks]
        yield _table(("check", "outcome"), checks)
        gone = sum(entry.resolved for entry in told.report.findings)
        yield f"The action is **{outcome.status.value}**; {gone} findings are gone."


def _answer(told: Told) -> Iterator[str]:
    yield "## 4. The answer"
    yield (
        "At the end a model is shown the merged findings, what became of the tasks and of the actions, and words the "
        "answer. A sentence that names nothing it rests on is thrown away."
    )
    *_, (effect, said) = _thoughts(told, "supervisor.prose")
    *_, seen = told.seen("supervisor.prose")
    yield _who(said)
    yield _block("It was shown", _outline(json.loads(seen.turns[0].text)))
    yield "It wrote:"
    kept = {sentence.text for sentence in told.report.prose}
    rows = []
    for sentence in json.loads(_answered(effect)["text"])["sentences"]:
        rests = [*sentence["findings"], *sentence["tasks"], *sentence["actions"]]
        shown = ", ".join(f"`{one}`" for one in rests[:3]) + (f" and {len(rests) - 3} more" if len(rests) > 3 else "")
        rows.append((sentence["text"], shown or "nothing", "yes" if sentence["text"] in kept else "**no**"))
    yield _table(("sentence", "rests on", "kept"), rows)
    yield "The answer by rules stands in the report too, with every finding, its place and its evidence."


def _cost(told: Told) -> Iterator[str]:
    from nextgeneration.credits.units import shown

    yield "## 5. What it cost"
    yield (
        "Before each question its worst case was held against the budget; afterwards it was settled to what the "
        "provider billed. The last line is what the double wrote into its own bill."
    )
    rows: list[tuple[str, ...]] = []
    names = ["supervisor.plan", *(task.id for task in told.report.tasks), "supervisor.prose"]
    agents = {task.id: task.agent for task in told.report.tasks}
    for name in names:
        said = [data for _, data in _thoughts(told, name)]
        used = [data["usage"] for data in said]
        tools = sum(effect.name != "model" for effect, _ in told.of(name))
        sums = (sum(one.get("input", 0) for one in used), sum(one.get("output", 0) for one in used))
        held, paid = sum(data["held"] for data in said), sum(data["credits"] for data in said)
        label = f"{name} · {agents[name]}" if name in agents else name
        rows.append((label, str(tools or ""), str(len(said)), *(f"{n:,}" for n in sums), shown(held), shown(paid)))
    cost, bill = told.report.cost, told.server.total
    calls = (str(cost.tool_calls), str(cost.model_calls))
    tokens = (f"{cost.input_tokens:,}", f"{cost.output_tokens:,}")
    rows.append(("**the report**", *calls, *tokens, "", f"**{shown(cost.credits)}**"))
    billed = shown(sum(100 * _price(one.model, one.usage) for one in told.server.billed))
    rows.append(("**the bill**", "", str(len(told.server.billed)), f"{bill.input:,}", f"{bill.output:,}", "", billed))
    yield _table(("", "tool calls", "questions", "tokens in", "tokens out", "held", "credits"), rows)


# -- pieces ------------------------------------------------------------------------------------------------------------


def _price(model: str, usage: Any) -> int:
    given, said = MODELS[model]
    return int(given * usage.input + said * usage.output)


def _thoughts(told: Told, task: str) -> list[tuple[Effect, dict[str, Any]]]:
    return [(effect, said) for effect, said in told.of(task) if effect.name == "model"]


def _answered(effect: Effect) -> dict[str, Any]:
    from nextgeneration.storage.sealed import unseal

    answer: dict[str, Any] = unseal(effect.outcome or "", "effects", effect.name)["answer"]
    return answer


def _who(said: dict[str, Any]) -> str:
    from nextgeneration.credits.units import shown

    usage = said["usage"]
    return (
        f"**{said['model']}** was asked ({said['why']}): {usage['input']:,} tokens in, {usage['output']:,} out, "
        f"{shown(said['credits'])} credits."
    )


def _outline(shown: dict[str, Any]) -> str:
    """Plain JSON with a line for each thing, and the first of each list."""
    lines = []
    for key, value in shown.items():
        if not isinstance(value, list):
            lines.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
            continue
        lines.append(f"{key}: {len(value)}")
        lines += [f"  {json.dumps(one, ensure_ascii=False)}" for one in value[:3]]
        lines += [f"  ⋮ {len(value) - 3} more"] if len(value) > 3 else []
    return "\n".join(line if len(line) <= WIDE else f"{line[: WIDE - 1]}…" for line in lines)


def _block(lead: str, text: str, most: int = MOST) -> str:
    """A text in a fence, wrapped, and cut after so many lines."""
    lines = [
        part for line in text.rstrip().splitlines() for part in textwrap.wrap(line, WIDE, **_WRAP) or [line[:WIDE]]
    ]
    if len(lines) > most:
        lines[most:] = [f"⋮ {len(lines) - most} more lines"]
    fenced = "\n".join(["```text", *lines, "```"])
    return f"{lead}:\n\n{fenced}" if lead else fenced


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


_LOOSE = (
    (re.compile(r"\b(mis|apr|hold)_[0-9a-z]{26}\b"), r"\1_…"),
    (re.compile(r"until \d{4}-\d\d-\d\d \d\d:\d\d UTC"), "until …"),
)


def settled(text: str) -> str:
    """Without ids and times."""
    for pattern, instead in _LOOSE:
        text = pattern.sub(instead, text)
    return text


def written() -> str:
    """The page as it would be written now."""
    for name in [name for name in os.environ if name.startswith("NG_")]:
        del os.environ[name]
    os.environ |= {"NG_LANG": "en", "COLUMNS": "100"}
    with tempfile.TemporaryDirectory() as name:
        return settled(page(asyncio.run(happened(Path(name)))).replace(name, "…"))


_FIGURE = re.compile(r"\d[\d,.]*(?= (?:tokens|out|credits|more lines))|(?<=\| )[*\d,.]+(?= \|)")


def main() -> int:
    text = written()
    if "--check" in sys.argv[1:]:
        there = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        was, now = (_FIGURE.sub("#", one).splitlines() for one in (there, text))
        print("\n".join(difflib.unified_diff(was, now, "docs/transcript.md", "as it would be now", lineterm="", n=1)))
        return int(was != now)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
