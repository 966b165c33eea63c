"""Secrets left in files: well-known shapes, assignments judged by entropy, never the value itself.

Three ways to find one, in the order of certainty: a shape that only one kind of secret has; an address
with a password in it; a name that says "secret" with a value that looks like one. A match is shown with
at most its first four characters and its length. ``nextgen: allow-secret`` on the line, or alone on the
line before, says that a value is no secret (``gitleaks:allow`` and ``pragma: allowlist secret`` too).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.security.secrets import may_have_shape, shaped
from nextgeneration.tools.code.languages import LOCK_FILES, is_example, is_template, is_test
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.code.python_prose import Prose, prose
from nextgeneration.tools.code.sources import Source

MAX_PER_FILE = 50
MAX_LINE = 4_000
MAX_WORDED = 120
"""Characters of a value that may be a placeholder."""


_URL = re.compile(
    r"\b(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{1,30})://(?P<user>[^\s:/@\"'`<>{}$]{0,100}):"
    r"(?P<value>[^\s/@\"'`<>]{1,200})@(?P<host>[\w.-]{1,200})"
)
# In small letters, over text in small letters: three times as fast as ignoring case.
_KEYWORD = re.compile(
    r"(?:passw(?:or)?d|passwd|passphrase|mot_de_passe|pwd|secret(?:[_-]?(?:access[_-]?)?key(?:[_-]?base)?)?|token"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key|credentials?)\d{0,2}"
    r"(?P<after>[\"'\]]{0,2}[ \t]{0,10}(?::[ \t]?(?:str|string|optional\[str\]|str \| None)[ \t]{0,3})?"
    r"(?:=>|:=|=(?!=)|:)[ \t]{0,10})"
)
_WORDS = ("pass", "pwd", "secret", "token", "key", "credential")
"""Each keyword holds one of them."""
_QUOTED = re.compile(r"[bBrRuU]?(?:\"(?P<d>[^\"\n\\]{1,300})\"|'(?P<s>[^'\n\\]{1,300})'|`(?P<b>[^`\n\\$]{1,300})`)")
_BARE = re.compile(r"(?P<v>[^\s\"'`#;,<>()\[\]{}]{1,300})(?=\s|$|#)")
_BARE_LANGUAGES = frozenset({"INI", "YAML", "Dockerfile", "Shell", "Makefile"})
_ALLOW = re.compile(r"(?i)nextgen:\s*allow-secret|gitleaks:allow|pragma:\s*allowlist secret")
_PLACEHOLDER = re.compile(
    r"(?i)change[_-]?me|xxx|\.\.\.|example|sample|placeholder|dummy|your[_-]?|redacted|replace|insert|fake|foobar"
    r"|todo|not[_-]?set|<[^>]*>|\$\{|\$\(|\$[A-Z_]|\{\{|\{\w*\}|%\(|%[sd]|environ|getenv|process\.env|env\(|\*\*\*"
    r"|^(?:none|null|nil|true|false|undefined|required|optional|empty|hidden|secret|password|passwd|token|string)$"
)
_DEFAULTS = frozenset(
    {
        "admin", "administrator", "password", "passwd", "pass", "secret", "root", "postgres", "mysql", "redis",
        "mongo", "rabbitmq", "guest", "user", "test", "changeme", "change_me", "changeit", "letmein", "default",
        "minio", "minioadmin", "123456", "12345678", "password1", "password123", "admin123", "qwerty",
    }
)  # fmt: skip
_NO_VALUE = (
    "/",
    "./",
    "../",
    "~",
    "$",
    "@",
    "--",
    "http:",
    "https:",
    "#",
    "!",
    "(",
    "^",
    "*",
    "&",
    "|",
    ">",
    "arn:",
    "op:",
)
"""How paths, references, options, tags, anchors and expressions begin."""
_HASH_WORDS = re.compile(r"(?i)sha\d|md5|digest|checksum|integrity|hash|commit|uuid|fingerprint|public")
_LETTERS_ONLY = re.compile(r"[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ_.:/@ -]*")
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "host", "hostname", "server", "example.com"})  # noqa: S104
_TOKEN = re.compile(r"[\w+/=.:~-]+")
_PASSWORD_KEY = re.compile(r"(?i)pass|pwd")


@dataclass(frozen=True, slots=True)
class Secret:
    """One match: where the value stands, what it is, how bad. Nothing here holds the value."""

    rule: str
    label: Texts
    start: int
    end: int
    severity: Severity
    confidence: float
    name: str = ""
    shaped: bool = False


def scan(source: Source, notes: Notes) -> None:
    """Note every secret of the file."""
    if source.name.lower() in LOCK_FILES or source.minified:
        return
    lines = source.lines
    hits = list(find(source.path, source.text, bare=source.language in _BARE_LANGUAGES))
    said = list(prose(source.text)) if hits and source.language == "Python" else []
    for number, found in enumerate(_told_to_readers(hit, said) for hit in hits):
        if number >= MAX_PER_FILE:
            reason = Texts("more than {n} secrets in this file", "plus de {n} secrets dans ce fichier")
            notes.skip(source.path, reason, n=MAX_PER_FILE)
            return
        line = source.line_of(found.start)
        if _allowed(lines, line):
            continue
        _note(source, found, line, notes)


def _note(source: Source, found: Secret, line: int, notes: Notes) -> None:
    value = source.text[found.start : found.end]
    label = notes.say(found.label)
    subject = f"{label} ({found.name})" if found.name else label
    title = Texts("{subject} in {path}", "{subject} dans {path}")
    message = Texts(
        "A value that looks like a secret stands in the file. Whoever reads the repository has it.",
        "Une valeur qui ressemble à un secret est dans le fichier. Quiconque lit le dépôt la possède.",
    )
    fix = Texts(
        "Revoke it, read it from the environment or a secret store, and remove it from the history. If it is not a "
        "secret, say so with `nextgen: allow-secret` on the line.",
        "Révoquez-le, lisez-le de l'environnement ou d'un coffre, et retirez-le de l'historique. Si ce n'est pas un "
        "secret, dites-le par `nextgen: allow-secret` sur la ligne.",
    )
    notes.add(
        f"code.secret.{found.rule}",
        notes.say(title, subject=subject[:1].upper() + subject[1:], path=source.path),
        message=notes.say(message),
        severity=found.severity,
        confidence=found.confidence,
        path=source.path,
        line=line,
        excerpt=f"{found.name} = {mask(value)}" if found.name else mask(value),
        cause=f"secret:{source.path}:{line}",
        fix=notes.say(fix),
        reference=f"secret:{found.rule}",
    )


def find(path: str, text: str, *, bare: bool = False) -> Iterator[Secret]:
    """The secrets of a text, each value once, in order of place.

    Args:
        path: decides how much a match matters (tests and examples less).
        text: what to look through.
        bare: whether values may stand without quotes, as in ``.env`` files.
    """
    if not _may_hold_one(text):
        return
    quiet = bool(path) and (is_test(path) or is_example(path))
    covered: list[tuple[int, int]] = []
    config = bare and not (path and is_template(path))
    every = [*_shapes(text), *_addresses(text, config=config), *_assignments(text, bare=bare, config=config)]
    kept = []
    for found in every:
        if not any(found.start < end and start < found.end for start, end in covered):
            covered.append((found.start, found.end))
            kept.append(_quieter(found) if quiet else found)
    yield from sorted(kept, key=lambda found: found.start)


def masked(text: str) -> str:
    """``text`` with the value of every secret found in it masked, for excerpts of other checks."""
    hits = list(find("", text, bare=True))
    if not hits:
        return text
    pieces: list[str] = []
    last = 0
    for found in hits:
        pieces += [text[last : found.start], mask(text[found.start : found.end])]
        last = found.end
    told = "".join([*pieces, text[last:]])
    # The value may stand a second time, where nothing says that it is a secret.
    for value in {text[found.start : found.end] for found in hits}:
        told = told.replace(value, mask(value)) if len(value) >= 6 else told
    return told


def _may_hold_one(text: str) -> bool:
    """Whether there is anything to look at: most texts have nothing that begins like a secret."""
    small = text.lower()
    return ("://" in text and "@" in text) or any(map(small.__contains__, _WORDS)) or may_have_shape(text)


def mask(value: str) -> str:
    """What may be shown of a secret: its length, and four characters when at least sixteen stay hidden."""
    return f"{value[:4] if len(value) >= 20 else ''}… ({len(value)})"


def entropy(value: str) -> float:
    """Shannon entropy in bits a character."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values()) if total else 0.0


