"""Rules on what keeps services running: health, restart, limits, data."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose.edits import added_keys
from nextgeneration.tools.compose.images import image_of, known_store
from nextgeneration.tools.compose.model import ComposeFile, Service, joined
from nextgeneration.tools.compose.ports import host_ports, ports_of
from nextgeneration.tools.compose.rule import Hit, Topic, listed
from nextgeneration.tools.compose.waiting import checked, probe_edits, waiting_edits
from nextgeneration.tools.compose.yaml_tree import Mapping, Scalar, Sequence

rule = Topic(Texts("Reliability", "Fiabilité"))

_ONE_SHOT = re.compile(
    r"(?:^|[-_./ ])(?:migrat\w*|init\w*|setup|seed\w*|tests?|testing|e2e|jobs?|cli|backup|restore|creat\w*|bootstrap|"
    r"install\w*|lint\w*|build\w*|provision\w*|load(?:er|data)?|import\w*|generat\w*|config(?:ure)?|certbot|fixtures?|"
    r"download\w*|bench\w*)(?:$|[-_./ :])",
    re.IGNORECASE,
)
_LASTING = re.compile(
    r"(?:^|[-_])(?:workers?|servers?|api|web|www|app|proxy|gateway|scheduler|beat|consumers?|backend|frontend)(?:$|[-_0-9])"
)
_TESTING = re.compile(
    r"(?:^|[._/-])(?:tests?|testing|ci|e2e|dev|development|local|examples?|samples?|bench\w*)(?:$|[._/-])",
    re.IGNORECASE,
)


def _lasting(file: ComposeFile, service: Service) -> bool:
    """Whether the service shows that it is meant to run on: it serves ports, data, or others."""
    conditions = {condition for _, condition in file.depended_on.get(service.name, [])}
    said = f"{service.name} {service.command_text('command')} {service.command_text('entrypoint')}"
    if "service_completed_successfully" in conditions or service.has("profiles") or _ONE_SHOT.search(said):
        return False
    if service.has("ports", "healthcheck", "expose") or conditions or _LASTING.search(service.name):
        return True
    return known_store(image_of(service.text("image"))) is not None


@rule(
    "no-healthcheck",
    Severity.MEDIUM,
    confidence=0.9,
    title=Texts(
        "{service}, needed by {others}, has no health check",
        "{service}, dont dépend {others}, n'a pas de contrôle de santé",
    ),
    why=Texts(
        "Nothing tells when it is ready: what depends on it starts too early, and a hung service is never noticed.",
        "Rien ne dit quand il est prêt : ce qui en dépend démarre trop tôt, et un service bloqué n'est jamais "
        "remarqué.",
    ),
    fix=Texts(
        "Give it a healthcheck, and wait for it with condition: service_healthy.",
        "Donnez-lui un healthcheck, et attendez-le par condition: service_healthy.",
    ),
    bad="""
services:
  api:
    image: example/api:1.2
    depends_on:
      - db
  db:
    image: postgres:17
""",
    good="""
services:
  api:
    image: example/api:1.2
    depends_on:
      db:
        condition: service_healthy
  db:
    image: postgres:17
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U postgres"]
""",
    line=6,
    fixable=True,
)
def _no_healthcheck(file: ComposeFile) -> Iterator[Hit]:
    for service in file.whole():
        waiting = [
            other
            for other, condition in file.depended_on.get(service.name, [])
            if condition != "service_completed_successfully"
        ]
        if not waiting or file.somewhere(service, "healthcheck") or _checked_in_dockerfile(file, service):
            continue
        demanded = any(condition == "service_healthy" for _, condition in file.depended_on[service.name])
        store = known_store(image_of(service.text("image")))
        severity = Severity.HIGH if demanded and store else None if store else Severity.LOW
        values = {"service": service.name, "others": listed(dict.fromkeys(o.name for o in waiting))}
        yield Hit(service.name, service.key, values, severity=severity, edits=probe_edits(file, service))


def _checked_in_dockerfile(file: ComposeFile, service: Service) -> bool:
    """Whether the image is built here from a Dockerfile with a health check, or one that cannot be read."""
    build = service.value("build")
    if build is None:
        return False
    context, name = build, None
    if isinstance(build, Mapping):
        context = build.entries["context"].value if "context" in build.entries else None  # type: ignore[assignment]
        name = build.entries["dockerfile"].value if "dockerfile" in build.entries else None
    folder = context.text if isinstance(context, Scalar) else "."
    dockerfile = name.text if isinstance(name, Scalar) else "Dockerfile"
    text = file.around.read(joined(joined(file.folder, folder), dockerfile))
    return text is None or "HEALTHCHECK" in text.upper()


@rule(
    "waits-for-start",
    Severity.INFO,
    title=Texts(
        "{service} waits for {names} to be started, not to be healthy",
        "{service} attend que {names} soit lancé, pas qu'il soit en bonne santé",
    ),
    why=Texts(
        "There is a health check, but the short form of depends_on does not use it.",
        "Un contrôle de santé existe, mais la forme courte de depends_on ne l'utilise pas.",
    ),
    fix=Texts(
        "Use the long form with condition: service_healthy.",
        "Utilisez la forme longue avec condition: service_healthy.",
    ),
    bad="""
