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
    TooManyActions,
    TooManyIterations,
)
from nextgeneration.agents.runtimes.fitting import misfit
from nextgeneration.agents.runtimes.selecting import Allowance, evaluate
from nextgeneration.agents.runtimes.words import analysis
from nextgeneration.kernel.actions import Action, Check, Proposal
from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Finding
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.reports import Report, ReportStatus, Statement
from nextgeneration.kernel.risk import EffectRule
from nextgeneration.kernel.show import brief, clean, shortened
from nextgeneration.kernel.tools import ToolResult, ToolSpec
from nextgeneration.missions.errors import OverBudget

if TYPE_CHECKING:
    from nextgeneration.templates.revision import Revision, Step

MAX_ITERATIONS = 10_000
MAX_RESULT_BYTES = 16_000
MAX_STATEMENTS, MAX_STATEMENT = 50, 4_000
MAX_QUOTE = 1_500
"""Characters of one statement in the report's own words."""

MAX_ACTIONS = 200
MAX_ACTIONS_BYTES = 4_000_000
"""Of one run: actions are journaled with their arguments, and a human has to read them."""

_DEFAULT_PLAYBOOK = Texts(
    "this template has no playbook of its own: only the workspace was read",
    "ce modèle n'a pas de playbook : seul l'espace de travail a été lu",
)
_NEEDS_MODEL = Texts("{capability} needs a model", "{capability} demande un modèle")
_NO_ANSWER = Texts("{tool} found no answer", "{tool} n'a pas trouvé de réponse")
_STEP_FAILED = Texts("{step} ({tool}): {why}", "{step} ({tool}) : {why}")


@dataclass
class _Run:
    """What a playbook has gathered so far."""

    steps: dict[str, Any] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    found_by: dict[str, Check] = field(default_factory=dict)
    offered: dict[str, Proposal] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    statements: dict[str, Statement] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    iterations: int = 0
    proposed_bytes: int = 0
    allowance: Allowance = field(default_factory=Allowance)
    worked: int = 0
    unanswered: int = 0

    def keep(self, result: ToolResult, tool: str, args: dict[str, Any]) -> None:
        """Take over a call's findings, remembering which call found each."""
        self.worked += 1
        for finding in result.findings:
            self.findings.setdefault(finding.id, finding)
            self.found_by.setdefault(finding.id, Check(tool=tool, args=args))
        self.offered.update({_text(proposal.model_dump(mode="json")): proposal for proposal in result.proposals})

    def hear(self, result: ToolResult, step: str, spec: ToolSpec, lang: Lang) -> None:
        """Keep what a call said, but for lines that only repeat its findings; what was said before counts once."""
        titles = [finding.title for finding in result.findings if finding.title]
        lines = [line for line in result.text.splitlines() if not any(title in line for title in titles)]
        text = shortened(clean("\n".join(lines)).strip(), MAX_STATEMENT)
        if text and len(self.statements) < MAX_STATEMENTS:
            said = Statement(step=step, tool=spec.name, about=spec.summary.say(lang), text=text)
            self.statements.setdefault(text, said)

    def proposal(self, item: Any, tool: str, args: dict[str, Any]) -> Proposal | None:
        """The proposal that a step's ``each`` handed over, when it is the very call the step makes.

        Only a tool of this run can have made it: what it says it fixes, and how that is checked, is believed.
        """
        found = self.offered.get(_text(item)) if isinstance(item, dict) else None
        return found if found is not None and found.tool == tool and found.args == args else None


async def run_playbook(
    revision: Revision, input_data: Mapping[str, Any], config: Mapping[str, Any], context: TaskContext
) -> Report:
    """Run every step of ``revision`` and report what was found and what is proposed.

    Raises:
        Parked: a step waits for a human; the run starts again from its first line after the decision.
        NGError: with ``control``, since it concerns the whole mission: it is no longer this worker's to
            run, or its journal cannot be written.
    """
    run = _Run()
    scope = {"input": dict(input_data), "config": dict(config), "context": dict(context), "steps": run.steps}
    try:
        await _check_schema(revision.input_schema, scope["input"], InputRefused, revision.name)
        stopped = await _run_steps(revision, run, scope, context)
        status = _status(revision, run, stopped)
    except OverBudget as error:
        _note(run, error, context, "budget", "")
        status = ReportStatus.OVER_BUDGET
    except InputRefused as error:
        _note(run, error, context, "input", "")
        status = ReportStatus.FAILED
    return await _report(revision, run, status, context)


async def _run_steps(revision: Revision, run: _Run, scope: dict[str, Any], context: TaskContext) -> bool:
    """Run the steps in order; true when one stopped the playbook."""
    for step in revision.playbook:
        try:
            await _run_step(step, run, scope, context)
        except NGError as error:
            if error.control or isinstance(error, OverBudget):
                raise
            _note(run, error, context, step.id, step.tool)
            run.steps[step.id] = {"ok": False, "value": {}, "findings": [], "proposals": [], "text": "", "items": []}
            if step.on_error == "stop":
                return True
    return False


