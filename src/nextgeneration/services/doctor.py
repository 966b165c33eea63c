"""``nextgen doctor``: what is here, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.storage import StorageSettings

State = Literal["ok", "warn", "bad"]

PROVIDER_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "MISTRAL_API_KEY", "OPENROUTER_API_KEY")
TRACING = ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2")

_PYTHON = Texts("{version}", "{version}")
_OLD = Texts("{version}; 3.11 or newer is needed", "{version} ; il faut 3.11 ou plus récent")
_STORE = Texts("{path}, schema current, {count} missions", "{path}, schéma à jour, {count} missions")
_STORE_NEW = Texts("{path} will be made at the first mission", "{path} sera créé à la première mission")
_STORE_HURT = Texts("{count} damaged records: {first}", "{count} enregistrements abîmés : {first}")
_STORE_MEND = Texts(
    "`nextgen missions cancel` the missions named; the others are not touched",
    "`nextgen missions cancel` pour les missions nommées ; les autres sont intactes",
)
_NO_BWRAP_MEND = Texts(
    "apt-get install bubblewrap (or your system's package); until then every command asks",
    "apt-get install bubblewrap (ou le paquet de votre système) ; d'ici là, chaque commande demande",
)
_RG = Texts("ripgrep: fast search", "ripgrep : recherche rapide")
_NO_RG = Texts(
    "ripgrep is not installed; the slower built-in search is used", "ripgrep absent ; recherche interne plus lente"
)
_GIT = Texts("git: {path}", "git : {path}")
_NO_GIT = Texts("git is not installed; .gitignore is read without it", "git absent ; .gitignore est lu sans lui")
_KEYS = Texts("provider keys found by name: {names}", "clés de fournisseurs trouvées par nom : {names}")
_NO_KEYS = Texts(
    "none, and none is needed: agents run their playbooks",
    "aucun, et aucun n'est nécessaire : les agents suivent leurs playbooks",
)
_TRACED = Texts("{name} is set: LangSmith would receive traces", "{name} est défini : LangSmith recevrait des traces")
_UNSET = Texts("unset {name}", "unset {name}")
_TEMPLATES = Texts("{count} usable", "{count} utilisables")
_BROKEN = Texts("{count} usable; broken: {names}", "{count} utilisables ; cassés : {names}")
_LINT = Texts("nextgen templates lint", "nextgen templates lint")
_MCP = Texts("servers set: {names}", "serveurs réglés : {names}")
_NO_MCP = Texts(
    "no MCP server is set; documentation look-up is off (docs/how-to/documentation-lookup.md)",
    "aucun serveur MCP ; la consultation de documentation est inactive (docs/how-to/documentation-lookup.md)",
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    said: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """The check as plain JSON."""
        return asdict(self)


def examine(workspace: Path, lang: Lang) -> list[Check]:
    """Look at everything; no check keeps another from being made."""
    environment = Environment.current()
    checks: list[Callable[[Lang, Environment, Path], Check]] = [
        _python, _storage, _confinement, _search, _git, _models, _tracing, _templates, _mcp
    ]  # fmt: skip
    found = []
    for check in checks:
        try:
            found.append(check(lang, environment, workspace))
        except NGError as error:
            found.append(Check(check.__name__.strip("_"), "bad", error.message(lang), error.hint(lang)))
    return found


def _python(lang: Lang, _environment: Environment, _workspace: Path) -> Check:
    version = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()}"
    good = sys.version_info >= (3, 11)
    return Check("python", "ok" if good else "bad", (_PYTHON if good else _OLD).say(lang, version=version))


def _storage(lang: Lang, _environment: Environment, _workspace: Path) -> Check:
    import asyncio

    from nextgeneration.missions.service import Missions
    from nextgeneration.storage.database import Storage

    settings = StorageSettings()
    home = settings.home.expanduser().absolute()
    if not settings.database_url and not (home / "nextgen.db").exists():
        return Check("storage", "ok", _STORE_NEW.say(lang, path=home / "nextgen.db"))
    storage = Storage.open(settings.url, busy_seconds=settings.database_busy_seconds)
    try:
        missions = Missions(storage)
        damages = asyncio.run(missions.integrity())
        count = len(asyncio.run(missions.list(limit=None)))
    finally:
        storage.close()
    if damages:
        first = f"{damages[0].table} {damages[0].id}"
        return Check("storage", "bad", _STORE_HURT.say(lang, count=len(damages), first=first), _STORE_MEND.say(lang))
    return Check("storage", "ok", _STORE.say(lang, path=storage.path or settings.url, count=count))


def _confinement(lang: Lang, environment: Environment, _workspace: Path) -> Check:
    from nextgeneration.tools.shell.containment import BUBBLEWRAP, Containment

    confinement = Containment(environment).current()
    if confinement.kind == BUBBLEWRAP:
        return Check("confinement", "ok", confinement.describe(lang))
    return Check("confinement", "warn", confinement.describe(lang), _NO_BWRAP_MEND.say(lang))


def _search(lang: Lang, environment: Environment, _workspace: Path) -> Check:
    found = shutil.which("rg", path=os.pathsep.join(environment.path))
    return Check("search", "ok", (_RG if found else _NO_RG).say(lang))


def _git(lang: Lang, environment: Environment, _workspace: Path) -> Check:
    found = shutil.which("git", path=os.pathsep.join(environment.path))
    return Check("git", "ok" if found else "warn", _GIT.say(lang, path=found) if found else _NO_GIT.say(lang))


def _models(lang: Lang, environment: Environment, _workspace: Path) -> Check:
    names = [name for name in PROVIDER_KEYS if environment.get(name)]
    return Check("models", "ok", _KEYS.say(lang, names=", ".join(names)) if names else _NO_KEYS.say(lang))


def _tracing(lang: Lang, environment: Environment, _workspace: Path) -> Check:
    on = [name for name in TRACING if environment.get(name).lower() in {"1", "true", "yes"}]
    if on:
        return Check("telemetry", "warn", _TRACED.say(lang, name=on[0]), _UNSET.say(lang, name=on[0]))
    return Check("telemetry", "ok", Texts("none is sent", "aucune n'est envoyée").say(lang))


def _templates(lang: Lang, _environment: Environment, workspace: Path) -> Check:
    from nextgeneration.services.parts import library

    with library(workspace) as templates:
        summaries = templates.summaries()
    broken = [summary.name for summary in summaries if summary.broken]
    count = len(summaries) - len(broken)
    if broken:
        return Check("templates", "bad", _BROKEN.say(lang, count=count, names=", ".join(broken)), _LINT.say(lang))
    return Check("templates", "ok", _TEMPLATES.say(lang, count=count))


def _mcp(lang: Lang, _environment: Environment, _workspace: Path) -> Check:
    from nextgeneration.settings.tools import ToolSettings

    names = sorted(ToolSettings().mcp_servers)
    return Check("documentation", "ok", _MCP.say(lang, names=", ".join(names)) if names else _NO_MCP.say(lang))
