"""A mission's findings as SARIF 2.1.0, for code hosts and editors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from nextgeneration.kernel.findings import Location, Severity
from nextgeneration.kernel.show import escaped
from nextgeneration.supervisor.outcome import MergedFinding, MissionReport
from nextgeneration.supervisor.render.words import open_findings

ROOT = "WORKSPACE"

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
"""What GitHub reads as ``security-severity`` and sorts by."""


def sarif(report: MissionReport, version: str) -> dict[str, Any]:
    """One run with a result for each finding that holds; verified fixes are left out.

    Paths are relative to ``WORKSPACE``, whose place on this machine the run names.

    Args:
        report: what is written.
        version: of this program, written as the tool's version.
    """
    entries = open_findings(report)
    rules: dict[str, list[MergedFinding]] = {}
    for entry in sorted(entries, key=lambda e: e.finding.rule):
        rules.setdefault(entry.finding.rule, []).append(entry)
    places = {rule: place for place, rule in enumerate(rules)}
    invocation: dict[str, Any] = {"executionSuccessful": report.status in {"done", "partial"}}
    times = {"startTimeUtc": report.created_at, "endTimeUtc": report.ended_at}
    invocation |= {name: at for name, at in times.items() if at}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "NextGeneration",
                        "version": version,
                        "rules": [_rule(rule, found) for rule, found in rules.items()],
                    }
                },
                "automationDetails": {"id": f"nextgeneration/{report.mission}"},
                "invocations": [invocation],
                "originalUriBaseIds": {ROOT: {"uri": _folder(report.workspace)}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(entry, places[entry.finding.rule]) for entry in entries],
            }
        ],
    }


def _rule(rule: str, found: Sequence[MergedFinding]) -> dict[str, Any]:
    """A rule as its findings show it: the title of the first, why it matters, and the worst severity."""
    first = found[0].finding
    worst = max((entry.finding.severity for entry in found), key=lambda severity: severity.rank)
    said: dict[str, Any] = {"id": rule, "shortDescription": {"text": _plain(first.title)}}
    if first.message:
        said["fullDescription"] = {"text": _plain(first.message)}
    if first.fix:
        said["help"] = {"text": _plain(first.fix)}
    if first.reference.startswith(("https://", "http://")):
        said["helpUri"] = quote(first.reference, safe="/:?#[]@!$&'()*+,;=%~-._")
    said["defaultConfiguration"] = {"level": _LEVEL[worst]}
    said["properties"] = {"security-severity": _SCORE[worst], "tags": [rule.partition(".")[0]]}
    return said


def _result(entry: MergedFinding, rule: int) -> dict[str, Any]:
    finding = entry.finding
    text = f"{finding.title}: {finding.message}" if finding.message else finding.title
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": _LEVEL[finding.severity],
        "message": {"text": _plain(text)},
        "partialFingerprints": {"findingId/v1": entry.id},
        "rank": round(entry.confidence * 100, 2),
        "properties": {
            "severity": finding.severity.value,
            "confidence": entry.confidence,
            "agents": list(entry.agents),
            "rules": list(entry.rules),
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
    place: dict[str, Any] = {"artifactLocation": _artifact(location.path)}
    if location.line and location.line >= 1:
        region = {"startLine": location.line}
        if location.end_line and location.end_line >= location.line:
            region["endLine"] = location.end_line
        if location.column and location.column >= 1:
            region["startColumn"] = location.column
        place["region"] = region
    return place


def _artifact(path: str) -> dict[str, str]:
    """A path of the workspace relative to it; one outside as it is."""
    if PurePath(path).is_absolute():
        return {"uri": "file://" + _quoted(path)}
    return {"uri": _quoted(path), "uriBaseId": ROOT}


def _folder(path: str) -> str:
    return f"file://{_quoted(path).rstrip('/')}/"


def _quoted(path: str) -> str:
    return quote(path.replace("\\", "/") if "\\" in path and ":" in path[:3] else path, errors="replace")
