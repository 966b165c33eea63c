"""``nextgen credits …``: show, limits, grant, history, report, verify, clear."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nextgeneration.cli.completion import missions as mission_names
from nextgeneration.cli.errors import UsageWrong
from nextgeneration.cli.options import Debug, Json, enter, text
from nextgeneration.cli.pages import Command, Group
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts

if TYPE_CHECKING:
    from nextgeneration.credits.schema import Limit, Period, ReportLine, Settled, Standing, Stop
    from nextgeneration.credits.service import Overview
    from nextgeneration.services.records import Records

app = typer.Typer(
    cls=Group,
    help=text(
        "Credits: what models cost, and the limits they keep.",
        "Crédits : ce que coûtent les modèles, et leurs limites.",
    ),
    no_args_is_help=True,
)
limits_app = typer.Typer(
    cls=Group,
    help=text("Limits: list, set, remove.", "Limites : lister, fixer, retirer."),
    invoke_without_command=True,
)
app.add_typer(limits_app, name="limits")

ScopeName = Literal["tenant", "user", "agent", "mission", "task", "model"]
PerName = Literal["total", "hour", "day", "month"]
Scope = Annotated[
    ScopeName,
    typer.Argument(
        metavar=text("SCOPE", "PORTÉE"),
        help=text("tenant, user, agent, mission, task or model.", "tenant, user, agent, mission, task ou model."),
    ),
]
Name = Annotated[
    str,
    typer.Argument(
        metavar=text("NAME", "NOM"),
        help=text(
            "Whose: a user, a template, a mission's id, provider:model; a task is MISSION/TASK; * is each by itself.",
            "De qui : utilisateur, modèle d'agent, mission, fournisseur:modèle ; une tâche est MISSION/TÂCHE ; "
            "* vaut pour chacun.",
        ),
    ),
]
Amount = Annotated[
    str,
    typer.Argument(
        metavar=text("CREDITS", "CRÉDITS"), help=text("Credits, such as 5 or 0.25.", "Crédits, comme 5 ou 0.25.")
    ),
]
Per = Annotated[
    PerName,
    typer.Option(
        metavar=text("PERIOD", "PÉRIODE"),
        help=text("total, hour, day or month (UTC).", "total, hour, day ou month (UTC)."),
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-m", help=text("Why, kept with it.", "Pourquoi, gardé avec."))]
Mission = Annotated[
    str,
    typer.Option(help=text("Only this mission.", "Seulement cette mission."), autocompletion=mission_names),
]
Agent = Annotated[str, typer.Option(help=text("Only this template.", "Seulement ce modèle d'agent."))]
Model = Annotated[str, typer.Option(help=text("Only this model.", "Seulement ce modèle."))]
User = Annotated[str, typer.Option(help=text("Only this user.", "Seulement cet utilisateur."))]

_LINE = Texts("{name}: {charged} credits, calls: {calls}", "{name} : {charged} crédits, appels : {calls}")
_TODAY, _MONTH, _TOTAL = Texts("today", "aujourd'hui"), Texts("this month", "ce mois-ci"), Texts("in all", "en tout")
_HELD = Texts("{held} credits are held by calls under way", "{held} crédits sont réservés par des appels en cours")
_UNCONFIRMED = Texts(
    "{amount} credits are unconfirmed: charged in full because a crash hid the answer",
    "{amount} crédits ne sont pas confirmés : comptés en entier parce qu'un arrêt a caché la réponse",
)
_NO_LIMITS = Texts(
    "No limits: nextgen credits limits set SCOPE NAME CREDITS --per month",
    "Aucune limite : nextgen credits limits set PORTÉE NOM CRÉDITS --per month",
)
_STOPPED = Texts(
    "{account} is stopped: {hold} cost {overrun} credits beyond its worst case ({at})",
    "{account} est arrêté : {hold} a coûté {overrun} crédits au-delà de son pire cas ({at})",
)
_SET = Texts(
    "{key}: {amount} credits{granted}, {spent} spent, {left} left",
    "{key} : {amount} crédits{granted}, {spent} dépensés, reste {left}",
)
_NO_TENANT = Texts("There is no tenant {name}, only local.", "Il n'y a pas de locataire {name}, seulement local.")
_OF_THEM = Texts(" ({granted} of them granted)", " (dont {granted} accordés)")
_REMOVED = Texts("{key} has no limit any more.", "{key} n'a plus de limite.")
_GRANTED = Texts("{amount} credits granted to {key}.", "{amount} crédits accordés à {key}.")
_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?Z?)?)?)?")
_NO_TIME = Texts(
    "{option} must be a day or time such as 2026-11, 2026-11-21 or 2026-11-21T08:00.",
    "{option} doit être un jour ou une heure comme 2026-11, 2026-11-21 ou 2026-11-21T08:00.",
)
_NONE = Texts("No calls yet.", "Pas encore d'appel.")
_AGREES = Texts("The books agree with their postings.", "Les comptes concordent avec leurs écritures.")
_CLEARED = Texts("Stops ended: {n}", "Arrêts levés : {n}")
_WHICH = Texts("Name one account, or give --all", "Nommez un compte, ou donnez --all")
_LIMIT_HEADS = (
    Texts("LIMIT", "LIMITE"),
    Texts("KIND", "GENRE"),
    Texts("CREDITS", "CRÉDITS"),
    Texts("SPENT", "DÉPENSÉS"),
    Texts("HELD", "RÉSERVÉS"),
    Texts("LEFT", "RESTE"),
)
_CALL_HEADS = (
    Texts("AT (UTC)", "LE (UTC)"),
    Texts("STATUS", "ÉTAT"),
    Texts("CREDITS", "CRÉDITS"),
    Texts("HELD", "RÉSERVÉS"),
    Texts("TOKENS", "JETONS"),
    Texts("AGENT", "AGENT"),
    Texts("MODEL", "MODÈLE"),
    Texts("CALL", "APPEL"),
)
_REPORT_HEADS = (
    Texts("CREDITS", "CRÉDITS"),
    Texts("UNCONFIRMED", "NON CONFIRMÉS"),
    Texts("HELD", "RÉSERVÉS"),
    Texts("CALLS", "APPELS"),
    Texts("IN", "ENTRÉE"),
    Texts("OUT", "SORTIE"),
    Texts("CACHED", "CACHE"),
    Texts("NAME", "NOM"),
)
_KINDS = {True: Texts("soft", "souple"), False: Texts("hard", "ferme")}
_STATES = {
    "held": (Texts("held", "réservé"), "medium"),
    "settled": (Texts("settled", "réglé"), "good"),
    "unconfirmed": (Texts("unconfirmed", "non confirmé"), "bad"),
    "released": (Texts("released", "libéré"), "dim"),
}


@app.command(
    cls=Command,
    help=text(
        "What was spent, what is held, how the limits stand.",
        "Ce qui est dépensé, ce qui est réservé, où en sont les limites.",
    ),
)
def show(json: Json = False, debug: Debug = False) -> None:
    """What was spent, what is held, how the limits stand."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        overview = await records.credits.overview()
        if json:
            voice.document(_overview(overview))
            return 0
        for name, line in ((_TODAY, overview.today), (_MONTH, overview.month), (_TOTAL, overview.total)):
            voice.data(_LINE.say(voice.lang, name=name, charged=_credits(line.charged), calls=line.calls))
        if overview.total.held:
            voice.data(_HELD.say(voice.lang, held=_credits(overview.total.held)))
        if overview.total.unconfirmed:
            voice.data(_UNCONFIRMED.say(voice.lang, amount=_credits(overview.total.unconfirmed)))
        _limit_table(voice, overview)
        for stop in overview.stops:
            voice.data(voice.paint(_stop(stop, voice), "bad"))
        return 0

    _recorded(voice, command)


