"""``nextgen missions …``: list, show, watch, resume, cancel, delete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextgeneration.cli.choices import instead_of, left_out
from nextgeneration.cli.completion import missions as mission_names
from nextgeneration.cli.options import Debug, FailOn, Json, Jsonl, NoInput, NoRecover, Out, enter, text
from nextgeneration.cli.pages import Command, Group
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import brief, escaped

if TYPE_CHECKING:
    from nextgeneration.cli.session import Session
    from nextgeneration.events.schema import Event
    from nextgeneration.missions.schema import Mission, MissionLine
    from nextgeneration.services.records import Records

app = typer.Typer(
    cls=Group,
    help=text(
        "Missions: list, show, watch, resume, cancel, delete.",
        "Missions : lister, montrer, suivre, reprendre, annuler, supprimer.",
    ),
    no_args_is_help=True,
)

MissionId = Annotated[
    str,
    typer.Argument(
        metavar="MISSION",
        help=text(
            "Id, or an unambiguous beginning or end of it.", "Identifiant, ou son début ou sa fin sans ambiguïté."
        ),
        autocompletion=mission_names,
    ),
]
STYLES = {"done": "good", "failed": "bad", "waiting": "medium", "partial": "medium", "parked": "medium"}

_NONE = Texts(
    'No missions yet: nextgen run "check this project"', 'Pas encore de mission : nextgen run "vérifie ce projet"'
)
_CANCELLED = Texts("Mission {id} is cancelled.", "La mission {id} est annulée.")
_CANCELLING = Texts(
    "Mission {id} is being cancelled: its process ends what runs.",
    "La mission {id} est en cours d'annulation : son processus arrête ce qui tourne.",
)
_DELETE = Texts(
    "Delete all that is recorded of {id} ({goal})?", "Supprimer tout ce qui est enregistré de {id} ({goal}) ?"
)
_DELETED = Texts("Mission {id} is deleted.", "La mission {id} est supprimée.")
_HELD = Texts("worked on by {holder}", "traitée par {holder}")
_REASON = Texts("why: {reason}", "pourquoi : {reason}")
_GO_ON = Texts("go on with: nextgen missions resume {id}", "pour continuer : nextgen missions resume {id}")
_ABANDONED = Texts(
    "The process that worked on {id} is gone. Go on with: nextgen missions resume {id}",
    "Le processus qui travaillait sur {id} n'existe plus. Pour continuer : nextgen missions resume {id}",
)
_NOTHING = Texts("Nothing was interrupted.", "Rien n'a été interrompu.")
_HEADS = (
    Texts("MISSION", "MISSION"),
    Texts("STATUS", "ÉTAT"),
    Texts("SINCE (UTC)", "DEPUIS (UTC)"),
    Texts("GOAL", "BUT"),
)
_PAUSED = Texts("stopped at the terminal (Ctrl-C)", "arrêtée au terminal (Ctrl-C)")


@app.command(
    "list", cls=Command, help=text("List the missions, newest first.", "Lister les missions, récentes d'abord.")
)
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help=text("How many.", "Combien."))] = 20,
    json: Json = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """List the missions, newest first."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        missions = await records.missions.list(limit=limit)
        if json:
            voice.document([_facts(mission) for mission in missions])
        elif not missions:
            voice.say(_NONE)
        else:
            voice.table(_HEADS, [_row(mission) for mission in missions])
        return 0

    _recorded(voice, command, no_recover)


def _row(mission: MissionLine) -> list[tuple[str, str]]:
    status = mission.status.value
    since = mission.created_at[:16].replace("T", " ")
    return [(mission.id, "bold"), (status, STYLES.get(status, "dim")), (since, "dim"), (mission.goal, "place")]


