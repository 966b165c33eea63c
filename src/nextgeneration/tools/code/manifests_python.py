"""Python: ``requirements*.txt`` and ``pyproject.toml``."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.code.manifest import Manifest

_NAME = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,100})\s{0,9}(?:\[[^\]]{0,200}\])?")
_REST = re.compile(r"[\s\w.*!<>=~,()+-]{0,500}")
_SPECIFIER = re.compile(r"(===|==|~=|!=|<=|>=|<|>)\s*([^\s;#,()]+)")
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock", "requirements.lock")


@dataclass(frozen=True)
class Requirement:
    """One requirement: PEP 508 as far as versions need it."""

    name: str
    specifiers: tuple[tuple[str, str], ...]
    url: str
    marker: str
    line: int | None

    @property
    def pin(self) -> str:
        """The one version it takes, ``""`` when it takes several."""
        return next((version for op, version in self.specifiers if op in {"==", "==="} and "*" not in version), "")


def parse(text: str, line: int | None = None) -> Requirement | None:
    """A requirement line; ``None`` when it is not one."""
    text = re.split(r"\s#|\s--hash|\s\\\\", text.strip())[0]
    match = _NAME.match(text)
    if match is None:
        return None
    rest, _, marker = text[match.end() :].partition(";")
    before, at, url = rest.partition("@")
    if not _REST.fullmatch(before) or (before.strip() and not _SPECIFIER.search(before)):
        return None
    name = re.sub(r"[-_.]+", "-", match["name"]).lower()
    specifiers = tuple((m[1], m[2]) for m in _SPECIFIER.finditer(before))
    return Requirement(name, specifiers, url.strip() if at else "", marker.strip(), line)


def requirements(manifest: Manifest) -> None:
    """Examine a requirements file."""
    found: list[Requirement] = []
    constrained = False
    for number, line in enumerate(manifest.source.lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        constrained = constrained or text.startswith(("-c", "--constraint"))
        if text.startswith("-"):
            _option(manifest, text, number)
        elif re.match(r"(?:git|hg|svn)\+|https?://", text):
            name = re.search(r"#egg=([\w.-]+)", text)
            manifest.odd_source(name[1] if name else PurePosixPath(text.split("@")[0]).name, text, number)
        elif requirement := parse(text, number):
            found.append(requirement)
            if requirement.url:
                manifest.odd_source(requirement.name, requirement.url, number)
    if not constrained and not manifest.path.endswith(".in"):
        _unpinned(manifest, found, Severity.LOW)
    conflicts(manifest, found)


def _option(manifest: Manifest, text: str, line: int) -> None:
    if re.match(r"(?:-i|--index-url|--extra-index-url|-f|--find-links)[ =]\s*http://(?!localhost|127\.)", text):
        title = Texts("{path}: packages are fetched over plain HTTP", "{path} : paquets pris par HTTP sans chiffrement")
        manifest.add("plain-http", title, severity=Severity.HIGH, line=line, cause="plain-http:index")
    elif text.startswith("--trusted-host"):
        title = Texts(
            "{path}: the host's certificate is not checked", "{path} : le certificat de l'hôte n'est pas vérifié"
        )
        manifest.add("trusted-host", title, severity=Severity.MEDIUM, line=line, cause="trusted-host")
    elif text.startswith("--extra-index-url"):
        title = Texts(
            "{path}: with an extra index, a public package of the same name can replace a private one",
            "{path} : avec un index en plus, un paquet public du même nom peut remplacer un paquet privé",
        )
        manifest.add("extra-index", title, severity=Severity.LOW, line=line, cause="extra-index")
    elif text.startswith(("-e ", "--editable ")) and re.search(r"(?:git|hg)\+|http://", text):
        manifest.odd_source(text.split("#egg=")[-1], text, line)


def _unpinned(manifest: Manifest, found: Iterable[Requirement], severity: Severity) -> None:
    loose = [r for r in found if not r.specifiers and not r.url]
    manifest.unpinned([r.name for r in loose], loose[0].line if loose else None, severity)


def conflicts(manifest: Manifest, found: Iterable[Requirement]) -> None:
    """Note packages asked for twice with versions that cannot both be."""
    by_name: dict[str, list[Requirement]] = defaultdict(list)
    for requirement in found:
        if not requirement.marker:
            by_name[requirement.name].append(requirement)
    for name, twice in by_name.items():
        for first, second in pairwise(twice):
            if contradict(first, second):
                title = Texts(
                    "{path}: {name} is required as {one} and as {two}",
                    "{path} : {name} est demandé en {one} et en {two}",
                )
                one, two = (",".join(op + version for op, version in r.specifiers) for r in (first, second))
                manifest.add(
                    "conflict", title, severity=Severity.HIGH, line=second.line, cause=f"conflict:{name}",
                    name=name, one=one, two=two,
                )  # fmt: skip


def contradict(first: Requirement, second: Requirement) -> bool:
    """Whether no version satisfies both, as far as plain numeric versions tell; unsure means no."""
    for one, other in ((first, second), (second, first)):
        if one.pin:
            return any(_allows(op, version, one.pin) is False for op, version in other.specifiers)
    low = [v for r in (first, second) for op, text in r.specifiers if op == ">=" and (v := _numbers(text))]
    high = [v for r in (first, second) for op, text in r.specifiers if op == "<" and (v := _numbers(text))]
    return bool(low and high and max(low) >= min(high))


def _allows(op: str, wanted: str, version: str) -> bool | None:
    """Whether ``version`` satisfies the specifier; ``None`` when that cannot be told here."""
    if wanted.endswith(".*"):
        stem = _numbers(wanted[:-2])
        given = _numbers(version)
        return None if stem is None or given is None or op != "==" else given[: len(stem)] == stem
    want, have = _numbers(wanted), _numbers(version)
    if want is None or have is None:
        return None
    length = max(len(want), len(have))
    want, have = want + (0,) * (length - len(want)), have + (0,) * (length - len(have))
    answers = {"==": have == want, "!=": have != want, ">=": have >= want, "<=": have <= want}
    return {**answers, ">": have > want, "<": have < want}.get(op)


def _numbers(version: str) -> tuple[int, ...] | None:
    return tuple(map(int, version.split("."))) if re.fullmatch(r"\d{1,6}(?:\.\d{1,6}){0,5}", version) else None


def pyproject(manifest: Manifest) -> None:
    """Examine a ``pyproject.toml``.

    Raises:
        ValueError: it is not TOML.
    """
    data = tomllib.loads(manifest.source.text)
    project = data.get("project")
    if isinstance(project, dict):
        _project(manifest, project)
    poetry = _table(_table(data, "tool"), "poetry")
    if poetry:
        _poetry(manifest, poetry)
    managed = poetry or any(key in _table(data, "tool") for key in ("pdm",))
    if managed and not manifest.beside_or_above(_LOCKS):
        manifest.no_lock("poetry.lock / pdm.lock")


def _project(manifest: Manifest, project: dict[str, Any]) -> None:
    groups = [_strings(project.get("dependencies"))]
    groups += [_strings(items) for items in _table(project, "optional-dependencies").values()]
    for number, group in enumerate(groups):
        found = [r for text in group if (r := parse(text, manifest.line_with(text)))]
        for requirement in found:
            if requirement.url:
                manifest.odd_source(requirement.name, requirement.url, requirement.line)
        if number == 0:
            _unpinned(manifest, found, Severity.LOW)
        conflicts(manifest, found)
    if project and "requires-python" not in project and "requires-python" not in _strings(project.get("dynamic")):
        title = Texts("{path} does not say which Python it needs", "{path} ne dit pas quel Python il faut")
        line = manifest.line_with("[project]")
        manifest.add("no-python", title, severity=Severity.LOW, line=line, cause="no-requires-python")


def _poetry(manifest: Manifest, poetry: dict[str, Any]) -> None:
    tables = [_table(poetry, "dependencies"), _table(poetry, "dev-dependencies")]
    tables += [_table(group, "dependencies") for group in _table(poetry, "group").values() if isinstance(group, dict)]
    stars: list[str] = []
    for name, wanted in (item for table in tables for item in table.items()):
        version = wanted.get("version") if isinstance(wanted, dict) else wanted
        if isinstance(wanted, dict) and isinstance(wanted.get("git"), str):
            manifest.odd_source(name, f"{wanted['git']}@{wanted.get('rev', '')}", manifest.line_with(name))
        elif version == "*" and name != "python":
            stars.append(name)
    manifest.any_version(stars, manifest.line_with(stars[0]) if stars else None)


def _table(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def oldest_python(text: str) -> str | None:
    """The lower bound of ``requires-python`` in a ``pyproject.toml``, as Ruff writes it (``py311``)."""
    try:
        wanted = _table(tomllib.loads(text), "project").get("requires-python")
    except (ValueError, RecursionError):
        return None
    match = re.search(r"(?:>=|~=|==)\s*3\.(\d{1,2})", wanted) if isinstance(wanted, str) else None
    return f"py3{match[1]}" if match and 7 <= int(match[1]) <= 14 else None
