"""Rules on what separates a container from its host."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose.edits import replacement
from nextgeneration.tools.compose.interpolation import settled
from nextgeneration.tools.compose.model import ComposeFile, Mount, Service
from nextgeneration.tools.compose.rule import Hit, Topic, listed
from nextgeneration.tools.compose.yaml_tree import Mapping, Scalar

rule = Topic(Texts("Isolation", "Isolation"))

_SOCKETS = ("docker.sock", "podman.sock", "containerd.sock", "crio.sock")
_SENSITIVE = frozenset(
    {
        "/etc", "/root", "/home", "/boot", "/usr", "/bin", "/sbin", "/lib", "/var", "/var/lib", "/var/lib/docker",
        "/var/run", "/run", "/proc", "/sys", "/dev", "/etc/shadow", "/etc/passwd", "/etc/sudoers", "/etc/ssh",
        "/root/.ssh", "~", "$HOME", "${HOME}", "/mnt/c", "/var/lib/kubelet", "/etc/kubernetes",
    }
)  # fmt: skip
_HOME_SECRETS = (".ssh", ".aws", ".gnupg", ".kube", ".docker", ".config/gcloud", ".azure")
_WATCHED = frozenset(
    {"/proc", "/sys", "/var/lib/docker", "/var/run", "/run", "/etc/passwd", "/dev", "/var", "/var/lib"}
)
"""What monitoring agents read of a host; read-only, this is their job."""
_HIGH_CAPABILITIES = {
    "ALL": Texts("every privilege there is", "tous les privilèges existants"),
    "SYS_ADMIN": Texts(
        "mounting, namespaces and most of root", "les montages, les espaces de noms et presque tout root"
    ),
    "SYS_MODULE": Texts("loading kernel modules", "le chargement de modules du noyau"),
    "SYS_RAWIO": Texts("raw access to devices", "l'accès brut aux périphériques"),
    "DAC_READ_SEARCH": Texts("reading any file of the host", "la lecture de tout fichier de l'hôte"),
    "SYS_BOOT": Texts("rebooting the host", "le redémarrage de l'hôte"),
    "MAC_ADMIN": Texts("changing the security policy", "la modification de la politique de sécurité"),
    "BPF": Texts("programs inside the kernel", "des programmes dans le noyau"),
}
_MEDIUM_CAPABILITIES = {
    "SYS_PTRACE": Texts("reading the memory of other processes", "la lecture de la mémoire d'autres processus"),
    "NET_ADMIN": Texts("changing the network's configuration", "la modification de la configuration du réseau"),
    "SYS_TIME": Texts("setting the host's clock", "le réglage de l'horloge de l'hôte"),
    "SYSLOG": Texts("reading the kernel's log", "la lecture du journal du noyau"),
}
_RAW_DEVICE = re.compile(
    r"^/dev/(?:mem|kmem|port|kmsg|core|sd[a-z]\d*|nvme\d+n\d+(?:p\d+)?|vd[a-z]\d*|xvd[a-z]\d*|dm-\d+)$"
)


def _mounts(file: ComposeFile) -> Iterator[tuple[Service, Mount, str]]:
    """Host folders mounted into services, with the path in plain form."""
    for service in file.services.values():
        for mount in service.mounts():
            if mount.kind in ("bind", "unknown") and mount.source:
                source = settled(mount.source) or mount.source
                trailing = source.rstrip("/") or "/"
                yield service, mount, posixpath.normpath(trailing) if trailing.startswith("/") else trailing


def _is_socket(path: str) -> bool:
    return path.rsplit("/", 1)[-1] in _SOCKETS


@rule(
    "privileged",
    Severity.CRITICAL,
    title=Texts("{service} runs privileged", "{service} tourne en mode privilégié"),
    why=Texts(
        "A privileged container has all devices and capabilities of the host: whoever takes it over owns the machine.",
        "Un conteneur privilégié a tous les périphériques et capacités de l'hôte : qui s'en empare possède la machine.",
    ),
    fix=Texts(
        "Set it to false, and add only the capability or device that the program needs.",
        "Mettez-le à false, et n'ajoutez que la capacité ou le périphérique dont le programme a besoin.",
    ),
    bad="""
