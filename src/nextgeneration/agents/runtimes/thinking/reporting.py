"""The report a model hands in: its form, and what of it is believed.

A finding is believed when it cites results of this run and quotes what stands in one of them; it then carries that
passage as its evidence. Without the passage it is an opinion, marked as such. Without any result it is dropped and
counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nextgeneration.agents.runtimes.gathering import Gathered
from nextgeneration.agents.runtimes.thinking.arguments import misfit_of
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.models import ToolSchema
from nextgeneration.kernel.reports import Opinion
from nextgeneration.kernel.show import clean, shortened

if TYPE_CHECKING:
    from nextgeneration.agents.context import TaskContext
    from nextgeneration.agents.runtimes.thinking.compiled import Ready

REPORT = "report"
MAX_WORDS = 40_000
MIN_QUOTE = 4
CONFIDENCE = 0.7
"""Of a finding a model added: its passage is there, its reading of it may be wrong."""

_RULE = re.compile(r"[^a-z0-9_.-]+")
_SUMMARY = Texts("Hand in your report. This ends the task.", "Rends ton rapport. La tâche est alors terminée.")
_FIELDS = {
    "status": Texts(
        "done, partial (something is missing) or failed", "done, partial (il manque quelque chose) ou failed"
    ),
    "analysis": Texts("your answer to the task, in words", "ta réponse à la tâche, en mots"),
    "findings": Texts("findings you add to those of the tools", "constats que tu ajoutes à ceux des outils"),
    "cites": Texts("labels of results, such as r2", "étiquettes de résultats, comme r2"),
    "quote": Texts("a passage of the cited result, word for word", "un passage du résultat cité, mot pour mot"),
    "opinions": Texts("what you think and no result shows", "ce que tu penses et qu'aucun résultat ne montre"),
    "actions": Texts("changes you propose; a human decides", "changements que tu proposes ; un humain décide"),
    "remedy": Texts("a remedy by its name, such as p1", "un remède par son nom, comme p1"),
    "fixes": Texts("ids of the findings it mends", "identifiants des constats corrigés"),
    "missing": Texts("what could not be done, and what it would need", "ce qui n'a pu être fait, et ce qu'il faudrait"),
    "result": Texts("the result", "le résultat"),
}
_MISQUOTED = Texts("{title}: the quote is not in {cites}", "{title} : la citation n'est pas dans {cites}")
_UNCITED = Texts("{title}: {cites} is no result of this run", "{title} : {cites} n'est pas un résultat de cette tâche")
_NO_EVIDENCE = Texts("no result shows it", "aucun résultat ne le montre")
_NO_REMEDY = Texts("there is no remedy {name}", "il n'y a pas de remède {name}")
_NO_ACTION = Texts("{tool} cannot be proposed: {why}", "{tool} ne peut être proposé : {why}")
_NOT_YOURS = Texts("it is not among the agent's tools", "il n'est pas parmi les outils de l'agent")
_ONLY_READS = Texts("it changes nothing, and can simply be called", "il ne change rien, et peut simplement être appelé")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ModelFinding(_Part):
    """A finding as a model writes it."""

    title: str = Field(min_length=1, max_length=500)
    severity: Severity = Severity.INFO
    message: str = Field(default="", max_length=4_000)
    rule: str = ""
    cites: list[str] = []
    quote: str = ""
    path: str = ""
    line: int | None = None


class ModelAction(_Part):
    """An action as a model writes it."""

    remedy: str = ""
    tool: str = ""
    args: dict[str, Any] = {}
    reason: str = Field(default="", max_length=2_000)
    fixes: list[str] = []


class ModelReport(_Part):
    """A report as a model writes it."""

    status: Literal["done", "partial", "failed"] = "done"
    analysis: str
    findings: list[ModelFinding] = Field(default=[], max_length=200)
    opinions: list[str] = Field(default=[], max_length=50)
    actions: list[ModelAction] = Field(default=[], max_length=100)
    missing: list[str] = Field(default=[], max_length=50)
    result: dict[str, Any] = {}


def report_schema(output: Mapping[str, Any], lang: Lang) -> ToolSchema:
    """The tool by which a report is handed in; ``output`` is the template's schema of its result."""

    def text(name: str) -> dict[str, Any]:
        return {"type": "string", "description": _FIELDS[name].say(lang)}

    def several(name: str, item: dict[str, Any]) -> dict[str, Any]:
        return {"type": "array", "items": item, "description": _FIELDS[name].say(lang)}

    words = {"type": "string"}
    finding = {
        "title": words,
        "severity": {"type": "string", "enum": [severity.value for severity in Severity]},
        "message": words,
        "rule": words,
        "cites": several("cites", words),
        "quote": text("quote"),
        "path": words,
        "line": {"type": "integer"},
    }
    action = {
        "remedy": text("remedy"),
        "tool": words,
        "args": {"type": "object"},
        "reason": words,
        "fixes": several("fixes", words),
    }
    properties: dict[str, Any] = {
        "status": {"type": "string", "enum": ["done", "partial", "failed"], "description": _FIELDS["status"].say(lang)},
        "analysis": text("analysis"),
        "findings": several(
            "findings",
            {"type": "object", "properties": finding, "required": ["title", "severity", "cites", "quote"]},
        ),
        "opinions": several("opinions", words),
        "actions": several("actions", {"type": "object", "properties": action}),
        "missing": several("missing", words),
    }
    required = ["status", "analysis"]
    if output:
        properties["result"] = {"description": _FIELDS["result"].say(lang), **output}
        required.append("result")
    return ToolSchema(REPORT, _SUMMARY.say(lang), {"type": "object", "properties": properties, "required": required})


