"""Rules on the YAML itself, before anything is known of Compose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose.edits import quoted
from nextgeneration.tools.compose.keys import words
from nextgeneration.tools.compose.model import ComposeFile, Service, Variable
from nextgeneration.tools.compose.rule import Hit, Topic
from nextgeneration.tools.compose.yaml_tree import Scalar

rule = Topic(Texts("YAML", "YAML"))

_SWITCHES = words("yes Yes YES no No NO on On ON off Off OFF y Y n N True TRUE False FALSE")
_SEXAGESIMAL = re.compile(r"^[1-9][0-9_]*(?::[0-5]?[0-9])+$")
_OCTAL = re.compile(r"^0o?[0-7]+$")
_FLOAT = re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$")
_REWRITTEN = re.compile(r"^(?:0x[0-9a-fA-F]+|0b[01]+|[0-9]+(?:_[0-9]+)+)$")
_DATE = re.compile(r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ]+[0-9]{1,2}:[0-9]{2}.*)?$")


def _faults(file: ComposeFile, kind: str) -> Iterator[Hit]:
    for number, fault in enumerate(f for f in file.tree.faults if f.kind == kind):
        yield Hit(fault.detail if kind == "duplicate-key" else f"{kind}-{number}", fault.line, {"detail": fault.detail})


def _plain_variables(file: ComposeFile) -> Iterator[tuple[Service, str, Variable]]:
    """Unquoted values of ``environment``, ``labels`` and build arguments that stand in mappings."""
    for service in file.services.values():
        groups = (
            ("environment", service.variables()),
            ("labels", service.variables("labels")),
            ("build.args", service.build_args()),
        )
        for group, variables in groups:
            for variable in variables:
                if not variable.listed and variable.node.plain and variable.value:
                    yield service, group, variable


def _variable_hits(file: ComposeFile, pattern: re.Pattern[str]) -> Iterator[Hit]:
    for service, group, variable in _plain_variables(file):
        text = variable.value or ""
        if pattern.match(text):
            yield Hit(
                f"{service.name}.{group}.{variable.name}",
                variable.node,
                {"name": variable.name, "value": text, "read": _as_go_reads(text)},
                edits=quoted(variable.node),
            )


def _as_go_reads(text: str) -> str:
    """What Compose hands to the container for an unquoted number."""
    digits = text.replace("_", "")
    try:
        if _OCTAL.match(text):
            return str(int(digits.lower().removeprefix("0o"), 8))
        if _REWRITTEN.match(text):
            return str(int(digits, 0))
        number = float(text)
        return str(int(number)) if number.is_integer() and abs(number) < 1e21 else repr(number)
    except ValueError:
        return text


@rule(
    "syntax",
    Severity.HIGH,
    title=Texts("The file is not valid YAML: {detail}", "Le fichier n'est pas du YAML valide : {detail}"),
    why=Texts(
        "Compose reads nothing of a file with a syntax error: no service starts.",
        "Compose ne lit rien d'un fichier qui contient une erreur de syntaxe : aucun service ne démarre.",
    ),
    fix=Texts(
        "Correct the line; look at the indentation, quotes and brackets just above it.",
        "Corrigez la ligne ; regardez l'indentation, les guillemets et les crochets juste au-dessus.",
    ),
    bad="""
services:
  web:
    image: "nginx:1.29
""",
    good="""
services:
  web:
    image: "nginx:1.29"
""",
    line=3,
)
def _syntax(file: ComposeFile) -> Iterator[Hit]:
    yield from _faults(file, "syntax")


@rule(
    "tab",
    Severity.HIGH,
    title=Texts("A tab stands where YAML wants spaces", "Une tabulation se trouve là où YAML veut des espaces"),
    why=Texts(
        "YAML forbids tabs in indentation, so the file cannot be read.",
        "YAML interdit les tabulations dans l'indentation : le fichier est illisible.",
    ),
    fix=Texts("Indent with spaces.", "Indentez avec des espaces."),
    bad="services:\n\tweb:\n\t\timage: nginx:1.29\n",
    good="services:\n  web:\n    image: nginx:1.29\n",
    line=2,
)
def _tab(file: ComposeFile) -> Iterator[Hit]:
    yield from _faults(file, "tab")


@rule(
    "duplicate-key",
    Severity.HIGH,
    title=Texts("The key {detail} stands twice", "La clé {detail} figure deux fois"),
    why=Texts(
        "Compose refuses a mapping with the same key twice; other readers silently keep the last one.",
        "Compose refuse un objet qui contient deux fois la même clé ; d'autres lecteurs gardent la dernière en "
        "silence.",
    ),
    fix=Texts("Keep one of them, or merge the two.", "Gardez-en une, ou fusionnez les deux."),
    bad="""
