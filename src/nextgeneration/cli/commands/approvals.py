"""``nextgen approvals …``: list, show, approve, reject, edit, settle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nextgeneration.cli.completion import approvals as approval_names
from nextgeneration.cli.errors import UsageWrong
from nextgeneration.cli.options import Debug, FailOn, Json, Jsonl, NoInput, NoRecover, Out, enter, text
from nextgeneration.cli.pages import Command, Group
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts

if TYPE_CHECKING:
    from nextgeneration.cli.session import Session
    from nextgeneration.missions.schema import Approval
    from nextgeneration.services.records import Records

app = typer.Typer(
    cls=Group,
    help=text(
        "Approvals: list, show, approve, reject, edit, settle.",
        "Accords : lister, montrer, accepter, refuser, modifier, régler.",
    ),
    no_args_is_help=True,
)

ApprovalId = Annotated[
    str,
    typer.Argument(
        metavar=text("APPROVAL", "ACCORD"),
        help=text(
            "Id, or an unambiguous beginning or end of it.", "Identifiant, ou son début ou sa fin sans ambiguïté."
        ),
        autocompletion=approval_names,
    ),
]
Reason = Annotated[
    str, typer.Option("--reason", "-m", help=text("Why, kept in the journal.", "Pourquoi, gardé dans le journal."))
]
Digest = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256",
        help=text("Only if the card has this digest.", "Seulement si la carte a cette empreinte."),
    ),
]
Run = Annotated[
    bool,
    typer.Option("--run/--no-run", help=text("Go on with the mission at once.", "Continuer la mission aussitôt.")),
]
_NO_ARGS = Texts(
    "--args is missing, and there is no terminal for an editor.",
    "--args manque, et il n'y a pas de terminal pour un éditeur.",
)
_INSTEAD = Texts(
    "{new} stands in place of {old}. Decide: nextgen approvals approve {new}",
    "{new} remplace {old}. Décider : nextgen approvals approve {new}",
)
_NONE = Texts("Nothing waits for a decision.", "Rien n'attend de décision.")
_DECIDED = Texts("{id}: {verdict}.", "{id} : {verdict}.")
_DIGEST = Texts("digest: {digest}", "empreinte : {digest}")
_STATUS = Texts("status: {status}{by}", "état : {status}{by}")
_BY = Texts(", by {by} at {at}{reason}", ", par {by} le {at}{reason}")
_HEADS = (
    Texts("APPROVAL", "ACCORD"),
    Texts("RISK", "RISQUE"),
    Texts("AGENT", "AGENT"),
    Texts("MISSION", "MISSION"),
    Texts("WHAT", "QUOI"),
)
_RISKS = {"safe": "good", "write": "medium", "network": "medium"}


@app.command("list", cls=Command, help=text("List what waits for a decision.", "Lister ce qui attend une décision."))
def list_(json: Json = False, no_recover: NoRecover = False, debug: Debug = False) -> None:
    """List what waits for a decision."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        pending = await records.approvals.pending()
        if json:
            voice.document([_facts(await records.approvals.get(approval.id)) for approval in pending])
        elif not pending:
            voice.say(_NONE)
        else:
            voice.table(_HEADS, [_row(approval, voice) for approval in pending], spare=(3, 2))
        return 0

    _recorded(voice, command, no_recover)


def _row(approval: Approval, voice: Voice) -> list[tuple[str, str]]:
    from nextgeneration.kernel.risk import risk_said

    return [
        (approval.id, "bold"),
        (risk_said(approval.label, voice.lang), _RISKS.get(approval.label, "bad")),
        (approval.agent, "dim"),
        (approval.mission_id, "dim"),
        (approval.title, "place"),
    ]


