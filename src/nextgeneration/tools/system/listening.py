"""``system.ports``: what listens, and for whom."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator

import psutil
from pydantic import BaseModel

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolSpec
from nextgeneration.tools.system.base import TOUCHES, Facts, NoArgs, SystemTool
from nextgeneration.tools.system.findings import Rule, finding

EXPOSED = Rule(
    "system.port-exposed",
    Severity.MEDIUM,
    Texts("Port {port} ({service}) is open to the network", "Le port {port} ({service}) est ouvert au réseau"),
    Texts(
        "{process} listens on {address}, which other machines can reach unless a firewall stops them.",
        "{process} écoute sur {address}, que d'autres machines peuvent joindre si aucun pare-feu ne les arrête.",
    ),
    Texts(
        "Bind it to 127.0.0.1 if only this machine needs it.", "Liez-le à 127.0.0.1 si seule cette machine s'en sert."
    ),
    confidence=0.8,
)
DOCKER_API = EXPOSED._replace(id="system.docker-api-exposed", severity=Severity.CRITICAL)
_WITHOUT_PASSWORD = {
    2375: "Docker API",
    2379: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    5984: "CouchDB",
    6379: "Redis",
    9200: "Elasticsearch",
    11211: "memcached",
    27017: "MongoDB",
}


class Listening(BaseModel):
    """One listening socket. ``exposure`` is ``loopback``, ``address`` (one address) or ``public`` (all)."""

    protocol: str
    address: str
    port: int
    exposure: str
    pid: int | None
    process: str


class Ports(BaseModel):
    """The listening sockets; ``complete`` is false when the system did not let us see all of them."""

    listening: list[Listening]
    complete: bool


def exposure_of(address: str) -> str:
    """Who can reach a socket bound to ``address``."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if ip.is_unspecified:
        return "public"
    return "loopback" if ip.is_loopback else "address"


def read_ports() -> Ports:
    """Every TCP socket that listens and every bound UDP socket, each once."""
    try:
        connections = psutil.net_connections(kind="inet")
    except (psutil.AccessDenied, OSError):
        return Ports(listening=[], complete=False)
    found: dict[tuple[str, str, int], Listening] = {}
    for connection in connections:
        tcp = connection.type == socket.SOCK_STREAM
        if (tcp and connection.status != psutil.CONN_LISTEN) or not connection.laddr or (not tcp and connection.raddr):
            continue
        protocol = "tcp" if tcp else "udp"
        address, port = connection.laddr.ip, connection.laddr.port
        found[protocol, address, port] = Listening(
            protocol=protocol,
            address=address,
            port=port,
            exposure=exposure_of(address),
            pid=connection.pid,
            process=_process_name(connection.pid),
        )
    listening = [found[key] for key in sorted(found, key=lambda k: (k[2], k[0], k[1]))]
    return Ports(listening=listening, complete=all(entry.pid is not None for entry in listening))


def _process_name(pid: int | None) -> str:
    try:
        return psutil.Process(pid).name() if pid else ""
    except psutil.Error:
        return ""


def port_findings(ports: Ports, lang: Lang) -> Iterator[Finding]:
    """Services that often have no password, open to other machines."""
    seen: set[int] = set()
    for entry in ports.listening:
        service = _WITHOUT_PASSWORD.get(entry.port)
        if service is None or entry.protocol != "tcp" or entry.exposure == "loopback" or entry.port in seen:
            continue
        seen.add(entry.port)
        yield finding(
            DOCKER_API if entry.port == 2375 else EXPOSED,
            tool="system.ports",
            lang=lang,
            cause=f"port-exposed:{entry.port}",
            excerpt=f"{entry.protocol} {entry.address}:{entry.port} LISTEN {entry.process}".strip(),
            port=entry.port,
            service=service,
            address=f"{entry.address}:{entry.port}",
            process=entry.process or service,
        )


class SystemPorts(SystemTool):
    """Listening ports."""

    spec = ToolSpec(
        name="system.ports",
        summary=Texts(
            "What listens on which port, and whether others can reach it.",
            "Ce qui écoute sur chaque port, et si d'autres machines peuvent le joindre.",
        ),
        args=NoArgs,
        result=Ports,
        touches=TOUCHES,
        seconds=15,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """The sockets and the findings over them."""
        ports = await asyncio.to_thread(read_ports)
        lines = [f"{e.protocol} {e.address}:{e.port} {e.exposure} {e.process}".rstrip() for e in ports.listening]
        return Facts(ports, tuple(port_findings(ports, context.lang)), "\n".join(lines))
