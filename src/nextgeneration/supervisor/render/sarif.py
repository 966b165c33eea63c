"""A mission's findings as SARIF 2.1.0, for code hosts and editors."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from nextgeneration.kernel.findings import Location, Severity
from nextgeneration.kernel.show import clean, escaped
from nextgeneration.supervisor.outcome import MergedFinding, MissionReport

_LEVEL = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_SCORE = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "0.0",
}


def sarif(report: MissionReport, version: str) -> dict[str, Any]:
    """One run with a result for each finding that holds; verified fixes are left out.

    Args:
        version: of this program, written as the tool's version.
    """
    entries = [entry for entry in report.findings if entry.finding.holds and not entry.resolved]
    rules = sorted({entry.finding.rule for entry in entries})
    titles = {entry.finding.rule: entry.finding.title for entry in entries}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "NextGeneration",
                        "version": version,
                        "rules": [{"id": rule, "shortDescription": {"text": _plain(titles[rule])}} for rule in rules],
                    }
                },
                "automationDetails": {"id": report.mission},
                "columnKind": "unicodeCodePoints",
                "results": [_result(entry, rules.index(entry.finding.rule)) for entry in entries],
            }
        ],
    }


def _result(entry: MergedFinding, rule: int) -> dict[str, Any]:
    finding = entry.finding
    text = f"{finding.title}: {finding.message}" if finding.message else finding.title
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": _LEVEL[finding.severity],
        "message": {"text": _plain(text)},
        "partialFingerprints": {"findingId/v1": entry.id},
        "properties": {
            "security-severity": _SCORE[finding.severity],
            "confidence": entry.confidence,
            "agents": list(entry.agents),
        },
    }
    if finding.location is not None:
        result["locations"] = [{"physicalLocation": _place(finding.location)}]
    return result


_LINK = re.compile(r"\[(?=[^\[\]]*\]\()")
_PLACEHOLDER = re.compile(r"\{(\d+)\}")


def _plain(text: str) -> str:
    """Text from outside, in which SARIF (3.11.5, 3.11.6) finds neither a link nor a place for an argument."""
    return _PLACEHOLDER.sub(r"{{\1}}", _LINK.sub(r"\\[", escaped(text)))


def _place(location: Location) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(clean(location.path))}}
    if location.line:
        region = {"startLine": location.line}
        if location.end_line and location.end_line >= location.line:
            region["endLine"] = location.end_line
        if location.column:
            region["startColumn"] = location.column
        place["region"] = region
    return place