@app.command(
    cls=Command,
    help=text("Show exactly what an approval would allow.", "Montrer exactement ce qu'un accord permettrait."),
)
def show(approval_id: ApprovalId, json: Json = False, no_recover: NoRecover = False, debug: Debug = False) -> None:
    """Show exactly what an approval would allow."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.cli.cards import card_lines
        from nextgeneration.kernel.show import escaped

        approval = await records.approvals.get(approval_id)
        if json:
            voice.document(_facts(approval))
            return 0
        voice.data("\n".join(card_lines(approval, voice, voice.out, limit=None)))
        voice.data(_DIGEST.say(voice.lang, digest=approval.digest))
        by = ""
        if approval.decided_by:
            reason = f" ({escaped(approval.reason, newlines=False)})" if approval.reason else ""
            by = _BY.say(voice.lang, by=approval.decided_by, at=(approval.decided_at or "")[:19], reason=reason)
        voice.data(_STATUS.say(voice.lang, status=approval.status.value, by=by))
        return 0

    _recorded(voice, command, no_recover)


@app.command(
    cls=Command,
    help=text("Approve, once, exactly what the card shows.", "Accepter, une fois, exactement ce que montre la carte."),
)
def approve(
    approval_id: ApprovalId,
    digest: Digest = None,
    reason: Reason = "",
    run: Run = True,
    fail_on: FailOn = None,
    out: Out = None,
    json: Json = False,
    jsonl: Jsonl = False,
    no_input: NoInput = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """Approve, once, exactly what the card shows."""
    voice = Voice(json=json, jsonl=jsonl, no_input=no_input, debug=debug)
    _decide(voice, approval_id, "approved", digest, reason, (run, not no_recover, out, fail_on))


@app.command(
    cls=Command,
    help=text(
        "Refuse what the card shows; the mission goes on without it.",
        "Refuser ce que montre la carte ; la mission continue sans.",
    ),
)
def reject(
    approval_id: ApprovalId,
    digest: Digest = None,
    reason: Reason = "",
    run: Run = True,
    fail_on: FailOn = None,
    out: Out = None,
    json: Json = False,
    jsonl: Jsonl = False,
    no_input: NoInput = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """Refuse what the card shows; the mission goes on without it."""
    voice = Voice(json=json, jsonl=jsonl, no_input=no_input, debug=debug)
    _decide(voice, approval_id, "rejected", digest, reason, (run, not no_recover, out, fail_on))


@app.command(
    cls=Command,
    help=text(
        "Change what a call of the card is made with; it is judged and asked anew.",
        "Changer ce avec quoi un appel de la carte est fait ; il est jugé et demandé de nouveau.",
    ),
    epilog="nextgen approvals show ID --json | jq '.card.calls[0].args' > args.json\n"
    "nextgen approvals edit ID --args args.json",
)
def edit(
    approval_id: ApprovalId,
    args: Annotated[
        str | None,
        typer.Option(
            "--args",
            metavar=text("FILE", "FICHIER"),
            help=text(
                "File with all arguments of the call as one JSON object; - is standard input. Without it: your editor.",
                "Fichier de tous les arguments de l'appel, en un objet JSON ; - est l'entrée standard. Sans elle : "
                "votre éditeur.",
            ),
        ),
    ] = None,
    call: Annotated[int, typer.Option(min=1, help=text("Which call of the card.", "Quel appel de la carte."))] = 1,
    digest: Digest = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Change what a call of the card is made with; it is judged and asked anew."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.editing import read_arguments
        from nextgeneration.cli.session import home_of, with_session
        from nextgeneration.missions.errors import ApprovalChanged
        from nextgeneration.services.records import open_records

        if args is None and not voice.can_ask:
            raise UsageWrong(detail=_NO_ARGS, command="nextgen approvals edit")
        given = None if args is None else read_arguments(args, voice)
        with open_records() as records:
            asked = await records.approvals.get(approval_id)
        if digest is not None and digest != asked.digest:
            raise ApprovalChanged(approval=asked.id, digest=asked.digest, given=digest)
        _, workspace = await home_of(asked.mission_id)

        async def edited(session: Session) -> int:
            return await _edited(session, asked, call, given)

        return await with_session(voice, workspace, edited, recover=False)

    enter(voice, command)


async def _edited(session: Session, asked: Approval, call: int, given: dict[str, Any] | None) -> int:
    """Ask anew with other arguments, and show what is asked then."""
    from nextgeneration.cli.cards import card_lines
    from nextgeneration.cli.editing import in_editor, world
    from nextgeneration.cli.session import person

    voice, approvals = session.voice, session.services.approvals
    args = given if given is not None else await in_editor(asked, call, voice)
    if args is None:
        return 1
    new = await approvals.edit(asked.id, args, person(), world(session.services), call=call, digest=asked.digest)
    if voice.json:
        voice.document(_facts(new))
        return 0
    voice.data("\n".join(card_lines(new, voice, voice.out, limit=None)))
    voice.data(_DIGEST.say(voice.lang, digest=new.digest))
    voice.say(_INSTEAD, old=asked.id, new=new.id)
    return 0


@app.command(
    cls=Command,
    help=text(
        "Say what became of a call whose outcome was lost in a crash: retry, done or fail.",
        "Dire ce qu'est devenu un appel dont le résultat s'est perdu : retry (relancer), done (fait), fail (échec).",
    ),
)
def settle(
    approval_id: ApprovalId,
    happened: Annotated[
        Literal["retry", "done", "fail"],
        typer.Argument(
            metavar=text("ANSWER", "RÉPONSE"),
            help=text("retry, done or fail", "retry (relancer), done (déjà fait) ou fail (échec)"),
        ),
    ],
    reason: Reason = "",
    run: Run = True,
    fail_on: FailOn = None,
    out: Out = None,
    json: Json = False,
    jsonl: Jsonl = False,
    no_input: NoInput = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """Say what became of a call whose outcome was lost in a crash."""
    voice = Voice(json=json, jsonl=jsonl, no_input=no_input, debug=debug)
    _decide(voice, approval_id, happened, None, reason, (run, not no_recover, out, fail_on))


def _decide(
    voice: Voice,
    approval_id: str,
    verdict: str,
    digest: str | None,
    reason: str,
    then: tuple[bool, bool, Path | None, str | None],
) -> None:
    """Answer a question; then, unless ``--no-run``, go on with its mission, or watch whoever does."""
    run, recover, out, fail_on = then

    async def answered(records: Records) -> Approval:
        from nextgeneration.cli.session import person

        asked = await records.approvals.get(approval_id)
        decided = await records.approvals.decide(
            asked.id, verdict, by=person(), reason=reason, digest=digest or asked.digest
        )
        voice.say(_DECIDED, id=decided.id, verdict=decided.status.value)
        return decided

    async def only(records: Records) -> int:
        decided = await answered(records)
        if voice.machine:
            voice.document(_facts(decided))
        return 0

    async def command() -> int:
        from nextgeneration.cli.session import home_of, with_session
        from nextgeneration.services.records import open_records

        with open_records() as records:
            decided = await answered(records)
        mission, workspace = await home_of(decided.mission_id)

        async def follow(session: Session) -> int:
            return await session.follow(mission)

        return await with_session(voice, workspace, follow, recover=recover, out=out, fail_on=fail_on)

    if run:
        enter(voice, command)
    else:
        _recorded(voice, only, not recover)


def _recorded(voice: Voice, command: Any, no_recover: bool) -> None:
    from nextgeneration.cli.recorded import on_records

    enter(voice, lambda: on_records(voice, command, recover=not no_recover))


def _facts(approval: Approval) -> dict[str, Any]:
    return {
        "id": approval.id,
        "mission": approval.mission_id,
        "agent": approval.agent,
        "kind": approval.kind,
        "label": approval.label,
        "title": approval.title,
        "status": approval.status.value,
        "digest": approval.digest,
        "created_at": approval.created_at,
        "expires_at": approval.expires_at,
        "decided_at": approval.decided_at,
        "decided_by": approval.decided_by,
        "reason": approval.reason,
        "card": approval.card,
    }
