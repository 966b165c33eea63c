"""Rules on values that Compose refuses, or reads otherwise than they look."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose.edits import Edit, replacement
from nextgeneration.tools.compose.interpolation import read
from nextgeneration.tools.compose.keys import words
from nextgeneration.tools.compose.model import ComposeFile, Service
from nextgeneration.tools.compose.rule import Hit, Topic, listed
from nextgeneration.tools.compose.yaml_tree import Scalar, Sequence, scalars

rule = Topic(Texts("Values", "Valeurs"))

_RESTART = re.compile(r"^(?:no|always|unless-stopped|on-failure(?::[0-9]+)?)$")
_DURATION = re.compile(r"^(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h|d|w))+$")
_SIZE = re.compile(r"^[0-9]+(?:\.[0-9]+)?\s?(?:[kmgtp]i?)?b?$", re.IGNORECASE)
_SHELL_WORDS = frozenset({"||", "&&", "|", ";", ">", ">>", "2>&1"})
_SHELL_VARIABLES = words(
    "HOME USER PWD PATH SHELL DISPLAY SSH_AUTH_SOCK XAUTHORITY LANG TZ HOSTNAME UID GID TMPDIR TERM LOGNAME CI"
)


@rule(
    "interpolation",
    Severity.HIGH,
    title=Texts("{excerpt} is not a variable", "{excerpt} n'est pas une variable"),
    why=Texts(
        "Compose reads every $ as the start of a variable and refuses the file when none follows.",
        "Compose lit chaque $ comme le début d'une variable et refuse le fichier quand aucune ne suit.",
    ),
    fix=Texts(
        "Close the brace, or write $$ for a dollar sign that the container shall see.",
        "Fermez l'accolade, ou écrivez $$ pour un dollar que le conteneur doit voir.",
    ),
    bad="""
services:
  web:
    image: "nginx:${TAG:-1.29"
""",
    good="""
services:
  web:
    image: "nginx:${TAG:-1.29}"
""",
    line=3,
)
def _interpolation(file: ComposeFile) -> Iterator[Hit]:
    for node in _interpolated(file):
        invalid = read(node.text).invalid
        if invalid:
            at = min(invalid)
            excerpt = node.text[at : at + 12].split("\n")[0]
            excerpt = excerpt if at == 0 or "=" not in node.text[:at] else "$"
            yield Hit(f"{node.text.partition('=')[0][:40]}.{at}", node, {"excerpt": excerpt or "$"})


def _interpolated(file: ComposeFile) -> Iterator[Scalar]:
    """The values in which Compose replaces variables."""
    roots = [
        file.top[name].value for name in ("services", "networks", "volumes", "secrets", "configs") if name in file.top
    ]
    for node in scalars(*roots):
        if "$" in node.text:
            yield node


@rule(
    "undefined-variable",
    Severity.LOW,
    confidence=0.8,
    title=Texts(
        "Variables without default or value in .env: {names}", "Variables sans défaut ni valeur dans .env : {names}"
    ),
    why=Texts(
        "If the shell does not set them either, Compose puts an empty text in their place and goes on with a warning.",
        "Si l'environnement ne les fournit pas non plus, Compose met un texte vide à leur place et continue avec un "
        "avertissement.",
    ),
    fix=Texts(
        "Add them to .env, give a default as in ${{NAME:-value}}, or demand them with ${{NAME:?message}}.",
        "Ajoutez-les à .env, donnez un défaut comme ${{NAME:-valeur}}, ou exigez-les par ${{NAME:?message}}.",
    ),
    bad="""
services:
  web:
    image: "registry.example/web:${WEB_TAG}"
""",
    good="""
services:
  web:
    image: "registry.example/web:${WEB_TAG:-1.4}"
