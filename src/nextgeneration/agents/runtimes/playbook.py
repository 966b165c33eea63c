"""The playbook runtime: a template's steps, run as they stand, with real tools.

A step whose tool only reads is called through the task's door. A step whose tool changes something
is not called: it becomes an action of the report, which a human decides about.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.errors_playbook import (
    ExpressionFailed,
    InputRefused,
    OutputRefused,
    TooManyIterations,
)
from nextgeneration.agents.runtimes.fitting import misfit
from nextgeneration.agents.runtimes.gathering import Gathered
from nextgeneration.agents.runtimes.selecting import Allowance, evaluate
from nextgeneration.agents.runtimes.words import analysis
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.reports import Opinion, Report, ReportStatus
from nextgeneration.kernel.risk import EffectRule
from nextgeneration.kernel.show import brief, clean, shortened
from nextgeneration.missions.errors import OverBudget

if TYPE_CHECKING:
    from nextgeneration.kernel.tools import ToolResult
    from nextgeneration.templates.revision import Revision, Step

MAX_ITERATIONS = 10_000
MAX_RESULT_BYTES = 16_000
MAX_QUOTE = 1_500
"""Characters of one statement in the report's own words."""

_DEFAULT_PLAYBOOK = Texts(
    "this template has no playbook of its own: only the workspace was read",
    "ce modèle n'a pas de playbook : seul l'espace de travail a été lu",
)
_NEEDS_MODEL = Texts("{capability} needs a model", "{capability} demande un modèle")
_NO_ANSWER = Texts("{tool} found no answer", "{tool} n'a pas trouvé de réponse")


@dataclass
class _Run:
    """A playbook under way."""

    gathered: Gathered
    steps: dict[str, Any] = field(default_factory=dict)
    iterations: int = 0
    allowance: Allowance = field(default_factory=Allowance)


async def run_playbook(
    revision: Revision, input_data: Mapping[str, Any], config: Mapping[str, Any], context: TaskContext
) -> Report:
    """Run every step of ``revision`` and report what was found and what is proposed.

    Raises:
        Parked: a step waits for a human; the run starts again from its first line after the decision.
        NGError: with ``control``, since it concerns the whole mission: it is no longer this worker's to
            run, or its journal cannot be written.
    """
    gathered = Gathered()
    status, result = await play(revision, input_data, config, context, gathered)
    if revision.default_playbook:
        gathered.missing.append(_DEFAULT_PLAYBOOK.say(context.lang))
        gathered.missing.extend(_NEEDS_MODEL.say(context.lang, capability=c.id) for c in revision.capabilities)
    return report_of(revision, gathered, status, context, result=result)


async def play(
    revision: Revision,
    input_data: Mapping[str, Any],
    config: Mapping[str, Any],
    context: TaskContext,
    gathered: Gathered,
) -> tuple[ReportStatus, dict[str, Any]]:
    """Run the steps, gathering into ``gathered``: how they ended, and the bounded value of each.

    Raises:
        Parked, NGError: as :func:`run_playbook`.
    """
    run = _Run(gathered)
    scope = {"input": dict(input_data), "config": dict(config), "context": dict(context), "steps": run.steps}
    try:
        await check_schema(revision.input_schema, scope["input"], InputRefused, revision.name)
        status = _status(revision, gathered, await _run_steps(revision, run, scope, context))
    except OverBudget as error:
        gathered.note(error, context.lang, "budget")
        status = ReportStatus.OVER_BUDGET
    except InputRefused as error:
        gathered.note(error, context.lang, "input")
        status = ReportStatus.FAILED
    result = {name: _bounded(step.get("value", {})) for name, step in run.steps.items() if not step.get("skipped")}
    if status is ReportStatus.DONE:
        try:
            await check_schema(revision.output_schema, result, OutputRefused, revision.name)
        except OutputRefused as error:
            gathered.note(error, context.lang, "output")
            status = ReportStatus.PARTIAL
    return status, result


async def _run_steps(revision: Revision, run: _Run, scope: dict[str, Any], context: TaskContext) -> bool:
    """Run the steps in order; true when one stopped the playbook."""
    for step in revision.playbook:
        try:
            await _run_step(step, run, scope, context)
        except NGError as error:
            if error.control or isinstance(error, OverBudget):
                raise
            run.gathered.note(error, context.lang, step.id, step.tool)
            run.steps[step.id] = {"ok": False, "value": {}, "findings": [], "proposals": [], "text": "", "items": []}
            if step.on_error == "stop":
                return True
    return False


