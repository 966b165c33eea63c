"""``nextgen doctor``: what is here, what is missing, and the command that mends it."""

from __future__ import annotations

import asyncio
import difflib
import importlib
import os
import pkgutil
import platform
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Counted, Lang, Texts
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.group import SettingsGroup
from nextgeneration.settings.language import VARIABLES
from nextgeneration.settings.storage import StorageSettings

State = Literal["ok", "warn", "bad"]

TRACING = ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2")
LOW_MB, TOO_LOW_MB = 500, 50
READING_SECONDS = 1.0
"""How long the records are read for damage: the doctor is asked often and must answer at once."""

_TITLES = {
    "python": Texts("Python", "Python"),
    "settings": Texts("Settings", "Réglages"),
    "home": Texts("Home folder", "Dossier NG_HOME"),
    "records": Texts("Records", "Enregistrements"),
    "missions": Texts("Missions", "Missions"),
    "credits": Texts("Credits", "Crédits"),
    "confinement": Texts("Confinement", "Confinement"),
    "programs": Texts("Programs", "Programmes"),
    "models": Texts("Models", "Modèles"),
    "telemetry": Texts("Telemetry", "Télémétrie"),
    "templates": Texts("Templates", "Modèles d'agents"),
    "documentation": Texts("Documentation", "Documentation"),
}
_SETTINGS = Texts("set by NG_ variables: {count}", "définis par des variables NG_ : {count}")
_UNKNOWN = Texts("{names}: no such setting", "{names} : pas de tel réglage")
_MEANT = Texts("did you mean {names}? docs/reference/settings.md lists them all",
               "vouliez-vous dire {names} ? docs/reference/settings.md les liste tous")  # fmt: skip