def _overview(overview: Overview) -> dict[str, Any]:
    return {
        "today": overview.today.as_data(),
        "month": overview.month.as_data(),
        "total": overview.total.as_data(),
        "held": [hold.as_data() for hold in overview.open],
        "limits": [limit.as_data() for limit in overview.limits],
        "standings": [standing.as_data() for standing in overview.standings],
        "stops": [stop.as_data() for stop in overview.stops],
    }


def _stop(stop: Stop, voice: Voice) -> str:
    values = {"account": stop.account, "hold": stop.hold, "overrun": _credits(stop.overrun), "at": stop.at[:19]}
    return _STOPPED.say(voice.lang, **values)


def _limit_table(voice: Voice, overview: Overview) -> None:
    """The limits as they stand; one for each by itself with those who use it below."""
    if not overview.limits:
        voice.say(_NO_LIMITS)
        return
    each = [_limit_row(limit, voice) for limit in overview.limits if limit.name == "*"]
    voice.table(_LIMIT_HEADS, [*each, *(_standing_row(standing, voice) for standing in overview.standings)])


def _limit_row(limit: Limit, voice: Voice) -> list[tuple[str, str]]:
    kind = _KINDS[limit.soft].say(voice.lang)
    return [(limit.key, "bold"), (kind, "dim"), (_credits(limit.amount), ""), ("", "dim"), ("", "dim"), ("", "dim")]


