"""Which of Ruff's rules count as correctness or security, and how much each matters.

What is only style, or is wrong too often to be worth a reader's minute, is not selected: ``S603`` and
``S607`` fire on every careful use of ``subprocess``, ``S105`` to ``S107`` are done by our own secrets
scan, ``S311`` on every dice roll, ``B905`` and ``B028`` are taste.
"""

from __future__ import annotations

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts

SELECT = (
    "F", "B", "E9", "E711", "E712", "E721", "E722", "W605", "PLE", "S", "T100", "PLR0124",
    "PLW0127", "PLW0128", "PLW0129", "PLW0131", "PLW0133", "PLW0177", "PLW0211", "PLW0245", "PLW0406", "PLW0604",
    "PLW0711", "PLW1501", "PLW1507", "PLW1508", "PLW1509", "PLW2101",
    "ASYNC100", "ASYNC105", "ASYNC210", "ASYNC220", "ASYNC221", "ASYNC222", "ASYNC251",
    "RUF006", "RUF008", "RUF009", "RUF016", "RUF018", "RUF024", "RUF026", "RUF030", "RUF032", "RUF033", "RUF034",
    "RUF040",
)  # fmt: skip
IGNORE = (
    "F405", "F722", "B009", "B010", "B024", "B027", "B028", "B903", "B905", "B911", "B912",
    "S101", "S610", "S611", "S105", "S106", "S107", "S311", "S404", "S603", "S606", "S607",
)  # fmt: skip
COMPLEXITY = ("C901", "PLR0915")
PER_FILE_IGNORES = {"__init__.py": ("F401",), "*.pyi": ("B", "S", "F821"), "conftest.py": ("F401", "F811")}
IMMUTABLE_CALLS = tuple(f"{package}.{name}" for package, names in {
    "fastapi": ("Depends", "Query", "Path", "Body", "Header", "Cookie", "File", "Form", "Security"),
    "typer": ("Option", "Argument"),
    "pathlib": ("Path", "PurePath"),
}.items() for name in names)  # fmt: skip
"""Calls that are meant to stand in argument defaults, for B008."""
BUILTINS = ("_", "display", "get_ipython", "__IPYTHON__", "reveal_type")
"""Names that gettext, notebooks and type checkers put among the built-in ones."""

_BY_SEVERITY = {
    Severity.HIGH: ("F7 F821 F823 PLE0116 PLE0117 PLE0118 PLE1142 S201 S323 S501 S502 S503 S506 S507 S602 S605"),
    Severity.MEDIUM: (
        "F5 F601 F602 F631 F632 F634 F822 PLE E9 T100 "
        "B002 B005 B012 B016 B021 B025 B029 B030 B031 B032 B035 B039 B901 "
        "PLW0129 PLW0131 PLW0133 PLW0177 PLW0245 PLW1501 ASYNC RUF006 RUF008 RUF009 RUF016 RUF033 RUF040 "
        "S1 S2 S3 S4 S5 S6 S7"
    ),
    Severity.LOW: (
        "F402 F811 F403 F404 F406 F407 E711 E712 E721 E722 W605 B PLW PLR RUF S104 S108 S110 S112 S303 S310 S314 "
        "S302 S313 S315 S316 S317 S318 S319 S320 S324 S609 S702 S704 PLE0101"
    ),
    Severity.INFO: "F401 F541 F841 F842 F504 F901 B007 B017 B904 B026 B019 S110 S112",
}
_TABLE = {prefix: severity for severity, words in _BY_SEVERITY.items() for prefix in words.split()}

CONFIDENCE = {
    "B006": 0.7, "B008": 0.7, "B018": 0.8, "B023": 0.7, "F811": 0.9, "F821": 0.9, "F822": 0.7, "PLE0101": 0.7,
    "S102": 0.7, "S104": 0.6, "S108": 0.5, "S113": 0.9, "S202": 0.6, "S301": 0.7, "S307": 0.8, "S310": 0.4,
    "S324": 0.6, "S602": 0.8, "S604": 0.6, "S605": 0.8, "S608": 0.5, "S701": 0.8, "S702": 0.5,
}  # fmt: skip
"""How sure a rule is to be a real problem, where it is not 1 (0.9 for security rules without an entry)."""