_LISTED = Texts("docs/reference/settings.md lists them all", "docs/reference/settings.md les liste tous")
_HOME = Texts("{path}, {free} MB free", "{path}, {free} Mo libres")
_HOME_NEW = Texts("{path} will be made at the first mission", "{path} sera créé à la première mission")
_HOME_SHUT = Texts("{path} cannot be written", "{path} n'est pas accessible en écriture")
_HOME_MEND = Texts("set NG_HOME to a folder of your own", "définissez NG_HOME avec un dossier à vous")
_ROOM = Texts("free some room on that disk", "libérez de la place sur ce disque")
_NONE_YET = Texts("none yet", "aucun pour l'instant")
_MISSIONS = Counted(Texts("mission", "mission"), Texts("missions", "missions"))
_RECORDS = Texts("{path}, {missions}, all intact", "{path}, {missions}, tout est intact")
_READ_PART = Texts("{path}, {missions}, not all read", "{path}, {missions}, tout n'est pas relu")
_HURT = Texts("{records}: {first}", "{records} : {first}")
_DAMAGED = Counted(Texts("damaged record", "enregistrement abîmé"), Texts("damaged records", "enregistrements abîmés"))
_HURT_MEND = Texts(
    "nextgen missions cancel {mission}   (the other missions are not touched)",
    "nextgen missions cancel {mission}   (les autres missions sont intactes)",
)
_IDLE = Texts("none is open", "aucune n'est ouverte")
_OPEN = Texts("{missions}, {approvals}", "{missions}, {approvals}")
_RUNNING = Counted(Texts("open", "ouverte"), Texts("open", "ouvertes"))
_WAITING = Counted(Texts("approval waits", "accord en attente"), Texts("approvals wait", "accords en attente"))
_LEFT = Counted(
    Texts("was left behind by a dead process", "laissée par un processus mort"),
    Texts("were left behind by a dead process", "laissées par un processus mort"),
)
_LEFT_MEND = Texts("nextgen missions resume", "nextgen missions resume")
_BOOKS = Texts(
    "{spent} credits spent, calls: {calls}; every posting agrees",
    "{spent} crédits dépensés, appels : {calls} ; toutes les écritures concordent",
)
_BOOKS_UNREAD = Texts(
    "{spent} credits spent, calls: {calls}; not all postings read",
    "{spent} crédits dépensés, appels : {calls} ; écritures relues en partie",
)
_NO_CALLS = Texts("no model was called yet", "aucun modèle n'a encore été appelé")
_WRONG = Texts("the books disagree in {places}: {first}", "les comptes divergent en {places} : {first}")
_PLACES = Counted(Texts("place", "endroit"), Texts("places", "endroits"))
_WRONG_MEND = Texts(
    "nextgen credits verify --json   (keep a copy of NG_HOME; set no budget by these figures)",
    "nextgen credits verify --json   (gardez une copie de NG_HOME ; ne fixez aucun budget d'après ces chiffres)",
)
_STOPPED = Texts("{accounts}: {first}", "{accounts} : {first}")
_ACCOUNTS = Counted(
    Texts("account is stopped", "compte est arrêté"), Texts("accounts are stopped", "comptes sont arrêtés")
)
_CLEAR = Texts("nextgen credits clear {account}", "nextgen credits clear {account}")
_DECIDE = Texts("nextgen approvals list", "nextgen approvals list")
_NO_BWRAP_MEND = Texts(
    "apt-get install bubblewrap (or your system's package); until then every command asks",
    "apt-get install bubblewrap (ou le paquet de votre système) ; d'ici là, chaque commande demande",
)
_PROGRAMS = Texts("{names}", "{names}")
_FEWER = Texts("{names}; without {missing}", "{names} ; sans {missing}")
_WITHOUT = {
    "git": Texts("git (.gitignore is read without it)", "git (.gitignore est lu sans lui)"),
    "rg": Texts("ripgrep (the slower built-in search is used)", "ripgrep (la recherche interne, plus lente, sert)"),
}
_NO_MODELS = Texts(
    "none, and none is needed: agents run their playbooks",
    "aucun, et aucun n'est nécessaire : les agents suivent leurs playbooks",
)
_EXTRAS = Texts("pip install 'nextgeneration[{extras}]'", "pip install 'nextgeneration[{extras}]'")
_NO_KEY = Texts("set {names} to your key", "donnez votre clé à {names}")
_TRACED = Texts("{name} is set: LangSmith would receive traces", "{name} est défini : LangSmith recevrait des traces")
_UNSET = Texts("unset {name}", "unset {name}")
_NOT_SENT = Texts("none is sent", "aucune n'est envoyée")
_TEMPLATES = Texts("{count} usable", "{count} utilisables")
_BROKEN = Texts("{count} usable; broken: {names}", "{count} utilisables ; cassés : {names}")
_LINT = Texts("nextgen templates lint", "nextgen templates lint")
_MCP = Texts("MCP servers: {names}", "serveurs MCP : {names}")
_NO_MCP = Texts(
    "no MCP server is set; look-up is off (docs/how-to/documentation-lookup.md)",
    "aucun serveur MCP ; la consultation est inactive (docs/how-to/documentation-lookup.md)",
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. ``name`` is the same in every language, ``title`` is for people."""

    name: str
    title: str
    state: State
    said: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """The check as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Patient:
    """What every check is given."""

    lang: Lang
    environment: Environment
    workspace: Path

    def found(self, name: str, state: State, said: Texts | str, mend: Texts | str = "") -> Check:
        """A check's outcome in the user's language; texts with fields come already said."""
        words = [text.say(self.lang) if isinstance(text, Texts) else text for text in (said, mend)]
        return Check(name, _TITLES[name].say(self.lang), state, *words)


async def examine(workspace: Path, lang: Lang) -> list[Check]:
    """Look at everything; no check keeps another from being made."""
    patient = Patient(lang, Environment.current(), workspace)
    checks: dict[str, Callable[[Patient], Awaitable[list[Check]]]] = {
        "python": _python,
        "settings": _settings,
        "home": _home,
        "records": _records,
        "credits": _credits,
        "confinement": _confinement,
        "programs": _programs,
        "models": _models,
        "telemetry": _telemetry,
        "templates": _templates,
        "documentation": _documentation,
    }
    found = []
    for name, check in checks.items():
        try:
            found += await check(patient)
        except NGError as error:
            found.append(patient.found(name, "bad", error.message(lang), error.hint(lang)))
        except OSError as error:
            found.append(patient.found(name, "bad", f"{error.strerror}: {error.filename}", _HOME_MEND))
    return found


async def _python(patient: Patient) -> list[Check]:
    version = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()}"
    return [patient.found("python", "ok", version)]