async def _run_step(step: Step, run: _Run, scope: dict[str, Any], context: TaskContext) -> None:
    if step.when is not None and not evaluate(step.when, scope, run.allowance):
        run.steps[step.id] = {"ok": True, "skipped": True, "value": {}, "findings": [], "proposals": [], "items": []}
        return
    gathered = run.gathered
    outcomes: list[dict[str, Any]] = []
    for item in _items(step, scope, run.allowance):
        run.iterations += 1
        if run.iterations > MAX_ITERATIONS:
            raise TooManyIterations(limit=MAX_ITERATIONS, where=step.id)
        args = evaluate(step.with_, {**scope, "item": item}, run.allowance)
        if not isinstance(args, dict):
            raise ExpressionFailed(expression=json.dumps(step.with_)[:200], detail="arguments must be an object")
        spec = context.door.spec(step.tool)
        if spec.effect is not EffectRule.PURE:
            proposal = gathered.proposal(item, step.tool, args)
            gathered.propose(
                step.tool, args, step.id, context, proposal=proposal, reason=spec.summary.say(context.lang)
            )
            await asyncio.sleep(0)
            continue
        result = await context.door.call(step.tool, args)
        gathered.keep(result, step.tool, args)
        if result.ok or result.findings:
            gathered.hear(result, step.id, spec, context.lang)
        else:
            gathered.unanswered += 1
            gathered.missing.append(brief(result.text, 300) or _NO_ANSWER.say(context.lang, tool=spec.name))
        outcomes.append(_visible(result))
        # A long chain of recorded effects answers without suspending; let the other agents run.
        await asyncio.sleep(0)
    last = outcomes[-1] if outcomes else {"ok": True, "value": {}, "findings": [], "proposals": [], "text": ""}
    run.steps[step.id] = last | {"items": outcomes if step.each is not None else []}


def _items(step: Step, scope: dict[str, Any], allowance: Allowance) -> Iterator[Any]:
    if step.each is None:
        yield None
        return
    values = evaluate(step.each, scope, allowance)
    if values is None:
        return
    if not isinstance(values, list):
        raise ExpressionFailed(expression=json.dumps(step.each)[:200], detail="each must be a list")
    yield from values


def _visible(result: ToolResult) -> dict[str, Any]:
    """A result as expressions see it: its findings have their ids."""
    plain = result.model_dump(mode="json")
    for finding, shown in zip(result.findings, plain["findings"], strict=True):
        shown["id"] = finding.id
    return plain


def _status(revision: Revision, gathered: Gathered, stopped: bool) -> ReportStatus:
    if stopped or gathered.problems:
        return ReportStatus.PARTIAL if gathered.worked or gathered.actions else ReportStatus.FAILED
    return ReportStatus.PARTIAL if gathered.unanswered or revision.default_playbook else ReportStatus.DONE


def report_of(
    revision: Revision,
    gathered: Gathered,
    status: ReportStatus,
    context: TaskContext,
    *,
    result: dict[str, Any],
    words: str = "",
    opinions: tuple[Opinion, ...] = (),
    dropped: int = 0,
) -> Report:
    """The report of what was gathered; ``words`` are the agent's own, else counts and what its tools said."""
    findings = gathered.ranked()
    if not words:
        said = [shortened(statement.text, MAX_QUOTE) for statement in gathered.statements.values()]
        words = clean(analysis(context.door.agent, status, findings, said, gathered.missing, context.lang))
    return Report(
        agent=context.door.agent,
        template=revision.name,
        revision=revision.digest,
        role=revision.role,
        task=context.task,
        status=status,
        analysis=words,
        result=result,
        findings=findings,
        statements=tuple(gathered.statements.values()),
        actions=tuple(gathered.actions),
        missing=tuple(gathered.missing),
        problems=tuple(gathered.problems),
        opinions=opinions,
        dropped=dropped,
        cost=context.door.cost,
    )


def _bounded(value: Any) -> Any:
    """A step's value as it stands in the report, or its size when it is large; the effect keeps it whole."""
    if not value:
        return value
    size = len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value if size <= MAX_RESULT_BYTES else {"omitted_bytes": size}


async def check_schema(schema: Mapping[str, Any], value: Any, error: type[NGError], name: str) -> None:
    """See that ``value`` fits ``schema``.

    Raises:
        NGError: ``error``, with what does not fit as its ``detail``.
    """
    found = await misfit(schema, value)
    if found is not None:
        raise error(agent=name, detail=found)
