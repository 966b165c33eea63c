"""The shapes of well-known secrets: one table for templates, code, compose files and whatever is shown.

Each shape fits one maker's secrets and no other's, so that the order of the table names nothing wrongly.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts

_BEFORE_KEY = re.compile(r"(?:\\[nr]|[\s\"',+>|])*")
_KEY_LINES = re.compile(
    r"(?:(?:\\[nr]|[\s\"',+>|]){1,20}[A-Za-z0-9+/=]{32,4000}){1,2000}(?:\s{1,4}[A-Za-z0-9+/=]{1,80}\Z)?"
)
_KEY_TEXT = re.compile(r"[A-Za-z0-9+/=]{32}")
_KEY_LINE = re.compile(r"[^\s][^\r\n]*")
_KEYS = frozenset({"private-key", "putty-key"})
_LONGEST_KEY = 32_000
_COOKIE = re.compile(r"[\w.$-]{1,100}=(?=[^\s;]{0,4000}?\d)[\w%.~+/=:-]{16,4000}")


def _value(match: re.Match[str]) -> tuple[int, int]:
    return match.span("value" if "value" in match.re.groupindex else 0)


def _key_body(match: re.Match[str]) -> tuple[int, int] | None:
    """All of a private key up to its end, whatever stands before its lines; of one that is cut, what looks like it."""
    text, start = match.string, match.end()
    end = text.find("-----END ", start, start + _LONGEST_KEY)
    lines = _KEY_LINES.match(text, start) if end < 0 else None
    end = lines.end() if lines is not None else end
    if end < 0 or not any(_mixed(run[0]) for run in _KEY_TEXT.finditer(text, start, end)):
        return None
    before = _BEFORE_KEY.match(text, start, end)
    return before.end() if before is not None else start, start + len(text[start:end].rstrip())


def _mixed(run: str) -> bool:
    return any(c.isdigit() for c in run) and any(c.islower() for c in run) and any(c.isupper() for c in run)


def _json_web_token(match: re.Match[str]) -> tuple[int, int] | None:
    return match.span() if _is_jwt(match[0]) else None


def _user_and_password(match: re.Match[str]) -> tuple[int, int] | None:
    """Base64 of ``user:password``."""
    value = match["value"]
    try:
        said = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except ValueError:
        return None
    user, colon, password = said.partition(":")
    return match.span("value") if colon and password and said.isprintable() and " " not in user else None


def _session(match: re.Match[str]) -> tuple[int, int] | None:
    """A cookie header of which at least one value is long and random enough to open a session."""
    return match.span("value") if _COOKIE.search(match["value"]) else None


@dataclass(frozen=True, slots=True)
class Shape:
    """A well-known shape of secret.

    Attributes:
        id: the last part of the rule's id.
        label: what it is.
        literals: at least one of these is in every match; looked for before the pattern is tried.
        pattern: the whole value, or its group ``value``, or what stands before it.
        severity: in a file that runs; lower in tests and examples.
        marker: what stands before such a value and nowhere else; where no secret has any business, it is enough.
        place: where a match has its value; ``None`` when what fits the pattern is none.
    """

    id: str
    label: Texts
    literals: tuple[str, ...]
    pattern: re.Pattern[str]
    severity: Severity = Severity.CRITICAL
    marker: re.Pattern[str] | None = None
    place: Callable[[re.Match[str]], tuple[int, int] | None] = _value


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
    place: Callable[[re.Match[str]], tuple[int, int] | None] = _value,
) -> Shape:
    before = re.compile(marker) if marker else None
    return Shape(name, Texts(en, fr), tuple(literals.split()), re.compile(pattern), severity, before, place)


_PEM = r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"


SHAPES = (
    _shape("private-key", "private key (PEM)", "clé privée (PEM)", "PRIVATE", _PEM, marker=_PEM, place=_key_body),
    _shape("putty-key", "PuTTY private key", "clé privée PuTTY", "Private-Lines:",
           r"Private-Lines: \d{1,4}(?:\\r|\\n|\s){1,8}"
           r"(?P<value>[A-Za-z0-9+/=]{24,64}(?:\s{1,8}[A-Za-z0-9+/=]{1,64}(?=\s|\Z)){0,400})"),
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
           r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{16,2000}", Severity.MEDIUM,
           place=_json_web_token),
    _shape("bearer-token", "token of an HTTP header", "jeton d'un en-tête HTTP",
           "earer EARER uthorization UTHORIZATION",
           r"(?i)(?:\bbearer(?:\s{1,3}|%20|\+)|authorization[\"'\]]{0,2}\s{0,3}(?:=>|[:=,])\s{0,3}[\"'`]?"
           r"(?:(?:token|api-?key|key|negotiate|ntlm)\s{1,3}|(?=[0-9a-f-]{32})))"
           r"(?P<value>(?=[^\s\"'`,;)]{0,400}?\d)[\w.~+/%=-]{16,4000})", Severity.HIGH),
    _shape("basic-auth", "user and password of an HTTP header", "utilisateur et mot de passe d'un en-tête HTTP",
           "asic ASIC", r"(?i)\bbasic(?:\s{1,3}|%20)(?P<value>[A-Za-z0-9+/]{8,2000}={0,2})(?![\w+/])", Severity.HIGH,
           place=_user_and_password),
    _shape("cookie", "session cookie", "cookie de session", "ookie OOKIE",
           r"(?i)\b(?:set-)?cookie[\"'\]]{0,2}\s{0,3}(?:=>|[:=,])\s{0,3}[\"'`]?"
           r"(?P<value>[\w.$-]{1,100}=[^\r\n\"'`]{8,8000})", Severity.MEDIUM, place=_session),
)  # fmt: skip


_LITERALS = tuple(dict.fromkeys(literal for shape in SHAPES for literal in shape.literals))


def may_have_shape(text: str) -> bool:
    """Whether :func:`shaped` could find anything: quick, and never wrong when it says no."""
    return any(map(text.__contains__, _LITERALS))


def shaped(text: str) -> Iterator[Shaped]:
    """Every value of ``text`` that has a well-known shape, in the order of the table."""
    for shape in SHAPES:
        if not any(literal in text for literal in shape.literals):
            continue
        for match in shape.pattern.finditer(text):
            place = shape.place(match)
            if place is not None:
                yield Shaped(shape, place, (match.start(), max(match.end(), place[1])))


def shape_of(text: str) -> Shape | None:
    """The shape of the first secret in ``text``; what only announces one counts as well."""
    found = next(shaped(text), None)
    if found is not None:
        return found.shape
    return next((shape for shape in SHAPES if shape.marker is not None and shape.marker.search(text)), None)


def without_shapes(text: str, mask: str) -> str:
    """``text`` with whatever has a well-known shape, or announces one, replaced."""
    places = [found.whole for found in shaped(text)]
    for shape in SHAPES:
        if shape.marker is not None and any(literal in text for literal in shape.literals):
            places += [match.span() for match in shape.marker.finditer(text)]
    pieces: list[str] = []
    last = 0
    for start, end in sorted(places):
        if start >= last:
            pieces += [text[last:start], mask]
        last = max(last, end)
    return "".join([*pieces, text[last:]])


def without_keys(text: str) -> str:
    """``text`` with the body of each private key replaced line by line: a part of one alone shows not what it is."""
    if not any(literal in text for shape in SHAPES if shape.id in _KEYS for literal in shape.literals):
        return text
    for start, end in sorted((found.value for found in shaped(text) if found.shape.id in _KEYS), reverse=True):
        text = text[:start] + _KEY_LINE.sub("…", text[start:end]) + text[end:]
    return text


def _is_jwt(value: str) -> bool:
    head = value.split(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in header
