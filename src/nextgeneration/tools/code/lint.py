"""What Ruff says, as findings, and its safe fixes, as one patch a file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress

from nextgeneration.kernel.actions import Check, Proposal
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import shortened
from nextgeneration.tools.code import ruff_french
from nextgeneration.tools.code.languages import is_test
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.code.patches import fitted
from nextgeneration.tools.code.ruff import Ruff, Violation
from nextgeneration.tools.code.rules import COMPLEXITY, SELECT, confidence_of, severity_of, why
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.code.sources import MAX_BYTES, Deadline
from nextgeneration.tools.errors import ToolError
from nextgeneration.tools.workspace import Workspace

MAX_PATCHES = 30
MAX_PATCH = 100_000
_SHOWN = 5
_ALONE = frozenset({Severity.HIGH, Severity.CRITICAL})
"""Severities whose violations are only put together when they say the same."""


SECURITY = tuple(rule for rule in SELECT if rule.startswith("S"))


async def security(ruff: Ruff, workspace: Workspace, paths: Sequence[str], notes: Notes, deadline: Deadline) -> None:
    """Note what the security rules find.

    Raises:
        LinterFailed, LinterTooSlow: see :class:`Ruff`.
    """
    await lint(ruff, workspace, paths, notes, deadline, SECURITY)


async def lint(
    ruff: Ruff,
    workspace: Workspace,
    paths: Sequence[str],
    notes: Notes,
    deadline: Deadline,
    select: Sequence[str] = SELECT,
) -> None:
    """Note what the correctness and security rules find, and propose the safe fixes.

    Raises:
        LinterFailed, LinterTooSlow: see :class:`Ruff`.
    """
    violations = await ruff.check(paths, select, deadline.left)
    broken = {v.path for v in violations if v.code == "invalid-syntax"}
    # A parser that lost its way says more: only its first word about a file is worth reading.
    first: dict[str, Violation] = {}
    for violation in violations:
        if violation.code == "invalid-syntax":
            first.setdefault(violation.path, violation)
    kept = [*first.values(), *(v for v in violations if v.code != "invalid-syntax" and v.path not in broken)]
    lines = _Lines(workspace)
    fixed: dict[str, list[str]] = defaultdict(list)
    for group in _grouped(kept):
        finding = _note(group, lines, notes)
        if group[0].fixable:
            fixed[group[0].path].append(finding.id)
    if fixed and not deadline.over:
        await _propose(ruff, fixed, lines, notes, deadline)


async def complexity(ruff: Ruff, workspace: Workspace, paths: Sequence[str], notes: Notes, deadline: Deadline) -> None:
    """Note Python functions that are too complex (cyclomatic above 15) or too long (more than 50 statements).

    Raises:
        LinterFailed, LinterTooSlow: see :class:`Ruff`.
    """
    lines = _Lines(workspace)
    for violation in await ruff.check(paths, COMPLEXITY, deadline.left):
        if violation.code not in COMPLEXITY:
            continue
        value, limit = _measured(violation.message)
        excerpt = lines.at(violation.path, violation.line)
        name = _function_name(excerpt)
        if violation.code == "C901":
            rule, title = (
                "code.complexity",
                Texts("{name}: complexity {value} ({path})", "{name} : complexité {value} ({path})"),
            )
            why_text = Texts(
                "Cyclomatic complexity (McCabe), measured; above {limit} a function is hard to test.",
                "Complexité cyclomatique (McCabe), mesurée ; au-delà de {limit} une fonction est difficile à tester.",
            )
            severity = Severity.LOW if value >= 25 else Severity.INFO
        else:
            rule, title = (
                "code.long-function",
                Texts("{name}: {value} statements ({path})", "{name} : {value} instructions ({path})"),
            )
            why_text = Texts(
                "More than {limit} statements in one function.", "Plus de {limit} instructions dans une fonction."
            )
            severity = Severity.LOW if value >= 120 else Severity.INFO
        notes.add(
            rule,
            notes.say(title, name=name, value=value, path=violation.path),
            message=notes.say(why_text, limit=limit),
            severity=Severity.INFO if is_test(violation.path) else severity,
            path=violation.path,
            line=violation.line,
            excerpt=excerpt,
            cause=f"{rule}:{name}",
            reference=f"ruff:{violation.code}",
            data={"value": value, "limit": limit, "estimate": False},
        )


class _Lines:
    """Lines of files that have findings; each file is read once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: dict[str, list[str]] = {}

    def text(self, path: str) -> str:
        """The whole file, ``""`` when it cannot be had."""
        return "\n".join(self._lines(path))

    def _lines(self, path: str) -> list[str]:
        if path not in self._known:
            self._known[path] = []
            with suppress(ToolError):
                self._known[path] = self._workspace.read_text(path, MAX_BYTES).split("\n")
        return self._known[path]

    def at(self, path: str, line: int) -> str:
        """One line without its indentation, secrets masked; ``""`` when it cannot be had."""
        lines = self._lines(path)
        return masked(shortened(lines[line - 1].strip(), 300)) if 0 < line <= len(lines) else ""