def groups() -> Iterator[type[SettingsGroup]]:
    """Every group of settings there is."""
    import nextgeneration.settings as room

    for info in pkgutil.iter_modules(room.__path__):
        module = importlib.import_module(f"nextgeneration.settings.{info.name}")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, SettingsGroup) and kind.__module__ == module.__name__:
                yield kind


async def _settings(patient: Patient) -> list[Check]:
    """Each group can be read, and no ``NG_`` variable is one that nothing reads."""
    known = set(VARIABLES)
    for kind in groups():
        if kind is SettingsGroup:
            continue
        kind()
        prefix = str(kind.model_config["env_prefix"])
        known |= {f"{prefix}{name}".upper() for name in kind.model_fields}
    given = sorted(name for name in patient.environment.variables if name.upper().startswith("NG_"))
    unknown = [name for name in given if name.upper().partition("__")[0] not in known]
    if not unknown:
        return [patient.found("settings", "ok", _SETTINGS.say(patient.lang, count=len(given)))]
    near = [match for name in unknown for match in difflib.get_close_matches(name.upper(), known, 1)]
    mend = _MEANT.say(patient.lang, names=", ".join(near)) if near else _LISTED
    return [patient.found("settings", "warn", _UNKNOWN.say(patient.lang, names=", ".join(unknown)), mend)]


async def _home(patient: Patient) -> list[Check]:
    lang, home = patient.lang, StorageSettings().home.expanduser().absolute()
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return [patient.found("home", "bad", _HOME_SHUT.say(lang, path=there), _HOME_MEND)]
    free = shutil.disk_usage(there).free // 1_000_000
    state: State = "bad" if free < TOO_LOW_MB else "warn" if free < LOW_MB else "ok"
    text = _HOME_NEW if state == "ok" and not home.is_dir() else _HOME
    return [patient.found("home", state, text.say(lang, path=home, free=free), "" if state == "ok" else _ROOM)]


async def _records(patient: Patient) -> list[Check]:
    from nextgeneration.services.records import open_records

    lang, settings = patient.lang, StorageSettings()
    if _nothing_kept():
        return [patient.found("records", "ok", _NONE_YET)]
    with open_records() as records:
        lines = await records.missions.list(limit=None)
        waiting = len(await records.approvals.pending())
        left = len(await records.missions.orphans())
        text, damages = _RECORDS, []
        try:
            async with asyncio.timeout(READING_SECONDS):
                damages = list(await records.missions.integrity())
        except TimeoutError:
            text = _READ_PART
    if damages:
        first = damages[0]
        said = _HURT.say(lang, records=_DAMAGED.of(len(damages)), first=f"{first.table} {first.id}")
        health = patient.found("records", "bad", said, _HURT_MEND.say(lang, mission=first.mission))
    else:
        said = text.say(lang, path=settings.url.removeprefix("sqlite:///"), missions=_MISSIONS.of(len(lines)))
        health = patient.found("records", "ok", said)
    running = sum(not line.status.ended for line in lines)
    if left:
        return [health, patient.found("missions", "warn", _LEFT.of(left).say(lang), _LEFT_MEND)]
    said = (
        _OPEN.say(lang, missions=_RUNNING.of(running), approvals=_WAITING.of(waiting)) if running else _IDLE.say(lang)
    )
    return [health, patient.found("missions", "ok", said, _DECIDE if waiting else "")]


