"""What any project shows without knowing its language: its size, its tests, broken and forgotten things."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import PurePosixPath

import yaml

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.code.languages import (
    EXAMPLE_FOLDERS,
    PROSE_AND_DATA,
    is_binary_name,
    is_template,
    is_test,
    language_of_path,
)
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.code.sources import Source
from nextgeneration.tools.errors import ToolError
from nextgeneration.tools.nouns import CONSOLE_CALLS
from nextgeneration.tools.workspace import Workspace

LONG_FILE = 600
LARGE_BINARY = 5_000_000
MAX_DATA = 500_000
FEW_FILES = 3

_DEBUG = {
    "JavaScript": re.compile(r"^[ \t]*debugger[ \t]*;?[ \t]*$", re.MULTILINE),
    "TypeScript": re.compile(r"^[ \t]*debugger[ \t]*;?[ \t]*$", re.MULTILINE),
    "Ruby": re.compile(r"^[ \t]*(?:binding\.(?:pry|irb)|byebug)\b", re.MULTILINE),
    "PHP": re.compile(r"^[ \t]*(?:var_dump|dd|xdebug_break)\s{0,5}\(", re.MULTILINE),
    "Rust": re.compile(r"\bdbg!\s{0,5}\("),
}
_CONSOLE = re.compile(r"^[ \t]*console\.(?:log|debug|trace)\(", re.MULTILINE)
_JSON_WITH_COMMENTS = re.compile(
    r"(?:^|/)(?:[tj]sconfig[\w.-]*\.json|\.vscode/.*|\.devcontainer.*|\.eslintrc.*|\.babelrc.*|devcontainer\.json|.*\.code-workspace)$"
)
_LICENCES = ("licen", "copying", "unlicense")


def examine(source: Source, notes: Notes) -> None:
    """Note what one file shows: conflict markers, data that cannot be read, debugger stops, great length."""
    _conflict(source, notes)
    _data(source, notes)
    _debug(source, notes)
    _length(source, notes)


def _conflict(source: Source, notes: Notes) -> None:
    if "<<<<<<< " not in source.text or source.language in {"Markdown", "reStructuredText", "Text"}:
        return
    begun = divided = 0
    for number, line in enumerate(source.lines, 1):
        if line.startswith("<<<<<<< "):
            begun, divided = number, 0
        elif begun and line.rstrip("\r") == "=======":
            divided = number
        elif divided and line.startswith(">>>>>>> "):
            notes.add(
                "code.merge-conflict",
                notes.say(
                    Texts("Merge conflict markers in {path}", "Marqueurs de conflit dans {path}"), path=source.path
                ),
                severity=Severity.LOW if source.test else Severity.HIGH,
                path=source.path,
                line=begun,
                end_line=number,
                excerpt=source.lines[begun - 1],
                cause="merge-conflict",
            )
            return


def _data(source: Source, notes: Notes) -> None:
    suffix = PurePosixPath(source.path).suffix.lower()
    if suffix not in _READERS or is_template(source.path) or len(source.text) > MAX_DATA:
        return
    if _JSON_WITH_COMMENTS.search(source.path) or "{{" in source.text or "{%" in source.text:
        return
    try:
        _READERS[suffix](source.text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        line = _line_of_error(error)
        kind = suffix[1:].upper().replace("YML", "YAML")
        quiet = source.test or any(part in EXAMPLE_FOLDERS for part in PurePosixPath(source.path).parts[:-1])
        notes.add(
            "code.broken-data",
            notes.say(
                Texts("{path} is not valid {kind}", "{path} n'est pas du {kind} valide"), path=source.path, kind=kind
            ),
            message=masked(" ".join(str(error).split())[:300]) or type(error).__name__,
            severity=Severity.LOW if quiet else Severity.MEDIUM,
            path=source.path,
            line=line,
            excerpt=masked(source.lines[line - 1].strip()) if line and line <= len(source.lines) else "",
            cause="broken-data",
        )


def _read_json(text: str) -> None:
    stripped = text.removeprefix("\ufeff").strip()
    if not stripped or stripped.startswith(("//", "/*")):
        return
    try:
        json.loads(stripped)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and _is_json_lines(stripped):
            return
        # The stripped text starts later than the file does.
        shift = text[: text.find(stripped[:1])].count("\n")
        raise json.JSONDecodeError(error.msg, "\n" * shift + error.doc, error.pos + shift) from None


def _is_json_lines(text: str) -> bool:
    try:
        return all(isinstance(json.loads(line), dict | list) for line in text.splitlines()[:2])
    except ValueError:
        return False


def _read_yaml(text: str) -> None:
    # Events only: no object is built, so neither tags nor a tower of aliases can do anything.
    for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        pass


def _read_toml(text: str) -> None:
    tomllib.loads(text)


_READERS = {".json": _read_json, ".yaml": _read_yaml, ".yml": _read_yaml, ".toml": _read_toml}


def _line_of_error(error: BaseException) -> int | None:
    if isinstance(error, json.JSONDecodeError):
        return error.lineno
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    found = re.search(r"\(at line (\d+)", str(error))
    return int(found[1]) if found else None


def _debug(source: Source, notes: Notes) -> None:
    pattern = _DEBUG.get(source.language)
    if pattern is None or not source.written:
        return
    match = pattern.search(source.text)
    if match:
        line = source.line_of(match.start() + len(match[0]) - len(match[0].lstrip()))
        notes.add(
            "code.debug",
            notes.say(Texts("Debugging left in {path}", "Débogage resté dans {path}"), path=source.path),
            severity=Severity.INFO if source.test else Severity.LOW,
            path=source.path,
            line=line,
            excerpt=masked(source.lines[line - 1].strip()),
            cause="debug",
        )
    if source.language in {"JavaScript", "TypeScript"} and not source.test:
        calls = [source.line_of(m.start()) for m in _CONSOLE.finditer(source.text)]
        if calls:
            title = Texts("{calls} in {path}", "{calls} dans {path}")
            notes.add(
                "code.console",
                notes.say(title, calls=CONSOLE_CALLS.of(len(calls)), path=source.path),
                severity=Severity.INFO,
                path=source.path,
                line=calls[0],
                excerpt=masked(source.lines[calls[0] - 1].strip()),
                cause="console",
                data={"count": len(calls), "lines": calls[:100]},
            )


def _length(source: Source, notes: Notes) -> None:
    if source.line_count <= LONG_FILE or source.language in PROSE_AND_DATA or not source.written:
        return
    title = Texts("{path} has {n} lines", "{path} fait {n} lignes")
    message = Texts(
        "A file of more than {limit} lines is hard to know and to change.",
        "Un fichier de plus de {limit} lignes est difficile à connaître et à changer.",
    )
    notes.add(
        "code.long-file",
        notes.say(title, path=source.path, n=source.line_count),
        message=notes.say(message, limit=LONG_FILE),
        severity=Severity.LOW if source.line_count > 4 * LONG_FILE and not source.test else Severity.INFO,
        path=source.path,
        line=1,
        cause="long-file",
        data={"lines": source.line_count, "limit": LONG_FILE},
    )


def binaries(workspace: Workspace, paths: Sequence[str], notes: Notes) -> None:
    """Note large binary files that lie among the sources."""
    for path in paths:
        if not is_binary_name(path):
            continue
        try:
            with workspace.opened(path) as (_, state):
                size = state.st_size
        except ToolError:
            continue
        if size > LARGE_BINARY:
            title = Texts("{path} is a binary of {mb:.1f} MB", "{path} est un binaire de {mb:.1f} Mo")
            message = Texts(
                "Every clone carries it for ever; keep it outside the repository or in Git LFS.",
                "Chaque clone le porte à jamais ; gardez-le hors du dépôt ou dans Git LFS.",
            )
            notes.add(
                "code.large-binary",
                notes.say(title, path=path, mb=size / 1e6),
                message=notes.say(message),
                severity=Severity.LOW,
                path=path,
                cause="large-binary",
                data={"bytes": size},
            )


def whole(paths: Sequence[str], notes: Notes) -> None:
    """Note what the project as a whole lacks: tests, a README, a licence, a ``.gitignore``."""
    program = [path for path in paths if language_of_path(path) not in PROSE_AND_DATA]
    if not program:
        return
    top = [path.lower() for path in paths if "/" not in path]
    source = [path for path in program if not is_test(path)]
    if len(source) >= FEW_FILES and not any(is_test(path) for path in program):
        title = Texts("No test was found beside {n} source files", "Aucun test trouvé à côté de {n} fichiers sources")
        notes.add(
            "code.no-tests", notes.say(title, n=len(source)), severity=Severity.MEDIUM, cause="no-tests", confidence=0.8
        )
    lacking = (
        ("readme", Severity.LOW, top_has(top, ("readme",))),
        ("licence", Severity.INFO, top_has(top, _LICENCES)),
        ("gitignore", Severity.INFO, ".gitignore" in top),
    )
    for name, severity, present in lacking:
        if not present:
            notes.add(f"code.no-{name}", notes.say(_LACKING[name]), severity=severity, cause=f"no-{name}")


def top_has(top: Sequence[str], starts: tuple[str, ...]) -> bool:
    """Whether a file of the top folder starts with one of ``starts``."""
    return any(name.startswith(starts) for name in top)


_LACKING = {
    "readme": Texts("The project has no README", "Le projet n'a pas de README"),
    "licence": Texts("The project has no licence file", "Le projet n'a pas de fichier de licence"),
    "gitignore": Texts("The project has no .gitignore", "Le projet n'a pas de .gitignore"),
}
