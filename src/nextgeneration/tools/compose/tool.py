"""The tools ``compose.audit`` and ``compose.rules``."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, Field

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.compose.audit import FileAudit, audit, proposal, told
from nextgeneration.tools.compose.catalogue import chosen, chosen_severities
from nextgeneration.tools.compose.errors import NotText, TooMany
from nextgeneration.tools.compose.model import ComposeFile, Surroundings, is_compose_name
from nextgeneration.tools.errors_paths import NameUnshown
from nextgeneration.tools.nouns import COMPOSE_FILES, FINDINGS, RULES, SERVICES
from nextgeneration.tools.workspace import Workspace

MAX_FILES = 50
MAX_BYTES = 1_000_000

_NONE = Texts(
    "There is no compose file in this workspace.", "Il n'y a pas de fichier compose dans cet espace de travail."
)
_CLEAN = Texts(
    "{files} with {services}: {rules}, nothing found.",
    "{files}, {services} : {rules}, rien à signaler.",
)
_FOUND = Texts(
    "{files} with {services}: {total} of {rules} ({severities}).",
    "{files}, {services} : {total} de {rules} ({severities}).",
)
_MORE = Texts(
    "{n} more are left out of the list: of each rule the first are told, and the worst of all.",
    "{n} autres ne sont pas dans la liste : les premiers de chaque règle y sont, et les pires de tous.",
)
_LEFT_OUT = Texts("Not read: {paths}.", "Non lus : {paths}.")
_SEVERITIES: dict[Severity, Texts] = {
    Severity.CRITICAL: Texts("critical", "critique"),
    Severity.HIGH: Texts("high", "élevée"),
    Severity.MEDIUM: Texts("medium", "moyenne"),
    Severity.LOW: Texts("low", "faible"),
    Severity.INFO: Texts("info", "info"),
}


class AuditArgs(Args):
    """What to audit."""

    path: str | None = Field(default=None, description="one compose file; all of the workspace without it")
    only: tuple[str, ...] = Field(
        default=(), description="rule ids or severities to keep, such as compose.privileged or high"
    )


class AuditedFile(BaseModel):
    """One file that was read."""

    path: str
    services: int
    findings: int


class AuditResult(BaseModel):
    """What was read and how much was found; the findings themselves are in the result's findings."""

    files: list[AuditedFile]
    services: int
    rules: int
    by_severity: dict[str, int]
    unread: dict[str, str] = {}


class ComposeAudit(BaseTool):
    """Reads compose files and reports what is unsafe, broken or fragile in them."""

    spec = ToolSpec(
        name="compose.audit",
        summary=Texts(
            "Audits Docker Compose files for danger, errors and fragility; with line, reason and a patch where safe.",
            "Audite les fichiers Docker Compose : dangers, erreurs, fragilités ; avec ligne, raison et correctif sûr.",
        ),
        args=AuditArgs,
        result=AuditResult,
        seconds=60.0,
        aliases=("compose_audit", "docker_compose_audit"),
    )

    async def call(self, args: Any, context: ToolContext) -> ToolResult:
        """Audit in a thread; see :func:`audit_workspace`.

        Raises:
            RuleUnknown: ``only`` names no rule or severity.
            NotText: the file named is not UTF-8.
            NGError: the file named cannot be read.
        """
        return await asyncio.to_thread(audit_workspace, Workspace(context.workspace), args, context.lang)


def audit_workspace(workspace: Workspace, args: AuditArgs, lang: Lang) -> ToolResult:
    """Findings and patches for one file, or for all compose files of the workspace."""
    rules, severities = chosen(args.only), chosen_severities(args.only)
    files, unread = compose_files(workspace, args.path)
    audits = [audit(file, rules, severities) for file in files]
    findings = [found.finding(rule, hit, lang) for found, rule, hit in told(audits)]
    proposals = [offer for found in audits if (offer := proposal(found, rules, lang))]
    counts = sum((found.severities() for found in audits), Counter[Severity]())
    value = AuditResult(
        files=[AuditedFile(path=f.file.path, services=len(f.file.services), findings=len(f.hits)) for f in audits],
        services=sum(len(found.file.services) for found in audits),
        rules=len(rules),
        by_severity={severity.value: counts[severity] for severity in reversed(Severity)},
        unread=unread,
    )
    return ToolResult(
        value=value.model_dump(),
        text=_summary(audits, findings, counts, len(rules), unread, lang),
        findings=tuple(findings),
        proposals=tuple(proposals),
        truncated=len(findings) < counts.total(),
    )


