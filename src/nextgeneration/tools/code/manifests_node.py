"""Node: ``package.json``."""

from __future__ import annotations

import json
import re
from typing import Any

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.code.manifest import Manifest

_LOCKS = (
    "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock",
)  # fmt: skip
_KINDS = ("dependencies", "devDependencies", "optionalDependencies")
_ON_INSTALL = ("preinstall", "install", "postinstall")
_DOWNLOADS = re.compile(r"\b(?:curl|wget|Invoke-WebRequest|iwr)\b|https?://")


def package(manifest: Manifest) -> None:
    """Examine a ``package.json``.

    Raises:
        ValueError: it is not JSON.
    """
    data = json.loads(manifest.source.text.removeprefix("\ufeff"))
    data = data if isinstance(data, dict) else {}
    anything: list[str] = []
    known: dict[str, str] = {}
    for kind in _KINDS:
        for name, version in _texts(data.get(kind)).items():
            line = manifest.line_with(f'"{name}"')
            if version.strip() in {"*", "", "latest", "x"}:
                anything.append(name)
            elif re.match(r"(?:git[+:]|github:|gitlab:|bitbucket:|https?:|[\w.-]+/[\w.-]+(?:#|$))", version):
                if not version.startswith("https://registry.") and "semver:" not in version:
                    manifest.odd_source(name, version, line)
            elif name in known and known[name] != version:
                title = Texts(
                    "{path}: {name} is asked for as {one} and as {two}",
                    "{path} : {name} est demandé en {one} et en {two}",
                )
                manifest.add(
                    "conflict", title, severity=Severity.MEDIUM, line=line, cause=f"conflict:{name}",
                    name=name, one=known[name], two=version,
                )  # fmt: skip
            known[name] = version
    manifest.any_version(anything, manifest.line_with(f'"{anything[0]}"') if anything else None)
    if known and not manifest.beside_or_above(_LOCKS):
        manifest.no_lock("package-lock.json, yarn.lock, pnpm-lock.yaml", Severity.MEDIUM)
    _scripts(manifest, _texts(data.get("scripts")))


def _scripts(manifest: Manifest, scripts: dict[str, str]) -> None:
    for name in _ON_INSTALL:
        command = scripts.get(name, "")
        if not command:
            continue
        title = Texts(
            "{path}: `{name}` runs on every installation", "{path} : `{name}` s'exécute à chaque installation"
        )
        severity = Severity.HIGH if _DOWNLOADS.search(command) else Severity.INFO
        line = manifest.line_with(f'"{name}"')
        manifest.add("install-script", title, severity=severity, line=line, cause=f"install-script:{name}", name=name)


def _texts(value: Any) -> dict[str, str]:
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}
