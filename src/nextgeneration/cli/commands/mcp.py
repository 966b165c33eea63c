"""``nextgen tools mcp …``: list, refresh, trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nextgeneration.cli.completion import mcp_servers
from nextgeneration.cli.options import Debug, Json, enter, plainly, text
from nextgeneration.cli.pages import Command, Group
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nextgeneration.tools.mcp.pins import Pins

app = typer.Typer(
    cls=Group,
    help=text(
        "Tools of MCP servers: look at them, pin them, decide about changes.",
        "Outils des serveurs MCP : les regarder, les épingler, décider des changements.",
    ),
    no_args_is_help=True,
)

PENDING = 4
Server = Annotated[
    str,
    typer.Argument(
        metavar=text("SERVER", "SERVEUR"),
        help=text("Its name in NG_TOOLS_MCP_SERVERS.", "Son nom dans NG_TOOLS_MCP_SERVERS."),
        autocompletion=mcp_servers,
    ),
]
_HEADS = (Texts("TOOL", "OUTIL"), Texts("STATE", "ÉTAT"), Texts("WHAT ITS SERVER SAYS", "CE QU'EN DIT SON SERVEUR"))
_STATES = {
    "pinned": Texts("pinned", "épinglé"),
    "changed": Texts("changed", "changé"),
    "new": Texts("new", "nouveau"),
    "gone": Texts("gone", "disparu"),
    "unfit": Texts("unfit", "inutilisable"),
}
_STYLES = {"pinned": "good", "unfit": "dim"}
_UNSEEN = Texts(
    "{server}: nobody has looked yet (`nextgen tools mcp refresh {server}`)",
    "{server} : personne n'a encore regardé (`nextgen tools mcp refresh {server}`)",
)
_NO_SERVER = Texts(
    "No MCP server is set (NG_TOOLS_MCP_SERVERS; docs/how-to/mcp.md).",
    "Aucun serveur MCP n'est configuré (NG_TOOLS_MCP_SERVERS ; docs/how-to/mcp.md).",
)
_SAME = Texts("Pinned for {server}: {count}.", "Épinglés pour {server} : {count}.")
_WAITS = Texts(
    "Not as pinned for {server}: {count}. To accept the change: `nextgen tools mcp trust {server}`",
    "Différents de l'épinglage pour {server} : {count}. Pour accepter : `nextgen tools mcp trust {server}`",
)
_QUESTION = Texts("Pin this for {server}?", "Épingler ceci pour {server} ?")


@app.command(
    "list",
    cls=Command,
    help=text(
        "List the tools of the MCP servers as they are pinned; nothing is started.",
        "Lister les outils des serveurs MCP tels qu'épinglés ; rien n'est démarré.",
    ),
)
def list_(
    server: Annotated[
        str | None,
        typer.Argument(
            metavar=text("SERVER", "SERVEUR"),
            help=text("Only this server.", "Seulement ce serveur."),
            autocompletion=mcp_servers,
        ),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the tools of the MCP servers as they are pinned."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import remote_tools

        remote = remote_tools()
        if not remote.servers and server is None and not json:
            voice.say(_NO_SERVER)
            return 0
        every = [remote.pins(name) for name in ([server] if server is not None else sorted(remote.servers))]
        if json:
            voice.document([_facts(pins) for pins in every])
            return 0
        _tables(voice, every)
        return 0

    plainly(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Ask a server what it offers: the first look is pinned, a change waits for `trust`.",
        "Demander à un serveur ce qu'il offre : le premier regard est épinglé, un changement attend `trust`.",
    ),
)
def refresh(server: Server, json: Json = False, debug: Debug = False) -> None:
    """Ask a server what it offers: the first look is pinned, a change waits for ``trust``."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        from nextgeneration.services.parts import remote_tools

        pins = await remote_tools().refresh(server)
        if json:
            voice.document(_facts(pins))
        else:
            _tables(voice, [pins])
            _difference(voice, pins)
            told = _WAITS if pins.offered is not None else _SAME
            count = len(pins.changed()) if pins.offered is not None else len(pins.pinned or {})
            voice.say(told, server=server, count=count)
        return 0 if pins.offered is None else PENDING

    enter(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Show what a server changed in its descriptions, and pin it.",
        "Montrer ce qu'un serveur a changé dans ses descriptions, et l'épingler.",
    ),
)
def trust(
    server: Server,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=text("Do not ask.", "Ne pas demander."))] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what a server changed in its descriptions, and pin it."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.cli.confirm import confirmed
        from nextgeneration.services.parts import remote_tools
        from nextgeneration.tools.mcp.errors import NothingToTrust

        remote = remote_tools()
        pins = remote.pins(server)
        if pins.offered is None:
            raise NothingToTrust(server=server)
        if not json:
            _difference(voice, pins)
        if not confirmed(voice, _QUESTION, yes=yes, server=server):
            return PENDING
        pins = remote.trust(pins)
        if json:
            voice.document(_facts(pins))
        else:
            voice.say(_SAME, server=server, count=len(pins.pinned or {}))
        return 0

    plainly(voice, command)


def _tables(voice: Voice, every: list[Pins]) -> None:
    rows = []
    for pins in every:
        if pins.pinned is None:
            voice.say(_UNSEEN, server=pins.server)
        for name, state, said in _tools(pins):
            word = _STATES[state].say(voice.lang)
            rows.append([(f"mcp:{pins.server}/{name}", "bold"), (word, _STYLES.get(state, "bad")), (said, "place")])
    voice.table(_HEADS, rows)


def _tools(pins: Pins) -> Iterator[tuple[str, str, str]]:
    """Each tool's name, state, and what its server says, or why nobody is shown it."""
    before, now = pins.pinned or {}, pins.offered
    for name in sorted({*before, *(now or {})}):
        tool = (now or {}).get(name) or before[name]
        if now is not None and name not in before:
            state = "new"
        elif now is not None and name not in now:
            state = "gone"
        elif pins.suspended(name):
            state = "changed"
        else:
            state = "unfit" if tool.unfit else "pinned"
        yield name, state, tool.unfit or tool.shown


def _difference(voice: Voice, pins: Pins) -> None:
    styles = {"+": "good", "-": "bad", "@": "dim"}
    for line in pins.difference():
        voice.data(voice.paint(line, styles.get(line[:1], "place")))


def _facts(pins: Pins) -> dict[str, object]:
    tools = [{"name": name, "state": state, "says": said} for name, state, said in _tools(pins)]
    return {"server": pins.server, "seen": pins.pinned is not None, "tools": tools, "difference": pins.difference()}
