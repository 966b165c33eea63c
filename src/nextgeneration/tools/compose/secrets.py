"""Which values of a compose file are secrets, so that they are reported and never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from nextgeneration.security.secrets import shape_of, without_shapes
from nextgeneration.tools.compose.interpolation import read, variable_only, without_text
from nextgeneration.tools.compose.keys import words
from nextgeneration.tools.compose.model import ComposeFile
from nextgeneration.tools.compose.yaml_tree import Scalar, pairs, scalars

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = words("password passwd passphrase pass pwd passw secret secrets token apikey credential credentials")
_SECRET_PAIRS = frozenset(
    (first, "key")
    for first in words("api private access secret auth encryption signing master session jwt crypt hmac app account")
)
_HARMLESS_LAST = words(
    "file files path dir length size expiry expires expiration expire ttl timeout name header algorithm alg type "
    "enabled enable disabled policy id ids url uri host port issuer audience days hours minutes seconds lifetime "
    "count limit max min prefix field class rotation required cache endpoint interval age provider mode format "
    "source store manager backend arn version hash hashed salt rounds cookie strategy rules regex pattern service "
    "server location template username user email locale lang validity duration budget budgets cost price model"
)
_HARMLESS_ANY = words("public allow random generate no disable skip max min bypass tokens tokenizer")
_SWITCH = words("true false yes no on off 0 1 none null enabled disabled")
_PLACEHOLDER = re.compile(
    r"^<.*>$|^\[.*\]$|^\{\{.*\}\}$|^x{3,}$|^\*{3,}$|^\.{3,}$|your[-_ ]?|replace[-_ ]?me|insert[-_ ]|^todo\b|^tbd$|"
    r"\bplaceholder\b|^dummy|^(?:fill|set)[-_ ]|^not[-_ ]?used|^unused",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\.(?:json|pem|key|crt|cer|txt|p12|pfx|jks|ya?ml|env)$|^(?:/|\./|file:|vault:|op://|arn:|secretsmanager:|ssm:|doppler:|https?://)",
    re.IGNORECASE,
)
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://([^\s:/@\"'?#]{0,100}):([^\s@/\"']{1,200})@", re.IGNORECASE)
_FLAG = re.compile(
    r"--(?:requirepass|[a-z-]*password|[a-z-]*token|[a-z-]*secret|api-?key|masterauth)(?:=|\s+)(\"[^\"]+\"|'[^']+'|[^\s\"']+)"
)
_LOOSE = re.compile(r"(?i)((?:pass|secret|token|credential|api_?key|private_?key)[\w-]*[\"']?\s*[:=]\s*)(\S.*)")

WEAK = words(
    "password passwd pass postgres root admin administrator changeme change_me change-me changethis secret 123456 "
    "1234567 12345678 123456789 1234 12345 test testing example guest user mysql mongo redis rabbitmq minio "
    "minioadmin default password1 password123 passw0rd p@ssw0rd p@ssword qwerty letmein toor sa mariadb wordpress "
    "docker dev development local localdev app db database demo supersecret mysecretpassword secretpassword "
    "rootpassword rootpass my-secret-pw adminadmin admin123 admin1234 elastic neo4j keycloak grafana"
)

MASK = "***"


def secret_name(name: str) -> bool:
    """Whether a variable's name says that its value is a secret."""
    parts = [word.lower() for word in _WORD.findall(name)]
    if not parts or parts[-1] in _HARMLESS_LAST or _HARMLESS_ANY & set(parts):
        return False
    return bool(_SECRET_WORDS & set(parts)) or any(pair in _SECRET_PAIRS for pair in pairwise(parts))


def password_name(name: str) -> bool:
    """Whether the name is one of a password, rather than of a key or token."""
    parts = {word.lower() for word in _WORD.findall(name)}
    return bool(parts & {"password", "passwd", "pass", "pwd", "passw", "passphrase"})


def literal_secret(name: str, value: str) -> bool:
    """Whether ``value`` is a secret that stands there in full."""
    text = value.strip().strip("\"'")
    if (
        not text
        or text.lower() in _SWITCH
        or variable_only(text)
        or _REFERENCE.search(text)
        or _PLACEHOLDER.search(text)
    ):
        return False
    if read(text).variables:
        return False
    return password_name(name) or not (text.isdigit() or len(text) < 4)


def weak(value: str, *others: str) -> bool:
    """Whether a password is a well-known default or equals a name beside it."""
    text = value.strip().strip("\"'").lower()
    return text in WEAK or len(text) < 4 or text in {other.lower() for other in others if other}


def shaped(value: str) -> bool:
    """Whether the value has the form of a provider's key or a private key."""
    return shape_of(value) is not None


def url_passwords(value: str) -> list[tuple[str, str]]:
    """User and password of each address such as ``scheme://user:password@host`` that holds them literally."""
    return [
        (match[1], match[2])
        for match in _URL.finditer(value)
        if "$" not in match[2] and not _PLACEHOLDER.search(match[2]) and not set(match[2]) <= {"*"}
    ]


def flag_secrets(command: str) -> list[str]:
    """Secrets given literally to flags such as ``--requirepass``."""
    values = [match[1].strip("\"'") for match in _FLAG.finditer(command)]
    return [
        value
        for value in values
        if not value.startswith(("-", "/", "$"))
        and "$" not in value
        and not _PLACEHOLDER.search(value)
        and value.lower() not in _SWITCH
    ]


def spans(file: ComposeFile) -> list[tuple[int, int]]:
    """Where in the text secrets stand, widely understood: what is inside is never shown."""
    return sorted(set(_spans(file)))


def _spans(file: ComposeFile) -> Iterator[tuple[int, int]]:
    documents = file.tree.documents
    for key, value in pairs(*documents):
        if isinstance(value, Scalar) and secret_name(key.text) and value.text and not without_text(value.text):
            yield value.start, value.end
    for scalar in scalars(*documents):
        if len(scalar.text) >= 4:
            yield from _spans_inside(file.text[scalar.start : scalar.end], scalar.start)
    for service in file.services.values():
        for key_name in ("command", "entrypoint"):
            items = [item for item in service.items(key_name) if isinstance(item, Scalar)]
            for flag, item in pairwise(items):
                if _FLAG.fullmatch(f"{flag.text} x"):
                    yield item.start, item.end


def _spans_inside(raw: str, start: int) -> Iterator[tuple[int, int]]:
    """Secrets in one value as it is written: ``NAME=secret``, addresses, flags, known forms."""
    name, equals, _ = raw.partition("=")
    if equals and " " not in name and secret_name(name.strip("\"'")):
        yield start + len(name) + 1, start + len(raw)
    if shaped(raw):
        yield start, start + len(raw)
    for pattern, mark in ((_URL, "://"), (_FLAG, "--")):
        for match in pattern.finditer(raw) if mark in raw else ():
            yield start + match.start(pattern.groups), start + match.end(pattern.groups)


def masked(text: str, start: int, end: int, hidden: list[tuple[int, int]]) -> str:
    """The part of ``text`` from ``start`` to ``end`` with what is hidden replaced."""
    parts: list[str] = []
    at = start
    for first, last in hidden:
        if last <= at or first >= end:
            continue
        parts += [text[at : max(first, at)], MASK]
        at = min(last, end)
    shown = "".join((*parts, text[at:end]))
    shown = without_shapes(shown, MASK)
    return _LOOSE.sub(lambda m: m[0] if without_text(m[2].strip("\"'")) or m[2] == MASK else m[1] + MASK, shown)
