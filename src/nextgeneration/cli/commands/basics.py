"""``nextgen doctor``, ``init``, ``explain`` and ``version``."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated, Any

import typer

from nextgeneration import __version__
from nextgeneration.cli.options import FOLDER, Debug, Json, Workspace, enter, plainly, text
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped

VERSION_HELP = text("Print the version.", "Afficher la version.")
DOCTOR_HELP = text(
    "Check this installation and say what is missing and how to get it.",
    "Examiner cette installation, dire ce qui manque et comment l'obtenir.",
)
INIT_HELP = text(
    "Prepare a project: `.nextgen/` with a folder for templates and the schema for completion.",
    "Préparer un projet : `.nextgen/` avec un dossier de modèles et le schéma pour la complétion.",
)
EXPLAIN_HELP = text(
    "Explain an error code: what it means and how to mend it; without a code: list them all.",
    "Expliquer un code d'erreur : son sens et son remède ; sans code : les lister tous.",
)

_FIX = Texts("to mend it: {how}", "pour corriger : {how}")
_WELL = Texts("Everything needed is here.", "Tout le nécessaire est là.")
_UNWELL = Texts("Something needs mending (✗).", "Quelque chose est à réparer (✗).")
_CODES = (Texts("CODE", "CODE"), Texts("SAYS", "DIT"))
_WRITTEN = Texts("Written: {path}", "Écrit : {path}")
_THERE = Texts("Already there: {path}", "Déjà présent : {path}")
_INIT_NEXT = Texts(
    'Next: nextgen templates new NAME   or   nextgen run "check this project"',
    'Ensuite : nextgen templates new NOM   ou   nextgen run "vérifie ce projet"',
)


def version(json: Json = False, debug: Debug = False) -> None:
    """Print the version."""
    voice = Voice(json=json, debug=debug)
    facts = {"nextgeneration": __version__, "python": platform.python_version(), "platform": platform.platform()}
    plainly(voice, lambda: _said(voice, facts, f"nextgeneration {__version__} (Python {facts['python']})"))


def version_asked(asked: bool) -> None:
    """``nextgen --version``: what people type first."""
    if asked:
        version(json=False)


def _said(voice: Voice, facts: Any, line: str) -> int:
    if voice.json:
        voice.document(facts)
    else:
        voice.data(line)
    return 0


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help=text("An error code such as NG-TOOL-004.", "Un code d'erreur comme NG-TOOL-004."),
            show_default=False,
        ),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Explain an error code: what it means and how to mend it."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.catalogue import all_errors, explained

        if code is None:
            known = [explained(name, voice.lang) for name in all_errors()]
            if json:
                voice.document(known)
            else:
                voice.table(_CODES, [[(facts["code"], "bold"), (facts["what"], "place")] for facts in known])
            return 0
        facts = explained(code, voice.lang)
        title = f"  {facts['title']}" if voice.lang == "en" else ""
        lines = [f"{facts['code']}{title}", facts["what"], _FIX.say(voice.lang, how=facts["mend"])]
        return _said(voice, facts, "\n".join(lines))

    plainly(voice, command)


def doctor(workspace: Workspace = Path(), json: Json = False, debug: Debug = False) -> None:
    """Check this installation and say what is missing and how to get it."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        from nextgeneration.services.doctor import examine

        checks = await examine(workspace.absolute(), voice.lang)
        good = all(check.state != "bad" for check in checks)
        if json:
            voice.document({"ok": good, "checks": [check.as_dict() for check in checks]})
            return 0 if good else 1
        width = max(len(check.title) for check in checks)
        for check in checks:
            mark, style = {"ok": ("✓", "good"), "warn": ("!", "medium"), "bad": ("✗", "bad")}[check.state]
            said = voice.folded(f"  {check.title:<{width}}  {escaped(check.said, newlines=False)}", width + 4)
            voice.data(f"{voice.paint(mark, style)}{said[0][1:]}")
            if check.mend:
                how = _FIX.say(voice.lang, how=escaped(check.mend, newlines=False))
                said += voice.folded(f"  {'':<{width}}  {how}", width + 4)
            for part in said[1:]:
                voice.data(part)
        voice.say(_WELL if good else _UNWELL)
        return 0 if good else 1

    enter(voice, command)


def init(
    folder: Annotated[
        Path, typer.Argument(metavar=FOLDER, help=text("The project's folder.", "Le dossier du projet."))
    ] = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Prepare a project: `.nextgen/` with the schema for completion and a folder for templates."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.project import prepare

        written, there = prepare(folder.resolve(), voice.lang)
        if json:
            voice.document({"written": [str(path) for path in written], "there": [str(path) for path in there]})
            return 0
        for path in written:
            voice.data(_WRITTEN.say(voice.lang, path=path))
        for path in there:
            voice.data(_THERE.say(voice.lang, path=path))
        voice.say(_INIT_NEXT)
        return 0

    plainly(voice, command)
