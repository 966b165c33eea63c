"""Rules on ports and networks."""

from __future__ import annotations

from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose.edits import Edit, added_to, quoted, replacement
from nextgeneration.tools.compose.images import ADMIN_PANELS, image_of, known_store
from nextgeneration.tools.compose.model import ComposeFile, Service
from nextgeneration.tools.compose.ports import EVERYWHERE, Port, host_ports, ports_of
from nextgeneration.tools.compose.rule import Hit, Topic
from nextgeneration.tools.compose.yaml_tree import Mapping, Scalar

rule = Topic(Texts("Ports and networks", "Ports et réseaux"))

_DEBUG_PORTS = {9229: "Node.js inspector", 2375: "Docker API", 10250: "kubelet"}


def _targets(port: Port) -> str:
    if not port.target:
        return "?"
    first, last = port.target[0], port.target[-1]
    return str(first) if first == last else f"{first}-{last}"


def _to_loopback(file: ComposeFile, port: Port) -> tuple[Edit, ...]:
    """The port published on the host's own address only."""
    node = port.node
    if isinstance(node, Scalar):
        if port.address == "" and ":" in node.text:
            return quoted(node, "127.0.0.1:")
        if port.address == "" and node.text.isdecimal():
            return quoted(node, "127.0.0.1::")
        if port.address == "0.0.0.0" and node.text.startswith("0.0.0.0:") and node.tag is None:  # noqa: S104
            at = file.text.find("0.0.0.0:", node.start, node.end)
            return (Edit(at, at + len("0.0.0.0"), 0, "127.0.0.1"),) if at >= 0 else ()  # noqa: S104
    if isinstance(node, Mapping):
        entry = node.entries.get("host_ip")
        if entry and isinstance(entry.value, Scalar):
            return replacement(entry.value, "127.0.0.1") if not entry.merged else ()
        return added_to(file, node, ["host_ip: 127.0.0.1"], "host_ip: 127.0.0.1", 2, after="target")
    return ()


def _exposed(file: ComposeFile, service: Service, ports: Iterator[Port], title: str) -> Iterator[Hit]:
    for port in ports:
        values = {"service": service.name, "what": title, "port": _targets(port)}
        yield Hit(f"{service.name}.{_targets(port)}", port.node, values, edits=_to_loopback(file, port))