services:
  db:
    image: postgres:17
    privileged: true
""",
    good="""
services:
  db:
    image: postgres:17
    privileged: false
""",
    line=4,
    fixable=True,
)
def _privileged(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        if value := service.true("privileged"):
            yield Hit(service.name, value, {"service": service.name}, edits=replacement(value, "false"))


@rule(
    "docker-socket",
    Severity.CRITICAL,
    title=Texts("{service} has the container engine's socket", "{service} dispose de la prise du moteur de conteneurs"),
    why=Texts(
        "Through {source} a program starts any container with any mount: that is root on the host, read-only or not.",
        "Par {source}, un programme lance tout conteneur avec tout montage : c'est root sur l'hôte, en lecture "
        "seule ou non.",
    ),
    fix=Texts(
        "Remove the mount; if the engine must be asked, put a filtering socket proxy between.",
        "Retirez ce montage ; s'il faut interroger le moteur, placez un mandataire filtrant entre les deux.",
    ),
    bad="""
services:
  worker:
    image: example/worker:1.2
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock
""",
    good="""
services:
  worker:
    image: example/worker:1.2
    volumes:
      - ./jobs:/jobs
""",
    line=5,
)
def _docker_socket(file: ComposeFile) -> Iterator[Hit]:
    for service, mount, path in _mounts(file):
        if _is_socket(path):
            yield Hit(f"{service.name}.{path}", mount.node, {"service": service.name, "source": path})
    for service in file.services.values():
        if value := service.true("use_api_socket"):
            yield Hit(service.name, value, {"service": service.name, "source": "use_api_socket"})


@rule(
    "host-root",
    Severity.CRITICAL,
    title=Texts("{service} mounts the host's root folder", "{service} monte le dossier racine de l'hôte"),
    why=Texts(
        "Every file of the host is inside the container: keys, passwords, other containers' data.",
        "Chaque fichier de l'hôte est dans le conteneur : clés, mots de passe, données des autres conteneurs.",
    ),
    fix=Texts(
        "Mount only the folder that is needed; read-only where the program only looks.",
        "Montez seulement le dossier nécessaire ; en lecture seule si le programme ne fait que regarder.",
    ),
    bad="""
services:
  backup:
    image: example/backup:1.2
    volumes:
      - /:/host
""",
    good="""
services:
  backup:
    image: example/backup:1.2
    volumes:
      - /srv/orders:/host:ro
""",
    line=5,
)
def _host_root(file: ComposeFile) -> Iterator[Hit]:
    for service, mount, path in _mounts(file):
        if path == "/":
            read_only = mount.read_only
            severity = Severity.HIGH if read_only else None
            yield Hit(f"{service.name}.{path}", mount.node, {"service": service.name}, severity=severity)


@rule(
    "sensitive-mount",
    Severity.HIGH,
    title=Texts("{service} mounts {source} of the host", "{service} monte {source} de l'hôte"),
    why=Texts(
        "The folder holds credentials, the system's configuration or other programs' data.",
        "Ce dossier contient des identifiants, la configuration du système ou les données d'autres programmes.",
    ),
    fix=Texts(
        "Mount the single file or folder that is needed, read-only; hand over credentials as secrets.",
        "Montez le seul fichier ou dossier nécessaire, en lecture seule ; transmettez les identifiants par secrets.",
    ),
    bad="""
services:
  deploy:
    image: example/deploy:1.2
    volumes:
      - ~/.ssh:/root/.ssh
""",
    good="""
services:
  deploy:
    image: example/deploy:1.2
    volumes:
      - ./known_hosts:/root/.ssh/known_hosts:ro