def _standing_row(standing: Standing, voice: Voice) -> list[tuple[str, str]]:
    return [
        (standing.limit.key, "bold"),
        (_KINDS[standing.limit.soft].say(voice.lang), "dim"),
        (_cap(standing), "place"),
        (_credits(standing.spent), "place"),
        (_credits(standing.held), "dim"),
        (_credits(standing.left), "good" if standing.left else "bad"),
    ]


def _cap(standing: Standing) -> str:
    amount, granted = _credits(standing.limit.amount), standing.granted
    return f"{amount} + {_credits(granted)}" if granted else amount


@limits_app.callback()
def limits(ctx: typer.Context, json: Json = False, debug: Debug = False) -> None:
    """Limits: list, set, remove."""
    if ctx.invoked_subcommand is None:
        _list(Voice(json=json, debug=debug))


@limits_app.command("list", cls=Command, help=text("List the limits.", "Lister les limites."))
def list_(json: Json = False, debug: Debug = False) -> None:
    """List the limits."""
    _list(Voice(json=json, debug=debug))


def _list(voice: Voice) -> None:
    async def command(records: Records) -> int:
        overview = await records.credits.overview()
        if voice.json:
            voice.document({name: _overview(overview)[name] for name in ("limits", "standings")})
        else:
            _limit_table(voice, overview)
        return 0

    _recorded(voice, command)


