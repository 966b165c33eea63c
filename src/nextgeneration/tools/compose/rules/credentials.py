"""Rules on secrets that stand in a compose file."""

from __future__ import annotations

from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose import secrets
from nextgeneration.tools.compose.interpolation import read, variable_only
from nextgeneration.tools.compose.model import ComposeFile, Service, Variable
from nextgeneration.tools.compose.ports import ports_of
from nextgeneration.tools.compose.rule import Hit, Topic
from nextgeneration.tools.compose.yaml_tree import Node, Scalar

rule = Topic(Texts("Secrets", "Secrets"))

_OPEN_SWITCHES = {
    "MYSQL_ALLOW_EMPTY_PASSWORD": ("1", "yes", "true", "on"),
    "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": ("1", "yes", "true", "on"),
    "ALLOW_EMPTY_PASSWORD": ("1", "yes", "true", "on"),
    "ALLOW_ANONYMOUS_LOGIN": ("1", "yes", "true", "on"),
    "POSTGRES_HOST_AUTH_METHOD": ("trust",),
    "XPACK.SECURITY.ENABLED": ("false",),
    "DISABLE_SECURITY_PLUGIN": ("true",),
    "PLUGINS.SECURITY.DISABLED": ("true",),
    "NEO4J_AUTH": ("none",),
    "GF_AUTH_ANONYMOUS_ENABLED": ("true",),
}


def _cause(file: ComposeFile, node: Node) -> str:
    return f"secret:{file.path}:{node.line}"


def _published(service: Service) -> bool:
    return any(port.exposed for port in ports_of(service)) or service.text("network_mode") == "host"


def _literal(file: ComposeFile) -> Iterator[tuple[Service, Variable, str]]:
    """Variables of ``environment`` whose value is a secret in full."""
    for service in file.services.values():
        for variable in service.variables():
            value = variable.value or ""
            if secrets.secret_name(variable.name) and secrets.literal_secret(variable.name, value):
                yield service, variable, value


def _default(service: Service, variable: Variable, value: str) -> bool:
    """Whether the value is a default password: well known, or the same as a name beside it."""
    if not secrets.password_name(variable.name):
        return value.strip().lower() in secrets.WEAK
    beside = [
        v.value or "" for v in service.variables() if v.name.upper().endswith(("USER", "USERNAME", "DB", "DATABASE"))
    ]
    return secrets.weak(value, service.name, *beside)


@rule(
    "secret-in-environment",
    Severity.HIGH,
    confidence=0.9,
    title=Texts(
        "{service}: the value of {name} stands in the file", "{service} : la valeur de {name} est dans le fichier"
    ),
    why=Texts(
        "Whoever reads the repository has the secret, and it stays in its history after it is removed.",
        "Qui lit le dépôt a le secret, et il reste dans l'historique après sa suppression.",
    ),
    fix=Texts(
        "Change the secret, then hand it over by secrets: or by a variable from an .env file that is not committed.",
        "Changez ce secret, puis transmettez-le par secrets: ou par une variable d'un fichier .env non versionné.",
    ),
    bad="""
services:
  api:
    image: example/api:1.2
    environment:
      PAYMENT_API_KEY: pk-7f3a9c21d8e4
""",
    good="""
services:
  api:
    image: example/api:1.2
    environment:
      PAYMENT_API_KEY: ${PAYMENT_API_KEY:?set it in .env}
""",
    line=5,
)
def _secret_in_environment(file: ComposeFile) -> Iterator[Hit]:
    for service, variable, value in _literal(file):
        if not _default(service, variable, value):
            values = {"service": service.name, "name": variable.name}
            yield Hit(f"{service.name}.{variable.name}", variable.node, values, cause=_cause(file, variable.node))
    for service in file.services.values():
        for variable in service.variables():
            if variable.value and secrets.shaped(variable.value) and not secrets.secret_name(variable.name):
                values = {"service": service.name, "name": variable.name}
                yield Hit(f"{service.name}.{variable.name}", variable.node, values, cause=_cause(file, variable.node))