def parsed(data: Mapping[str, Any]) -> ModelReport | str:
    """A report from what a model wrote, or what does not fit."""
    try:
        return ModelReport.model_validate(data)
    except ValidationError as error:
        return misfit_of(error)


def salvaged(data: Mapping[str, Any] | None) -> ModelReport:
    """What can be used of a report that does not fit: each part that does, by itself."""
    kept: dict[str, Any] = {"status": "partial", "analysis": ""}
    for key, value in (data or {}).items():
        if key in ModelReport.model_fields and key != "status":
            items = value if isinstance(value, list) else None
            tries = [value] if items is None else [items, [item for item in items if _fits(key, [item])]]
            kept |= next(({key: one} for one in tries if _fits(key, one)), {})
    return ModelReport.model_validate(kept)


def _fits(key: str, value: Any) -> bool:
    try:
        ModelReport.model_validate({"analysis": "", key: value})
    except ValidationError:
        return False
    return True


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object a text consists of, perhaps in a code fence."""
    text = text.strip()
    if text.startswith("```"):
        text = text.partition("\n")[2].rpartition("```")[0].strip()
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(slots=True)
class Shown:
    """A result as the model was shown it; ``marked``: it had a label."""

    label: str
    tool: str
    text: str
    marked: bool = False
    flat: str = ""

    def holds(self, quote: str) -> bool:
        """Whether ``quote``, with spaces made equal, stands in it."""
        if not self.flat:
            self.flat = _flat(self.text)
        return quote in self.flat


class Results:
    """The results of a run, by label and by the id of their call.

    Attributes:
        heard: where words came from that are neither ours nor the user's, and cannot be cited.
    """

    __slots__ = ("_by_key", "heard", "shown")

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self.shown: list[Shown] = []
        self._by_key: dict[str, Shown] = {}

    def add(self, shown: Shown, call: str = "") -> None:
        """Keep a result for citing."""
        self.shown.append(shown)
        self._by_key[shown.label] = shown
        if call:
            self._by_key.setdefault(call, shown)

    def cited(self, cites: list[str]) -> list[Shown]:
        """The results that are there, of those cited."""
        found = (self._by_key.get(cite.strip(" []`\"'")) for cite in cites)
        return list({one.label: one for one in found if one is not None}.values())

    def tools(self) -> tuple[str, ...]:
        """Whose results hold words that are neither ours nor the user's, or a secret."""
        return tuple(sorted(self.heard | {one.tool for one in self.shown if one.marked}))


def evidence_for(finding: ModelFinding, results: Results) -> Evidence | None:
    """The passage a finding quotes, when it stands in a result the finding cites."""
    quote = _flat(finding.quote)
    if len(quote) < MIN_QUOTE:
        return None
    for shown in results.cited(finding.cites):
        if shown.holds(quote):
            return Evidence(source=shown.tool, excerpt=shortened(clean(finding.quote.strip()), 500))
    return None