def _quieter(found: Secret) -> Secret:
    severity = Severity.MEDIUM if found.severity is Severity.CRITICAL else Severity.INFO
    return replace(found, severity=severity, confidence=min(found.confidence, 0.5))


def _told_to_readers(found: Secret, said: list[Prose]) -> Secret:
    """Less severe where Python code only talks; a well-known shape in a comment is a key somebody switched off."""
    place = next((one for one in said if one.start <= found.start and found.end <= one.end), None)
    if place is None or (place.comment and found.shaped):
        return found
    return _quieter(found)


def _allowed(lines: list[str], line: int) -> bool:
    here = lines[line - 1] if line <= len(lines) else ""
    before = lines[line - 2].strip() if line >= 2 else ""
    alone = before.startswith(("#", "//", "--", ";", "<!--", "/*"))
    return bool(_ALLOW.search(here) or (alone and _ALLOW.search(before)))


def _shapes(text: str) -> Iterator[Secret]:
    for found in shaped(text):
        (start, end), shape = found.value, found.shape
        value = text[start:end]
        # In a long random value every short word turns up some day.
        if (len(value) <= MAX_WORDED and _PLACEHOLDER.search(value)) or entropy(value) < 2.5:
            continue
        severity = Severity.MEDIUM if "ENCRYPTED" in text[slice(*found.whole)] else shape.severity
        yield Secret(shape.id, shape.label, start, end, severity, 0.95, shaped=True)


