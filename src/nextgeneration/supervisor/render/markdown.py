"""A mission's report as Markdown, for people and for version control: worst first, each statement with its source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from nextgeneration.credits.units import shown
from nextgeneration.kernel.findings import Evidence, Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import risk_said
from nextgeneration.kernel.show import brief, escaped
from nextgeneration.supervisor.outcome import (
    ActionOutcome,
    ActionStatus,
    EditedCall,
    MergedFinding,
    MissionReport,
    Sentence,
    TaskOutcome,
)
from nextgeneration.supervisor.render.words import (
    SEVERITY,
    STATUS,
    TASK,
    action_status,
    fixed_findings,
    gist,
    headline,
    open_findings,
    seconds_between,
)

DETAILED = Severity.MEDIUM
"""From this severity on a finding has a paragraph of its own; below it a line."""

LONGEST_PREVIEW = 20_000

_HEAD = Texts("Mission report: {goal}", "Rapport de mission : {goal}")
_STATUS = Texts("**{status}**{took}. {headline}", "**{status}**{took}. {headline}")
_TOOK = Texts(" in {seconds:.1f} s", " en {seconds:.1f} s")
_ANSWER = Texts("In short", "En bref")
_POINTS = Texts("Point by point", "Point par point")
_OPINIONS = Texts("What a model thinks, without proof", "Ce qu'un modèle pense, sans preuve")
_OPINION = Texts("{agent}: {text}", "{agent} : {text}")
_DONE = Texts("What was done", "Ce qui a été fait")
_REMAINS = Texts("What remains", "Ce qui reste")
_DETAILS = Texts("Details", "Détails")
_FIXED = Texts("Fixed and verified", "Corrigé et vérifié")
_RULED_OUT = Texts("Ruled out", "Écarté")
_OFFERED = Texts("What can be done next", "Ce qui peut être fait ensuite")
_MISSING = Texts("Not covered", "Non couvert")
_EDITED = Texts("Changed by a human before it was made", "Modifié par un humain avant d'être fait")
_EDIT = Texts(
    "{by} changed a call of {tool} by {agent} ({approval}): {made}; it had asked for: {asked}",
    "{by} a modifié un appel de {tool} par {agent} ({approval}) : {made} ; il avait demandé : {asked}",
)
_TEAM = Texts("Who worked, and why", "Qui a travaillé, et pourquoi")
_TABLE = Texts("| | severity | what | where |", "| | gravité | quoi | où |")
_TEAM_TABLE = Texts("| agent | result | chosen for |", "| agent | résultat | choisi pour |")
_FIX = Texts("To fix it:", "Pour corriger :")
_EVIDENCE = Texts("Evidence", "Preuve")
_DISPUTED = Texts("Contradicted by {others}.", "Contredit par {others}.")
_SOURCE = Texts(
    "{id} · rule {rules} · confidence {confidence:.0%} · found by {agents}",
    "{id} · règle {rules} · confiance {confidence:.0%} · trouvé par {agents}",
)
_EDITED_BY = Texts("edited by {by}", "modifiée par {by}")
_DECIDED = Texts("decided by {by}", "décidée par {by}")
_CHECKED = Texts("checked with", "vérifié avec")
_SHOW = Texts("Show exactly what would be done", "Montrer exactement ce qui serait fait")
_COST = Texts(
    "Mission {id}, {start} – {end}. {calls} tool calls, {models} model calls ({tokens} tokens), {credits} credits, "
    "{seconds:.1f} s of agents' time. Workspace: {workspace}",
    "Mission {id}, {start} – {end}. {calls} appels d'outils, {models} appels de modèles ({tokens} jetons), "
    "{credits} crédits, "
    "{seconds:.1f} s d'agents. Dossier : {workspace}",
)
_MARKS = re.compile(r"([\\`*_\[\]<>|#~&$])")
_LIVE = re.compile(r"://|\bwww\.|@|#\d|:[a-z0-9_+-]+:", re.IGNORECASE)
"""Words that code hosts turn into links, mentions and pictures by themselves: they are shown as code."""
_START = re.compile(r"^([-+=]|\d+[.)])")


def markdown(report: MissionReport) -> str:
    """The whole report. Text from outside is escaped: it can neither format nor link."""
    return "\n".join(_Page(report).lines()).rstrip() + "\n"


class _Page:
    """One report on its way to Markdown: findings and actions have numbers, by which sentences point to them."""

    def __init__(self, report: MissionReport) -> None:
        self._report = report
        self._lang = report.lang
        self._open = open_findings(report)
        self._fixed = fixed_findings(report)
        self._out = [entry for entry in report.findings if not entry.finding.holds]
        self._taken = [o for o in report.actions if o.status is not ActionStatus.OFFERED]
        self._offered = [o for o in report.actions if o.status is ActionStatus.OFFERED]
        entries = [*self._open, *self._fixed, *self._out]
        self._numbers = {f.id: n for n, e in enumerate(entries, 1) for f in (e.finding, *e.others)}
        self._numbers |= {entry.id: n for n, entry in enumerate(entries, 1)}
        self._actions = {o.action.id: n for n, o in enumerate([*self._taken, *self._offered], 1)}

    def lines(self) -> Iterator[str]:
        report, lang = self._report, self._lang
        yield f"# {_HEAD.say(lang, goal=_plain(brief(report.goal, 120)))}\n"
        status = STATUS.get(report.status, Texts(report.status, report.status)).say(lang)
        seconds = seconds_between(report.created_at, report.ended_at) if report.status != "waiting" else None
        took = "" if seconds is None else _TOOK.say(lang, seconds=seconds)
        said = headline(report, lang) if report.tasks else ""
        yield _STATUS.say(lang, status=_capital(status), took=took, headline=said).strip() + "\n"
        yield from self._answer()
        yield from self._section(_REMAINS, self._table(), self._open)
        yield from self._section(_DONE, (line for o in self._taken for line in self._action(o)), self._taken)
        yield from self._section(_DETAILS, self._details(), self._open)
        yield from self._section(_FIXED, (self._short(entry, why=False) for entry in self._fixed), self._fixed)
        yield from self._section(_RULED_OUT, (self._short(entry) for entry in self._out), self._out)
        yield from self._section(_OFFERED, (line for o in self._offered for line in self._offer(o)), self._offered)
        yield from self._section(_MISSING, (f"- {_plain(line)}" for line in report.missing), report.missing)
        thought = [(task.agent, opinion.text) for task in report.tasks for opinion in task.opinions]
        lines = (f"- {_plain(_OPINION.say(lang, agent=agent, text=brief(text, 600)))}" for agent, text in thought)
        yield from self._section(_OPINIONS, lines, thought)
        yield from self._section(_EDITED, (self._edit(one) for one in report.edits), report.edits)
        yield from self._section(_TEAM, self._team(), report.tasks)
        yield from ("", "---\n", self._cost())

    def _section(self, title: Texts, lines: Iterator[str], wanted: Sequence[object]) -> Iterator[str]:
        if wanted:
            yield f"## {title.say(self._lang)}\n"
            yield from lines
            yield ""

    # -- the answer --------------------------------------------------------------------------------------------------

    def _answer(self) -> Iterator[str]:
        report = self._report
        if report.prose:
            yield f"## {_ANSWER.say(self._lang)}\n"
            yield from self._sentences(report.prose)
        if report.answer:
            yield f"## {(_POINTS if report.prose else _ANSWER).say(self._lang)}\n"
            yield from self._sentences(report.answer)

    def _sentences(self, sentences: Sequence[Sentence]) -> Iterator[str]:
        for sentence in sentences:
            sources = [*self._links(sentence.findings, self._numbers, "F")]
            sources += self._links(sentence.actions, self._actions, "A")
            agents = {task.id: task.agent for task in self._report.tasks}
            sources += [_code(agents.get(task, task)) for task in sentence.tasks]
            yield f"- {_plain(brief(sentence.text, 400))}" + (f" ({', '.join(sources)})" if sources else "")
            if sentence.quote:
                quoted = "\n".join(_fenced(sentence.quote)).rstrip()
                yield from ("", *(f"  {line}".rstrip() for line in quoted.splitlines()), "")
        yield ""

    def _links(self, ids: Sequence[str], numbers: Mapping[str, int], letter: str) -> list[str]:
        """Links to numbered things; neighbours become a range: F1–F7."""
        known = sorted({numbers[i] for i in ids if i in numbers})
        runs: list[list[int]] = []
        for number in known:
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        found = []
        for run in runs:
            first, last = (f"[{letter}{n}](#{letter.lower()}{n})" for n in (run[0], run[-1]))
            found.append(first if len(run) == 1 else f"{first}, {last}" if len(run) == 2 else f"{first}–{last}")
        return found

    # -- findings ----------------------------------------------------------------------------------------------------

    def _table(self) -> Iterator[str]:
        yield _TABLE.say(self._lang)
        yield "|---|---|---|---|"
        for entry in self._open:
            finding = entry.finding
            number = self._numbers[entry.id]
            where = _code(str(finding.location)) if finding.location else ""
            yield (
                f"| [F{number}](#f{number}) | {SEVERITY[finding.severity].say(self._lang)} | "
                f"{_plain(finding.title)} | {where.replace('|', chr(92) + '|')} |"
            )

    def _details(self) -> Iterator[str]:
        for entry in self._open:
            if entry.finding.severity.rank >= DETAILED.rank:
                yield from self._detailed(entry)
        yield from (self._short(e) for e in self._open if e.finding.severity.rank < DETAILED.rank)

    def _detailed(self, entry: MergedFinding) -> Iterator[str]:
        finding = entry.finding
        number = self._numbers[entry.id]
        where = f" — {_code(str(finding.location))}" if finding.location else ""
        severity = _capital(SEVERITY[finding.severity].say(self._lang))
        yield f'### <a id="f{number}"></a>F{number} · {severity}: {_plain(finding.title)}{where}\n'
        if finding.message:
            yield _line(finding.message) + "\n"
        if finding.fix:
            yield f"**{_FIX.say(self._lang)}** {_plain(finding.fix)}\n"
        for evidence in finding.evidence[:3]:
            yield from self._evidence(evidence)
        if entry.disputed_by:
            yield _DISPUTED.say(self._lang, others=", ".join(self._links(entry.disputed_by, self._numbers, "F"))) + "\n"
        yield f"<sub>{self._source(entry)}</sub>\n"

    def _short(self, entry: MergedFinding, *, why: bool = True) -> str:
        """A finding in a list item, with its evidence, and unless it is settled why it matters."""
        finding = entry.finding
        number = self._numbers[entry.id]
        where = f" — {_code(str(finding.location))}" if finding.location else ""
        head = f'- <a id="f{number}"></a>**F{number}** {SEVERITY[finding.severity].say(self._lang)}: '
        evidence = next((_code(brief(e.excerpt, 120)) for e in finding.evidence if e.excerpt.strip()), "")
        said = " ".join(_plain(text) for text in (finding.message, finding.fix) if text and why)
        parts = [head + _plain(finding.title) + where, said, evidence, f"<sub>{self._source(entry)}</sub>"]
        return "<br>".join(part for part in parts if part)

    def _evidence(self, evidence: Evidence) -> Iterator[str]:
        at = f", {_code(str(evidence.location))}" if evidence.location else ""
        lead = f"{_EVIDENCE.say(self._lang)} ({_code(evidence.source)}{at})"
        if evidence.excerpt.strip() and "\n" not in evidence.excerpt.strip():
            yield f"{lead}: {_code(evidence.excerpt.strip())}\n"
            return
        yield lead + (":" if evidence.excerpt.strip() else "") + "\n"
        if evidence.excerpt.strip():
            yield from _fenced(evidence.excerpt)

    def _source(self, entry: MergedFinding) -> str:
        return _SOURCE.say(
            self._lang,
            id=entry.id,
            rules=_plain(", ".join(entry.rules)),
            confidence=entry.confidence,
            agents=_plain(", ".join(entry.agents)),
        )

    # -- actions, agents ---------------------------------------------------------------------------------------------

    def _action(self, outcome: ActionOutcome) -> Iterator[str]:
        yield self._title(outcome, "###")
        if outcome.detail:
            yield _line(outcome.detail) + "\n"
        yield from self._fixes(outcome)
        yield from self._preview(outcome)
        for check in outcome.checks:
            detail = f": {_plain(brief(check.detail, 200))}" if check.detail else ""
            yield f"- {'✓' if check.passed else '✗'} {_CHECKED.say(self._lang)} {_code(check.tool)}{detail}"
        if outcome.checks:
            yield ""

    def _offer(self, outcome: ActionOutcome) -> Iterator[str]:
        yield self._title(outcome, "###")
        yield from self._fixes(outcome)
        yield f"<details><summary>{_SHOW.say(self._lang)}</summary>\n"
        yield from self._preview(outcome)
        yield "</details>\n"

    def _title(self, outcome: ActionOutcome, level: str) -> str:
        number = self._actions[outcome.action.id]
        said = [(_EDITED_BY, outcome.edited_by), (_DECIDED, outcome.decided_by)]
        by = "".join(f", {text.say(self._lang, by=_plain(who))}" for text, who in said if who)
        label = f" [{risk_said(outcome.label, self._lang)}]" if outcome.label else ""
        what = _plain(gist(outcome.action.reason, 100))
        status = action_status(outcome, self._lang)
        return f'{level} <a id="a{number}"></a>A{number} · {what}{label} — {status}{by}\n'

    def _fixes(self, outcome: ActionOutcome) -> Iterator[str]:
        if gist(outcome.action.reason, 100) != outcome.action.reason:
            yield _line(outcome.action.reason) + "\n"
        links = self._links(outcome.action.fixes, self._numbers, "F")
        if links:
            yield ", ".join(links) + "\n"

    def _preview(self, outcome: ActionOutcome) -> Iterator[str]:
        body = outcome.preview or str(outcome.action.args.get("patch") or outcome.action.args)
        kind = "diff" if outcome.kind == "diff" or "patch" in outcome.action.args else ""
        yield from _fenced(body[:LONGEST_PREVIEW], kind)

    def _edit(self, one: EditedCall) -> str:
        asked, made = (_code(brief(json.dumps(args, ensure_ascii=False), 400)) for args in (one.asked, one.made))
        names = {"tool": _code(one.tool), "approval": _code(one.approval)}
        said = {"by": _plain(one.by), "agent": _plain(one.agent), **names, "asked": asked, "made": made}
        return f"- {_EDIT.say(self._lang, **said)}"

    def _team(self) -> Iterator[str]:
        yield _TEAM_TABLE.say(self._lang)
        yield "|---|---|---|"
        for task in self._report.tasks:
            yield f"| {self._agent(task)} | {TASK[task.status].say(self._lang)} | {_plain(_why(task))} |"

    @staticmethod
    def _agent(task: TaskOutcome) -> str:
        revision = task.revision.removeprefix("sha256:")[:12]
        return f"**{_plain(task.agent)}** <sub>{_plain(task.template)}@{revision}</sub>"

    def _cost(self) -> str:
        report, cost = self._report, self._report.cost
        return _COST.say(
            self._lang,
            id=_code(report.mission),
            start=report.created_at[:19],
            end=report.ended_at[:19],
            calls=cost.tool_calls,
            models=cost.model_calls,
            tokens=cost.input_tokens + cost.output_tokens,
            credits=shown(cost.credits),
            seconds=cost.seconds,
            workspace=_code(report.workspace),
        )


def _why(task: TaskOutcome) -> str:
    """The planner's reason without the agent's name, which stands beside it."""
    said = task.why
    for name in (task.agent, task.template):
        said = said.removeprefix(f"{name}:").removeprefix(f"{name} :")
    return said.strip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(text: str) -> str:
    """Text from outside as Markdown that shows exactly its characters, on one line."""
    words = escaped(" ".join(text.split()), newlines=False).split(" ")
    shown = (_code(word).replace("|", "\\|") if _LIVE.search(word) else _MARKS.sub(r"\\\1", word) for word in words)
    return " ".join(shown)


def _line(text: str) -> str:
    """The same where a line begins: it becomes neither a list nor a rule."""
    return _START.sub(r"\\\1", _plain(text))


def _code(text: str) -> str:
    """Text from outside as inline code, whatever backticks it holds."""
    text = escaped(" ".join(text.split()), newlines=False)
    ticks = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _fenced(text: str, kind: str = "") -> Iterator[str]:
    """A fence longer than any run of backticks in ``text``."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{kind}\n{escaped(text).rstrip()}\n{fence}\n"