@rule(
    "default-password",
    Severity.MEDIUM,
    confidence=0.95,
    title=Texts("{service}: {name} is a default password", "{service} : {name} est un mot de passe par défaut"),
    why=Texts(
        "Such passwords are tried first by everyone who reaches the service.",
        "Ces mots de passe sont essayés en premier par quiconque atteint le service.",
    ),
    fix=Texts(
        "Generate one, and hand it over by secrets: or by a variable from an .env file that is not committed.",
        "Générez-en un, et transmettez-le par secrets: ou par une variable d'un fichier .env non versionné.",
    ),
    bad="""
services:
  db:
    image: postgres:17
    environment:
      - POSTGRES_PASSWORD=postgres
""",
    good="""
services:
  db:
    image: postgres:17
    environment:
      - POSTGRES_PASSWORD_FILE=/run/secrets/db_password
    secrets: [db_password]
secrets:
  db_password:
    file: ./db_password.txt
""",
    line=5,
)
def _default_password(file: ComposeFile) -> Iterator[Hit]:
    for service, variable, value in _literal(file):
        if _default(service, variable, value):
            yield Hit(
                f"{service.name}.{variable.name}",
                variable.node,
                {"service": service.name, "name": variable.name},
                severity=Severity.HIGH if _published(service) else None,
                cause=_cause(file, variable.node),
            )


