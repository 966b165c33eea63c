"""Tool results as a model is shown them: bounded, visible, and fenced as data.

What stands in a result may try to look like the end of it, or like somebody who may give orders. A fence is
named by a digest over its content, which therefore cannot hold that name; and what only looks like a fence is
written differently.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any

from nextgeneration.kernel.findings import Finding
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import clean, escaped
from nextgeneration.kernel.tools import ToolResult

MAX_SHOWN = 24_000
"""Characters of one result: some six thousand tokens."""

_MAX_FINDINGS = 100
_json = json.JSONEncoder(ensure_ascii=False, default=str).encode
_LOOKALIKE = re.compile(r"<<<(?=\s*(?:DATA|END))", re.IGNORECASE)
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_CUT = Texts("\n[… {n} characters left out …]\n", "\n[… {n} caractères omis …]\n")
_NOTHING = Texts("(no output)", "(aucune sortie)")
_FINDINGS = Texts("Findings (already in your report):", "Constats (déjà dans votre rapport) :")
_REMEDIES = Texts("Remedies the tool proposes:", "Remèdes que l'outil propose :")


def fenced(label: str, about: str, content: str) -> str:
    """``content`` between two lines that nothing in it can imitate.

    Args:
        label: by which it is cited, such as ``r3``.
        about: where it comes from, such as ``fs.read``.
        content: as :func:`visible` made it.
    """
    if "<<<" in content:
        content = _LOOKALIKE.sub("‹‹‹", content)
    name = sha256(f"{label}\0{about}\0{content}".encode()).hexdigest()[:16]
    while name in content:  # no more likely than finding a collision; then another name is as good
        name = sha256(f"{name}\0{content}".encode()).hexdigest()[:16]
    return f"<<<DATA {label} {name} {about}>>>\n{content}\n<<<END {label} {name}>>>"


def visible(text: str, lang: Lang, limit: int = MAX_SHOWN) -> str:
    """``text`` with everything a reader would not see written out, its middle left out beyond ``limit``."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    size = len(text)
    if size > limit:
        half = limit // 2
        text = text[:half] + _CUT.say(lang, n=size - 2 * half) + text[-half:]
    return escaped(clean(text)) if _HIDDEN.search(text) else text


def told(result: ToolResult, lang: Lang, remedies: list[tuple[str, Any]]) -> str:
    """What a model reads of a result: its text, else its value, then findings with ids, then remedies by name."""
    text = result.text
    if not text.strip() and result.value:
        text = _json(result.value)
    if not (result.findings or remedies):
        return visible(text, lang) if text else _NOTHING.say(lang)
    parts = [visible(text, lang)] if text else []
    if result.findings:
        parts += ["", _FINDINGS.say(lang), *(line_of(finding) for finding in result.findings[:_MAX_FINDINGS])]
    if remedies:
        parts += ["", _REMEDIES.say(lang)]
        parts += [f"- {name}: {proposal.tool}: {_line(proposal.reason)}" for name, proposal in remedies]
    return "\n".join(parts)


def line_of(finding: Finding) -> str:
    """A finding in one line: id, severity, rule, title and place."""
    place = f" ({finding.location})" if finding.location else ""
    return f"- {finding.id} [{finding.severity.value}] {finding.rule}: {_line(finding.title + place)}"


def _line(text: str) -> str:
    return escaped(" ".join(text.split()))[:300]
