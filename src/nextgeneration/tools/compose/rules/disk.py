"""Rules on files that a compose file names, and on what it mounts where."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose.interpolation import settled
from nextgeneration.tools.compose.model import ComposeFile, Service
from nextgeneration.tools.compose.rule import Hit, Topic
from nextgeneration.tools.compose.yaml_tree import Mapping, Scalar

rule = Topic(Texts("Files and mounts", "Fichiers et montages"))

_SAMPLES = (".example", ".sample", ".template", ".dist", "-example", "-sample", ".tmpl")


def _missing(file: ComposeFile, path: str | None) -> bool:
    """Whether a path given in the file is known not to exist; unknown for what leaves the workspace."""
    if not path or path.startswith(("/", "~")) or "://" in path or "$" in path or "\\" in path:
        return False
    return file.around.kind(file.folder, path) == "missing"


def _sample(file: ComposeFile, path: str) -> str:
    """A sample beside a missing file that it is meant to be copied from."""
    folder, name = posixpath.split(path)
    names = [name + suffix for suffix in _SAMPLES]
    if name.startswith(".env"):
        names += [".env.example", "env.example", ".env.sample", "example.env", ".env.template", ".env.dist"]
    for candidate in names:
        place = posixpath.join(folder, candidate)
        if file.around.kind(file.folder, place) == "file":
            return place
    return ""


def _env_files(service: Service) -> Iterator[Scalar]:
    for item in service.items("env_file"):
        if isinstance(item, Scalar):
            yield item
        elif isinstance(item, Mapping):
            path = item.entries.get("path")
            required = item.entries.get("required")
            optional = required and isinstance(required.value, Scalar) and required.value.text.lower() == "false"
            if path and isinstance(path.value, Scalar) and not optional:
                yield path.value


@rule(
    "env-file",
    Severity.MEDIUM,
    title=Texts("{service}: the env_file {path} does not exist", "{service} : l'env_file {path} n'existe pas"),
    why=Texts("Compose stops before anything starts.{sample}", "Compose s'arrête avant tout démarrage.{modele}"),
    fix=Texts(
        "Create the file, correct the path, or mark it required: false.",
        "Créez le fichier, corrigez le chemin, ou marquez-le required: false.",
    ),
    bad="""
services:
  api:
    image: example/api:1.2
    env_file: api.env
""",
    good="""
services:
  api:
    image: example/api:1.2
    env_file:
      - path: api.env
        required: false
""",
    line=4,
)
def _env_file(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for node in _env_files(service):
            path = settled(node.text)
            if path and _missing(file, path):
                sample = _sample(file, path)
                values = {
                    "service": service.name,
                    "path": path,
                    "sample": f" {sample} is there to be copied." if sample else "",
                    "modele": f" {sample} est là pour être copié." if sample else "",
                }
                severity = Severity.LOW if sample else None
                yield Hit(f"{service.name}.{path}", node, values, severity, confidence=None if file.base else 0.7)


@rule(
    "bind-source",
    Severity.MEDIUM,
    confidence=0.9,
    title=Texts("{service} mounts {path}, which does not exist", "{service} monte {path}, qui n'existe pas"),
    why=Texts(
        "Docker makes an empty folder of that name, owned by root, and the program finds a folder instead of its file.",
        "Docker crée un dossier vide de ce nom, appartenant à root, et le programme trouve un dossier au lieu de "
        "son fichier.",
    ),
    fix=Texts("Create the file or correct the path.", "Créez le fichier ou corrigez le chemin."),
    bad="""
services:
  web:
    image: nginx:1.29
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
""",
    good="""
services:
  web:
    image: nginx:1.29
    volumes:
      - ./site.conf:/etc/nginx/nginx.conf:ro