""",
    line=5,
)
def _sensitive_mount(file: ComposeFile) -> Iterator[Hit]:
    for service, mount, path in _mounts(file):
        personal = path.startswith(("~", "$HOME", "${HOME}", "/root/", "/home/")) and path.endswith(_HOME_SECRETS)
        if (path in _SENSITIVE and not (mount.read_only and path in _WATCHED)) or personal:
            severity = Severity.MEDIUM if mount.read_only and not personal else None
            values = {"service": service.name, "source": mount.source}
            yield Hit(f"{service.name}.{path}", mount.node, values, severity=severity)


@rule(
    "host-network",
    Severity.MEDIUM,
    title=Texts("{service} uses the host's network", "{service} utilise le réseau de l'hôte"),
    why=Texts(
        "The container reaches everything that listens on the host's loopback, and each port it opens is open to all.",
        "Le conteneur atteint tout ce qui écoute sur la boucle locale de l'hôte, et chaque port qu'il ouvre "
        "l'est pour tous.",
    ),
    fix=Texts(
        "Use a network of the project and publish the ports that are needed.",
        "Utilisez un réseau du projet et publiez les ports nécessaires.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    network_mode: host
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
def _host_network(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        value = service.scalar("network_mode")
        if value and value.text == "host":
            yield Hit(service.name, value, {"service": service.name})


_NAMESPACES = {
    "pid": (Severity.HIGH, Texts("processes", "processus")),
    "ipc": (Severity.MEDIUM, Texts("shared memory", "mémoire partagée")),
    "userns_mode": (Severity.MEDIUM, Texts("users", "utilisateurs")),
    "uts": (Severity.LOW, Texts("host name", "nom d'hôte")),
    "cgroup": (Severity.MEDIUM, Texts("control groups", "groupes de contrôle")),
}


@rule(
    "host-namespace",
    Severity.HIGH,
    title=Texts("{service} shares the host's {what}", "{service} partage avec l'hôte : {quoi}"),
    why=Texts(
        "With {key}: host the container sees, and partly controls, what runs outside it.",
        "Avec {key}: host, le conteneur voit, et commande en partie, ce qui tourne hors de lui.",
    ),
    fix=Texts(
        "Remove the key; share with one service by service:NAME.",
        "Retirez la clé ; partagez avec un service par service:NOM.",
    ),
    bad="""
services:
  agent:
    image: example/agent:1.2
    pid: host
""",
    good="""
services:
  agent:
    image: example/agent:1.2