def _summary(
    audits: list[FileAudit],
    findings: list[Finding],
    counts: Counter[Severity],
    rules: int,
    unread: dict[str, str],
    lang: Lang,
) -> str:
    lines = []
    if not audits and not unread:
        lines.append(_NONE.say(lang))
    else:
        severities = ", ".join(
            f"{counts[severity]} {_SEVERITIES[severity].say(lang)}"
            for severity in reversed(Severity)
            if counts[severity]
        )
        text = _FOUND if findings else _CLEAN
        services = sum(len(found.file.services) for found in audits)
        files, total = COMPOSE_FILES.of(len(audits)), FINDINGS.of(counts.total())
        values = {"files": files, "services": SERVICES.of(services), "rules": RULES.of(rules), "total": total}
        lines.append(text.say(lang, **values, severities=severities))
    lines += [f"{f.location}: {f.title} [{_SEVERITIES[f.severity].say(lang)}]" for f in findings[:5]]
    if len(findings) < counts.total():
        lines.append(_MORE.say(lang, n=counts.total() - len(findings)))
    if unread:
        lines.append(_LEFT_OUT.say(lang, paths=", ".join(f"{path} ({why})" for path, why in unread.items())))
    return "\n".join(lines)


def compose_files(workspace: Workspace, path: str | None) -> tuple[list[ComposeFile], dict[str, str]]:
    """The compose files to audit, each knowing those beside it, and what could not be read."""
    around = Surroundings(workspace)
    names = [name for name in workspace.files() if is_compose_name(name)]
    unread = dict.fromkeys(names[MAX_FILES:], TooMany.code) if path is None else {}
    if path is None:
        hidden = [name for name in workspace.unshown if name.endswith(("/", ".yml", ".yaml"))]
        unread |= dict.fromkeys(hidden, NameUnshown.code)
    loaded: dict[str, ComposeFile] = {}
    wanted = str(PurePosixPath(path)) if path is not None else None
    for name in names[:MAX_FILES] if wanted is None or wanted in names[:MAX_FILES] else [*names[:MAX_FILES], wanted]:
        try:
            text = workspace.read_bytes(name, limit=MAX_BYTES).decode("utf-8")
        except UnicodeDecodeError:
            if name == wanted:
                raise NotText(path=name) from None
            unread[name] = NotText.code
            continue
        except NGError as error:
            if name == wanted:
                raise
            unread[name] = error.code
            continue
        file = ComposeFile(name, text, around)
        if name == wanted or file.base or "services" in file.top or file.tree.faults:
            loaded[name] = file
    for file in loaded.values():
        file.siblings.extend(other for other in loaded.values() if other is not file and other.folder == file.folder)
    return ([loaded[wanted]] if wanted is not None else list(loaded.values())), unread


class RulesArgs(Args):
    """Which rules to list."""

    only: tuple[str, ...] = Field(default=(), description="rule ids or severities to keep")


class RuleSummary(BaseModel):
    """One rule."""

    id: str
    topic: str
    severity: str
    title: str
    why: str
    fix: str
    fixable: bool


class RulesResult(BaseModel):
    """The rules, in the order of the reference."""

    rules: list[RuleSummary]


class ComposeRules(BaseTool):
    """Lists the rules of ``compose.audit``."""

    spec = ToolSpec(
        name="compose.rules",
        summary=Texts("Lists the rules that compose.audit applies.", "Liste les règles qu'applique compose.audit."),
        args=RulesArgs,
        result=RulesResult,
        touches=frozenset(),
        seconds=5.0,
    )

    async def call(self, args: Any, context: ToolContext) -> ToolResult:
        """The rules in the reader's language.

        Raises:
            RuleUnknown: ``only`` names no rule or severity.
        """
        severities = chosen_severities(args.only)
        rules = [rule for rule in chosen(args.only) if rule.severity in severities]
        summaries = [
            RuleSummary(
                id=rule.id,
                topic=rule.topic.say(context.lang),
                severity=rule.severity.value,
                title=rule.title.say(context.lang),
                why=rule.why.say(context.lang),
                fix=rule.fix.say(context.lang),
                fixable=rule.fixable,
            )
            for rule in rules
        ]
        text = "\n".join(f"{rule.id} [{rule.severity}] {rule.title}" for rule in summaries)
        return ToolResult(value=RulesResult(rules=summaries).model_dump(), text=text)