""",
    line=5,
    beside={"site.conf": "events {}\n"},
)
def _bind_source(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for mount in service.mounts():
            path = settled(mount.source) if mount.host else None
            if not path or not _missing(file, path):
                continue
            # A missing folder is often the program's own to fill; a missing file never is.
            source_type = posixpath.splitext(path)[1]
            is_file = bool(source_type) and source_type == posixpath.splitext(mount.target)[1]
            if is_file or not mount.creates:
                severity = Severity.LOW if _sample(file, path) else None
                values = {"service": service.name, "path": path}
                yield Hit(f"{service.name}.{path}", mount.node, values, severity, None if file.base else 0.7)


@rule(
    "source-file",
    Severity.LOW,
    title=Texts(
        "{section}.{name}: the file {path} does not exist", "{section}.{name} : le fichier {path} n'existe pas"
    ),
    why=Texts(
        "Services that use it do not start until the file is there.",
        "Les services qui l'utilisent ne démarrent pas tant que ce fichier manque.",
    ),
    fix=Texts(
        "Create it, and say in the README how; a secret's file is not committed.",
        "Créez-le, et dites comment dans le README ; le fichier d'un secret n'est pas versionné.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    configs: [site]
configs:
  site:
    file: ./site.cnf
""",
    good="""
services:
  web:
    image: nginx:1.29
    configs: [site]
configs:
  site:
    file: ./site.conf
""",
    line=7,
    beside={"site.conf": "events {}\n"},
)
def _source_file(file: ComposeFile) -> Iterator[Hit]:
    for section, severity in (("secrets", Severity.INFO), ("configs", None)):
        for name, entry in file.section(section).items():
            source = entry.value.entries.get("file") if isinstance(entry.value, Mapping) else None
            path = settled(source.value.text) if source and isinstance(source.value, Scalar) else None
            if source and path and _missing(file, path):
                values = {"section": section, "name": name, "path": path}
                yield Hit(f"{section}.{name}", source.value, values, severity)


@rule(
    "mount-clash",
    Severity.HIGH,
    title=Texts("{service} mounts two sources on {target}", "{service} monte deux sources sur {target}"),
    why=Texts(
        "Docker refuses the container: duplicate mount point.",
        "Docker refuse le conteneur : point de montage en double.",
    ),
    fix=Texts(
        "Keep one of them, or give the other its own path.", "Gardez-en une, ou donnez à l'autre son propre chemin."
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    volumes:
      - ./site:/srv
      - data:/srv
volumes:
  data: {}
""",
    good="""
services:
  web:
    image: nginx:1.29
    volumes:
      - ./site:/srv
      - data:/srv/data
volumes:
  data: {}
""",
    line=6,
)
def _mount_clash(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        seen: dict[str, str] = {}
        for mount in service.mounts():
            target = mount.target.rstrip("/") or mount.target
            if not target or "$" in target:
                continue
            other = seen.setdefault(target, mount.source)
            if other != mount.source:
                yield Hit(f"{service.name}.{target}", mount.node, {"service": service.name, "target": target})


@rule(
    "windows-path",
    Severity.LOW,
    title=Texts("{service} mounts the Windows path {path}", "{service} monte le chemin Windows {path}"),
    why=Texts(
        "The file works on one person's machine only: the path exists nowhere else.",
        "Le fichier ne marche que sur une machine : ce chemin n'existe nulle part ailleurs.",
    ),
    fix=Texts(
        "Use a path relative to the compose file, or a named volume.",
        "Utilisez un chemin relatif au fichier compose, ou un volume nommé.",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    volumes:
      - C:\\Users\\me\\site:/usr/share/nginx/html
""",
    good="""
services:
  web:
    image: nginx:1.29
    volumes:
      - ./site:/usr/share/nginx/html
""",
    line=5,
)
def _windows_path(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for item in service.items("volumes"):
            source = item.text if isinstance(item, Scalar) else ""
            if (
                isinstance(item, Mapping)
                and "source" in item.entries
                and isinstance(item.entries["source"].value, Scalar)
            ):
                source = item.entries["source"].value.text
            if (
                len(source) > 3
                and source[0].isalpha()
                and source[1] == ":"
                and source[2] in "\\/"
                and source[:2].isascii()
            ):
                # c:/data may be a volume named c; a backslash or a known folder is a drive's path.
                path = source.split(":/")[0] if "\\" in source else source.rsplit(":", 1)[0]
                if "\\" in source or source[3:].lower().startswith(("users", "program")):
                    yield Hit(f"{service.name}.{path}", item, {"service": service.name, "path": path})