@limits_app.command(
    "set",
    cls=Command,
    help=text("Set a limit, hard unless --soft.", "Fixer une limite, ferme sauf --soft."),
    epilog="nextgen credits limits set tenant local 500 --per month\n"
    "nextgen credits limits set user '*' 20 --per day\n"
    "nextgen credits limits set model openai:gpt-5 100 --per month --soft",
)
def set_(
    scope: Scope,
    name: Name,
    amount: Amount,
    per: Per = "total",
    soft: Annotated[
        bool,
        typer.Option(
            "--soft",
            help=text("Warn at 80 % and ask; refuse nothing.", "Avertir à 80 % et demander ; ne rien refuser."),
        ),
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Set a limit, hard unless ``--soft``."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.cli.session import person
        from nextgeneration.credits.schema import Limit
        from nextgeneration.credits.units import typed

        whose = await _full(records, scope, name)
        limit = Limit(scope, whose, typed(amount), _period(per), soft)
        standing = await records.credits.set_limit(limit, by=person())
        if json:
            voice.document(standing.as_data())
        else:
            _say_standing(voice, standing)
        if scope == "tenant" and whose not in {"local", "*"}:
            voice.say(_NO_TENANT, name=whose)
        return 0

    _recorded(voice, command)


def _say_standing(voice: Voice, standing: Standing) -> None:
    voice.say(
        _SET,
        key=standing.limit.key,
        amount=_credits(standing.cap),
        granted=_OF_THEM.say(voice.lang, granted=_credits(standing.granted)) if standing.granted else "",
        spent=_credits(standing.spent),
        left=_credits(standing.left),
    )


@limits_app.command("remove", cls=Command, help=text("Remove a limit.", "Retirer une limite."))
def remove(scope: Scope, name: Name, per: Per = "total", json: Json = False, debug: Debug = False) -> None:
    """Remove a limit."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        whose = await _full(records, scope, name)
        await records.credits.remove_limit(scope, whose, _period(per))
        key = f"{scope}:{whose}/{per}"
        if json:
            voice.document({"removed": key})
        else:
            voice.say(_REMOVED, key=key)
        return 0

    _recorded(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Add to a limit for its present period, or to a mission's own budget.",
        "Ajouter à une limite pour sa période en cours, ou au budget propre d'une mission.",
    ),
)
def grant(
    scope: Scope,
    name: Name,
    amount: Amount,
    per: Per = "total",
    reason: Reason = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Add to a limit for its present period."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.cli.session import person
        from nextgeneration.credits.units import typed

        whose, more = await _full(records, scope, name), typed(amount)
        standing = await records.credits.grant(scope, whose, more, _period(per), reason=reason, by=person())
        key = f"{scope}:{whose}/{per}"
        if json:
            voice.document({"granted": more, "limit": key, "standing": standing and standing.as_data()})
            return 0
        voice.say(_GRANTED, amount=_credits(more), key=key)
        if standing is not None:
            _say_standing(voice, standing)
        return 0

    _recorded(voice, command)


@app.command(
    cls=Command, help=text("Calls with what they cost, newest first.", "Les appels et leur coût, du plus récent.")
)
def history(
    mission: Mission = "",
    agent: Agent = "",
    model: Model = "",
    user: User = "",
    last: Annotated[int, typer.Option(min=1, max=100_000, help=text("How many at most.", "Combien au plus."))] = 50,
    grants: Annotated[
        bool, typer.Option("--grants", help=text("What was granted instead.", "Plutôt ce qui a été accordé."))
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Calls with what they cost, newest first."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        if grants:
            found = [given.as_data() for given in await records.credits.grants(last)]
            rows = [[(_credits(g["amount"]), "good"), (g["account"], "bold"), (g["period"], "dim"), (g["by"], "dim"),
                     (g["at"][:16].replace("T", " "), "dim"), (g["reason"], "place")] for g in found]  # fmt: skip
            _shown(voice, found, _GRANT_HEADS, rows)
            return 0
        filters = await _filters(records, mission=mission, agent=agent, model=model, user=user)
        calls = await records.credits.history(filters, last)
        _shown(
            voice,
            [call.as_data() for call in calls],
            _CALL_HEADS,
            [_call_row(call, voice) for call in calls],
            (3, 4, 6, 5),
        )
        return 0

    _recorded(voice, command)


_GRANT_HEADS = (
    Texts("CREDITS", "CRÉDITS"),
    Texts("ACCOUNT", "COMPTE"),
    Texts("PERIOD", "PÉRIODE"),
    Texts("BY", "PAR"),
    Texts("AT (UTC)", "LE (UTC)"),
    Texts("REASON", "RAISON"),
)


def _call_row(call: Settled, voice: Voice) -> list[tuple[str, str]]:
    word, style = _STATES[call.status.value]
    return [
        (call.at[:19].replace("T", " "), "dim"),
        (word.say(voice.lang), style),
        (_credits(call.charged), "bad" if call.overrun else "bold"),
        (_credits(call.held), "dim"),
        (f"{call.usage.input}+{call.usage.output}", "dim"),
        (call.scopes.agent or "–", "dim"),
        (call.scopes.model or "–", "dim"),
        (call.id, "place"),
    ]


@app.command(
    cls=Command,
    help=text(
        "What was used by each mission, agent, model, user, task or day.",
        "Ce qu'a utilisé chaque mission, agent, modèle, utilisateur, tâche ou jour.",
    ),
)
def report(
    by: Annotated[
        Literal["mission", "agent", "model", "user", "task", "day"],
        typer.Option(
            metavar=text("WHAT", "QUOI"),
            help=text("mission, agent, model, user, task or day.", "mission, agent, model, user, task ou day."),
        ),
    ] = "mission",
    since: Annotated[
        str,
        typer.Option(metavar="DATE", help=text("From this day or time on (UTC).", "Dès ce jour ou cette heure (UTC).")),
    ] = "",
    until: Annotated[
        str,
        typer.Option(metavar="DATE", help=text("Before this day or time (UTC).", "Avant ce jour, cette heure (UTC).")),
    ] = "",
    mission: Mission = "",
    agent: Agent = "",
    model: Model = "",
    user: User = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """What was used by each mission, agent, model, user, task or day."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        filters = await _filters(records, mission=mission, agent=agent, model=model, user=user)
        _moment(voice, "--since", since)
        _moment(voice, "--until", until)
        lines = await records.credits.report(by, since=since, until=until, filters=filters)
        _shown(
            voice, [line.as_data() for line in lines], _REPORT_HEADS, [_report_row(line) for line in lines], (6, 2, 1)
        )
        return 0

    _recorded(voice, command)


def _report_row(line: ReportLine) -> list[tuple[str, str]]:
    return [
        (_credits(line.charged), "bold"),
        (_credits(line.unconfirmed), "bad" if line.unconfirmed else "dim"),
        (_credits(line.held), "dim"),
        (str(line.calls), "dim"),
        (str(line.input), "dim"),
        (str(line.output), "dim"),
        (str(line.cached), "dim"),
        (line.name or "–", "place"),
    ]


@app.command(
    cls=Command,
    help=text(
        "Check that the books agree with every posting.", "Vérifier que les comptes concordent avec chaque écriture."
    ),
)
def verify(json: Json = False, debug: Debug = False) -> None:
    """Check that the books agree with every posting."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.credits.errors import BooksWrong

        found = await records.credits.verify()
        if json:
            voice.document({"agrees": not found, "discrepancies": [each.as_data() for each in found]})
            return 1 if found else 0
        if found:
            first = f"{found[0].kind} {found[0].where}: {found[0].found} ≠ {found[0].expected}"
            raise BooksWrong(n=len(found), first=first)
        voice.say(_AGREES)
        return 0

    _recorded(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Let an account go on that was stopped because a call cost more than its worst case.",
        "Laisser repartir un compte arrêté parce qu'un appel a coûté plus que son pire cas.",
    ),
)
def clear(
    account: Annotated[
        str,
        typer.Argument(
            metavar=text("ACCOUNT", "COMPTE"), help=text("As show says it: model:openai:x.", "Comme dans show.")
        ),
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help=text("Everything that is stopped.", "Tout ce qui est arrêté."))
    ] = False,
    reason: Reason = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let an account go on that was stopped."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.cli.session import person

        if bool(account) == everything:
            raise UsageWrong(detail=_WHICH.say(voice.lang), command="nextgen credits clear")
        ended = await records.credits.clear(account or None, by=person(), reason=reason)
        if json:
            voice.document({"cleared": ended})
        else:
            voice.say(_CLEARED, n=ended)
        return 0

    _recorded(voice, command)


def _shown(
    voice: Voice, data: list[dict[str, Any]], heads: Iterable[Texts], rows: list[Any], spare: Iterable[int] = ()
) -> None:
    if voice.json:
        voice.document(data)
    elif not rows:
        voice.say(_NONE)
    else:
        voice.table(tuple(heads), rows, spare)


def _moment(voice: Voice, option: str, given: str) -> None:
    """Refuse what is no time or beginning of one, such as ``2026-11``: everything would be compared with it as text."""
    if given and not _TIME.fullmatch(given):
        raise UsageWrong(detail=_NO_TIME.say(voice.lang, option=option), command="nextgen credits report")


async def _filters(records: Records, **wanted: str) -> dict[str, str]:
    given = {scope: name for scope, name in wanted.items() if name}
    return {scope: await _full(records, scope, name) for scope, name in given.items()}


async def _full(records: Records, scope: str, name: str) -> str:
    """A mission's whole id for an unambiguous part of it, also in a task's name; other names as they are."""
    mission, slash, task = name.partition("/") if scope == "task" else (name, "", "")
    if scope not in {"mission", "task"} or mission == "*":
        return name
    return (await records.missions.get(mission)).id + slash + task


def _period(per: str) -> Period:
    from nextgeneration.credits.schema import Period

    return Period(per)


def _credits(micro: int) -> str:
    from nextgeneration.credits.units import shown

    return shown(micro)


def _recorded(voice: Voice, command: Callable[[Records], Awaitable[int]]) -> None:
    async def opened() -> int:
        from nextgeneration.services.records import open_records

        with open_records() as records:
            return await command(records)

    enter(voice, opened)
