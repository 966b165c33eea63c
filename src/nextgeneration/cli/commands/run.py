"""``nextgen run`` and ``nextgen try``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from nextgeneration.cli.options import Debug, Json, Jsonl, NoInput, Workspace, enter, text
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts

_COPY = Texts("A copy of the sample project is in {path}", "Une copie du projet d'exemple est dans {path}")
_NO_MODEL = Texts(
    "No model is needed: agents run real tools and rules, and nothing is invented.",
    "Aucun modèle n'est nécessaire : les agents utilisent de vrais outils et de vraies règles, rien n'est inventé.",
)
_GIVEN = Texts(
    "No terminal to ask on: the approval is given for this copy only.",
    "Pas de terminal pour demander : l'accord est donné, pour cette copie seulement.",
)
_NEXT = Texts(
    'Next, on your own project: nextgen run "check this project" --workspace PATH',
    'Ensuite, sur votre projet : nextgen run "vérifie ce projet" --workspace CHEMIN',
)
_DEMO = Texts("check this project", "vérifie ce projet")


def run(
    goal: Annotated[str, typer.Argument(help=text("What is wanted, in plain words.", "Ce que vous voulez, en clair."))],
    workspace: Workspace = Path(),
    agent: Annotated[
        list[str] | None,
        typer.Option("--agent", "-a", help=text("Use this agent (repeatable).", "Utiliser cet agent (répétable).")),
    ] = None,
    network: Annotated[
        bool,
        typer.Option("--network", help=text("Grant the network to this mission.", "Accorder le réseau à la mission.")),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help=text(
                "Approve writes inside the workspace; never anything stronger.",
                "Accepter les écritures dans le dossier ; jamais rien de plus fort.",
            ),
        ),
    ] = False,
    actions: Annotated[
        int, typer.Option(min=0, max=50, help=text("Most actions put to you.", "Nombre d'actions proposées au plus."))
    ] = 3,
    tool_calls: Annotated[
        int | None, typer.Option("--tool-calls", min=1, help=text("Budget of tool calls.", "Budget d'appels d'outils."))
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help=text("Budget of seconds.", "Budget en secondes."))
    ] = None,
    fail_on: Annotated[
        Severity | None,
        typer.Option("--fail-on", help=text("Exit 3 for findings from here.", "Code 3 dès cette gravité.")),
    ] = None,
    out: Annotated[Path | None, typer.Option(help=text("Folder for the report.", "Dossier du rapport."))] = None,
    json: Json = False,
    jsonl: Jsonl = False,
    no_input: NoInput = False,
    debug: Debug = False,
) -> None:
    """Run a mission on a folder."""
    voice = Voice(json=json, jsonl=jsonl, no_input=no_input, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.session import Session
        from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest
        from nextgeneration.services.assembly import open_services

        async with open_services(workspace) as services:
            session = Session(services, voice, out, fail_on)
            await session.recover()
            request = MissionRequest(
                goal=goal,
                workspace=str(workspace.resolve()),
                lang=voice.lang,
                budget=MissionBudget(**_given(tool_calls=tool_calls, seconds=seconds)),
                options=MissionOptions(network=network, yes=yes, agents=tuple(agent or ()), actions=actions),
            )
            mission = await services.missions.accept(request)
            return await session.follow(mission.id)

    enter(voice, command)


def _given(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def try_(
    json: Json = False,
    jsonl: Jsonl = False,
    no_input: NoInput = False,
    debug: Debug = False,
) -> None:
    """Run the demo mission on a copy of the bundled sample project."""
    voice = Voice(json=json, jsonl=jsonl, no_input=no_input, debug=debug)

    async def command() -> int:
        from importlib.resources import as_file, files

        from nextgeneration.cli.session import Session
        from nextgeneration.missions.schema import MissionOptions, MissionRequest
        from nextgeneration.services.assembly import open_services

        folder = Path(tempfile.mkdtemp(prefix="nextgen-try-")) / "orders"
        with as_file(files("nextgeneration") / "sample") as sample:
            shutil.copytree(sample, folder, ignore=shutil.ignore_patterns("__pycache__"))
        voice.say(_COPY, path=folder)
        voice.say(_NO_MODEL)
        asked = voice.can_ask
        if not asked:
            voice.say(_GIVEN)
        async with open_services(folder) as services:
            request = MissionRequest(
                goal=_DEMO.say(voice.lang),
                workspace=str(folder),
                lang=voice.lang,
                options=MissionOptions(yes=not asked, actions=1),
            )
            mission = await services.missions.accept(request)
            code = await Session(services, voice).follow(mission.id)
        voice.say(_NEXT)
        return code

    sys.dont_write_bytecode = True
    enter(voice, command)