WHY = {
    "invalid-syntax": Texts("Python cannot read this file.", "Python ne peut pas lire ce fichier."),
    "F401": Texts("Nothing uses this import.", "Rien n'utilise cet import."),
    "F811": Texts(
        "The first definition is never used: the second replaces it (a test of that name never runs).",
        "La première définition ne sert jamais : la seconde la remplace (un test de ce nom ne tourne jamais).",
    ),
    "F821": Texts("This name raises NameError when the line runs.", "Ce nom lève NameError quand la ligne s'exécute."),
    "F823": Texts("The local name is read before it has a value.", "Le nom local est lu avant d'avoir une valeur."),
    "F841": Texts("The value is computed and never read.", "La valeur est calculée et jamais lue."),
    "F632": Texts(
        "`is` compares identity, which equal values need not share.",
        "`is` compare l'identité, que deux valeurs égales ne partagent pas forcément.",
    ),
    "B006": Texts(
        "The default is made once and shared by every call that changes it.",
        "La valeur par défaut est créée une fois et partagée par tous les appels qui la modifient.",
    ),
    "B012": Texts(
        "A return, break or continue in `finally` swallows the exception.",
        "Un return, break ou continue dans `finally` avale l'exception.",
    ),
    "B023": Texts(
        "The function sees the variable's last value, not the one of its turn of the loop.",
        "La fonction voit la dernière valeur de la variable, pas celle de son tour de boucle.",
    ),
    "B904": Texts(
        "Without `from`, the cause of the new exception is unclear.",
        "Sans `from`, la cause de la nouvelle exception est floue.",
    ),
    "E722": Texts(
        "A bare except also catches Ctrl-C and the end of the program.",
        "Un except nu attrape aussi Ctrl-C et la fin du programme.",
    ),
    "T100": Texts("A debugger stop was left in the code.", "Un arrêt de débogueur est resté dans le code."),
    "W605": Texts(
        "An unknown escape becomes an error in a later Python.",
        "Un échappement inconnu deviendra une erreur dans un Python à venir.",
    ),
    "RUF006": Texts(
        "Without a reference the task can be collected before it ends.",
        "Sans référence, la tâche peut être ramassée avant sa fin.",
    ),
    "ASYNC": Texts(
        "This call blocks the event loop: everything else waits for it.",
        "Cet appel bloque la boucle d'événements : tout le reste l'attend.",
    ),
    "S102": Texts("`exec` runs any code it is given.", "`exec` exécute n'importe quel code reçu."),
    "S104": Texts(
        "The service listens on every network interface.", "Le service écoute sur toutes les interfaces réseau."
    ),
    "S110": Texts("The error disappears without a trace.", "L'erreur disparaît sans trace."),
    "S112": Texts("The error disappears without a trace.", "L'erreur disparaît sans trace."),
    "S113": Texts(
        "Without a timeout this request may wait forever.", "Sans délai, cette requête peut attendre toujours."
    ),
    "S201": Texts(
        "Debug mode lets visitors run code on the server.",
        "Le mode debug permet aux visiteurs d'exécuter du code sur le serveur.",
    ),
    "S202": Texts(
        "A hostile archive may write outside the target folder.",
        "Une archive hostile peut écrire hors du dossier visé.",
    ),
    "S301": Texts(
        "Loading a pickle runs code that the data chooses.", "Charger un pickle exécute du code choisi par les données."
    ),
    "S307": Texts("`eval` runs any expression it is given.", "`eval` exécute n'importe quelle expression reçue."),
    "S324": Texts(
        "This hash is broken; `usedforsecurity=False` says when that does not matter.",
        "Ce hachage est cassé ; `usedforsecurity=False` dit quand cela n'importe pas.",
    ),
    "S501": Texts(
        "Certificates are not checked: anyone on the way can read and change the traffic.",
        "Les certificats ne sont pas vérifiés : on peut lire et modifier les échanges.",
    ),
    "S506": Texts("This loader builds any Python object.", "Ce chargeur construit n'importe quel objet Python."),
    "S602": Texts(
        "A shell reads the command: text from outside can become a command of its own.",
        "Un shell lit la commande : un texte extérieur peut devenir une commande.",
    ),
    "S605": Texts(
        "A shell reads the command: text from outside can become a command of its own.",
        "Un shell lit la commande : un texte extérieur peut devenir une commande.",
    ),
    "S608": Texts(
        "Values pasted into SQL can change its meaning; pass them as parameters.",
        "Des valeurs collées dans du SQL peuvent en changer le sens ; passez-les en paramètres.",
    ),
    "S701": Texts(
        "Without autoescape, text from outside becomes HTML.", "Sans autoescape, un texte extérieur devient du HTML."
    ),
}


def severity_of(code: str, message: str, *, test: bool) -> Severity:
    """How much a rule's finding matters; in tests nothing but an error of the language is above low.

    Ruff calls a shell command of literals only "seems safe": that is low, and so is the mere import of
    a debugger.
    """
    if code in {"", "invalid-syntax"}:
        return Severity.HIGH
    if code == "F811":
        # In tests the earlier of two tests of one name silently never runs.
        return Severity.MEDIUM if test else Severity.LOW
    severity = _of_prefix(code)
    if "seems safe" in message or message.startswith("Import for "):
        severity = Severity.LOW
    if test and not code.startswith(("F82", "F7")):
        severity = min(
            severity, Severity.INFO if code[0] == "S" or code in {"B018", "B015"} else Severity.LOW, key=_rank
        )
    return severity


def _of_prefix(code: str) -> Severity:
    for length in range(len(code), 0, -1):
        severity = _TABLE.get(code[:length])
        if severity is not None:
            return severity
    return Severity.LOW


def confidence_of(code: str) -> float:
    """How sure the rule is, between 0 and 1."""
    return CONFIDENCE.get(code, 0.9 if code.startswith("S") else 1.0)


def why(code: str) -> Texts | None:
    """Why the rule matters, when its own message does not say."""
    return WHY.get(code) or (WHY["ASYNC"] if code.startswith(("ASYNC2",)) else None)


def _rank(severity: Severity) -> int:
    return severity.rank