services:
  web:
    image: nginx:1.29
    ports: ["80:80"]
    ports: ["443:443"]
""",
    good="""
services:
  web:
    image: nginx:1.29
    ports: ["80:80", "443:443"]
""",
    line=5,
)
def _duplicate_key(file: ComposeFile) -> Iterator[Hit]:
    yield from _faults(file, "duplicate-key")


@rule(
    "alias-loop",
    Severity.HIGH,
    title=Texts("The alias *{detail} contains itself", "L'alias *{detail} se contient lui-même"),
    why=Texts(
        "A value that contains itself has no end; Compose refuses it.",
        "Une valeur qui se contient elle-même n'a pas de fin ; Compose la refuse.",
    ),
    fix=Texts("Move the shared part into an anchor of its own.", "Déplacez la partie commune dans sa propre ancre."),
    bad="""
services:
  web: &web
    image: nginx:1.29
    labels: *web
""",
    good="""
x-labels: &labels
  team: web
services:
  web:
    image: nginx:1.29
    labels: *labels
""",
    line=4,
)
def _alias_loop(file: ComposeFile) -> Iterator[Hit]:
    yield from _faults(file, "alias-loop")


@rule(
    "alias-bomb",
    Severity.HIGH,
    title=Texts(
        "Aliases multiply into more than {detail} values", "Les alias se multiplient en plus de {detail} valeurs"
    ),
    why=Texts(
        "Aliases of aliases grow exponentially and exhaust the memory of whatever expands them.",
        "Des alias d'alias croissent de façon exponentielle et épuisent la mémoire de ce qui les développe.",
    ),
    fix=Texts("Write the values out, or generate the file.", "Écrivez les valeurs, ou générez le fichier."),
    bad="x-a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    + "".join(f"x-{new}: &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in zip("abcde", "bcdef", strict=True)),
    good="x-a: &a [1, 1, 1]\nx-b: &b [*a, *a, *a]\nservices:\n  web:\n    image: nginx:1.29\n",
    line=5,
)
def _alias_bomb(file: ComposeFile) -> Iterator[Hit]:
    yield from _faults(file, "alias-bomb")


@rule(
    "documents",
    Severity.LOW,
    title=Texts("The file holds {count} YAML documents", "Le fichier contient {count} documents YAML"),
    why=Texts(
        "Recent versions of Compose merge the documents, older ones and other tools read only the first.",
        "Les versions récentes de Compose fusionnent les documents, les anciennes et d'autres outils ne lisent que "
        "le premier.",
    ),
    fix=Texts("Put them into separate files.", "Séparez-les en plusieurs fichiers."),
    bad="""
services:
  web:
    image: nginx:1.29
---
services:
  api:
    image: httpd:2.4
""",
    good="""
services:
  web:
    image: nginx:1.29
  api:
    image: httpd:2.4
""",
    line=5,
)
def _documents(file: ComposeFile) -> Iterator[Hit]:
    real = [node for node in file.tree.documents if not (isinstance(node, Scalar) and node.null)]
    if len(real) > 1:
        yield Hit("documents", real[1], {"count": str(len(real))})


@rule(
    "yaml-boolean",
    Severity.LOW,
    title=Texts(
        "{name}: {value} is not the text it looks like", "{name}: {value} n'est pas le texte qu'il paraît être"
    ),
    why=Texts(
        "Unquoted, YAML 1.1 readers take yes, no, on, off, y and n for booleans, and every reader rewrites True as "
        "true; the container gets another text than the one written.",
        "Sans guillemets, les lecteurs YAML 1.1 prennent yes, no, on, off, y et n pour des booléens, et tous "
        "réécrivent True en true ; le conteneur reçoit un autre texte que celui qui est écrit.",
    ),
    fix=Texts("Put the value in quotes.", "Mettez la valeur entre guillemets."),
    bad="""
services:
  web:
    image: nginx:1.29
    environment:
      DEBUG: yes
""",
    good="""
services:
  web:
    image: nginx:1.29
    environment:
      DEBUG: "yes"