@rule(
    "secret-default",
    Severity.LOW,
    title=Texts(
        "{service}: {name} falls back to a value in the file", "{service} : {name} retombe sur une valeur du fichier"
    ),
    why=Texts(
        "When the variable is forgotten, the service starts with a secret that everyone can read here.",
        "Si la variable est oubliée, le service démarre avec un secret que chacun peut lire ici.",
    ),
    fix=Texts("Demand the variable: ${{{variable}:?}}.", "Exigez la variable : ${{{variable}:?}}."),
    bad="""
services:
  db:
    image: postgres:17
    environment:
      POSTGRES_PASSWORD: ${DB_PASSWORD:-hunter2}
""",
    good="""
services:
  db:
    image: postgres:17
    environment:
      POSTGRES_PASSWORD: ${DB_PASSWORD:?set it in .env}
""",
    line=5,
)
def _secret_default(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for variable in service.variables():
            if not variable.value or not secrets.secret_name(variable.name) or not variable_only(variable.value):
                continue
            for use in read(variable.value).variables:
                fallback = use.operator in (":-", "-") and secrets.literal_secret(variable.name, use.operand)
                if fallback:
                    values = {"service": service.name, "name": variable.name, "variable": use.name}
                    subject = f"{service.name}.{variable.name}"
                    yield Hit(subject, variable.node, values, cause=_cause(file, variable.node))
                    break


@rule(
    "secret-in-command",
    Severity.HIGH,
    confidence=0.9,
    title=Texts("{service}: a secret stands in its {key}", "{service} : un secret est dans sa clé {key}"),
    why=Texts(
        "It is in the repository, and in the process list of the host.",
        "Il est dans le dépôt, et dans la liste des processus de l'hôte.",
    ),
    fix=Texts(
        "Change it, and let the program read it from a file or a variable.",
        "Changez-le, et faites-le lire d'un fichier ou d'une variable.",
    ),
    bad="""
services:
  cache:
    image: redis:8.2
    command: redis-server --requirepass s3same-open
""",
    good="""
services:
  cache:
    image: redis:8.2
    command: redis-server --requirepass ${REDIS_PASSWORD:?}
""",
    line=4,
)
def _secret_in_command(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for key in ("command", "entrypoint"):
            node = service.value(key)
            text = service.command_text(key)
            if node and (secrets.flag_secrets(text) or secrets.shaped(text)):
                values = {"service": service.name, "key": key}
                yield Hit(f"{service.name}.{key}", node, values, cause=_cause(file, node))


@rule(
    "password-in-url",
    Severity.MEDIUM,
    confidence=0.9,
    title=Texts(
        "{service}: {name} holds an address with its password",
        "{service} : {name} contient une adresse avec son mot de passe",
    ),
    why=Texts(
        "Addresses are logged and shown in error messages, and this one is in the repository.",
        "Les adresses sont journalisées et montrées dans les messages d'erreur, et celle-ci est dans le dépôt.",
    ),
    fix=Texts("Put a variable in the password's place.", "Mettez une variable à la place du mot de passe."),
    bad="""
services:
  api:
    image: example/api:1.2
    environment:
      DATABASE_URL: postgresql://orders:hunter2@db:5432/orders
""",
    good="""
services:
  api:
    image: example/api:1.2
    environment:
      DATABASE_URL: postgresql://orders:${DB_PASSWORD}@db:5432/orders
""",
    line=5,
)
def _password_in_url(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for variable in service.variables():
            if variable.value and "://" in variable.value and not secrets.secret_name(variable.name):
                found = secrets.url_passwords(variable.value)
                if found:
                    weak = all(secrets.weak(password, user) for user, password in found)
                    yield Hit(
                        f"{service.name}.{variable.name}",
                        variable.node,
                        {"service": service.name, "name": variable.name},
                        severity=Severity.LOW if weak else None,
                        cause=_cause(file, variable.node),
                    )


@rule(
    "secret-in-build",
    Severity.HIGH,
    confidence=0.9,
    title=Texts(
        "{service}: the build argument {name} carries a secret",
        "{service} : l'argument de construction {name} porte un secret",
    ),
    why=Texts(
        "Build arguments stay in the image's history: whoever has the image can read them.",
        "Les arguments de construction restent dans l'historique de l'image : qui a l'image peut les lire.",
    ),
    fix=Texts("Use build.secrets and RUN --mount=type=secret.", "Utilisez build.secrets et RUN --mount=type=secret."),
    bad="""
services:
  api:
    build:
      context: .
      args:
        NPM_TOKEN: ${NPM_TOKEN}
""",
    good="""
services:
  api:
    build:
      context: .
      secrets:
        - npm_token
secrets:
  npm_token:
    environment: NPM_TOKEN
""",
    line=6,
    beside={"Dockerfile": "FROM scratch\n"},
)
def _secret_in_build(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for variable in service.build_args():
            value = variable.value
            if not secrets.secret_name(variable.name) or value == "":
                continue
            literal = value is not None and secrets.literal_secret(variable.name, value)
            if literal or value is None or variable_only(value):
                values = {"service": service.name, "name": variable.name}
                severity = None if literal else Severity.MEDIUM
                yield Hit(
                    f"{service.name}.{variable.name}",
                    variable.node,
                    values,
                    severity,
                    cause=_cause(file, variable.node),
                )


@rule(
    "no-authentication",
    Severity.MEDIUM,
    title=Texts(
        "{service}: {name} lets everyone in without a password",
        "{service} : {name} laisse entrer tout le monde sans mot de passe",
    ),
    why=Texts(
        "Every container of its networks, and everyone if its port is published, has full access.",
        "Tout conteneur de ses réseaux, et tout le monde si son port est publié, a un accès complet.",
    ),
    fix=Texts("Remove the switch and set a password.", "Retirez ce réglage et mettez un mot de passe."),
    bad="""
services:
  db:
    image: postgres:17
    environment:
      POSTGRES_HOST_AUTH_METHOD: trust
""",
    good="""
services:
  db:
    image: postgres:17
    environment:
      POSTGRES_PASSWORD: ${DB_PASSWORD:?}
""",
    line=5,
)
def _no_authentication(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for variable in service.variables():
            switched = _OPEN_SWITCHES.get(variable.name.upper(), ())
            if (variable.value or "").strip("\"'").lower() in switched:
                severity = Severity.HIGH if _published(service) else None
                values = {"service": service.name, "name": variable.name}
                yield Hit(f"{service.name}.{variable.name}", variable.node, values, severity)


@rule(
    "secret-in-config",
    Severity.MEDIUM,
    confidence=0.9,
    title=Texts(
        "A private key or provider's key stands in {where}", "Une clé privée ou de fournisseur est dans {where}"
    ),
    why=Texts(
        "Whoever reads the repository has it, and it stays in its history after it is removed.",
        "Qui lit le dépôt l'a, et elle reste dans l'historique après sa suppression.",
    ),
    fix=Texts(
        "Revoke it, and hand a new one over by secrets:.", "Révoquez-la, et transmettez-en une nouvelle par secrets:."
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    labels:
      deploy.key: "-----BEGIN PRIVATE KEY-----"
""",
    good="""
services:
  web:
    image: nginx:1.29
    labels:
      deploy.key: "in the vault"
""",
    line=5,
)
def _secret_in_config(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for variable in (*service.variables("labels"), *service.build_args()):
            if variable.value and secrets.shaped(variable.value) and not secrets.secret_name(variable.name):
                where = f"{service.name}.{variable.name}"
                yield Hit(where, variable.node, {"where": where}, cause=_cause(file, variable.node))
    for name, entry in file.section("configs").items():
        content = entry.value.entries.get("content") if hasattr(entry.value, "entries") else None
        if content and isinstance(content.value, Scalar) and secrets.shaped(content.value.text):
            where = f"configs.{name}"
            yield Hit(where, content.value, {"where": where}, cause=_cause(file, content.value))