async def _credits(patient: Patient) -> list[Check]:
    """The books agree with every posting, and nothing is stopped."""
    from nextgeneration.credits.units import shown
    from nextgeneration.services.records import open_records

    lang = patient.lang
    if _nothing_kept():
        return [patient.found("credits", "ok", _NO_CALLS)]
    with open_records() as records:
        books = await records.credits.overview(open_limit=1)
        text, wrong = _BOOKS, []
        try:
            async with asyncio.timeout(READING_SECONDS):
                wrong = await records.credits.verify()
        except TimeoutError:
            text = _BOOKS_UNREAD
    if wrong:
        first = f"{wrong[0].kind} {wrong[0].where}: {wrong[0].found} ≠ {wrong[0].expected}"
        return [
            patient.found("credits", "bad", _WRONG.say(lang, places=_PLACES.of(len(wrong)), first=first), _WRONG_MEND)
        ]
    if books.stops:
        account = books.stops[0].account
        said = _STOPPED.say(lang, accounts=_ACCOUNTS.of(len(books.stops)), first=account)
        which = account if len(books.stops) == 1 else "--all"
        return [patient.found("credits", "warn", said, _CLEAR.say(lang, account=which))]
    if not books.total.calls:
        return [patient.found("credits", "ok", _NO_CALLS)]
    said = text.say(lang, spent=shown(books.total.charged), calls=books.total.calls)
    return [patient.found("credits", "ok", said)]


def _nothing_kept() -> bool:
    settings = StorageSettings()
    return not settings.database_url and not (settings.home.expanduser() / "nextgen.db").exists()


async def _confinement(patient: Patient) -> list[Check]:
    from nextgeneration.tools.shell.containment import BUBBLEWRAP, Containment

    confinement = await asyncio.to_thread(Containment(patient.environment).current)
    said = confinement.describe(patient.lang)
    if confinement.kind == BUBBLEWRAP:
        return [patient.found("confinement", "ok", said)]
    return [patient.found("confinement", "warn", said, _NO_BWRAP_MEND)]


async def _programs(patient: Patient) -> list[Check]:
    path = os.pathsep.join(patient.environment.path)
    here = [name for name in ("git", "rg", "docker") if shutil.which(name, path=path)]
    missing = [text.say(patient.lang) for name, text in _WITHOUT.items() if name not in here]
    text = _FEWER if missing else _PROGRAMS
    return [
        patient.found(
            "programs", "ok", text.say(patient.lang, names=", ".join(here) or "–", missing=", ".join(missing))
        )
    ]


async def _models(patient: Patient) -> list[Check]:
    from nextgeneration.services.gateways import gateway

    # Servers on this machine are waited for, a moment; the loop goes on meanwhile.
    sources = await asyncio.to_thread(lambda: list(gateway().sources().values()))
    if not sources:
        return [patient.found("models", "ok", _NO_MODELS)]
    said = ", ".join(f"{source.name} ({source.how.say(patient.lang)})" for source in sources)
    extras = sorted({source.extra for source in sources if source.extra})
    if extras:
        return [patient.found("models", "warn", said, _EXTRAS.say(patient.lang, extras=",".join(extras)))]
    keyless = [source.key_name for source in sources if source.key_name and source.key is None]
    if keyless:
        return [patient.found("models", "warn", said, _NO_KEY.say(patient.lang, names=", ".join(keyless)))]
    return [patient.found("models", "ok", said)]


async def _telemetry(patient: Patient) -> list[Check]:
    on = [name for name in TRACING if patient.environment.get(name).lower() in {"1", "true", "yes"}]
    if on:
        unset = _UNSET.say(patient.lang, name=" ".join(on))
        return [patient.found("telemetry", "warn", _TRACED.say(patient.lang, name=on[0]), unset)]
    return [patient.found("telemetry", "ok", _NOT_SENT)]


async def _templates(patient: Patient) -> list[Check]:
    from nextgeneration.services.parts import library

    with library(patient.workspace) as templates:
        summaries = templates.summaries()
    broken = [summary.name for summary in summaries if summary.broken]
    count = len(summaries) - len(broken)
    if broken:
        said = _BROKEN.say(patient.lang, count=count, names=", ".join(broken))
        return [patient.found("templates", "bad", said, _LINT)]
    return [patient.found("templates", "ok", _TEMPLATES.say(patient.lang, count=count))]


async def _documentation(patient: Patient) -> list[Check]:
    from nextgeneration.settings.tools import ToolSettings

    names = sorted(ToolSettings().mcp_servers)
    said = _MCP.say(patient.lang, names=", ".join(names)) if names else _NO_MCP
    return [patient.found("documentation", "ok", said)]
