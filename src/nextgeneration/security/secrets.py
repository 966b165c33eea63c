"""The shapes of well-known secrets: one table for templates, code, compose files and whatever is shown.

Each shape fits one maker's secrets and no other's, so that the order of the table names nothing wrongly.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts


@dataclass(frozen=True, slots=True)
class Shape:
    """A well-known shape of secret.

    Attributes:
        id: the last part of the rule's id.
        label: what it is.
        literals: at least one of these is in every match; looked for before the pattern is tried.
        pattern: the whole value, or its group ``value``.
        severity: in a file that runs; lower in tests and examples.
        marker: what stands before such a value and nowhere else; where no secret has any business, it is enough.
    """

    id: str
    label: Texts
    literals: tuple[str, ...]
    pattern: re.Pattern[str]
    severity: Severity = Severity.CRITICAL
    marker: re.Pattern[str] | None = None


class Shaped(NamedTuple):
    """A value in one of the shapes, and where the value and all that fits the shape stand."""

    shape: Shape
    value: tuple[int, int]
    whole: tuple[int, int]


def _shape(
    name: str,
    en: str,
    fr: str,
    literals: str,
    pattern: str,
    severity: Severity = Severity.CRITICAL,
    marker: str = "",
) -> Shape:
    before = re.compile(marker) if marker else None
    return Shape(name, Texts(en, fr), tuple(literals.split()), re.compile(pattern), severity, before)


SHAPES = (
    _shape(
        "private-key", "private key (PEM)", "clé privée (PEM)", "PRIVATE",
        r"-----BEGIN (?!PUBLIC)(?:[A-Z]{2,9} )?PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\\n|\\r|[\s\"',+]){1,20}(?P<value>[A-Za-z0-9+/=:, -]{32,})",
        marker=r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    ),
    _shape("aws-key", "AWS access key id", "identifiant de clé AWS", "AKIA ASIA",
           r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])", Severity.HIGH),
    _shape("github-token", "GitHub token", "jeton GitHub", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
           r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})\b"),
    _shape("gitlab-token", "GitLab token", "jeton GitLab", "glpat-", r"\bglpat-[\w-]{20,255}"),
    _shape("slack-token", "Slack token", "jeton Slack", "xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{20,255}"),
    _shape("slack-webhook", "Slack webhook", "webhook Slack", "hooks.slack.com",
           r"https://hooks\.slack\.com/services/T\w{6,12}/B\w{6,12}/\w{16,32}", Severity.HIGH),
    _shape("stripe-key", "Stripe live key", "clé Stripe de production", "_live_", r"\b[sr]k_live_[A-Za-z0-9]{20,255}"),
    _shape("google-api-key", "Google API key", "clé d'API Google", "AIza",
           r"(?<![\w-])AIza[\w-]{35}(?![\w-])", Severity.HIGH),
    _shape("anthropic-key", "Anthropic API key", "clé d'API Anthropic", "sk-ant-", r"\bsk-ant-[\w-]{32,255}"),
    _shape("openrouter-key", "OpenRouter API key", "clé d'API OpenRouter", "sk-or-", r"\bsk-or-v\d-[0-9a-f]{32,128}\b"),
    _shape("openai-key", "OpenAI API key", "clé d'API OpenAI", "sk-",
           r"(?<![\w-])sk-(?!ant-|or-)(?:(?:proj|svcacct|admin)-[\w-]{32,255}|[\w-]{0,80}T3BlbkFJ[\w-]{16,200}"
           r"|[A-Za-z0-9]{32,64})(?![\w-])"),
    _shape("huggingface-token", "Hugging Face token", "jeton Hugging Face", "hf_", r"\bhf_[A-Za-z0-9]{34,64}\b"),
    _shape("npm-token", "npm token", "jeton npm", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    _shape("pypi-token", "PyPI token", "jeton PyPI", "pypi-", r"\bpypi-AgE[\w-]{50,255}"),
    _shape("sendgrid-key", "SendGrid key", "clé SendGrid", "SG.", r"\bSG\.[\w-]{22}\.[\w-]{43}\b"),
    _shape("digitalocean-token", "DigitalOcean token", "jeton DigitalOcean", "dop_v1_", r"\bdop_v1_[0-9a-f]{64}\b"),
    _shape("vault-token", "Vault token", "jeton Vault", "hvs.", r"\bhvs\.[\w-]{24,255}"),
    _shape("age-key", "age secret key", "clé secrète age", "AGE-SECRET-KEY-", r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b"),
    _shape("azure-storage-key", "Azure storage key", "clé de stockage Azure", "AccountKey=",
           r"AccountKey=(?P<value>[A-Za-z0-9+/]{80,100}={0,2})"),
    _shape("telegram-token", "Telegram bot token", "jeton de bot Telegram", ":AA",
           r"(?<!\w)\d{8,10}:AA[\w-]{33}(?![\w-])", Severity.HIGH),
    _shape("jwt", "JSON web token", "jeton JWT", "eyJ",
           r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{16,2000}", Severity.MEDIUM),
)  # fmt: skip


def shaped(text: str) -> Iterator[Shaped]:
    """Every value of ``text`` that has a well-known shape, in the order of the table."""
    for shape in SHAPES:
        if not any(literal in text for literal in shape.literals):
            continue
        for match in shape.pattern.finditer(text):
            group = "value" if "value" in shape.pattern.groupindex else 0
            if shape.id != "jwt" or _is_jwt(match[group]):
                yield Shaped(shape, match.span(group), match.span())


def shape_of(text: str) -> Shape | None:
    """The shape of the first secret in ``text``; what only announces one counts as well."""
    found = next(shaped(text), None)
    if found is not None:
        return found.shape
    return next((shape for shape in SHAPES if shape.marker is not None and shape.marker.search(text)), None)


def without_shapes(text: str, mask: str) -> str:
    """``text`` with whatever has a well-known shape, or announces one, replaced."""
    for shape in SHAPES:
        if any(literal in text for literal in shape.literals):
            text = shape.pattern.sub(mask, text)
            text = shape.marker.sub(mask, text) if shape.marker is not None else text
    return text


def _is_jwt(value: str) -> bool:
    head = value.split(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in header