@rule(
    "exposed-database",
    Severity.HIGH,
    title=Texts(
        "{service}: {what} is published on every interface (port {port})",
        "{service} : {what} est publié sur toutes les interfaces (port {port})",
    ),
    why=Texts(
        "Docker opens the port before the host's firewall sees it; on a server the whole Internet can try passwords.",
        "Docker ouvre ce port avant que le pare-feu de l'hôte ne le voie ; sur un serveur, tout Internet peut essayer "
        "des mots de passe.",
    ),
    fix=Texts(
        "Publish it on 127.0.0.1, or not at all: services of one network need no published port.",
        "Publiez-le sur 127.0.0.1, ou pas du tout : les services d'un même réseau n'en ont pas besoin.",
    ),
    bad="""
services:
  db:
    image: postgres:17
    ports:
      - "5432:5432"
""",
    good="""
services:
  db:
    image: postgres:17
    ports:
      - "127.0.0.1:5432:5432"
""",
    line=5,
    fixable=True,
)
def _exposed_database(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        known = known_store(image_of(service.text("image")))
        if known:
            served = (p for p in ports_of(service) if p.exposed and p.target and set(p.target) & set(known.ports))
            yield from _exposed(file, service, served, known.title)


@rule(
    "exposed-admin",
    Severity.MEDIUM,
    title=Texts(
        "{service}: {what} is published on every interface (port {port})",
        "{service} : {what} est publié sur toutes les interfaces (port {port})",
    ),
    why=Texts(
        "An administration interface gives whoever reaches it, or guesses its password, the data behind it.",
        "Une interface d'administration donne à qui l'atteint, ou devine son mot de passe, les données qui sont "
        "derrière.",
    ),
    fix=Texts(
        "Publish it on 127.0.0.1, or behind a proxy that asks who is there.",
        "Publiez-la sur 127.0.0.1, ou derrière un mandataire qui authentifie.",
    ),
    bad="""
services:
  admin:
    image: adminer:5
    ports:
      - "8080:8080"
""",
    good="""
services:
  admin:
    image: adminer:5
    ports:
      - "127.0.0.1:8080:8080"
""",
    line=5,
    fixable=True,
)
def _exposed_admin(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        image = image_of(service.text("image"))
        title = ADMIN_PANELS.get(image.name) if image else None
        if title:
            yield from _exposed(file, service, (p for p in ports_of(service) if p.exposed), title)


@rule(
    "exposed-debugger",
    Severity.HIGH,
    confidence=0.85,
    title=Texts(
        "{service}: port {port} ({what}) is published on every interface",
        "{service} : le port {port} ({what}) est publié sur toutes les interfaces",
    ),
    why=Texts(
        "Whoever reaches it runs code in the process, without a password.",
        "Qui l'atteint exécute du code dans le processus, sans mot de passe.",
    ),
    fix=Texts(
        "Publish it on 127.0.0.1, and only while debugging.",
        "Publiez-le sur 127.0.0.1, et seulement pendant le débogage.",
    ),
    bad="""
services:
  api:
    image: example/api:1.2
    ports:
      - "9229:9229"
""",
    good="""
services:
  api:
    image: example/api:1.2
    ports:
      - "127.0.0.1:9229:9229"
""",
    line=5,
    fixable=True,
)
def _exposed_debugger(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for port in ports_of(service):
            for number, title in _DEBUG_PORTS.items():
                if port.exposed and port.target and number in port.target:
                    yield from _exposed(file, service, iter([port]), title)


@rule(
    "port",
    Severity.HIGH,
    title=Texts("{service}: {value} is not a port", "{service} : {value} n'est pas un port"),
    why=Texts(
        "Compose refuses the file; the form is [[address:]host:]container[/protocol], ports from 0 to 65535.",
        "Compose refuse le fichier ; la forme est [[adresse:]hôte:]conteneur[/protocole], ports de 0 à 65535.",
    ),
    fix=Texts("Correct the port.", "Corrigez le port."),
    bad="""
services:
  web:
    image: nginx:1.29
    ports:
      - "80800:80"
""",
    good="""
services:
  web:
    image: nginx:1.29
    ports:
      - "8080:80"
""",
    line=5,
)
def _port_form(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for port in ports_of(service):
            if port.problem:
                yield Hit(f"{service.name}.{port.problem}", port.node, {"service": service.name, "value": port.problem})


@rule(
    "port-clash",
    Severity.HIGH,
    title=Texts(
        "{service} and {other} both publish host port {port}",
        "{service} et {other} publient tous deux le port {port} de l'hôte",
    ),
    why=Texts("Only one can have it: the second does not start.", "Un seul peut l'avoir : le second ne démarre pas."),
    fix=Texts("Give one of them another host port.", "Donnez un autre port de l'hôte à l'un des deux."),
    bad="""
services:
  web:
    image: nginx:1.29
    ports: ["8080:80"]
  api:
    image: httpd:2.4
    ports: ["8080:80"]
""",
    good="""
services:
  web:
    image: nginx:1.29
    ports: ["8080:80"]
  api:
    image: httpd:2.4
    ports: ["8081:80"]
""",
    line=7,
)
def _port_clash(file: ComposeFile) -> Iterator[Hit]:
    taken: dict[tuple[int, str], list[tuple[str, Service, Port]]] = {}
    for service in file.services.values():
        if service.text("network_mode") == "host":
            continue
        reported: set[str] = set()
        for port in ports_of(service):
            if port.address is None:
                continue
            for number in host_ports(port):
                holders = taken.setdefault((number, port.protocol), [])
                for address, holder, held in holders:
                    same = address == port.address or address in EVERYWHERE or port.address in EVERYWHERE
                    families = (":" in address) == (":" in port.address) or "" in (address, port.address)
                    if held.node is port.node and holder is service:
                        continue
                    if same and families and not _apart(holder, service) and holder.name not in reported:
                        reported.add(holder.name)
                        values = {"service": service.name, "other": holder.name, "port": str(number)}
                        yield Hit(f"{service.name}.{holder.name}.{number}", port.node, values)
                holders.append((port.address, service, port))


def _apart(one: Service, other: Service) -> bool:
    """Whether profiles keep the two services from running together as a rule."""
    if one is other:
        return False
    first = {item.text for item in one.items("profiles") if isinstance(item, Scalar)}
    second = {item.text for item in other.items("profiles") if isinstance(item, Scalar)}
    return bool(first or second) and not first & second


@rule(
    "host-network-ports",
    Severity.MEDIUM,
    title=Texts(
        "{service}: ports have no effect with the host's network",
        "{service} : ports est sans effet avec le réseau de l'hôte",
    ),
    why=Texts(
        "The container opens its ports on the host itself; the mapping is discarded.",
        "Le conteneur ouvre ses ports sur l'hôte même ; la correspondance est ignorée.",
    ),
    fix=Texts("Remove ports, or network_mode.", "Retirez ports, ou network_mode."),
    bad="""
services:
  web:
    image: nginx:1.29
    network_mode: host
    ports: ["8080:80"]
""",
    good="""
services:
  web:
    image: nginx:1.29
    ports: ["8080:80"]
""",
    line=5,
)
def _host_network_ports(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        ports = service.entry("ports")
        if ports and service.text("network_mode") == "host":
            yield Hit(service.name, ports.key, {"service": service.name})


@rule(
    "network-mode-and-networks",
    Severity.HIGH,
    title=Texts("{service} has both network_mode and networks", "{service} a à la fois network_mode et networks"),
    why=Texts(
        "The two exclude each other: Compose refuses the file.", "Les deux s'excluent : Compose refuse le fichier."
    ),
    fix=Texts("Remove one of them.", "Retirez l'un des deux."),
    bad="""
services:
  web:
    image: nginx:1.29
    network_mode: bridge
    networks: [front]
networks:
  front: {}
""",
    good="""
services:
  web:
    image: nginx:1.29
    networks: [front]
networks:
  front: {}
""",
    line=4,
)
def _network_mode_and_networks(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        mode = service.entry("network_mode")
        if mode and service.has("networks"):
            yield Hit(service.name, mode.key, {"service": service.name})