""",
    line=5,
    fixable=True,
)
def _yaml_boolean(file: ComposeFile) -> Iterator[Hit]:
    for service, group, variable in _plain_variables(file):
        if variable.value in _SWITCHES:
            yield Hit(
                f"{service.name}.{group}.{variable.name}",
                variable.node,
                {"name": variable.name, "value": variable.value},
                edits=quoted(variable.node),
            )
    for service in file.services.values():
        restart = service.scalar("restart")
        if restart and restart.plain and restart.text in ("no", "No", "NO"):
            values = {"name": "restart", "value": restart.text}
            edits = quoted(restart) if restart.text == "no" else ()
            yield Hit(f"{service.name}.restart", restart, values, edits=edits)


@rule(
    "yaml-sexagesimal",
    Severity.LOW,
    title=Texts(
        "The unquoted port {value} can be read as one number",
        "Le port {value} sans guillemets peut se lire comme un nombre",
    ),
    why=Texts(
        "YAML 1.1 reads digits joined by colons in base 60: docker-compose 1.x and podman-compose see {read} here.",
        "YAML 1.1 lit en base 60 les chiffres joints par deux-points : docker-compose 1.x et podman-compose voient "
        "{read} ici.",
    ),
    fix=Texts("Put the port in quotes.", "Mettez le port entre guillemets."),
    bad="""
services:
  git:
    image: gitea/gitea:1.25
    ports:
      - 2222:22
""",
    good="""
services:
  git:
    image: gitea/gitea:1.25
    ports:
      - "2222:22"
""",
    line=5,
    fixable=True,
)
def _yaml_sexagesimal(file: ComposeFile) -> Iterator[Hit]:
    for service in file.services.values():
        for item in service.items("ports"):
            if isinstance(item, Scalar) and item.plain and _SEXAGESIMAL.match(item.text) and len(item.text) < 30:
                number = 0
                for part in item.text.replace("_", "").split(":"):
                    number = number * 60 + int(part)
                values = {"value": item.text, "read": str(number)}
                yield Hit(f"{service.name}.ports.{item.text}", item, values, edits=quoted(item))


@rule(
    "yaml-octal",
    Severity.MEDIUM,
    title=Texts("{name}: {value} becomes {read}", "{name}: {value} devient {read}"),
    why=Texts(
        "An unquoted number with a leading zero is octal: the container gets {read}.",
        "Un nombre sans guillemets qui commence par zéro est octal : le conteneur reçoit {read}.",
    ),
    fix=Texts("Put the value in quotes.", "Mettez la valeur entre guillemets."),
    bad="""
services:
  web:
    image: nginx:1.29
    environment:
      UMASK: 022
""",
    good="""
services:
  web:
    image: nginx:1.29
    environment:
      UMASK: "022"
""",
    line=5,
    fixable=True,
)
def _yaml_octal(file: ComposeFile) -> Iterator[Hit]:
    for hit in _variable_hits(file, _OCTAL):
        if hit.values["value"] != hit.values["read"]:
            yield hit


@rule(
    "yaml-number",
    Severity.MEDIUM,
    title=Texts("{name}: {value} becomes {read}", "{name}: {value} devient {read}"),
    why=Texts(
        "Unquoted, the value is a number, and numbers are written anew: the container gets {read}.",
        "Sans guillemets, la valeur est un nombre, et les nombres sont réécrits : le conteneur reçoit {read}.",
    ),
    fix=Texts("Put the value in quotes.", "Mettez la valeur entre guillemets."),
    bad="""
services:
  web:
    build:
      context: .
      args:
        PYTHON_VERSION: 3.10
""",
    good="""
services:
  web:
    build:
      context: .
      args:
        PYTHON_VERSION: "3.10"
""",
    line=6,
    beside={"Dockerfile": "FROM scratch\n"},
    fixable=True,
)
def _yaml_number(file: ComposeFile) -> Iterator[Hit]:
    for pattern in (_FLOAT, _REWRITTEN):
        for hit in _variable_hits(file, pattern):
            if hit.values["value"] != hit.values["read"]:
                yield hit


@rule(
    "yaml-date",
    Severity.MEDIUM,
    confidence=0.8,
    title=Texts("{name}: {value} is read as a date", "{name}: {value} est lu comme une date"),
    why=Texts(
        "An unquoted date is a timestamp to YAML: Compose refuses it or hands over another text, with hours and a "
        "time zone.",
        "Une date sans guillemets est un horodatage pour YAML : Compose la refuse ou transmet un autre texte, avec "
        "heures et fuseau.",
    ),
    fix=Texts("Put the value in quotes.", "Mettez la valeur entre guillemets."),
    bad="""
services:
  web:
    image: nginx:1.29
    environment:
      API_VERSION: 2026-03-01
""",
    good="""
services:
  web:
    image: nginx:1.29
    environment:
      API_VERSION: "2026-03-01"
""",
    line=5,
    fixable=True,
)
def _yaml_date(file: ComposeFile) -> Iterator[Hit]:
    yield from _variable_hits(file, _DATE)
