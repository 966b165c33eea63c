"""``nextgen missions …``: list, show, watch, resume, cancel."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextgeneration.cli.options import Debug, Json, Jsonl, NoInput, enter, text
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped, shortened

if TYPE_CHECKING:
    from nextgeneration.missions.schema import Mission, MissionLine

app = typer.Typer(
    help=text("Missions: list, show, watch, resume, cancel.", "Missions : lister, montrer, suivre, reprendre, annuler.")
)

MissionId = Annotated[
    str,
    typer.Argument(
        metavar="MISSION", help=text("Id, or an unambiguous part of it.", "Identifiant, ou une partie sans ambiguïté.")
    ),
]
_NONE = Texts("No missions yet.", "Pas encore de mission.")
_CANCELLED = Texts("Mission {id} is cancelled.", "La mission {id} est annulée.")


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help=text("How many.", "Combien."))] = 20,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the missions, newest first."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.session import Session
        from nextgeneration.services.assembly import open_services

        async with open_services(Path()) as services:
            missions = await services.missions.list(limit=limit)
            if json:
                voice.document([_facts(mission) for mission in missions])
            elif not missions:
                voice.say(_NONE)
            for mission in missions if not json else ():
                goal = escaped(shortened(mission.goal, 60), newlines=False)
                voice.data(f"{mission.id}  {mission.status:<10} {mission.created_at[:19]}  {goal}")
            await Session(services, voice).recover()
        return 0

    enter(voice, command)


@app.command()
def show(
    mission_id: MissionId,
    journal: Annotated[bool, typer.Option("--journal", help=text("The journal too.", "Le journal aussi."))] = False,
    json: Json = False,
    jsonl: Jsonl = False,
    debug: Debug = False,
) -> None:
    """Show a mission: its report, or where it stands."""
    voice = Voice(json=json, jsonl=jsonl, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.summary import lines
        from nextgeneration.services.assembly import open_services
        from nextgeneration.supervisor.outcome import MissionReport

        async with open_services(Path()) as services:
            mission = await services.missions.get(mission_id)
            events = await services.missions.journal(mission.id) if journal or jsonl else []
            if jsonl:
                for event in events:
                    voice.document(event.as_dict())
            elif json:
                voice.document(_facts(mission) | {"report": mission.report, "journal": [e.as_dict() for e in events]})
            elif mission.report is not None:
                path = services.home / "reports" / mission.id / "report.md"
                shown = path if path.exists() else None
                voice.data("\n".join(lines(MissionReport.model_validate(mission.report), voice, shown)))
            else:
                voice.data(f"{mission.id}  {mission.status}  {escaped(mission.goal, newlines=False)}")
            if journal and not (json or jsonl):
                for event in events:
                    what = escaped(shortened(str(event.data), 160), newlines=False)
                    voice.data(f"{event.seq:>5}  {event.at[11:23]}  {event.type:<18} {event.task or '':<6} {what}")
        return 0

    enter(voice, command)


@app.command()
def watch(
    mission_id: MissionId,
    jsonl: Jsonl = False,
    debug: Debug = False,
) -> None:
    """Follow a mission that another process runs, until it ends or waits."""
    voice = Voice(jsonl=jsonl, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.live import Progress
        from nextgeneration.cli.session import Session
        from nextgeneration.services.assembly import open_services
        from nextgeneration.supervisor.outcome import MissionReport

        async with open_services(Path()) as services:
            mission = await services.missions.get(mission_id)
            seen = 0
            with Progress(voice, mission.id) as progress:
                while True:
                    for event in await services.missions.journal(mission.id, after=seen):
                        progress.hear(event)
                        seen = event.seq
                    mission = await services.missions.get(mission.id)
                    if mission.status not in {"queued", "running"} and mission.seq <= seen:
                        break
                    await asyncio.sleep(0.2)
            if mission.report is None:
                return 0
            return Session(services, voice).report(MissionReport.model_validate(mission.report))

    enter(voice, command)


@app.command()
def resume(
    mission_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[MISSION]",
            help=text("Without it: all that were interrupted.", "Sans lui : toutes celles interrompues."),
        ),
    ] = None,
    fail_on: Annotated[
        Severity | None, typer.Option("--fail-on", help=text("Exit 3 from here.", "Code 3 dès ici."))
    ] = None,
    out: Annotated[Path | None, typer.Option(help=text("Folder for the report.", "Dossier du rapport."))] = None,
    json: Json = False,
    jsonl: Jsonl = False,
    no_input: NoInput = False,
    debug: Debug = False,
) -> None:
    """Go on with a mission that was interrupted or waits."""
    voice = Voice(json=json, jsonl=jsonl, no_input=no_input, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.session import Session
        from nextgeneration.services.assembly import open_services

        async with open_services(Path()) as services:
            session = Session(services, voice, out, fail_on)
            if mission_id is None:
                await session.recover()
                return 0
            mission = await services.missions.get(mission_id)
            if voice.can_ask:
                await session.decide_pending(mission.id)
            return await session.follow(mission.id)

    enter(voice, command)


@app.command()
def cancel(mission_id: MissionId, json: Json = False, debug: Debug = False) -> None:
    """Cancel a mission; it stays cancelled, and what its tools started is ended."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.session import person
        from nextgeneration.services.assembly import open_services

        async with open_services(Path()) as services:
            mission = await services.missions.get(mission_id)
            await services.missions.cancel(mission.id, by=person())
            mission = await services.missions.get(mission.id)
            if json:
                voice.document(_facts(mission))
            else:
                voice.data(_CANCELLED.say(voice.lang, id=mission.id))
        return 0

    enter(voice, command)


def _facts(mission: Mission | MissionLine) -> dict[str, Any]:
    names = ("id", "status", "goal", "workspace", "attempt", "created_at", "ended_at", "reason")
    return {name: getattr(mission, name) for name in names}
