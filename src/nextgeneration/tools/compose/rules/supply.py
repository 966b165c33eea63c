"""Rules on images and builds."""

from __future__ import annotations

from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose.images import ended, image_of
from nextgeneration.tools.compose.interpolation import read, settled
from nextgeneration.tools.compose.model import ComposeFile, Service, joined
from nextgeneration.tools.compose.rule import Hit, Topic, listed
from nextgeneration.tools.compose.yaml_tree import Mapping, Scalar

rule = Topic(Texts("Images and builds", "Images et constructions"))


def _cause(file: ComposeFile, service: Service) -> str:
    return f"image-unpinned:{file.path}:{service.name}"


@rule(
    "image-latest",
    Severity.MEDIUM,
    title=Texts(
        "{service}: the image {image} names no version", "{service} : l'image {image} n'indique pas de version"
    ),
    why=Texts(
        "Each pull may bring another version: the same file gives different systems, and an upgrade comes unasked.",
        "Chaque téléchargement peut donner une autre version : le même fichier produit des systèmes différents, et une "
        "mise à niveau arrive sans être demandée.",
    ),
    fix=Texts("Name the version you run today.", "Indiquez la version que vous utilisez aujourd'hui."),
    bad="""
services:
  web:
    image: nginx
""",
    good="""
services:
  web:
    image: nginx:1.29
""",
    line=3,
)
def _image_latest(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        node = service.scalar("image")
        image = image_of(node.text) if node else None
        if node is None or image is None or file.somewhere(service, "build") or image.digest:
            continue
        if image.tag in ("", "latest"):
            severity = Severity.LOW if read(node.text).variables else None
            values = {"service": service.name, "image": image.reference}
            yield Hit(service.name, node, values, severity=severity, cause=_cause(file, service))


@rule(
    "image-digest",
    Severity.INFO,
    title=Texts("Images without a digest: {names}", "Images sans empreinte : {names}"),
    why=Texts(
        "A tag can be moved to another image by whoever owns the repository; a digest cannot.",
        "Le propriétaire du dépôt peut déplacer une étiquette vers une autre image ; une empreinte, non.",
    ),
    fix=Texts(
        "For production add the digest: name:tag@sha256:….",
        "Pour la production, ajoutez l'empreinte : nom:étiquette@sha256:….",
    ),
    bad="""
services:
  web:
    image: nginx:1.29
""",
    good="""
services:
  web:
    image: nginx:1.29@sha256:2ed5d1a9e2c2a8a3e5a5ef0f3ff1b5dd8e9bd7a1f9ff9a1a8d8e7b6c5d4e3f2a
""",
    line=3,
)
def _image_digest(file: ComposeFile) -> Iterator[Hit]:
    found: dict[str, Scalar] = {}
    for service in file.services.values():
        node = service.scalar("image")
        image = image_of(node.text) if node else None
        tagged = image is not None and image.tag not in ("", "latest") and not image.digest
        if node and tagged and not file.somewhere(service, "build"):
            found[service.name] = node
    if found:
        yield Hit("images", next(iter(found.values())), {"names": listed(found)})


@rule(
    "image-ended",
    Severity.MEDIUM,
    title=Texts(
        "{service}: support of {image} ended in {month}", "{service} : le support de {image} a pris fin en {month}"
    ),
    why=Texts(
        "The release line gets no security corrections any more.",
        "Cette version ne reçoit plus de correctifs de sécurité.",
    ),
    fix=Texts(
        "Move to a supported release; for a database, export and import the data.",
        "Passez à une version suivie ; pour une base, exportez puis importez les données.",
    ),
    bad="""
services:
  db:
    image: postgres:11-alpine
""",
    good="""
services:
  db:
    image: postgres:17-alpine
""",
    line=3,
)
def _image_ended(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        node = service.scalar("image")
        image = image_of(node.text) if node else None
        line = ended(image) if image and not file.somewhere(service, "build") else None
        if node and image and line:
            values = {"service": service.name, "image": f"{image.name} {line[0]}", "month": line[1]}
            yield Hit(service.name, node, values)


@rule(
    "image-and-build",
    Severity.INFO,
    title=Texts(
        "{service}: what is built is named {image} without a version",
        "{service} : ce qui est construit s'appelle {image}, sans version",
    ),
    why=Texts(
        "Each build replaces the image of the same name: there is no way back to the one before.",
        "Chaque construction remplace l'image du même nom : aucun retour à la précédente n'est possible.",
    ),
    fix=Texts(
        "Give the image a tag, such as ${{VERSION:-dev}}.", "Donnez une étiquette à l'image, comme ${{VERSION:-dev}}."
    ),
    bad="""
services:
  web:
    build: .
    image: example/web
""",
    good="""
services:
  web:
    build: .
    image: example/web:1.4
""",
    line=4,
    beside={"Dockerfile": "FROM scratch\n"},
)
def _image_and_build(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        node = service.scalar("image")
        image = image_of(node.text) if node else None
        if node and image and service.has("build") and image.tag in ("", "latest") and not image.digest:
            yield Hit(service.name, node, {"service": service.name, "image": image.reference})


@rule(
    "build-argument-latest",
    Severity.LOW,
    title=Texts(
        "{service}: the build argument {name} ends in :latest", "{service} : l'argument {name} finit par :latest"
    ),
    why=Texts(
        "The image is built on whatever is newest that day.",
        "L'image est construite sur ce qui est le plus récent ce jour-là.",
    ),
    fix=Texts("Name the version.", "Indiquez la version."),
    bad="""
services:
  web:
    build:
      context: .
      args:
        BASE_IMAGE: python:latest
""",
    good="""
services:
  web:
    build:
      context: .
      args:
        BASE_IMAGE: python:3.13-slim
""",
    line=6,
    beside={"Dockerfile": "FROM scratch\n"},
)
def _build_argument_latest(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for variable in service.build_args():
            if (settled(variable.value or "") or "").endswith(":latest"):
                values = {"service": service.name, "name": variable.name}
                yield Hit(f"{service.name}.{variable.name}", variable.node, values)


def _builds(file: ComposeFile) -> Iterator[tuple[Service, Scalar | None, str, Scalar | None, str]]:
    """Local builds: the service, context (node, path) and Dockerfile (node, path)."""
    for service in file.services.values():
        build = service.value("build")
        context: Scalar | None = None
        dockerfile: Scalar | None = None
        if isinstance(build, Scalar):
            context = build
        elif isinstance(build, Mapping):
            found = {k: e.value for k, e in build.entries.items() if isinstance(e.value, Scalar)}
            context, dockerfile = found.get("context"), found.get("dockerfile")
            if "dockerfile_inline" in build.entries or (context is None and dockerfile is None):
                continue
        else:
            continue
        folder = settled(context.text) if context else "."
        name = settled(dockerfile.text) if dockerfile else "Dockerfile"
        remote = folder is None or "://" in folder or folder.startswith(("git@", "github.com/", "~", "service:"))
        if folder is not None and name is not None and not remote:
            yield service, context, folder, dockerfile, name


@rule(
    "build-context",
    Severity.HIGH,
    title=Texts(
        "{service}: the folder to build, {path}, does not exist",
        "{service} : le dossier à construire, {path}, n'existe pas",
    ),
    why=Texts("The build fails at once.", "La construction échoue aussitôt."),
    fix=Texts(
        "Correct the path; it is relative to the compose file.", "Corrigez le chemin ; il part du fichier compose."
    ),
    bad="""
services:
  web:
    build: ./wep
""",
    good="""
services:
  web:
    build: ./web
""",
    line=3,
    beside={"web/Dockerfile": "FROM scratch\n"},
)
def _build_context(file: ComposeFile) -> Iterator[Hit]:
    for service, node, folder, _, _ in _builds(file):
        if node and file.around.kind(file.folder, folder) == "missing":
            yield Hit(service.name, node, {"service": service.name, "path": folder}, confidence=_sure(file))


def _sure(file: ComposeFile) -> float:
    """Paths of an overlay start from the first file's folder, which may be another one."""
    return 1.0 if file.base else 0.7


@rule(
    "dockerfile",
    Severity.HIGH,
    title=Texts("{service}: there is no {path}", "{service} : {path} n'existe pas"),
    why=Texts("The build fails at once.", "La construction échoue aussitôt."),
    fix=Texts(
        "Correct the name; it is relative to the build context.",
        "Corrigez le nom ; il part du contexte de construction.",
    ),
    bad="""
services:
  web:
    build:
      context: ./web
      dockerfile: Dockerfile.prod
""",
    good="""
services:
  web:
    build:
      context: ./web
""",
    line=5,
    beside={"web/Dockerfile": "FROM scratch\n"},
)
def _dockerfile(file: ComposeFile) -> Iterator[Hit]:
    for service, context, folder, node, name in _builds(file):
        if file.around.kind(file.folder, folder) != "folder":
            continue
        path = joined(folder, name)
        if file.around.kind(file.folder, path) == "missing":
            at = node or context or service.key
            yield Hit(service.name, at, {"service": service.name, "path": path}, confidence=_sure(file))
