"""One tool of an MCP server as a tool of ours."""

from __future__ import annotations

import json
import shlex
from typing import Any

from pydantic import BaseModel, ConfigDict

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Label, Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.settings.tools import McpServer
from nextgeneration.tools.base import BaseTool
from nextgeneration.tools.errors import BadArguments, NetworkOff
from nextgeneration.tools.mcp.connections import Connections
from nextgeneration.tools.mcp.errors import DescriptionChanged, filled
from nextgeneration.tools.mcp.pins import Descriptor, PinFiles, Pins
from nextgeneration.tools.mcp.schemas import Checker

PREFIX = "mcp:"
_SAYS = Texts("{words} (so its server {server} says)", "{words} (d'après son serveur {server})")
_NOTHING = Texts(
    "A tool of the MCP server {server}, which says nothing about it.",
    "Un outil du serveur MCP {server}, qui n'en dit rien.",
)
_WITHHELD = Texts(
    "A tool of an MCP server that cannot be called now.", "Un outil d'un serveur MCP, impossible à appeler maintenant."
)
_STARTS = Texts(
    "hands this to the program {line}, which may do anything with it",
    "remet ceci au programme {line}, qui peut en faire n'importe quoi",
)
_SENDS = Texts("sends this to {line}", "envoie ceci à {line}")
_DESTROYS = Texts("its server says that it destroys something", "son serveur dit qu'il détruit quelque chose")


def name_of(server: str, tool: str) -> str:
    """What a remote tool is called here."""
    return f"{PREFIX}{server}/{tool}"


def line_of(server: McpServer) -> str:
    """How a server is started or reached, as a human is shown it."""
    return escaped(shlex.join(server.command) if server.command else server.url, newlines=False)


class RemoteArgs(BaseModel):
    """Any object; what it must hold stands in the tool's own schema."""

    model_config = ConfigDict(extra="allow", frozen=True)


class RemoteResult(BaseModel):
    """What a server answered. It comes from outside: ``untrusted`` is always true."""

    server: str
    tool: str
    structured: Any = None
    untrusted: bool = True


class RemoteTool(BaseTool):
    """A pinned tool of a server.

    Args:
        server: the server's name in the settings.
        entry: its entry.
        descriptor: the pinned description.
        files: where pins are kept.
        connections: the open conversations.
        seconds: time limit of connecting and of one call.
    """

    def __init__(
        self,
        server: str,
        entry: McpServer,
        descriptor: Descriptor,
        files: PinFiles,
        connections: Connections,
        seconds: float,
    ) -> None:
        self._server = server
        self._line = line_of(entry)
        self._starts = bool(entry.command)
        self._descriptor = descriptor
        self._files = files
        self._connections = connections
        self._checker = Checker(descriptor.arguments)
        self.spec = _spec(server, entry, descriptor, seconds)  # type: ignore[misc] # one object a tool, not one class

    def assess(self, args: RemoteArgs, context: ToolContext) -> Assessment:
        """What the settings and the server's own warnings say of it; a server's assurances do not count.

        Raises:
            DescriptionChanged: the server describes it otherwise than it was pinned.
            BadArguments: naming each argument that does not fit.
        """
        if self._files.of(self._server).suspended(self._descriptor.name):
            raise DescriptionChanged(server=self._server, tool=self._descriptor.name)
        problems = self._checker.misfits(args.model_extra or {})
        if problems:
            raise BadArguments(tool=self.spec.name, detail=escaped("; ".join(problems), newlines=False))
        reasons = [(_STARTS if self._starts else _SENDS).say(context.lang, line=self._line)]
        if self._descriptor.destructive:
            reasons.append(_DESTROYS.say(context.lang))
        conditions = {"server": self._line, "description": self._descriptor.digest}
        return Assessment(label=self.spec.risk, reasons=tuple(reasons), conditions=conditions)

    def subjects(self, args: RemoteArgs) -> tuple[str, ...]:
        """Each argument as ``name=value``, so that a rule may say ``mcp:chat/post(channel=general)``."""
        return tuple(f"{name}={_word(value)}" for name, value in sorted((args.model_extra or {}).items()))

    def preview(self, args: RemoteArgs, context: ToolContext) -> Preview:
        """The server and the arguments."""
        body = json.dumps(args.model_extra or {}, ensure_ascii=False, indent=2)
        return Preview(title=self.spec.name, body=escaped(f"{self._server}: {self._line}\n{body}"))

    async def call(self, args: RemoteArgs, context: ToolContext) -> ToolResult:
        """Make sure the server still describes the tool as it was pinned, then call it.

        Raises:
            NetworkOff: the network was not granted; a server that is started counts, since it may use it.
            DescriptionChanged: it describes it otherwise.
            ServerFailed, AnswerLost, ServersBusy: it could not be asked, or failed meanwhile.
        """
        if not context.network:
            raise NetworkOff(tool=self.spec.name)
        pinned = self._descriptor
        async with self._connections.using(self._server, context.scratch) as connection:
            offered = await connection.tools()
            now = offered.get(pinned.name)
            if now is None or now.digest != pinned.digest:
                self._record(offered.values())
                raise DescriptionChanged(server=self._server, tool=pinned.name)
            changes = self.spec.effect is not EffectRule.PURE
            answer = await connection.call(pinned.name, dict(args.model_extra or {}), changes=changes)
        value = RemoteResult(server=self._server, tool=pinned.name, structured=answer.structured)
        return ToolResult(
            ok=not answer.failed,
            value=value.model_dump(mode="json"),
            text=answer.text,
            truncated=answer.truncated,
            labels=(Label.UNTRUSTED,),
            images=answer.images,
        )

    def _record(self, offered: Any) -> None:
        """Keep what was seen for whoever decides about it; the call is refused all the same when that fails."""
        try:
            pins: Pins = self._files.of(self._server)
            self._files.write(pins.seen(offered))
        except NGError:
            return


class Withheld(BaseTool):
    """A name of a server's tool that cannot be called, and why: the call fails, is recorded, and says so."""

    def __init__(self, name: str, error: NGError) -> None:
        self.error = error
        # ``pure``: a playbook makes the call and reports the error, and no human is asked about it.
        self.spec = ToolSpec(  # type: ignore[misc]
            name=name, summary=_WITHHELD, args=RemoteArgs, result=RemoteResult, risk=RiskLabel.UNKNOWN
        )

    def assess(self, args: Any, context: ToolContext) -> Assessment:
        """Why it cannot be called."""
        raise self.error

    async def call(self, args: Any, context: ToolContext) -> ToolResult:
        """Why it cannot be called."""
        raise self.error


def _spec(server: str, entry: McpServer, descriptor: Descriptor, seconds: float) -> ToolSpec:
    trusted = entry.trust_hints and descriptor.read_only is True and descriptor.destructive is not True
    risk = RiskLabel.NETWORK if trusted or not entry.command else RiskLabel.UNKNOWN
    if descriptor.destructive is True:
        risk = RiskLabel.DESTRUCTIVE
    said = _SAYS if descriptor.shown else _NOTHING
    return ToolSpec(
        name=name_of(server, descriptor.name),
        summary=filled(said, words=descriptor.shown, server=server),
        args=RemoteArgs,
        result=RemoteResult,
        effect=EffectRule.PURE if trusted else EffectRule.ONCE,
        risk=risk,
        touches=frozenset({"network", "process"} if entry.command else {"network"}),
        seconds=3 * seconds + 5,
        schema=descriptor.schema_shown,
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