async def _run_step(step: Step, run: _Run, scope: dict[str, Any], context: TaskContext) -> None:
    if step.when is not None and not evaluate(step.when, scope, run.allowance):
        run.steps[step.id] = {"ok": True, "skipped": True, "value": {}, "findings": [], "proposals": [], "items": []}
        return
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
            _propose(step, args, item, run, context)
            await asyncio.sleep(0)
            continue
        result = await context.door.call(step.tool, args)
        run.keep(result, step.tool, args)
        if result.ok or result.findings:
            run.hear(result, step.id, spec, context.lang)
        else:
            run.unanswered += 1
            run.missing.append(brief(result.text, 300) or _NO_ANSWER.say(context.lang, tool=spec.name))
        outcomes.append(result.model_dump(mode="json") | {"findings": [_visible(f) for f in result.findings]})
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


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _visible(finding: Finding) -> dict[str, Any]:
    return finding.model_dump(mode="json") | {"id": finding.id}


def _propose(step: Step, args: dict[str, Any], item: Any, run: _Run, context: TaskContext) -> None:
    """Turn a step that would change something into an action of the report.

    Raises:
        TooManyActions: the report holds as many, or as much, as it may.
    """
    run.proposed_bytes += len(json.dumps(args, default=str))
    if len(run.actions) >= MAX_ACTIONS or run.proposed_bytes > MAX_ACTIONS_BYTES:
        raise TooManyActions(limit=MAX_ACTIONS, megabytes=MAX_ACTIONS_BYTES // 1_000_000, where=step.id)
    proposal = run.proposal(item, step.tool, args)
    name = digest({"task": context.task, "step": step.id, "n": len(run.actions)}).removeprefix("sha256:")[:16]
    fixes = proposal.fixes if proposal else ()
    checks = [proposal.verify] if proposal and proposal.verify else _checks(fixes, run)
    run.actions.append(
        Action(
            id=f"act_{name}",
            agent=context.door.agent,
            task=context.task,
            tool=step.tool,
            args=args,
            reason=proposal.reason if proposal else context.door.spec(step.tool).summary.say(context.lang),
            fixes=fixes,
            verify=tuple(checks),
            group=proposal.group if proposal else "",
            rank=proposal.rank if proposal else 0,
        )
    )


def _checks(fixes: tuple[str, ...], run: _Run) -> list[Check]:
    """The calls that found what is to be fixed, once each, with the ids that must be gone."""
    gone: dict[str, tuple[Check, list[str]]] = {}
    for finding_id in fixes:
        check = run.found_by.get(finding_id)
        if check is not None:
            key = check.tool + json.dumps(check.args, sort_keys=True)
            gone.setdefault(key, (check, []))[1].append(finding_id)
    return [check.model_copy(update={"absent": tuple(ids)}) for check, ids in gone.values()]


def _note(run: _Run, error: NGError, context: TaskContext, step: str, tool: str) -> None:
    problem = getattr(error, "problem_data", None) or error.problem(context.lang)
    run.problems.append(problem | {"step": step, "tool": tool})
    why = str(problem["message"])
    named = not tool or tool in why
    run.missing.append(why if named else _STEP_FAILED.say(context.lang, step=step, tool=tool, why=why))


def _status(revision: Revision, run: _Run, stopped: bool) -> ReportStatus:
    if stopped or run.problems:
        return ReportStatus.PARTIAL if run.worked or run.actions else ReportStatus.FAILED
    return ReportStatus.PARTIAL if run.unanswered or revision.default_playbook else ReportStatus.DONE


async def _report(revision: Revision, run: _Run, status: ReportStatus, context: TaskContext) -> Report:
    result = {name: _bounded(step.get("value", {})) for name, step in run.steps.items() if not step.get("skipped")}
    if status is ReportStatus.DONE:
        try:
            await _check_schema(revision.output_schema, result, OutputRefused, revision.name)
        except OutputRefused as error:
            _note(run, error, context, "output", "")
            status = ReportStatus.PARTIAL
    if revision.default_playbook:
        run.missing.append(_DEFAULT_PLAYBOOK.say(context.lang))
        run.missing.extend(_NEEDS_MODEL.say(context.lang, capability=c.id) for c in revision.capabilities)
    findings = tuple(sorted(run.findings.values(), key=lambda f: (-f.severity.rank, -f.confidence)))
    said = [shortened(statement.text, MAX_QUOTE) for statement in run.statements.values()]
    return Report(
        agent=context.door.agent,
        template=revision.name,
        revision=revision.digest,
        role=revision.role,
        task=context.task,
        status=status,
        analysis=clean(analysis(context.door.agent, status, findings, said, run.missing, context.lang)),
        result=result,
        findings=findings,
        statements=tuple(run.statements.values()),
        actions=tuple(run.actions),
        missing=tuple(run.missing),
        problems=tuple(run.problems),
        cost=context.door.cost,
    )


def _bounded(value: Any) -> Any:
    """A step's value as it stands in the report, or its size when it is large; the effect keeps it whole."""
    size = len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value if size <= MAX_RESULT_BYTES else {"omitted_bytes": size}


async def _check_schema(schema: Mapping[str, Any], value: Any, error: type[NGError], name: str) -> None:
    found = await misfit(schema, value)
    if found is not None:
        raise error(agent=name, detail=found)
