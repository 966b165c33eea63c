"""What tools count, in both numbers of both languages."""

from __future__ import annotations

from nextgeneration.kernel.language import Counted, Texts

FILES = Counted(Texts("file", "fichier"), Texts("files", "fichiers"))
LINES = Counted(Texts("line", "ligne"), Texts("lines", "lignes"))
FINDINGS = Counted(Texts("finding", "constat"), Texts("findings", "constats"))
RULES = Counted(Texts("rule", "règle"), Texts("rules", "règles"))
SERVICES = Counted(Texts("service", "service"), Texts("services", "services"))
COMPOSE_FILES = Counted(Texts("compose file", "fichier compose"), Texts("compose files", "fichiers compose"))
TEST_FILES = Counted(Texts("test file", "fichier de test"), Texts("test files", "fichiers de test"))
RELATIVE_LINKS = Counted(Texts("relative link", "lien relatif"), Texts("relative links", "liens relatifs"))
LEAD_NOWHERE = Counted(Texts("leads nowhere", "ne mène nulle part"), Texts("lead nowhere", "ne mènent nulle part"))
CONSOLE_CALLS = Counted(
    Texts("console.log call", "appel à console.log"), Texts("console.log calls", "appels à console.log")
)
STUBS = Counted(Texts("docstring stub", "ébauche de docstring"), Texts("docstring stubs", "ébauches de docstring"))