""",
    line=3,
    beside={".env": "OTHER=1\n"},
)
def _undefined_variable(file: ComposeFile) -> Iterator[Hit]:
    defined = file.around.env_names(file.folder)
    first: dict[str, Scalar] = {}
    safe: set[str] = set()
    for node in _interpolated(file):
        for variable in read(node.text).variables:
            if variable.needed:
                first.setdefault(variable.name, node)
            else:
                safe.add(variable.name)
    passing = {v.name for service in file.services.values() for v in service.variables() if v.value is None}
    names = [
        name
        for name in first
        if name not in _SHELL_VARIABLES | safe | passing | (defined or frozenset())
        and not name.startswith(("COMPOSE_", "DOCKER_", "XDG_", "GITHUB_", "CI_"))
    ]
    if names:
        severity = Severity.LOW if defined is not None else Severity.INFO
        yield Hit("variables", first[names[0]], {"names": listed(names)}, severity=severity)


@rule(
    "unescaped-dollar",
    Severity.MEDIUM,
    confidence=0.85,
    title=Texts(
        "{service}: ${name} is replaced before the container starts",
        "{service} : ${name} est remplacé avant le démarrage",
    ),
    why=Texts(
        "Compose replaces it with a variable of the host, where it is not set; the container's own {name} is not used.",
        "Compose le remplace par une variable de l'hôte, où elle n'est pas définie ; celle du conteneur n'est "
        "pas utilisée.",
    ),
    fix=Texts(
        "Write $${name} so that the container's shell reads it.",
        "Écrivez $${name} pour que le shell du conteneur la lise.",
    ),
    bad="""
services:
  db:
    image: postgres:17
    environment:
      POSTGRES_USER: orders
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U $POSTGRES_USER"]
""",
    good="""
services:
  db:
    image: postgres:17
    environment:
      POSTGRES_USER: orders
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER"]
""",
    line=7,
    fixable=True,
)
def _unescaped_dollar(file: ComposeFile) -> Iterator[Hit]:
    from_host = file.around.env_names(file.folder) or frozenset()
    for service in file.services.values():
        inside = {v.name for v in service.variables() if v.value is not None and f"{v.name}" not in _names(v.value)}
        for node in _commands(service):
            for variable in read(node.text).variables:
                name = variable.name
                if variable.needed and name in inside and name not in from_host | _SHELL_VARIABLES:
                    yield Hit(
                        f"{service.name}.{name}",
                        node,
                        {"service": service.name, "name": name},
                        edits=_doubled(file, node, name),
                    )


def _names(value: str) -> set[str]:
    return {variable.name for variable in read(value).variables}


def _commands(service: Service) -> Iterator[Scalar]:
    for key in ("command", "entrypoint"):
        yield from (item for item in service.items(key) if isinstance(item, Scalar))
    healthcheck = service.mapping("healthcheck")
    test = healthcheck.entries.get("test") if healthcheck else None
    if test:
        yield from scalars(test.value)


def _doubled(file: ComposeFile, node: Scalar, name: str) -> tuple[Edit, ...]:
    raw = file.text[node.start : node.end]
    found = [m.start() for m in re.finditer(rf"(?<!\$)\$(?:{name}\b|\{{{name}\}})", raw)]
    return tuple(Edit(node.start + at, node.start + at, 0, "$") for at in found)


@rule(
    "restart",
    Severity.HIGH,
    title=Texts("{service}: restart cannot be {value}", "{service} : restart ne peut pas valoir {value}"),
    why=Texts(
        "Docker knows no, always, unless-stopped, on-failure and on-failure:N; anything else fails when the "
        "container is made.",
        "Docker connaît no, always, unless-stopped, on-failure et on-failure:N ; tout autre mot échoue à la création.",
    ),
    fix=Texts("Write one of these policies.", "Écrivez l'une de ces politiques."),
    bad="""
services:
  web:
    image: nginx:1.29
    restart: "on-failure:"
""",
    good="""
services:
  web:
    image: nginx:1.29
    restart: "on-failure:5"
""",
    line=4,
)
def _restart(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        value = service.scalar("restart")
        if value and "$" not in value.text and not _RESTART.match(value.text):
            yield Hit(service.name, value, {"service": service.name, "value": value.text})


@rule(
    "healthcheck-test",
    Severity.HIGH,
    title=Texts(
        "{service}: the health check cannot work: {problem}",
        "{service} : le contrôle de santé ne peut pas marcher : {probleme}",
    ),
    why=Texts(
        "A list is run as written, without a shell, and starts with NONE, CMD or CMD-SHELL; otherwise the container "
        "stays unhealthy or Docker refuses it.",
        "Une liste est exécutée telle quelle, sans shell, et commence par NONE, CMD ou CMD-SHELL ; sinon le conteneur "
        "reste en mauvaise santé ou Docker le refuse.",
    ),
    fix=Texts(
        'Use ["CMD", "program", "argument"], or ["CMD-SHELL", "one shell line"].',
        'Utilisez ["CMD", "programme", "argument"], ou ["CMD-SHELL", "une ligne de shell"].',
    ),
    bad="""