def _addresses(text: str, *, config: bool) -> Iterator[Secret]:
    if "://" not in text or "@" not in text:
        return
    for match in _URL.finditer(text):
        value, host = unquote(match["value"]), match["host"].lower()
        if _PLACEHOLDER.search(value) or value.startswith(("$", "%", ":", "[")) or "{" in value or len(value) < 3:
            continue
        plain = value.lower() in _DEFAULTS or value == match["user"] or bool(_LETTERS_ONLY.fullmatch(value))
        if plain and not config:
            # "user:password@host" of documentation: a word is no secret unless a program reads it.
            continue
        strong = len(value) >= 8 and entropy(value) >= 2.5 and any(c.isdigit() for c in value)
        severity, confidence = (Severity.HIGH, 0.8) if strong else (Severity.MEDIUM, 0.5)
        if plain or host in _LOCAL_HOSTS or host.endswith(("example.com", "example.org", ".test", ".local")):
            severity, confidence = Severity.LOW, 0.5
        name = match["scheme"].lower() + "://…"
        yield Secret("address", _LABELS["address"], *match.span("value"), severity, confidence, name)


def _assignments(text: str, *, bare: bool, config: bool) -> Iterator[Secret]:
    lowered = text.lower()
    # Few characters have a longer small form (the dotted capital I); then offsets would not fit.
    for match in _KEYWORD.finditer(lowered if len(lowered) == len(text) else text):
        value = _QUOTED.match(text, match.end())
        plain = _BARE.match(text, match.end()) if value is None and bare else None
        hit = value or plain
        if hit is None:
            continue
        group = hit.lastgroup or "v"
        name = _name_before(text, match.start(), match.start("after"))
        if _HASH_WORDS.search(name) or _in_long_line(text, match.start()):
            continue
        verdict = _judge(name, hit[group], config=config)
        if verdict is not None:
            rule, severity, confidence = verdict
            yield Secret(rule, _LABELS[rule], *hit.span(group), severity, confidence, name)


_LABELS = {
    "address": Texts("Address with a password", "Adresse avec mot de passe"),
    "assigned": Texts("Secret in an assignment", "Secret dans une affectation"),
    "password": Texts("Password in an assignment", "Mot de passe dans une affectation"),
    "default-password": Texts("Well-known default password", "Mot de passe par défaut bien connu"),
}


def _name_before(text: str, start: int, end: int) -> str:
    first = start
    while first > 0 and start - first < 60 and (text[first - 1].isalnum() or text[first - 1] in "_-."):
        first -= 1
    return text[first:end].strip("-.")


def _in_long_line(text: str, offset: int) -> bool:
    return "\n" not in text[max(offset - MAX_LINE, 0) : offset] and offset > MAX_LINE


def _judge(name: str, value: str, *, config: bool) -> tuple[str, Severity, float] | None:
    password = bool(_PASSWORD_KEY.search(name))
    if config and value.lower() in _DEFAULTS and (password or "secret" in name.lower()):
        return "default-password", Severity.LOW, 0.7
    if _PLACEHOLDER.search(value) or value.lower() in _DEFAULTS or any(c.isspace() for c in value):
        return None
    if config and password and name.isupper() and len(value) >= 6 and _LETTERS_ONLY.fullmatch(value):
        # Of a program's own environment even a word is a password; elsewhere words are labels.
        return "password", Severity.MEDIUM, 0.6
    if _LETTERS_ONLY.fullmatch(value) or value.lower().strip("_-") in name.lower():
        return None
    if value.startswith(_NO_VALUE) or "/secrets/" in value or ("[" in value and "]" in value):
        return None
    bits, length = entropy(value), len(value)
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    token = password or bool(_TOKEN.fullmatch(value))
    if length >= 16 and mixed and bits >= 3.2 and token:
        return "password" if password else "assigned", Severity.HIGH, 0.8 if bits >= 3.7 else 0.7
    if password and length >= 6 and bits >= 2.2 and not value.replace(".", "").replace("-", "").isdigit():
        return "password", Severity.MEDIUM, 0.6
    return None