def faults(report: ModelReport, results: Results, lang: Lang) -> list[str]:
    """What the model is told about findings that would not be believed."""
    said = []
    for finding in report.findings:
        if evidence_for(finding, results) is None:
            there = results.cited(finding.cites)
            text = _MISQUOTED if there else _UNCITED
            cites = ", ".join(shown.label for shown in there) or ", ".join(finding.cites) or "-"
            said.append("- " + text.say(lang, title=shortened(finding.title, 100), cites=shortened(cites, 100)))
    return said


def believed(report: ModelReport, results: Results, gathered: Gathered, lang: Lang) -> tuple[tuple[Opinion, ...], int]:
    """Take over the findings with evidence; what is only an opinion, and how many were dropped."""
    opinions = [Opinion(text=clean(text)) for text in report.opinions if text.strip()]
    dropped = 0
    for finding in report.findings:
        evidence = evidence_for(finding, results)
        if evidence is not None:
            made = _finding(finding, evidence)
            gathered.findings.setdefault(made.id, made)
        elif results.cited(finding.cites):
            said = clean(": ".join(filter(None, (finding.title, finding.message))))
            opinions.append(Opinion(text=said, reason=_NO_EVIDENCE.say(lang)))
        else:
            dropped += 1
    return tuple(opinions), dropped


def _finding(given: ModelFinding, evidence: Evidence) -> Finding:
    location = _location(given)
    # Never under a tool's own rule: a model could make its word look like a tool's, and corroborate itself.
    rule = "model." + (_RULE.sub("-", given.rule.lower().removeprefix("model.")).strip("-.")[:80] or "finding")
    return Finding(
        rule=rule,
        title=clean(given.title),
        message=clean(given.message),
        severity=given.severity,
        confidence=CONFIDENCE,
        location=location,
        evidence=(evidence.model_copy(update={"location": location}),),
        data={"by": "model"},
    )


def _location(given: ModelFinding) -> Location | None:
    path = PurePosixPath(clean(given.path))
    if not given.path or path.is_absolute() or ".." in path.parts:
        return None
    return Location(path=str(path), line=given.line if given.line and given.line > 0 else None)


def proposed(
    report: ModelReport,
    results: Results,
    remedies: Mapping[str, Any],
    tools: Mapping[str, Ready],
    gathered: Gathered,
    context: TaskContext,
) -> None:
    """Make what the model proposes actions of the report; what cannot be proposed is named as missing.

    Raises:
        NGError: the report holds as many actions as it may.
    """
    lang, read = context.lang, results.tools()
    for action in report.actions:
        proposal = remedies.get(action.remedy.strip()) if action.remedy else None
        if action.remedy and proposal is None and not action.tool:
            gathered.missing.append(_NO_REMEDY.say(lang, name=shortened(clean(action.remedy), 40)))
            continue
        tool, args = (proposal.tool, proposal.args) if proposal else (action.tool, action.args)
        ready = tools.get(tool)
        why = _unfit(ready, args, lang)
        if ready is None or why:
            gathered.missing.append(_NO_ACTION.say(lang, tool=shortened(clean(tool), 80) or "-", why=why))
            continue
        fixes = tuple(dict.fromkeys(one for one in action.fixes if one in gathered.findings))
        reason = clean(action.reason) or ready.spec.summary.say(lang)
        gathered.propose(
            ready.name, dict(args), "model", context, proposal=proposal, reason=reason, fixes=fixes, untrusted=read
        )


def _unfit(ready: Ready | None, args: dict[str, Any], lang: Lang) -> str:
    if ready is None:
        return _NOT_YOURS.say(lang)
    if ready.pure:
        return _ONLY_READS.say(lang)
    try:
        ready.validate(args)
        json.dumps(args, allow_nan=False).encode()
    except ValidationError as error:
        return misfit_of(error).replace("\n", "; ")
    except (ValueError, NGError) as error:
        return str(error)
    return ""


def _flat(text: str) -> str:
    return " ".join(text.replace("<<<", "‹‹‹").split())
