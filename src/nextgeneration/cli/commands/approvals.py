"""``nextgen approvals …``: list, show, approve, reject."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextgeneration.cli.options import Debug, Json, NoInput, enter, text
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped, shortened

if TYPE_CHECKING:
    from nextgeneration.missions.schema import Approval

app = typer.Typer(help=text("Approvals: list, show, approve, reject.", "Accords : lister, montrer, accepter, refuser."))

ApprovalId = Annotated[
    str,
    typer.Argument(
        metavar="APPROVAL", help=text("Id, or an unambiguous part of it.", "Identifiant, ou une partie sans ambiguïté.")
    ),
]
Reason = Annotated[str, typer.Option(help=text("Why, kept in the journal.", "Pourquoi, gardé dans le journal."))]
_NONE = Texts("Nothing waits for a decision.", "Rien n'attend de décision.")
_DECIDED = Texts("{id}: {verdict}.", "{id} : {verdict}.")


@app.command("list")
def list_(json: Json = False, debug: Debug = False) -> None:
    """List what waits for a decision."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        from nextgeneration.services.assembly import open_services

        async with open_services(Path()) as services:
            pending = await services.approvals.pending()
        if json:
            voice.document([_facts(approval) for approval in pending])
        elif not pending:
            voice.say(_NONE)
        for approval in pending if not json else ():
            title = escaped(shortened(approval.title, 70), newlines=False)
            voice.data(
                f"{approval.id}  {approval.label:<12} {escaped(approval.agent):<20} {approval.mission_id}  {title}"
            )
        return 0

    enter(voice, command)


@app.command()
def show(approval_id: ApprovalId, json: Json = False, debug: Debug = False) -> None:
    """Show exactly what an approval would allow."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.cards import card_lines
        from nextgeneration.services.assembly import open_services

        async with open_services(Path()) as services:
            approval = await services.approvals.get(approval_id)
        if json:
            voice.document(_facts(approval))
        else:
            voice.data(
                "\n".join([*card_lines(approval, voice), f"digest {approval.digest}", f"status {approval.status}"])
            )
        return 0

    enter(voice, command)


@app.command()
def approve(
    approval_id: ApprovalId,
    digest: Annotated[
        str | None,
        typer.Option(help=text("Only if the card has this digest.", "Seulement si la carte a cette empreinte.")),
    ] = None,
    reason: Reason = "",
    run: Annotated[
        bool,
        typer.Option("--run/--no-run", help=text("Go on with the mission at once.", "Continuer la mission aussitôt.")),
    ] = True,
    json: Json = False,
    no_input: NoInput = False,
    debug: Debug = False,
) -> None:
    """Approve, once, exactly what the card shows."""
    _decide(approval_id, "approved", digest, reason, run, Voice(json=json, no_input=no_input, debug=debug))


@app.command()
def reject(
    approval_id: ApprovalId,
    reason: Reason = "",
    run: Annotated[
        bool,
        typer.Option("--run/--no-run", help=text("Go on with the mission at once.", "Continuer la mission aussitôt.")),
    ] = True,
    json: Json = False,
    no_input: NoInput = False,
    debug: Debug = False,
) -> None:
    """Refuse what the card shows; the mission goes on without it."""
    _decide(approval_id, "rejected", None, reason, run, Voice(json=json, no_input=no_input, debug=debug))


@app.command()
def settle(
    approval_id: ApprovalId,
    happened: Annotated[
        str, typer.Argument(help=text("retry, done or fail", "retry (relancer), done (déjà fait) ou fail (échec)"))
    ],
    reason: Reason = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what became of a call whose outcome was lost in a crash."""
    _decide(approval_id, happened, None, reason, True, Voice(json=json, debug=debug))


def _decide(approval_id: str, verdict: str, digest: str | None, reason: str, run: bool, voice: Voice) -> None:
    async def command() -> int:
        from nextgeneration.cli.session import Session, person
        from nextgeneration.services.assembly import open_services

        async with open_services(Path()) as services:
            approval = await services.approvals.get(approval_id)
            decided = await services.approvals.decide(
                approval.id, verdict, by=person(), reason=reason, digest=digest or approval.digest
            )
            if voice.json and not run:
                voice.document(_facts(decided))
            elif not voice.json:
                voice.say(_DECIDED, id=approval.id, verdict=decided.status)
            if not run:
                return 0
            return await Session(services, voice).follow(approval.mission_id)

    enter(voice, command)


def _facts(approval: Approval) -> dict[str, Any]:
    return {
        "id": approval.id,
        "mission": approval.mission_id,
        "status": approval.status,
        "digest": approval.digest,
        "expires_at": approval.expires_at,
        "card": approval.card,
    }