def _grouped(violations: Iterable[Violation]) -> list[list[Violation]]:
    """One group a finding: a rule's violations in a file, of a serious rule those with the same message."""
    groups: dict[tuple[object, ...], list[Violation]] = defaultdict(list)
    for v in violations:
        severity = severity_of(v.code, v.message, test=is_test(v.path))
        groups[(v.path, v.code, severity, v.fixable, v.message if severity in _ALONE else None)].append(v)
    return list(groups.values())


def _note(group: list[Violation], lines: _Lines, notes: Notes) -> Finding:
    head, count = group[0], len(group)
    excerpts = {v.line: lines.at(v.path, v.line) for v in group[:_SHOWN]}
    severity = severity_of(head.code, head.message, test=is_test(head.path))
    # The cause must not depend on how many there are: a group of which half is fixed is still there.
    about = head.message if severity in _ALONE else severity.value
    cause = f"ruff:{head.code}:{about}:{'safe-fix' if head.fixable else 'no-fix'}"
    reason = why(head.code)
    return notes.add(
        f"code.lint.{head.code}",
        _title(group, notes.lang),
        message=notes.say(reason) if reason else "",
        severity=severity,
        confidence=confidence_of(head.code),
        path=head.path,
        line=head.line,
        end_line=head.end_line if count == 1 and head.end_line > head.line else None,
        excerpt="\n".join(f"{line}: {text}" for line, text in excerpts.items()),
        cause=cause,
        reference=f"ruff:{head.code}",
        fix=notes.say(_SAFE_FIX) if head.fixable else "",
        data={"name": head.name, "count": count, "lines": [v.line for v in group[:100]]},
    )


def _title(group: list[Violation], lang: Lang) -> str:
    head, count = group[0], len(group)
    messages = list(dict.fromkeys(masked(v.message) for v in group))
    times = f"{count} × " if count > 1 else ""
    if lang == "fr":
        return f"{times}{ruff_french.title(head.code, messages)} ({head.code})"
    if len(messages) == 1:
        return f"{times}{messages[0]} ({head.code})"
    return f"{times}{head.name} ({head.code}): {messages[0]}, …"


_SAFE_FIX = Texts("Ruff has a safe fix.", "Ruff a une correction sûre.")


async def _propose(ruff: Ruff, fixed: dict[str, list[str]], lines: _Lines, notes: Notes, deadline: Deadline) -> None:
    diffs = await ruff.fixes(sorted(fixed), SELECT, deadline.left)
    worst = {f.id: f.severity.rank for f in notes.findings.values()}
    order = sorted(diffs, key=lambda path: (-max(worst.get(i, 0) for i in fixed.get(path, [""])), path))
    for path in order[:MAX_PATCHES]:
        ids = tuple(dict.fromkeys(fixed.get(path, ())))
        patch = fitted(diffs[path], lines.text(path)) if ids and len(diffs[path]) <= MAX_PATCH else ""
        if not patch:
            continue
        reason = Texts("Ruff's safe fixes for {path}: {rules}", "Corrections sûres de Ruff pour {path} : {rules}")
        counts = Counter(f.rule.rpartition(".")[2] for f in notes.findings.values() if f.id in ids)
        notes.proposals.append(
            Proposal(
                tool="fs.patch",
                args={"patch": patch},
                reason=notes.say(reason, path=path, rules=", ".join(sorted(counts))),
                fixes=ids,
                verify=Check(tool="code.lint", args={"paths": [path]}, absent=ids),
            )
        )
    if len(order) > MAX_PATCHES:
        reason = Texts(
            "patches are proposed for {n} files a run", "des correctifs sont proposés pour {n} fichiers par passage"
        )
        more = Texts("safe fixes of {n} more files", "corrections sûres de {n} autres fichiers")
        notes.skip(notes.say(more, n=len(order) - MAX_PATCHES), reason, n=MAX_PATCHES)


def _measured(message: str) -> tuple[int, int]:
    """The value and the limit in ``(23 > 15)``."""
    value, _, limit = message.rpartition("(")[2].rstrip(")").partition(" > ")
    return (int(value), int(limit)) if value.isdigit() and limit.isdigit() else (0, 0)


def _function_name(line: str) -> str:
    words = line.removeprefix("async ").removeprefix("def ")
    return words.partition("(")[0].strip() or "?"