services:
  api:
    image: example/api:1.2
    depends_on:
      - db
  db:
    image: postgres:17
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U postgres"]
""",
    good="""
services:
  api:
    image: example/api:1.2
    depends_on:
      db:
        condition: service_healthy
  db:
    image: postgres:17
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U postgres"]
""",
    line=5,
    fixable=True,
)
def _waits_for_start(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        value = service.value("depends_on")
        if isinstance(value, Sequence):
            healthy = [n for n in service.names("depends_on") if checked(file, n.text)]
            if healthy:
                values = {"service": service.name, "names": listed(n.text for n in healthy)}
                yield Hit(service.name, healthy[0], values, edits=waiting_edits(file, service))


@rule(
    "no-restart",
    Severity.LOW,
    title=Texts("{service} has no restart policy", "{service} n'a pas de politique de redémarrage"),
    why=Texts(
        "After a crash or a reboot of the host it stays down until somebody notices.",
        "Après une panne ou un redémarrage de l'hôte, il reste arrêté jusqu'à ce que quelqu'un le remarque.",
    ),
    fix=Texts("Add restart: unless-stopped.", "Ajoutez restart: unless-stopped."),
    bad="""
services:
  web:
    image: nginx:1.29
    ports: ["80:80"]
""",
    good="""
services:
  web:
    image: nginx:1.29
    restart: unless-stopped
    ports: ["80:80"]
""",
    line=2,
    fixable=True,
)
def _no_restart(file: ComposeFile) -> Iterator[Hit]:
    for service in file.whole():
        policy = service.mapping("deploy", "restart_policy")
        if policy or file.somewhere(service, "restart") or not _lasting(file, service):
            continue
        said = "restart: unless-stopped"
        yield Hit(
            service.name, service.key, {"service": service.name}, edits=added_keys(file, service, [said], said, 0)
        )


@rule(
    "no-limits",
    Severity.LOW,
    title=Texts("Services without a memory limit: {names}", "Services sans limite de mémoire : {names}"),
    why=Texts(
        "A leak in one service takes the memory of the whole host and brings down the others.",
        "Une fuite dans un service prend la mémoire de tout l'hôte et fait tomber les autres.",
    ),
    fix=Texts(
        "Give each deploy.resources.limits.memory (and cpus), from what it uses at its peak.",
        "Donnez à chacun deploy.resources.limits.memory (et cpus), d'après sa consommation maximale.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    ports: ["80:80"]
""",
    good="""
services:
  web:
    image: nginx:1.29
    ports: ["80:80"]
    deploy:
      resources:
        limits:
          memory: 256m
""",
    line=2,
)
def _no_limits(file: ComposeFile) -> Iterator[Hit]:
    unlimited = []
    for service in file.whole():
        limits = service.mapping("deploy", "resources", "limits")
        said = file.somewhere(service, "mem_limit") or (limits is not None and "memory" in limits.entries)
        elsewhere = any(
            (other := sibling.services.get(service.name)) and other.mapping("deploy", "resources", "limits")
            for sibling in file.siblings
        )
        if not said and not elsewhere and _lasting(file, service):
            unlimited.append(service)
    if unlimited:
        yield Hit("services", unlimited[0].key, {"names": listed(s.name for s in unlimited)})


