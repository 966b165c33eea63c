"""Rules on names that must be defined somewhere, and definitions that somebody should use."""

from __future__ import annotations

from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose import keys
from nextgeneration.tools.compose.model import SECTIONS, ComposeFile, Service
from nextgeneration.tools.compose.rule import Hit, Topic
from nextgeneration.tools.compose.yaml_tree import Mapping, Node, Scalar

rule = Topic(Texts("References", "Références"))


def _hint(name: str, known: frozenset[str]) -> dict[str, str]:
    near = keys.nearest(name, sorted(known - {name}))
    return {
        "hint": f"; did you mean {near}?" if near else "",
        "indice": f" ; vouliez-vous dire {near} ?" if near else "",
    }


@rule(
    "dangling-depends-on",
    Severity.HIGH,
    title=Texts(
        "{service} depends on {name}, which is no service{hint}",
        "{service} dépend de {name}, qui n'est pas un service{indice}",
    ),
    why=Texts("Compose refuses the whole file.", "Compose refuse tout le fichier."),
    fix=Texts(
        "Correct the name, add the service, or remove the line.",
        "Corrigez le nom, ajoutez le service, ou retirez la ligne.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    depends_on:
      - databse
  database:
    image: postgres:17
""",
    good="""
services:
  web:
    image: nginx:1.29
    depends_on:
      - database
  database:
    image: postgres:17
""",
    line=5,
)
def _dangling_depends_on(file: ComposeFile) -> Iterator[Hit]:
    if file.open_ended:
        return
    for service in file.services.values():
        value = service.value("depends_on")
        for name in service.names("depends_on"):
            if name.text in file.service_names or "$" in name.text:
                continue
            if isinstance(value, Mapping) and _optional(value, name.text):
                continue
            values = {"service": service.name, "name": name.text, **_hint(name.text, file.service_names)}
            yield Hit(f"{service.name}.{name.text}", name, values)


def _optional(depends_on: Mapping, name: str) -> bool:
    entry = depends_on.entries[name].value
    required = entry.entries.get("required") if isinstance(entry, Mapping) else None
    return bool(required and isinstance(required.value, Scalar) and required.value.text.lower() == "false")


@rule(
    "dependency-cycle",
    Severity.HIGH,
    title=Texts(
        "Services depend on each other in a circle: {path}",
        "Des services dépendent les uns des autres en cercle : {path}",
    ),
    why=Texts(
        "None of them can be started first; Compose refuses the file.",
        "Aucun ne peut démarrer en premier ; Compose refuse le fichier.",
    ),
    fix=Texts("Remove one of the dependencies.", "Retirez l'une de ces dépendances."),
    bad="""
services:
  web:
    image: nginx:1.29
    depends_on: [api]
  api:
    image: httpd:2.4
    depends_on: [web]
""",
    good="""
services:
  web:
    image: nginx:1.29
    depends_on: [api]
  api:
    image: httpd:2.4
""",
    line=4,
)
def _dependency_cycle(file: ComposeFile) -> Iterator[Hit]:
    needs = {
        name: [n.text for n in service.names("depends_on") if n.text in file.services]
        for name, service in file.services.items()
    }
    for cycle in _cycles(needs):
        first = file.services[cycle[0]]
        at = next((n for n in first.names("depends_on") if n.text == cycle[1 % len(cycle)]), first.key)
        yield Hit(".".join(sorted(cycle)), at, {"path": " → ".join((*cycle, cycle[0]))})


def _cycles(needs: dict[str, list[str]]) -> list[list[str]]:
    """One cycle for each group of names that reach each other, found without recursion."""
    done: set[str] = set()
    found: list[list[str]] = []
    for start in needs:
        path: list[str] = []
        places: dict[str, int] = {}
        work = [] if start in done else [(start, iter(needs[start]))]
        if work:
            path.append(start)
            places[start] = 0
        while work:
            name, following = work[-1]
            step = next((n for n in following if n not in done), None)
            if step is None:
                work.pop()
                path.pop()
                del places[name]
                done.add(name)
            elif step in places:
                found.append(path[places[step] :])
            else:
                places[step] = len(path)
                path.append(step)
                work.append((step, iter(needs[step])))
    unique = {frozenset(cycle): cycle for cycle in reversed(found)}
    return list(unique.values())[::-1]


@rule(
    "undefined-service",
    Severity.HIGH,
    title=Texts(
        "{service}: {key} names {name}, which is no service{hint}",
        "{service} : {key} nomme {name}, qui n'est pas un service{indice}",
    ),
    why=Texts("Compose refuses the whole file.", "Compose refuse tout le fichier."),
    fix=Texts("Correct the name, or add the service.", "Corrigez le nom, ou ajoutez le service."),
    bad="""
services:
  web:
    image: nginx:1.29
    network_mode: service:vnp
  vpn:
    image: example/vpn:1.2
""",
    good="""
services:
  web:
    image: nginx:1.29
    network_mode: service:vpn
  vpn:
    image: example/vpn:1.2
""",
    line=4,
)
def _undefined_service(file: ComposeFile) -> Iterator[Hit]:
    if file.open_ended:
        return
    for service in file.services.values():
        for key, node, name in _service_references(service):
            if name and name not in file.service_names and "$" not in name:
                values = {"service": service.name, "key": key, "name": name, **_hint(name, file.service_names)}
                yield Hit(f"{service.name}.{key}.{name}", node, values)


def _service_references(service: Service) -> Iterator[tuple[str, Node, str]]:
    for key in ("network_mode", "pid", "ipc"):
        value = service.scalar(key)
        if value and value.text.startswith("service:"):
            yield key, value, value.text.removeprefix("service:")
    for key in ("links", "volumes_from"):
        for item in service.items(key):
            if isinstance(item, Scalar) and not item.text.startswith("container:"):
                yield key, item, item.text.split(":")[0]
    extends = service.mapping("extends")
    if extends and "file" not in extends.entries and "service" in extends.entries:
        node = extends.entries["service"].value
        if isinstance(node, Scalar):
            yield "extends", node, node.text


def _undefined(file: ComposeFile, section: str) -> Iterator[Hit]:
    if file.open_ended:
        return
    known = file.defined(section)
    for service in file.services.values():
        for name in _used(service, section):
            if name.text and name.text not in known and "$" not in name.text:
                if section == "networks" and name.text == "default":
                    continue
                text = name.text.split(":")[0] if section == "volumes" else name.text
                if text not in known:
                    values = {"service": service.name, "name": text, **_hint(text, known)}
                    yield Hit(f"{service.name}.{text}", name, values)


def _used(service: Service, section: str) -> list[Scalar]:
    """The names of a section that a service uses."""
    if section != "volumes":
        build = service.mapping("build")
        own = service.names(section)
        return own + (Service("", service.key, build).names("secrets") if build and section == "secrets" else [])
    found: list[Scalar] = []
    for mount in service.mounts():
        if mount.kind not in ("volume", "unknown") or not mount.source:
            continue
        if isinstance(mount.node, Scalar):
            found.append(mount.node)
        elif isinstance(mount.node, Mapping) and isinstance(mount.node.entries["source"].value, Scalar):
            found.append(mount.node.entries["source"].value)
    return found


_TITLES = {
    "networks": Texts(
        "{service}: the network {name} is not defined{hint}", "{service} : le réseau {name} n'est pas défini{indice}"
    ),
    "volumes": Texts(
        "{service}: the volume {name} is not defined{hint}", "{service} : le volume {name} n'est pas défini{indice}"
    ),
    "secrets": Texts(
        "{service}: the secret {name} is not defined{hint}", "{service} : le secret {name} n'est pas défini{indice}"
    ),
    "configs": Texts(
        "{service}: the config {name} is not defined{hint}", "{service} : la config {name} n'est pas définie{indice}"
    ),
}
_EXAMPLES = {
    "networks": ("networks: [front]", "networks:\n  front: {}\n"),
    "volumes": ("volumes: [data:/srv]", "volumes:\n  data: {}\n"),
    "secrets": ("secrets: [key]", "secrets:\n  key:\n    environment: KEY\n"),
    "configs": ("configs: [site]", "configs:\n  site:\n    content: hello\n"),
}


def _declare_undefined(section: str) -> None:
    use, definition = _EXAMPLES[section]
    service = f"services:\n  web:\n    image: nginx:1.29\n    {use}\n"

    @rule(
        f"undefined-{section.removesuffix('s')}",
        Severity.HIGH,
        title=_TITLES[section],
        why=Texts("Compose refuses the whole file.", "Compose refuse tout le fichier."),
        fix=Texts(
            f"Define it under the top-level key {section}, or correct the name.",
            f"Définissez-le sous la clé {section} du premier niveau, ou corrigez le nom.",
        ),
        bad=service,
        good=service + definition,
        line=4,
    )
    def undefined(file: ComposeFile) -> Iterator[Hit]:
        yield from _undefined(file, section)


for _section in SECTIONS:
    _declare_undefined(_section)


@rule(
    "unused-volume",
    Severity.LOW,
    title=Texts("No service uses the volume {name}", "Aucun service n'utilise le volume {name}"),
    why=Texts(
        "It is a leftover, or a service's mount is misspelt and its data goes elsewhere.",
        "C'est un reste, ou le montage d'un service est mal écrit et ses données vont ailleurs.",
    ),
    fix=Texts("Remove it, or mount it where it belongs.", "Retirez-le, ou montez-le là où il faut."),
    bad="""
services:
  web:
    image: nginx:1.29
volumes:
  data: {}
""",
    good="""
services:
  web:
    image: nginx:1.29
    volumes: [data:/srv]
volumes:
  data: {}
""",
    line=5,
)
def _unused_volume(file: ComposeFile) -> Iterator[Hit]:
    yield from _unused(file, "volumes")


@rule(
    "unused-network",
    Severity.LOW,
    title=Texts("No service uses the network {name}", "Aucun service n'utilise le réseau {name}"),
    why=Texts(
        "It is a leftover, or a service that should be separated still is on the default network.",
        "C'est un reste, ou un service à isoler est encore sur le réseau par défaut.",
    ),
    fix=Texts("Remove it, or name it in a service.", "Retirez-le, ou nommez-le dans un service."),
    bad="""
services:
  web:
    image: nginx:1.29
networks:
  back: {}
""",
    good="""
services:
  web:
    image: nginx:1.29
    networks: [back]
networks:
  back: {}
""",
    line=5,
)
def _unused_network(file: ComposeFile) -> Iterator[Hit]:
    yield from _unused(file, "networks")


def _unused(file: ComposeFile, section: str) -> Iterator[Hit]:
    """Definitions nobody uses; only where every user is known."""
    everyone = [file, *file.siblings]
    if any("include" in f.top for f in everyone) or not file.services:
        return
    services = [service for f in everyone for service in f.services.values()]
    if any(service.has("extends") for service in services):
        return
    used = {
        name.text.split(":")[0] if section == "volumes" else name.text for s in services for name in _used(s, section)
    }
    if any("$" in name for name in used):
        return
    for name, entry in file.section(section).items():
        if name not in used and not (section == "networks" and name == "default"):
            yield Hit(name, entry.key, {"name": name})