services:
  web:
    image: nginx:1.29
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost", "||", "exit", "1"]
""",
    good="""
services:
  web:
    image: nginx:1.29
    healthcheck:
      test: ["CMD-SHELL", "curl -f http://localhost || exit 1"]
""",
    line=5,
)
def _healthcheck_test(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        healthcheck = service.mapping("healthcheck")
        test = healthcheck.entries.get("test") if healthcheck else None
        if test and isinstance(test.value, Sequence):
            problem = _test_problem([item.text for item in test.value.items if isinstance(item, Scalar)])
            if problem:
                values = {"service": service.name, "problem": problem.en, "probleme": problem.fr}
                yield Hit(service.name, test.value, values)


def _test_problem(words: list[str]) -> Texts | None:
    if not words:
        return Texts("the list is empty", "la liste est vide")
    if words[0] not in ("NONE", "CMD", "CMD-SHELL"):
        return Texts(f"it starts with {words[0][:40]}", f"elle commence par {words[0][:40]}")
    if words[0] != "NONE" and len(words) == 1:
        return Texts("there is no command", "il n'y a pas de commande")
    if words[0] == "CMD" and _SHELL_WORDS & set(words):
        return Texts(
            "CMD runs no shell, so operators are arguments",
            "CMD ne lance pas de shell : les opérateurs sont des arguments",
        )
    if words[0] == "CMD" and len(words) == 2 and " " in words[1].strip():
        return Texts(
            "the whole line is taken for a program's name", "toute la ligne est prise pour un nom de programme"
        )
    return None


@rule(
    "duration",
    Severity.HIGH,
    title=Texts("{name}: {value} is not a duration", "{name} : {value} n'est pas une durée"),
    why=Texts(
        "Durations need a unit; Compose refuses the file without it.",
        "Une durée veut une unité ; sans elle, Compose refuse le fichier.",
    ),
    fix=Texts("Add the unit, as in 30s or 1m30s.", "Ajoutez l'unité, comme 30s ou 1m30s."),
    bad="""
services:
  web:
    image: nginx:1.29
    healthcheck:
      test: curl -f http://localhost
      interval: 30
""",
    good="""
services:
  web:
    image: nginx:1.29
    healthcheck:
      test: curl -f http://localhost
      interval: 30s
""",
    line=6,
    fixable=True,
)
def _duration(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        places = [("stop_grace_period", service.node)]
        if healthcheck := service.mapping("healthcheck"):
            places += [(key, healthcheck) for key in ("interval", "timeout", "start_period", "start_interval")]
        for key, mapping in places:
            entry = mapping.entries.get(key)
            value = entry.value if entry else None
            if not isinstance(value, Scalar) or value.null or "$" in value.text:
                continue
            if value.text != "0" and not _DURATION.match(value.text):
                seconds = value.plain and value.text.isdecimal()
                yield Hit(
                    f"{service.name}.{key}",
                    value,
                    {"name": f"{service.name}.{key}", "value": value.text},
                    edits=replacement(value, f"{value.text}s") if seconds else (),
                )


@rule(
    "size",
    Severity.HIGH,
    title=Texts("{name}: {value} is not a size", "{name} : {value} n'est pas une taille"),
    why=Texts(
        "Compose refuses the file: sizes are a number and one of b, k, m, g.",
        "Compose refuse le fichier : une taille est un nombre suivi de b, k, m ou g.",
    ),
    fix=Texts("Write it as in 512m or 2g.", "Écrivez-la comme 512m ou 2g."),
    bad="""
services:
  web:
    image: nginx:1.29
    mem_limit: 512 megabytes
""",
    good="""
services:
  web:
    image: nginx:1.29
    mem_limit: 512m
""",
    line=4,
)
def _size(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        places = [(key, service.node) for key in ("mem_limit", "mem_reservation", "memswap_limit", "shm_size")]
        resources = (service.mapping("deploy", "resources", part) for part in ("limits", "reservations"))
        places += [("memory", mapping) for mapping in resources if mapping]
        for key, mapping in places:
            entry = mapping.entries.get(key)
            value = entry.value if entry else None
            if not isinstance(value, Scalar) or value.null or "$" in value.text:
                continue
            if not _SIZE.match(value.text) and value.text != "-1":
                yield Hit(f"{service.name}.{key}", value, {"name": f"{service.name}.{key}", "value": value.text})
