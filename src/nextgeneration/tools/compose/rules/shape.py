"""Rules on the keys of a compose file and the shape of what they hold."""

from __future__ import annotations

from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose import keys
from nextgeneration.tools.compose.edits import whole_line
from nextgeneration.tools.compose.model import ComposeFile
from nextgeneration.tools.compose.rule import Hit, Topic, listed
from nextgeneration.tools.compose.yaml_tree import Mapping, Node, Scalar, Sequence

rule = Topic(Texts("Keys", "Clés"))

_KINDS = {
    "s": Texts("a single value", "une valeur simple"),
    "l": Texts("a list", "une liste"),
    "m": Texts("a mapping", "un objet"),
}


def _kind(node: Node) -> str:
    if isinstance(node, Mapping):
        return "m"
    return "l" if isinstance(node, Sequence) else "s"


def _wrong(name: str, node: Node, kinds: str, subject: str) -> Iterator[Hit]:
    null = isinstance(node, Scalar) and (node.null or node.tag is not None or node.text.startswith("$"))
    if not null and _kind(node) not in kinds:
        wanted = [_KINDS[kind] for kind in kinds]
        found = _KINDS[_kind(node)]
        values = {
            "name": name,
            "wanted": " or ".join(text.en for text in wanted),
            "voulu": " ou ".join(text.fr for text in wanted),
            "found": found.en,
            "trouve": found.fr,
        }
        yield Hit(subject, node, values)


