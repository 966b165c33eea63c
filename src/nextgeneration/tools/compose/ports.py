"""Published ports, in the short and the long form."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nextgeneration.tools.compose.interpolation import read, settled
from nextgeneration.tools.compose.model import Service
from nextgeneration.tools.compose.yaml_tree import Mapping, Node, Scalar

EVERYWHERE = frozenset({"", "0.0.0.0", "::", "[::]"})  # noqa: S104 - the addresses we look for
_MAX_RANGE = 200
_RANGE = re.compile(r"^([0-9]{1,6})(?:-([0-9]{1,6}))?$")


@dataclass(frozen=True, slots=True)
class Port:
    """One published port. What a variable decides is None.

    Attributes:
        address: the host address as written, empty for all; None when a variable decides.
        published: the host ports, empty for one that Docker picks; None when a variable decides.
        target: the container's ports; None when a variable decides.
    """

    address: str | None
    published: range | None
    target: range | None
    protocol: str
    node: Node
    problem: str = ""

    @property
    def exposed(self) -> bool:
        """Whether every interface of the host takes connections for it."""
        return self.address is not None and self.address in EVERYWHERE


def ports_of(service: Service) -> list[Port]:
    """The ports a service publishes; unreadable ones carry a ``problem``."""
    return [port for item in service.items("ports") if (port := _port(item))]


def _port(node: Node) -> Port | None:
    if isinstance(node, Scalar):
        return _short(node) if not node.null else None
    if isinstance(node, Mapping):
        return _long(node)
    return None


def _span(text: str) -> tuple[range | None, str]:
    """The ports a text such as ``8000-8005`` names, and what is wrong with it."""
    if not text:
        return range(0), ""
    plain = settled(text)
    if plain is None:
        return None, ""
    match = _RANGE.match(plain.strip())
    if match is None:
        return None, plain
    first = int(match[1])
    last = int(match[2] or first)
    if last < first or last > 65535:
        return None, plain
    return range(first, last + 1), ""


def _short(node: Scalar) -> Port:
    masked = node.text.strip()
    if "\0" in masked:
        return Port(None, None, None, "tcp", node, masked)
    pieces: list[str] = []
    for variable in sorted(read(masked).variables, key=lambda v: -v.start):
        if variable.end <= len(masked):
            pieces.append(masked[variable.start : variable.end])
            masked = f"{masked[: variable.start]}\0{len(pieces) - 1}\0{masked[variable.end :]}"
    body, _, protocol = masked.partition("/")
    address, host, target = _split(body)

    def restored(text: str) -> str:
        return re.sub("\0(\\d+)\0", lambda m: pieces[int(m[1])], text)

    target_range, target_problem = _span(restored(target))
    host_range, host_problem = _span(restored(host))
    problem = target_problem or host_problem
    if not problem and not target and not pieces:
        problem = node.text
    if protocol and "\0" not in protocol and protocol.lower() not in ("tcp", "udp", "sctp"):
        problem = protocol
    if not problem and host_range and target_range and len(host_range) != len(target_range) and len(target_range) > 1:
        problem = node.text
    if "\0" in host + target and not address:
        # One variable may hold "address:port" as a whole; a name with PORT in it does not.
        unclear = any("PORT" not in piece.upper() and ":-" not in piece for piece in pieces)
        return Port(None if unclear else "", host_range, target_range, protocol.lower() or "tcp", node, problem)
    said = None if "\0" in address else address
    if not host and not address:
        host_range = range(0)
    return Port(said, host_range, target_range, protocol.lower() or "tcp", node, problem)


def _split(body: str) -> tuple[str, str, str]:
    """Address, host port and container port of a short form."""
    if body.startswith("["):
        address, _, rest = body.partition("]")
        host, _, target = rest.removeprefix(":").rpartition(":")
        return address + "]", host, target
    address, _, rest = body.rpartition(":")[0].rpartition(":")
    return address, rest, body.rpartition(":")[2]


def _long(node: Mapping) -> Port:
    texts = {name: entry.value.text for name, entry in node.entries.items() if isinstance(entry.value, Scalar)}
    target, target_problem = _span(texts.get("target", ""))
    published, published_problem = _span(texts.get("published", ""))
    address = settled(texts.get("host_ip", ""))
    protocol = settled(texts.get("protocol", "tcp")) or "tcp"
    problem = target_problem or published_problem
    return Port(address, published, target, protocol.lower(), node, problem)


def host_ports(port: Port) -> range:
    """The host ports that are fixed; none for a long range or one that Docker picks."""
    published = port.published or range(0)
    if len(published) > _MAX_RANGE or (port.target is not None and len(published) > max(len(port.target), 1)):
        return range(0)
    return published
