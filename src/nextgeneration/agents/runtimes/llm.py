"""The model's runtime: a plain loop of questions, answers and calls, whose only contact with the world is the door.

The model says what to look at; what it finds there comes from tools, and what it adds must quote them. If it fails
midway the playbook does what it can, and the report says so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nextgeneration.agents.context import Recall, TaskContext
from nextgeneration.agents.errors_llm import (
    AnswerCutOff,
    ModelMissing,
    ModelRefused,
    NoReport,
    NothingSaid,
    ReportUnfit,
)
from nextgeneration.agents.errors_playbook import InputRefused
from nextgeneration.agents.runtimes.fitting import can_be_slow, first_misfit, misfit
from nextgeneration.agents.runtimes.gathering import Gathered
from nextgeneration.agents.runtimes.playbook import check_schema, play, report_of
from nextgeneration.agents.runtimes.thinking.calls import Calls
from nextgeneration.agents.runtimes.thinking.compiled import MAX_SHOWN_TOOLS, Compiled, chosen, compiled, wish_of
from nextgeneration.agents.runtimes.thinking.conversation import Conversation
from nextgeneration.agents.runtimes.thinking.fencing import fenced, line_of, visible
from nextgeneration.agents.runtimes.thinking.prompt import images_of, task_text
from nextgeneration.agents.runtimes.thinking.reporting import (
    MAX_WORDS,
    REPORT,
    ModelReport,
    Shown,
    believed,
    faults,
    object_in,
    parsed,
    proposed,
    salvaged,
)
from nextgeneration.agents.runtimes.thinking.world import World
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import Finish, Message, ModelAnswer, Wish
from nextgeneration.kernel.reports import Opinion, Report, ReportStatus
from nextgeneration.kernel.show import brief, clean, shortened
from nextgeneration.missions.errors import ModelsFailed, OverBudget

if TYPE_CHECKING:
    from nextgeneration.templates.revision import Revision

log = logging.getLogger(__name__)

MAX_REPAIRS = 2
"""Times a report that does not fit is sent back; those with misquotes once."""

MAX_CONTINUED = 3
MAX_EMPTY = 2
_GO_ON = Texts(
    "Your answer was cut off. Go on exactly where it stopped, without repeating anything.",
    "Ta réponse a été coupée. Continue exactement où elle s'est arrêtée, sans rien répéter.",
)
_EMPTY = Texts(
    "Your answer was empty. Go on with the task, or hand in your report.",
    "Ta réponse était vide. Poursuis la tâche, ou rends ton rapport.",
)
_CLOSING = Texts(
    "This is your last answer: hand in your report now, with what you have.",
    "C'est ta dernière réponse : rends ton rapport maintenant, avec ce que tu as.",
)
_TOO_MANY = Texts(
    "Not called: at most {n} calls in one answer.", "Pas appelé : {n} appels au plus dans une seule réponse."
)
_ENDED = Texts("Not called: the task is ending.", "Pas appelé : la tâche se termine.")
_UNFIT = Texts(
    "Your report was not taken:\n{detail}\nCorrect it and hand it in again.",
    "Ton rapport n'a pas été pris :\n{detail}\nCorrige-le et rends-le de nouveau.",
)
_NO_JSON = Texts("the answer must be one JSON object", "la réponse doit être un objet JSON")
_TAKEN_OVER = Texts(
    "the model did not finish; the playbook did what it could without it",
    "le modèle n'a pas terminé ; le playbook a fait ce qu'il pouvait sans lui",
)
_NO_VISION = Texts(
    "the pictures of the task were not looked at: no model here sees",
    "les images de la tâche n'ont pas été regardées : aucun modèle ici ne voit",
)


async def run_llm(
    revision: Revision, input_data: Mapping[str, Any], config: Mapping[str, Any], context: TaskContext
) -> Report:
    """Let a model work on ``input_data`` and report what was found and what is proposed.

    Without a model the report is ``failed`` and says what is needed.

    Raises:
        Parked: a call waits for a human; the run starts again from its first line after the decision.
        NGError: with ``control``, since it concerns the whole mission.
    """
    if not await thinks(revision, context):
        gathered = Gathered()
        wish = wish_of(revision)
        needs = ", ".join([*wish.prefer, *sorted(wish.needs)]) or "text"
        gathered.note(ModelMissing(agent=context.door.agent, needs=needs), context.lang, "model")
        return report_of(revision, gathered, ReportStatus.FAILED, context, result={})
    return await think(revision, input_data, config, context)


async def thinks(revision: Revision, context: TaskContext) -> bool:
    """Whether a model drives this run: as it did before when the task runs again, else whether one is there.

    A playbook begins with a call of a tool, a model's run with a question or a record; where the two begin alike the
    choice is recorded.
    """
    door: World = context.door
    begun = door.begun
    chosen = door.models(wish_of(revision)) if begun is None else begun == "model" or begun.startswith("record.")
    if chosen and revision.playbook_first:
        await door.record("runtime", lambda: "llm")
    return chosen


async def think(
    revision: Revision, input_data: Mapping[str, Any], config: Mapping[str, Any], context: TaskContext
) -> Report:
    """As :func:`run_llm`, where a model is known to be there."""
    gathered = Gathered()
    lang = context.lang
    if revision.input_schema:
        try:
            await check_schema(revision.input_schema, dict(input_data), InputRefused, revision.name)
        except InputRefused as error:
            gathered.note(error, lang, "input")
            return report_of(revision, gathered, ReportStatus.FAILED, context, result={})
    result: dict[str, Any] = {}
    play_first = revision.playbook_first and not revision.default_playbook
    if play_first:
        status, result = await play(revision, input_data, config, context, gathered)
        if status is ReportStatus.OVER_BUDGET:
            return report_of(revision, gathered, status, context, result=result)
    run = Thinking(revision, context, gathered)
    try:
        await run.begin(input_data, config)
        status = await run.run()
    except OverBudget as error:
        run.over(error)
        status = ReportStatus.OVER_BUDGET
    except NGError as error:
        if error.control:
            raise
        gathered.note(error, lang, "model")
        run.words = ""
        if not (play_first or revision.default_playbook):
            gathered.missing.append(_TAKEN_OVER.say(lang))
            status, result = await play(revision, input_data, config, context, gathered)
        else:
            useful = gathered.findings or gathered.actions or gathered.worked
            status = ReportStatus.PARTIAL if useful else ReportStatus.FAILED
    report = report_of(
        revision,
        gathered,
        status,
        context,
        result=run.result or result,
        words=run.words,
        opinions=run.opinions,
        dropped=run.dropped,
    )
    if context.recall is not None:
        await _note(context, input_data, report)
    return report


async def _listed(recall: Recall, goal: str) -> list[str]:
    return list(await recall.remember(goal))


async def _note(context: TaskContext, input_data: Mapping[str, Any], report: Report) -> None:
    recall = context.recall
    assert recall is not None  # noqa: S101 - the caller looked
    goal = str(input_data.get("goal") or context.get("goal") or "")
    world: World = context.door
    try:
        await world.record("memory.note", lambda: recall.note(goal, report))
    except NGError as error:
        if error.control:
            raise
        log.warning("what %s learned was not kept: %s", context.door.agent, error)


class Thinking:
    """One run: the conversation, the results it may cite, and how it ended.

    Attributes:
        words: the report in the model's own words.
        result: its data, for a template with an ``output_schema``.
    """

    __slots__ = (
        "_calls",
        "_cap",
        "_closing",
        "_context",
        "_cut",
        "_empty",
        "_gathered",
        "_lang",
        "_left_out",
        "_made",
        "_over",
        "_parts",
        "_repairs",
        "_revision",
        "_schemas",
        "_talk",
        "_warned",
        "_wish",
        "_world",
        "dropped",
        "opinions",
        "result",
        "words",
    )

    def __init__(self, revision: Revision, context: TaskContext, gathered: Gathered) -> None:
        self._revision = revision
        self._context = context
        self._lang = context.lang
        self._gathered = gathered
        self._world: World = context.door
        specs, self._left_out = self._world.offered(revision.tools)
        self._made: Compiled = compiled(revision, context.lang, specs)
        self._schemas = self._made.schemas
        self._wish = self._made.wish
        self._calls = Calls(self._made, gathered, self._world, context.lang)
        self._parts: list[str] = []
        self._repairs = self._cut = self._empty = 0
        self._closing = self._warned = False
        self._cap: ReportStatus | None = None
        self._over: OverBudget | None = None
        self.words = ""
        self.result: dict[str, Any] = {}
        self.opinions: tuple[Opinion, ...] = ()
        self.dropped = 0

    async def begin(self, input_data: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Write the task's message.

        Raises:
            NGError: with ``control``.
        """
        context, made = self._context, self._made
        for left_out in self._left_out:
            self._gathered.note(left_out, self._lang, "tools")
        more: list[str] = []
        if len(made.schemas) > MAX_SHOWN_TOOLS + 1:
            goal = f"{input_data.get('goal', '')} {input_data.get('text', '')}"
            self._schemas, more = chosen(made, goal, frozenset(step.tool for step in self._revision.playbook))
        memories = await self._remembered(input_data) if context.recall is not None else ()
        images = images_of(input_data) if "images" in input_data else ()
        if images:
            seeing = Wish(self._wish.prefer, self._wish.needs | {"vision"}, self._wish.purpose)
            if await self._world.record("vision", lambda: self._world.models(seeing)):
                self._wish = seeing
            else:
                images = ()
                self._gathered.missing.append(_NO_VISION.say(self._lang))
        played = self._played() if self._gathered.worked else ()
        text = task_text(input_data, config, context, memories=memories, played=played, more=more)
        # No prompt holds a secret.
        self._talk = Conversation(made, Message("user", self._world.masked(text), images=images))

    async def _remembered(self, input_data: Mapping[str, Any]) -> Sequence[str]:
        """What the agent's memory gives; nothing when it fails: the task can be done without."""
        recall = self._context.recall
        assert recall is not None  # noqa: S101 - the caller looked
        goal = str(input_data.get("goal") or self._context.get("goal") or "")
        try:
            memories: Sequence[str] = await self._world.record("memory.recall", lambda: _listed(recall, goal))
        except NGError as error:
            if error.control:
                raise
            log.warning("the memory of %s does not answer: %s", self._context.door.agent, error)
            return ()
        if memories:
            self._calls.heard("memory")
        return memories

    def _played(self) -> list[str]:
        """What the playbook gave, one block for each tool, to be cited like any other result."""
        by_tool: dict[str, list[str]] = {}
        for statement in self._gathered.statements.values():
            by_tool.setdefault(statement.tool, []).append(statement.text)
        for finding in self._gathered.ranked()[:100]:
            source = finding.evidence[0].source if finding.evidence else finding.rule
            by_tool.setdefault(source, []).append(line_of(finding))
        blocks: list[str] = []
        for tool, lines in by_tool.items():
            label = f"p{len(blocks) + 1}"
            text = self._world.masked(visible("\n".join(lines), self._lang))
            self._calls.results.add(Shown(label, tool, text, marked=True))
            blocks.append(fenced(label, tool, text))
        return blocks

    async def run(self) -> ReportStatus:
        """Ask, call, answer, until there is a report.

        Raises:
            OverBudget: nothing more can be asked.
            Parked: a call waits for a human.
            NGError: no model answered, or it declined, or said nothing.
        """
        talk, made, world = self._talk, self._made, self._world
        while True:
            if talk.turns >= made.turns:
                return self._spent()
            if talk.turns + 1 == made.turns:
                self._closing = True
            if self._closing and talk.turns and not self._warned:
                self._warned = True
                talk.say(_CLOSING.say(self._lang))
            shown = made.only_report if self._closing else self._schemas
            if talk.too_long and await talk.make_room(world, self._wish, shown, self._gathered, self._lang):
                self._calls.forget()
            try:
                required = self._closing and bool(shown)
                answer = await talk.ask(world, self._wish, shown, self._context.listen, required=required)
            except ModelsFailed as error:
                if not await talk.retreat(error, world, shown, self._gathered, self._lang):
                    raise
                self._calls.forget()
                continue
            ended = await (self._act(answer) if answer.calls else self._hear(answer))
            if ended is not None:
                return ended

    def over(self, error: OverBudget) -> None:
        """Note once that the budget is used up."""
        if self._over is None:
            self._over = error
            self._gathered.note(error, self._lang, "budget")

    def _close(self, cap: ReportStatus) -> None:
        """Let the next answer be the last; the report is then at most ``cap``."""
        self._cap = self._cap or cap
        self._closing = True

    def _spent(self) -> ReportStatus:
        """All answers are used, and there is no report."""
        self._keep_words("".join(self._parts))
        if self._cap is not None:
            return self._cap
        if self._made.own_limit:
            self.over(OverBudget(scope=self._context.task, limit=self._made.turns, unit="model_calls"))
            return ReportStatus.OVER_BUDGET
        self._gathered.note(NoReport(turns=self._made.turns), self._lang, "model")
        return ReportStatus.PARTIAL

    def _keep_words(self, text: str) -> None:
        self.words = shortened(clean(text).strip(), MAX_WORDS) if text else ""

    # -- answers in words --------------------------------------------------------------------------------------------

    async def _hear(self, answer: ModelAnswer) -> ReportStatus | None:
        """An answer without calls: the report as text, a part of it, or nothing."""
        talk, text = self._talk, answer.text
        if answer.finish is Finish.REFUSED:
            raise ModelRefused(detail=brief(clean(text), 300) or "-")
        if not text.strip():
            if self._parts:
                return await self._said("".join(self._parts))
            self._empty += 1
            if self._empty > MAX_EMPTY:
                raise NothingSaid(times=self._empty)
            talk.say((_GO_ON if answer.finish is Finish.LENGTH else _EMPTY).say(self._lang))
            return None
        answer, _ = talk.take(answer)
        self._parts.append(answer.text)
        if answer.finish is not Finish.LENGTH:
            return await self._said("".join(self._parts))
        self._cut += 1
        if self._cut > MAX_CONTINUED:
            error = AnswerCutOff(times=self._cut, tokens=self._made.max_output)
            self._gathered.note(error, self._lang, "model")
            self._keep_words("".join(self._parts))
            return ReportStatus.PARTIAL
        talk.say(_GO_ON.say(self._lang))
        return None

    async def _said(self, text: str) -> ReportStatus | None:
        """The whole of an answer in words."""
        self._parts.clear()
        schema = self._revision.output_schema
        found = object_in(text) if schema or text.lstrip()[:1] in "{`" else None
        if found is not None and "analysis" in found and self._schemas:
            return await self._report(found, "")
        if not schema:
            self._keep_words(text)
            return self._cap or ReportStatus.DONE
        detail = _NO_JSON.say(self._lang) if found is None else await self._misfit(found)
        if not detail and found is not None:
            self._keep_words(text)
            self.result = found
            return self._cap or ReportStatus.DONE
        if self._may_repair():
            self._talk.say(_UNFIT.say(self._lang, detail=detail))
            return None
        self._keep_words(text)
        self._gathered.note(ReportUnfit(detail=detail), self._lang, "output")
        return self._cap or ReportStatus.PARTIAL

    # -- the report --------------------------------------------------------------------------------------------------

    async def _report(self, data: Mapping[str, Any] | None, call: str, raw: str = "") -> ReportStatus | None:
        """Take a report, or send it back."""
        report = _NO_JSON.say(self._lang) + (f": {brief(raw, 200)}" if raw else "") if data is None else parsed(data)
        schema = self._revision.output_schema
        if isinstance(report, ModelReport) and schema:
            report = await self._misfit(report.result) or report
        detail = report if isinstance(report, str) else ""
        if isinstance(report, ModelReport) and report.findings and not self._repairs:
            detail = "\n".join(faults(report, self._calls.results, self._lang))
        if detail and self._may_repair():
            self._answer(call, _UNFIT.say(self._lang, detail=detail))
            return None
        unfit = isinstance(report, str)
        if isinstance(report, str):
            self._gathered.note(ReportUnfit(detail=shortened(report, 500)), self._lang, "output")
            report = salvaged(data)
        self._keep_words(report.analysis)
        self.result = {} if unfit else report.result
        self.opinions, self.dropped = believed(report, self._calls.results, self._gathered, self._lang)
        self._gathered.missing.extend(shortened(clean(text), 500) for text in report.missing if text.strip())
        if report.actions:
            self._propose(report)
        return self._cap or (ReportStatus.PARTIAL if unfit else ReportStatus(report.status))

    def _propose(self, report: ModelReport) -> None:
        try:
            proposed(report, self._calls.results, self._calls.remedies, self._made.tools, self._gathered, self._context)
        except NGError as error:
            self._gathered.note(error, self._lang, "model")
            self._cap = self._cap or ReportStatus.PARTIAL

    def _may_repair(self) -> bool:
        """Whether a report may be sent back once more."""
        self._repairs += 1
        return self._repairs <= MAX_REPAIRS and not self._closing and self._talk.turns < self._made.turns

    async def _misfit(self, value: Any) -> str | None:
        """What does not fit the template's schema. One that can be slow may time out, which is recorded."""
        schema = self._revision.output_schema
        if can_be_slow(schema):
            found: str | None = await self._world.record("fitting", lambda: misfit(schema, value))
            return found
        return first_misfit(schema, value)

    def _answer(self, call: str, text: str) -> None:
        """Answer a call with what is wrong; in words when it was no call."""
        self._talk.add(Message("tool", text, call=call, failed=True) if call else Message("user", text))

    # -- calls -------------------------------------------------------------------------------------------------------

    async def _act(self, answer: ModelAnswer) -> ReportStatus | None:
        """Make the calls of an answer, side by side, and append what they gave in the model's order."""
        talk, lang = self._talk, self._lang
        answer, keys = talk.take(answer)
        calls = answer.calls
        self._parts.clear()
        if calls[0].name == REPORT and (self._closing or len(calls) == 1 or all(call.name == REPORT for call in calls)):
            ended = await self._report(calls[0].args, calls[0].id, calls[0].raw)
            for call in calls[1:]:
                self._answer(call.id, _TOO_MANY.say(lang, n=1))
            return ended
        if self._closing:
            for call in calls:
                self._answer(call.id, _ENDED.say(lang))
            self._parts.append(answer.text)
            return self._spent()
        for message in await self._calls.make(answer, keys):
            talk.add(message)
        if self._calls.over is not None:
            self.over(self._calls.over)
            if self._calls.over.unit != "tool_calls":
                raise self._calls.over
            self._close(ReportStatus.OVER_BUDGET)
        if self._calls.circling is not None and not self._closing:
            self._gathered.note(self._calls.circling, lang, "model")
            self._close(ReportStatus.PARTIAL)
        return None
