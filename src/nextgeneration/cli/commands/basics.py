"""``nextgen doctor``, ``init``, ``explain`` and ``version``."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated, Any

import typer

from nextgeneration import __version__
from nextgeneration.cli.options import Debug, Json, Workspace, plainly, text
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts

_FIX = Texts("to mend it: {how}", "pour corriger : {how}")
_WRITTEN = Texts("Written: {path}", "Écrit : {path}")
_THERE = Texts("Already there: {path}", "Déjà présent : {path}")
_INIT_NEXT = Texts(
    'Next: nextgen templates new NAME   or   nextgen run "check this project"',
    'Ensuite : nextgen templates new NOM   ou   nextgen run "vérifie ce projet"',
)


def version(json: Json = False) -> None:
    """Print the version."""
    voice = Voice(json=json)
    facts = {"nextgeneration": __version__, "python": platform.python_version(), "platform": platform.platform()}
    plainly(voice, lambda: _said(voice, facts, f"nextgeneration {__version__} (Python {facts['python']})"))


def _said(voice: Voice, facts: Any, line: str) -> int:
    if voice.json:
        voice.document(facts)
    else:
        voice.data(line)
    return 0


def explain(
    code: Annotated[
        str, typer.Argument(help=text("An error code such as NG-TOOL-004.", "Un code d'erreur comme NG-TOOL-004."))
    ],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Explain an error code: what it means and how to mend it."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.catalogue import explained

        facts = explained(code, voice.lang)
        return _said(
            voice,
            facts,
            f"{facts['code']}  {facts['title']}\n{facts['what']}\n{_FIX.say(voice.lang, how=facts['mend'])}",
        )

    plainly(voice, command)


def doctor(workspace: Workspace = Path(), json: Json = False, debug: Debug = False) -> None:
    """Check this installation and say what is missing and how to get it."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.doctor import examine

        checks = examine(workspace.resolve(), voice.lang)
        if json:
            voice.document([check.as_dict() for check in checks])
        else:
            for check in checks:
                mark, style = {"ok": ("✓", "good"), "warn": ("!", "medium"), "bad": ("✗", "bad")}[check.state]
                voice.data(f"{voice.paint(mark, style)} {check.name:<14} {check.said}")
                if check.mend:
                    voice.data(f"  {'':<14} {_FIX.say(voice.lang, how=check.mend)}")
        return 1 if any(check.state == "bad" for check in checks) else 0

    plainly(voice, command)


def init(
    folder: Annotated[Path, typer.Argument(help=text("The project's folder.", "Le dossier du projet."))] = Path(),
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