@app.command(
    cls=Command,
    help=text("Show a mission: its report, or where it stands.", "Montrer une mission : son rapport, ou son état."),
)
def show(
    mission_id: MissionId,
    journal: Annotated[bool, typer.Option("--journal", help=text("The journal too.", "Le journal aussi."))] = False,
    out: Out = None,
    json: Json = False,
    jsonl: Jsonl = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """Show a mission: its report, or where it stands."""
    voice = Voice(json=json, jsonl=jsonl, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.cli.summary import lines, write_files
        from nextgeneration.services.records import standing

        mission = await records.missions.get(mission_id)
        report = await standing(records.missions, mission.id)
        path = records.home / "reports" / mission.id / "report.md"
        if out is not None:
            path = write_files(report, out.absolute())
        events = await records.missions.journal(mission.id) if journal or jsonl else []
        if jsonl:
            for event in events:
                voice.document(event.as_dict())
            return 0
        if json:
            told = {"journal": [event.as_dict() for event in events]} if journal else {}
            pending = [approval.id for approval in await records.approvals.pending(mission.id)]
            facts = {"report": report.model_dump(mode="json"), "pending": pending}
            voice.document(_facts(mission) | facts | told)
            return 0
        voice.data("\n".join(lines(report, voice, path if path.exists() else None)))
        for line in await _state(mission, records, voice):
            voice.data(line)
        for event in events:
            for line in _event(event, voice.lang):
                voice.data(line)
        return 0

    _recorded(voice, command, no_recover)


async def _state(mission: Mission, records: Records, voice: Voice) -> list[str]:
    """What keeps a mission from its end, and what to do about it."""
    from nextgeneration.cli.session import PAUSED, pending_line

    if mission.status.ended:
        return []
    found = []
    if mission.holder:
        found.append(_HELD.say(voice.lang, holder=escaped(mission.holder, newlines=False)))
    pending = await records.approvals.pending(mission.id)
    if pending:
        found.append(pending_line(pending, voice))
    elif mission.reason == PAUSED:
        found.append(_PAUSED.say(voice.lang))
    elif mission.reason:
        found.append(_REASON.say(voice.lang, reason=escaped(mission.reason, newlines=False)))
    if not mission.holder:
        found.append(_GO_ON.say(voice.lang, id=mission.id))
    return found


def _event(event: Event, lang: Lang) -> list[str]:
    """An event in a line; under the call of a model, why others were not taken."""
    data = event.data
    if "model" in data:
        # Which model and why goes before what tells two calls apart.
        first = {name: data[name] for name in ("model", "why") if name in data}
        data = first | {k: v for k, v in data.items() if k not in {"digest", "instead_of", "skipped", "skipped_more"}}
    what = escaped(brief(", ".join(f"{k}={v}" for k, v in data.items()), 160), newlines=False)
    head = f"{event.seq:>5}  {event.at[11:23]}  {event.type:<18} {event.task or '':<6} "
    beside = instead_of(event.data, lang) + left_out(event.data, lang)
    return [f"{head}{what}".rstrip(), *(f"{'':{len(head)}}{line}" for line in beside)]


@app.command(
    cls=Command,
    help=text(
        "Follow a mission that another process runs, until it ends or waits.",
        "Suivre une mission qu'un autre processus exécute, jusqu'à sa fin ou son attente.",
    ),
)
def watch(
    mission_id: MissionId,
    fail_on: FailOn = None,
    json: Json = False,
    jsonl: Jsonl = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """Follow a mission that another process runs, until it ends or waits."""
    voice = Voice(json=json, jsonl=jsonl, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.cli.live import Progress
        from nextgeneration.cli.session import shown
        from nextgeneration.cli.watching import follow_journal
        from nextgeneration.kernel.findings import Severity
        from nextgeneration.services.records import standing

        mission = await records.missions.get(mission_id)
        with Progress(voice, mission.id, mission.goal) as progress:
            abandoned = await follow_journal(records.missions, mission.id, voice, progress)
        report = await standing(records.missions, mission.id)
        pending = await records.approvals.pending(mission.id)
        folder = records.home / "reports" / mission.id
        code = shown(report, voice, folder, pending, Severity(fail_on) if fail_on else None)
        if abandoned and no_recover:
            voice.say(_ABANDONED, id=mission.id)
        return code

    _recorded(voice, command, no_recover)


@app.command(
    cls=Command,
    help=text(
        "Go on with a mission that was interrupted or waits; without MISSION: with all that were interrupted.",
        "Continuer une mission interrompue ou en attente ; sans MISSION : toutes celles interrompues.",
    ),
)
def resume(
    mission_id: Annotated[
        str | None,
        typer.Argument(
            metavar="MISSION",
            help=text("Id, or an unambiguous beginning or end.", "Identifiant, ou son début ou sa fin sans ambiguïté."),
            autocompletion=mission_names,
            show_default=False,
        ),
    ] = None,
    fail_on: FailOn = None,
    out: Out = None,
    json: Json = False,
    jsonl: Jsonl = False,
    no_input: NoInput = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """Go on with a mission that was interrupted or waits."""
    voice = Voice(json=json, jsonl=jsonl, no_input=no_input, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.session import home_of, with_session

        wanted = mission_id or await _only_one(voice)
        if wanted is None:
            return await with_session(voice, Path(), _all, recover=False, out=out, fail_on=fail_on)
        mission, workspace = await home_of(wanted)

        async def one(session: Session) -> int:
            return await session.follow(mission, share=False)

        return await with_session(voice, workspace, one, recover=not no_recover, out=out, fail_on=fail_on)

    enter(voice, command)


async def _only_one(voice: Voice) -> str | None:
    """The one mission that was interrupted, when there is exactly one; a program is given the list of all."""
    from nextgeneration.cli.session import resumable
    from nextgeneration.services.records import open_records

    if voice.json:
        return None
    with open_records() as records:
        found = await resumable(records.missions)
    return found[0].id if len(found) == 1 else None


async def _all(session: Session) -> int:
    """Go on with everything that was interrupted; of each what it came to."""
    from nextgeneration.cli.summary import lines as summary
    from nextgeneration.cli.summary import most_telling
    from nextgeneration.cli.watching import Pump
    from nextgeneration.services.records import standing

    lines = await session.resumable()
    if not lines and not session.voice.json:
        session.voice.say(_NOTHING)
    ended = []
    for line in lines:
        ended.append(await session.finished(line))
        if not session.voice.machine:
            report = await standing(session.services.missions, line.id)
            path = Path(ended[-1].report) if ended[-1].report else None
            session.voice.data("\n".join(summary(report, session.voice, path)))
        if session.voice.jsonl:
            await Pump(session.services.missions, line.id, session.voice).flow()
    if session.voice.json:
        session.voice.document([outcome._asdict() for outcome in ended])
    return most_telling([outcome.exit_code for outcome in ended])


@app.command(
    cls=Command,
    help=text(
        "Cancel a mission; it stays cancelled, and what its tools started is ended.",
        "Annuler une mission ; elle le reste, et ce que ses outils ont lancé est arrêté.",
    ),
)
def cancel(mission_id: MissionId, json: Json = False, no_recover: NoRecover = False, debug: Debug = False) -> None:
    """Cancel a mission; it stays cancelled, and what its tools started is ended."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.cli.session import person

        mission = await records.missions.cancel(mission_id, by=person())
        if json:
            voice.document(_facts(mission))
        else:
            voice.data((_CANCELLED if mission.status.ended else _CANCELLING).say(voice.lang, id=mission.id))
        return 0

    _recorded(voice, command, no_recover)


@app.command(
    cls=Command,
    help=text(
        "Delete a mission that has ended: journal, results, questions, report and files.",
        "Supprimer une mission terminée : journal, résultats, questions, rapport et fichiers.",
    ),
)
def delete(
    mission_id: MissionId,
    yes: Annotated[bool, typer.Option("--yes", help=text("Do not ask.", "Ne pas demander."))] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete a mission that has ended; what it changed in its workspace stays."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.cli.confirm import confirmed
        from nextgeneration.missions.errors import MissionNotEnded

        mission = await records.missions.get(mission_id)
        if not mission.status.ended:
            raise MissionNotEnded(mission=mission.id, status=mission.status.value)
        goal = escaped(brief(mission.goal, 60), newlines=False)
        if not confirmed(voice, _DELETE, yes=yes, id=mission.id, goal=goal):
            return 1
        await records.delete(mission.id)
        if json:
            voice.document({"deleted": mission.id})
        else:
            voice.data(_DELETED.say(voice.lang, id=mission.id))
        return 0

    _recorded(voice, command, no_recover=True)


def _recorded(voice: Voice, command: Any, no_recover: bool) -> None:
    from nextgeneration.cli.recorded import on_records

    enter(voice, lambda: on_records(voice, command, recover=not no_recover))


def _facts(mission: Mission | MissionLine) -> dict[str, Any]:
    names = ("id", "status", "goal", "workspace", "attempt", "holder", "reason", "created_at", "ended_at")
    return {name: getattr(mission, name) for name in names}
