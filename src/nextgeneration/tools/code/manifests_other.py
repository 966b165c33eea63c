"""Go, Rust, Ruby and Maven manifests, as far as lines and TOML tell."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath
from typing import Any

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.code.manifest import Manifest


def go_mod(manifest: Manifest) -> None:
    """Examine a ``go.mod``."""
    text = re.sub(r"//[^\n]*", "", manifest.source.text)
    if re.search(r"^\s*require\b", text, re.MULTILINE) and not manifest.beside_or_above(("go.sum", "go.work.sum")):
        manifest.no_lock("go.sum", Severity.MEDIUM)
    if not re.search(r"^go\s+\d", text, re.MULTILINE):
        title = Texts("{path} does not say which Go it needs", "{path} ne dit pas quel Go il faut")
        manifest.add("no-go", title, severity=Severity.LOW, line=1, cause="no-go")
    for match in re.finditer(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+(\.{0,2}/\S+)", text, re.MULTILINE):
        title = Texts(
            "{path}: {name} is replaced by a local folder", "{path} : {name} est remplacé par un dossier local"
        )
        line = manifest.source.line_of(match.start(1))
        manifest.add(
            "local-replace", title, severity=Severity.INFO, line=line, cause=f"replace:{match[1]}", name=match[1]
        )


def cargo(manifest: Manifest) -> None:
    """Examine a ``Cargo.toml``.

    Raises:
        ValueError: it is not TOML.
    """
    data = tomllib.loads(manifest.source.text)
    stars: list[str] = []
    for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
        table = data.get(kind)
        for name, wanted in table.items() if isinstance(table, dict) else ():
            _crate(manifest, name, wanted, stars)
    manifest.any_version(stars, manifest.line_with(stars[0]) if stars else None)
    folder = PurePosixPath(manifest.path).parent
    program = "bin" in data or (folder / "src/main.rs").as_posix() in manifest.present
    if program and not manifest.beside_or_above(("Cargo.lock",)):
        manifest.no_lock("Cargo.lock")


def _crate(manifest: Manifest, name: str, wanted: Any, stars: list[str]) -> None:
    version = wanted.get("version") if isinstance(wanted, dict) else wanted
    if isinstance(wanted, dict) and isinstance(wanted.get("git"), str):
        address = f"{wanted['git']}#{wanted.get('rev', '')}"
        # A tag is as fixed as most projects want it; a branch moves by design.
        if "tag" not in wanted or address.startswith("http://"):
            manifest.odd_source(name, address, manifest.line_with(name))
    elif version == "*":
        stars.append(name)


def gemfile(manifest: Manifest) -> None:
    """Examine a ``Gemfile``."""
    if not manifest.beside_or_above(("Gemfile.lock", "gems.locked")):
        manifest.no_lock("Gemfile.lock", Severity.MEDIUM)
    if match := re.search(r"^\s*source\s+[\"']http://[^\"']+", manifest.source.text, re.MULTILINE):
        title = Texts("{path}: gems are fetched over plain HTTP", "{path} : gems pris par HTTP sans chiffrement")
        line = manifest.source.line_of(match.end())
        manifest.add("plain-http", title, severity=Severity.HIGH, line=line, cause="plain-http:source")


def pom(manifest: Manifest) -> None:
    """Examine a ``pom.xml`` by its lines; the XML is not parsed, so no entity of it is ever expanded."""
    for number, line in enumerate(manifest.source.lines, 1):
        version = re.search(r"<version>\s*(LATEST|RELEASE|[\[(][^<]{0,80},\s*[)\]])\s*</version>", line)
        if version:
            title = Texts("{path}: the moving version {version}", "{path} : la version mouvante {version}")
            manifest.add(
                "any-version",
                title,
                severity=Severity.MEDIUM,
                line=number,
                cause=f"any-version:{number}",
                version=version[1],
            )
        elif re.search(r"<url>\s*http://(?!localhost|127\.)", line) and _in_repository(manifest, number):
            title = Texts(
                "{path}: artifacts are fetched over plain HTTP", "{path} : artefacts pris par HTTP sans chiffrement"
            )
            manifest.add("plain-http", title, severity=Severity.HIGH, line=number, cause="plain-http:repository")


def _in_repository(manifest: Manifest, line: int) -> bool:
    before = manifest.source.lines[max(line - 8, 0) : line]
    inside = [
        tag
        for text in before
        for tag in re.findall(r"<(/?(?:repository|pluginRepository|distributionManagement))>", text)
    ]
    return bool(inside) and not inside[-1].startswith("/")
