"""How tangled the functions of languages with braces are: an estimate, and labelled so.

Comments and strings are blanked out, functions are found by their headers, and the words and operators
that branch are counted between the braces (McCabe's count without a parser). Python is not measured here
but by Ruff, exactly.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.code.sources import Source

LIMIT = 20
LONG = 150
MAX_CHARACTERS = 400_000

_C_LIKE = re.compile(
    r"(?<![\w$~.])(?P<name>[\w~]{1,100})[ \t]{0,9}\([^(){};]{0,400}(?:\([^(){};]{0,100}\)[^(){};]{0,200}){0,4}\)"
    r"[ \t]{0,9}(?:(?:(?:const|noexcept|override|final|throws|where|async|mutable)\b|->)"
    r"[\w:<>\[\]&*?,. \t]{0,120})?\s{0,20}\{"
)
_SCRIPT = re.compile(
    r"\bfunction\b\s{0,9}\*?\s{0,9}(?P<function>[\w$]{1,100})?\s{0,9}\([^{}]{0,400}\)[^{};]{0,80}\{"
    r"|(?<![\w$])(?P<value>[\w$]{1,100})\s{0,9}[:=]\s{0,9}(?:async\s{0,9})?\([^{}()]{0,300}\)"
    r"\s{0,9}(?::[^={}]{1,80})?=>\s{0,9}\{"
    r"|^[ \t]{0,60}(?:(?:static|async|get|set|public|private|protected|override)[ \t]{1,9}){0,4}\*?#?"
    r"(?P<method>[\w$]{1,100})[ \t]?\([^;]{0,400}?\)[ \t]{0,9}(?::[^{};=\n]{1,100})?\{[ \t]*$",
    re.MULTILINE,
)
_HEADERS = {
    "JavaScript": _SCRIPT,
    "TypeScript": _SCRIPT,
    "Go": re.compile(r"^func\s*(?:\([^()]*\)\s*)?(?P<name>\w+)[^\n{]{0,400}\{", re.MULTILINE),
    "Rust": re.compile(r"\bfn\s+(?P<name>\w+)[^{};]{0,600}\{"),
    "Kotlin": re.compile(r"\bfun\s+(?:<[^>]{0,80}>\s*)?(?P<name>[\w.]+)\s*\([^{}]{0,600}?\{"),
    "Swift": re.compile(r"\bfunc\s+(?P<name>\w+)[^{};]{0,400}\{"),
    "PHP": re.compile(r"\bfunction\s+&?(?P<name>\w+)\s*\([^{};]{0,600}\{"),
    **dict.fromkeys(("C", "C++", "Java", "C#", "Dart", "Scala"), _C_LIKE),
}
MEASURED = frozenset(_HEADERS)
_NOT_NAMES = frozenset(
    {
        "if", "for", "while", "switch", "catch", "return", "function", "with", "synchronized", "using", "lock",
        "foreach", "when", "match", "else", "do", "try", "new", "sizeof", "typeof", "await", "super", "this",
        "fixed", "unless", "guard",
    }
)  # fmt: skip
_BRANCH = re.compile(r"\b(?:if|for|while|case|catch|foreach|elif|guard|when)\b|&&|\|\||\?\?|\s\?\s")
_BLANK = re.compile(
    r"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`", re.DOTALL
)
_RUST_BLANK = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\\n])'", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Measured:
    """A function as far as braces show it."""

    name: str
    line: int
    lines: int
    complexity: int


def estimate(source: Source, notes: Notes) -> None:
    """Note the functions of the file that seem too complex or too long."""
    if source.language not in MEASURED or not source.written:
        return
    if len(source.text) > MAX_CHARACTERS:
        notes.skip(source.path, Texts("too long to estimate complexity", "trop long pour estimer la complexité"))
        return
    for function in functions(source.text, source.language):
        if function.complexity > LIMIT:
            _note_complex(source, function, notes)
        elif function.lines > LONG:
            _note_long(source, function, notes)


def functions(text: str, language: str) -> Iterator[Measured]:
    """Every function that can be found, with its estimated cyclomatic complexity."""
    blank = (_RUST_BLANK if language == "Rust" else _BLANK).sub(_blanked, text)
    closing = _braces(blank)
    branches = [match.start() for match in _BRANCH.finditer(blank)]
    starts = [match.start() for match in re.finditer(r"\n", blank)]
    for header in _HEADERS[language].finditer(blank):
        opening = header.end() - 1
        end = closing.get(opening)
        name = next((header[group] for group in header.re.groupindex if header[group]), "")
        if end is None or name in _NOT_NAMES:
            continue
        count = bisect_left(branches, end) - bisect_left(branches, opening)
        first = bisect_left(starts, header.start() + len(header[0]) - len(header[0].lstrip())) + 1
        yield Measured(name or "(anonymous)", first, bisect_left(starts, end) + 2 - first, count + 1)


def _blanked(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _braces(text: str) -> dict[int, int]:
    """Where each opening brace is closed."""
    open_at: list[int] = []
    pairs: dict[int, int] = {}
    for match in re.finditer(r"[{}]", text):
        if match[0] == "{":
            open_at.append(match.start())
        elif open_at:
            pairs[open_at.pop()] = match.start()
    return pairs


def _note_complex(source: Source, function: Measured, notes: Notes) -> None:
    title = Texts("{name}: complexity about {value} ({path})", "{name} : complexité d'environ {value} ({path})")
    message = Texts(
        "An estimate from keywords and braces, not from a parser; above {limit} a function is hard to test.",
        "Une estimation par mots-clés et accolades, sans analyseur ; au-delà de {limit} une fonction est difficile à "
        "tester.",
    )
    severity = Severity.LOW if function.complexity >= 40 else Severity.INFO
    notes.add(
        "code.complexity",
        notes.say(title, name=function.name, value=function.complexity, path=source.path),
        message=notes.say(message, limit=LIMIT),
        severity=Severity.INFO if source.test else severity,
        confidence=0.6,
        path=source.path,
        line=function.line,
        excerpt=masked(source.lines[function.line - 1].strip()),
        cause=f"code.complexity:{function.name}",
        data={"value": function.complexity, "limit": LIMIT, "estimate": True, "lines": function.lines},
    )


def _note_long(source: Source, function: Measured, notes: Notes) -> None:
    title = Texts("{name}: {lines} lines long ({path})", "{name} : {lines} lignes ({path})")
    notes.add(
        "code.long-function",
        notes.say(title, name=function.name, lines=function.lines, path=source.path),
        severity=Severity.INFO,
        confidence=0.6,
        path=source.path,
        line=function.line,
        excerpt=masked(source.lines[function.line - 1].strip()),
        cause=f"code.long-function:{function.name}",
        data={"lines": function.lines, "limit": LONG, "estimate": True},
    )