""",
    line=4,
)
def _host_namespace(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for key, (severity, what) in _NAMESPACES.items():
            value = service.scalar(key)
            if value and value.text == "host":
                values = {"service": service.name, "key": key, "what": what.en, "quoi": what.fr}
                yield Hit(f"{service.name}.{key}", value, values, severity=severity)


@rule(
    "capability",
    Severity.HIGH,
    title=Texts("{service} gets the capability {name}", "{service} reçoit la capacité {name}"),
    why=Texts("It allows {what}.", "Elle permet {quoi}."),
    fix=Texts(
        "Drop it, or name the smallest capability that does the work.",
        "Retirez-la, ou nommez la plus petite capacité qui suffit.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    cap_add:
      - SYS_ADMIN
""",
    good="""
services:
  web:
    image: nginx:1.29
    cap_add:
      - NET_BIND_SERVICE
""",
    line=5,
)
def _capability(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for item in service.items("cap_add"):
            name = item.text.upper().removeprefix("CAP_") if isinstance(item, Scalar) else ""
            what = _HIGH_CAPABILITIES.get(name) or _MEDIUM_CAPABILITIES.get(name)
            if what:
                values = {"service": service.name, "name": name, "what": what.en, "quoi": what.fr}
                severity = None if name in _HIGH_CAPABILITIES else Severity.LOW
                yield Hit(f"{service.name}.{name}", item, values, severity=severity)


@rule(
    "unconfined",
    Severity.HIGH,
    title=Texts("{service} switches off a protection: {option}", "{service} désactive une protection : {option}"),
    why=Texts(
        "The filter of system calls or the mandatory access control no longer stands between the program and the "
        "kernel.",
        "Le filtre d'appels système ou le contrôle d'accès obligatoire ne sépare plus le programme du noyau.",
    ),
    fix=Texts(
        "Remove the option, or give a profile of your own.", "Retirez cette option, ou donnez votre propre profil."
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    security_opt:
      - seccomp:unconfined
""",
    good="""
services:
  web:
    image: nginx:1.29
    security_opt:
      - no-new-privileges:true
""",
    line=5,
)
def _unconfined(file: ComposeFile) -> Iterator[Hit]:
    off = {
        "seccomp:unconfined",
        "apparmor:unconfined",
        "systempaths:unconfined",
        "label:disable",
        "no-new-privileges:false",
    }
    for service in file.services.values():
        for item in service.items("security_opt"):
            text = item.text.replace("=", ":") if isinstance(item, Scalar) else ""
            if text in off:
                severity = Severity.MEDIUM if text.startswith(("label", "no-new")) else None
                yield Hit(f"{service.name}.{text}", item, {"service": service.name, "option": text}, severity=severity)


@rule(
    "raw-device",
    Severity.HIGH,
    title=Texts("{service} gets the device {device}", "{service} reçoit le périphérique {device}"),
    why=Texts(
        "Disks and memory are handed over raw: every file or every process of the host can be read and changed.",
        "Un disque ou la mémoire est livré brut : tout fichier ou processus de l'hôte peut être lu et modifié.",
    ),
    fix=Texts(
        "Mount a folder instead, or hand over only the device needed.",
        "Montez un dossier, ou ne donnez que le périphérique nécessaire.",
    ),
    bad="""
services:
  disks:
    image: example/disks:1.2
    devices:
      - /dev/sda:/dev/sda
""",
    good="""
services:
  disks:
    image: example/disks:1.2
    devices:
      - /dev/ttyUSB0:/dev/ttyUSB0
""",
    line=5,
)
def _raw_device(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for item in service.items("devices"):
            source = item.entries["source"].value if isinstance(item, Mapping) and "source" in item.entries else item
            device = source.text.split(":")[0] if isinstance(source, Scalar) else ""
            if _RAW_DEVICE.match(device):
                yield Hit(f"{service.name}.{device}", item, {"service": service.name, "device": device})


@rule(
    "root-user",
    Severity.LOW,
    title=Texts("{service} asks to run as root", "{service} demande à tourner en root"),
    why=Texts(
        "A program that is taken over then starts from root inside the container, which makes an escape easier.",
        "Un programme compromis part alors de root dans le conteneur, ce qui facilite une évasion.",
    ),
    fix=Texts('Name an unprivileged user, such as "1000:1000".', 'Nommez un utilisateur ordinaire, comme "1000:1000".'),
    bad="""
services:
  web:
    image: nginx:1.29
    user: root
""",
    good="""
services:
  web:
    image: nginx:1.29
    user: "1000:1000"
""",
    line=4,
)
def _root_user(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        value = service.scalar("user")
        if value and value.text.split(":")[0] in ("root", "0"):
            yield Hit(service.name, value, {"service": service.name})


@rule(
    "writable-root",
    Severity.INFO,
    title=Texts(
        "Published services with a writable file system: {names}",
        "Services publiés au système de fichiers modifiable : {names}",
    ),
    why=Texts(
        "An intruder can leave programs in a container whose own files can be changed.",
        "Un intrus peut laisser des programmes dans un conteneur dont les fichiers propres sont modifiables.",
    ),
    fix=Texts(
        "Try read_only: true with a tmpfs for what the program writes.",
        "Essayez read_only: true avec un tmpfs pour ce que le programme écrit.",
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
    read_only: true
    tmpfs: [/var/cache/nginx, /run]
""",
    line=2,
)
def _writable_root(file: ComposeFile) -> Iterator[Hit]:
    open_to_change = [s for s in file.whole() if s.has("ports") and not file.somewhere(s, "read_only")]
    if open_to_change:
        yield Hit("services", open_to_change[0].key, {"names": listed(s.name for s in open_to_change)})