@rule(
    "unbounded-log",
    Severity.INFO,
    title=Texts(
        "Services whose log can grow without end: {names}", "Services dont le journal peut grandir sans fin : {names}"
    ),
    why=Texts(
        "Docker's default log file is not rotated; unless the daemon is configured, it fills the disk.",
        "Le journal par défaut de Docker n'est pas tournant ; sauf réglage du démon, il remplit le disque.",
    ),
    fix=Texts(
        "Set logging.options max-size and max-file, or configure the daemon.",
        "Réglez logging.options max-size et max-file, ou configurez le démon.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    ports: ["80:80"]
""",
    good="""
services:
  web:
    image: nginx:1.29
    ports: ["80:80"]
    logging:
      options: {max-size: 10m, max-file: "3"}
""",
    line=2,
)
def _unbounded_log(file: ComposeFile) -> Iterator[Hit]:
    silent = [s for s in file.whole() if not file.somewhere(s, "logging") and _lasting(file, s)]
    if silent:
        yield Hit("services", silent[0].key, {"names": listed(s.name for s in silent)})


@rule(
    "no-volume",
    Severity.MEDIUM,
    confidence=0.8,
    title=Texts(
        "{service}: the data of {what} is on no named volume",
        "{service} : les données de {what} ne sont sur aucun volume nommé",
    ),
    why=Texts(
        "`docker compose down` throws the container away, and its data is lost or left in a nameless volume.",
        "`docker compose down` jette le conteneur, et ses données sont perdues ou laissées dans un volume sans nom.",
    ),
    fix=Texts("Mount a named volume on {path}.", "Montez un volume nommé sur {path}."),
    bad="""
services:
  db:
    image: postgres:17
""",
    good="""
services:
  db:
    image: postgres:17
    volumes:
      - data:/var/lib/postgresql/data
volumes:
  data: {}
""",
    line=2,
)
def _no_volume(file: ComposeFile) -> Iterator[Hit]:
    if _TESTING.search(file.path):
        return
    for service in file.whole():
        known = known_store(image_of(service.text("image")))
        if not known or not known.data or file.somewhere(service, "volumes", "tmpfs", "volumes_from"):
            continue
        if not service.has("profiles") and not _TESTING.search(service.name):
            values = {"service": service.name, "what": known.title, "path": known.data}
            yield Hit(service.name, service.key, values)


def _copies(service: Service) -> tuple[int, Scalar | None]:
    """How many containers the service asks for, and where it says so."""
    deploy = service.mapping("deploy")
    entry = deploy.entries.get("replicas") if deploy else None
    value = service.scalar("scale") or (entry.value if entry else None)
    if isinstance(value, Scalar) and value.text.isdecimal() and len(value.text) < 6:
        return int(value.text), value
    return 1, None


@rule(
    "container-name-copies",
    Severity.HIGH,
    title=Texts(
        "{service} has a fixed container_name and {count} copies",
        "{service} a un container_name fixe et {count} copies",
    ),
    why=Texts(
        "A name belongs to one container: Compose refuses the file.",
        "Un nom n'appartient qu'à un conteneur : Compose refuse le fichier.",
    ),
    fix=Texts("Remove container_name.", "Retirez container_name."),
    bad="""
services:
  web:
    image: nginx:1.29
    container_name: web
    deploy:
      replicas: 3
""",
    good="""
services:
  web:
    image: nginx:1.29
    deploy:
      replicas: 3
""",
    line=4,
)
def _container_name_copies(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        count, _ = _copies(service)
        name = service.entry("container_name")
        if count > 1 and name:
            yield Hit(service.name, name.key, {"service": service.name, "count": str(count)})


@rule(
    "port-copies",
    Severity.HIGH,
    confidence=0.8,
    title=Texts(
        "{service} publishes host port {port} and asks for {count} copies",
        "{service} publie le port {port} de l'hôte et demande {count} copies",
    ),
    why=Texts(
        "Outside a swarm only one container can have the host port; the others do not start.",
        "Hors d'un essaim, un seul conteneur peut avoir ce port de l'hôte ; les autres ne démarrent pas.",
    ),
    fix=Texts(
        "Publish a range or no host port, and put a proxy before the copies.",
        "Publiez une plage ou aucun port de l'hôte, et placez un mandataire devant les copies.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    ports: ["8080:80"]
    scale: 2
""",
    good="""
services:
  web:
    image: nginx:1.29
    ports: ["8080-8081:80"]
    scale: 2
""",
    line=4,
)
def _port_copies(file: ComposeFile) -> Iterator[Hit]:
    swarm = {"placement", "update_config", "rollback_config", "endpoint_mode", "mode", "restart_policy"}
    for service in file.services.values():
        count, _ = _copies(service)
        deploy = service.mapping("deploy")
        if count < 2 or (deploy and swarm & set(deploy.entries)):
            continue
        for port in ports_of(service):
            if numbers := host_ports(port):
                values = {"service": service.name, "port": str(numbers[0]), "count": str(count)}
                yield Hit(f"{service.name}.{numbers[0]}", port.node, values)


@rule(
    "container-name-clash",
    Severity.HIGH,
    title=Texts(
        "{service} and {other} have the same container_name", "{service} et {other} ont le même container_name"
    ),
    why=Texts(
        "A name belongs to one container: the second is refused.",
        "Un nom n'appartient qu'à un conteneur : le second est refusé.",
    ),
    fix=Texts("Give each its own name, or none.", "Donnez à chacun le sien, ou aucun."),
    bad="""
services:
  web:
    image: nginx:1.29
    container_name: app
  api:
    image: httpd:2.4
    container_name: app
""",
    good="""
services:
  web:
    image: nginx:1.29
    container_name: app-web
  api:
    image: httpd:2.4
    container_name: app-api
""",
    line=7,
)
def _container_name_clash(file: ComposeFile) -> Iterator[Hit]:
    holders: dict[str, str] = {}
    for service in file.services.values():
        name = service.scalar("container_name")
        if name and "$" not in name.text and not service.has("profiles"):
            other = holders.setdefault(name.text, service.name)
            if other != service.name:
                yield Hit(service.name, name, {"service": service.name, "other": other})