@rule(
    "wrong-type",
    Severity.HIGH,
    title=Texts("{name} is {found}; Compose wants {wanted}", "{name} est {trouve} ; Compose veut {voulu}"),
    why=Texts(
        "A value of another kind makes Compose refuse the whole file.",
        "Une valeur d'un autre genre fait refuser tout le fichier par Compose.",
    ),
    fix=Texts(
        "Write it as {wanted}; check the indentation and the dashes.",
        "Écrivez {voulu} ; vérifiez l'indentation et les tirets.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    ports: "80:80"
""",
    good="""
services:
  web:
    image: nginx:1.29
    ports:
      - "80:80"
""",
    line=4,
)
def _wrong_type(file: ComposeFile) -> Iterator[Hit]:
    for document in file.tree.documents:
        yield from _wrong("The file", document, "m", "document")
    for name, kinds in keys.TOP_LEVEL.items():
        if name in file.top:
            yield from _wrong(name, file.top[name].value, kinds, name)
    services = file.top.get("services")
    if services and isinstance(services.value, Mapping):
        for name, entry in services.value.entries.items():
            if not name.startswith("x-"):
                yield from _wrong(f"services.{name}", entry.value, "m", name)
    for service in file.services.values():
        for key, entry in service.node.entries.items():
            if key in keys.SERVICE:
                yield from _wrong(f"{service.name}.{key}", entry.value, keys.SERVICE[key], f"{service.name}.{key}")


@rule(
    "unknown-key",
    Severity.HIGH,
    title=Texts("Compose does not know the top-level key {name}{hint}", "Compose ne connaît pas la clé {name}{indice}"),
    why=Texts(
        "An unknown top-level key makes Compose refuse the whole file.",
        "Une clé inconnue au premier niveau fait refuser tout le fichier par Compose.",
    ),
    fix=Texts(
        "Correct the name, or start it with x- if it is your own.",
        "Corrigez le nom, ou faites-le commencer par x- s'il est à vous.",
    ),
    bad="""
service:
  web:
    image: nginx:1.29
""",
    good="""
services:
  web:
    image: nginx:1.29
""",
    line=1,
)
def _unknown_key(file: ComposeFile) -> Iterator[Hit]:
    first_format = _first_format_services(file)
    for name, entry in file.top.items():
        if name not in keys.TOP_LEVEL and not name.startswith("x-") and name not in first_format:
            yield Hit(name, entry.key, {"name": name, **_hint(name, keys.TOP_LEVEL)})


def _hint(name: str, known: dict[str, str] | frozenset[str]) -> dict[str, str]:
    near = keys.nearest(name, known)
    return {
        "hint": f"; did you mean {near}?" if near else "",
        "indice": f" ; vouliez-vous dire {near} ?" if near else "",
    }


def _first_format_services(file: ComposeFile) -> list[str]:
    """The services of a file in Compose's first format, which had no ``services`` key."""
    if "services" in file.top:
        return []
    return [
        name
        for name, entry in file.top.items()
        if name not in keys.TOP_LEVEL
        and isinstance(entry.value, Mapping)
        and ("image" in entry.value.entries or "build" in entry.value.entries)
    ]


@rule(
    "first-format",
    Severity.HIGH,
    title=Texts("The services stand at the top level: {names}", "Les services sont au premier niveau : {names}"),
    why=Texts(
        "This is the first compose file format; today's Compose refuses it.",
        "C'est le premier format de fichier compose ; le Compose d'aujourd'hui le refuse.",
    ),
    fix=Texts("Put the services under a services key.", "Placez les services sous une clé services."),
    bad="""
web:
  image: nginx:1.29
db:
  image: postgres:17
""",
    good="""
services:
  web:
    image: nginx:1.29
  db:
    image: postgres:17
""",
    line=1,
)
def _first_format(file: ComposeFile) -> Iterator[Hit]:
    if names := _first_format_services(file):
        yield Hit("services", file.top[names[0]].key, {"names": listed(names)})


@rule(
    "unknown-service-key",
    Severity.HIGH,
    title=Texts(
        "{where}: Compose does not know the key {name}{hint}", "{where} : Compose ne connaît pas la clé {name}{indice}"
    ),
    why=Texts(
        "An unknown key makes Compose refuse the whole file.",
        "Une clé inconnue fait refuser tout le fichier par Compose.",
    ),
    fix=Texts(
        "Correct the name, or start it with x- if it is your own.",
        "Corrigez le nom, ou faites-le commencer par x- s'il est à vous.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    enviroment:
      TZ: UTC
""",
    good="""
services:
  web:
    image: nginx:1.29
    environment:
      TZ: UTC
""",
    line=4,
)
def _unknown_service_key(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        known_keys: list[tuple[str, Mapping, dict[str, str] | frozenset[str]]] = [
            (service.name, service.node, keys.SERVICE)
        ]
        for key, known in keys.NESTED.items():
            nested = service.mapping(key)
            if nested:
                known_keys.append((f"{service.name}.{key}", nested, known))
        for where, node, known_here in known_keys:
            for name, entry in node.entries.items():
                if name not in known_here and not name.startswith("x-"):
                    values = {"where": where, "name": name, **_hint(name, known_here)}
                    yield Hit(f"{where}.{name}", entry.key, values)


@rule(
    "version",
    Severity.LOW,
    title=Texts("The key version is obsolete", "La clé version est obsolète"),
    why=Texts(
        "Compose ignores it and warns at every command; the file is read by the current specification whatever "
        "it says.",
        "Compose l'ignore et avertit à chaque commande ; le fichier est lu selon la spécification actuelle quoi "
        "qu'elle dise.",
    ),
    fix=Texts("Remove the line.", "Supprimez la ligne."),
    bad="""
version: "3.8"
services:
  web:
    image: nginx:1.29
""",
    good="""
services:
  web:
    image: nginx:1.29
""",
    line=1,
    fixable=True,
)
def _version(file: ComposeFile) -> Iterator[Hit]:
    entry = file.top.get("version")
    if entry and isinstance(entry.value, Scalar):
        alone = len(file.top) == 1
        yield Hit("version", entry.key, edits=() if alone else whole_line(file, entry.key, entry.value))


@rule(
    "links",
    Severity.LOW,
    title=Texts("{service} uses links", "{service} utilise links"),
    why=Texts(
        "Links are a legacy of Docker's first network; services of one network reach each other by name without them.",
        "Les links datent du premier réseau de Docker ; les services d'un même réseau s'atteignent par leur nom "
        "sans eux.",
    ),
    fix=Texts(
        "Use the service's name as host name, depends_on for the order, and a network alias for another name.",
        "Utilisez le nom du service comme nom d'hôte, depends_on pour l'ordre, et un alias de réseau pour un "
        "autre nom.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    links:
      - api
  api:
    image: httpd:2.4
""",
    good="""
services:
  web:
    image: nginx:1.29
    depends_on:
      - api
  api:
    image: httpd:2.4
""",
    line=4,
)
def _links(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        if entry := service.entry("links"):
            yield Hit(service.name, entry.key, {"service": service.name})


@rule(
    "nothing-to-run",
    Severity.HIGH,
    title=Texts("{service} has neither image nor build", "{service} n'a ni image ni build"),
    why=Texts(
        "Compose cannot know what to run and refuses the whole file.",
        "Compose ne peut pas savoir quoi lancer et refuse tout le fichier.",
    ),
    fix=Texts("Name an image, or the folder to build.", "Indiquez une image, ou le dossier à construire."),
    bad="""
services:
  web:
    ports: ["80:80"]
""",
    good="""
services:
  web:
    image: nginx:1.29
    ports: ["80:80"]
""",
    line=2,
)
def _nothing_to_run(file: ComposeFile) -> Iterator[Hit]:
    if not file.base or "include" in file.top:
        return
    for service in file.services.values():
        if file.partial(service) and not file.somewhere(service, "image", "build", "extends", "provider"):
            yield Hit(service.name, service.key, {"service": service.name})


@rule(
    "duplicate-item",
    Severity.MEDIUM,
    title=Texts("{name} lists {value} twice", "{name} contient {value} deux fois"),
    why=Texts(
        "Items of this list must be unique; Compose refuses the file.",
        "Les éléments de cette liste doivent être uniques ; Compose refuse le fichier.",
    ),
    fix=Texts("Remove one of them.", "Supprimez l'un des deux."),
    bad="""
services:
  web:
    image: nginx:1.29
    cap_drop:
      - ALL
      - ALL
""",
    good="""
services:
  web:
    image: nginx:1.29
    cap_drop:
      - ALL
""",
    line=6,
)
def _duplicate_item(file: ComposeFile) -> Iterator[Hit]:
    unique = (
        "cap_add",
        "cap_drop",
        "depends_on",
        "dns_opt",
        "expose",
        "links",
        "ports",
        "profiles",
        "security_opt",
        "volumes",
    )
    for service in file.services.values():
        for key in unique:
            seen: set[str] = set()
            for item in service.items(key):
                if isinstance(item, Scalar):
                    if item.text in seen:
                        values = {"name": f"{service.name}.{key}", "value": item.text}
                        yield Hit(f"{service.name}.{key}.{item.text}", item, values)
                    seen.add(item.text)
