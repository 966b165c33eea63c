"""Files that decide what other programs run: hooks, editor and agent settings, startup files.

Writing one of them is how an agent would leave its confinement without breaking it: the command
runs later, outside, in somebody else's name. One list serves the file tools and the confinement.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.globs import segment

_REPOSITORY = Texts(
    "git runs what its hooks and configuration name", "git exécute ce que nomment ses hooks et sa configuration"
)
_OURS = Texts("these are our own settings and templates", "ce sont nos propres réglages et modèles")
_AGENT = Texts(
    "coding assistants start the programs named there", "les assistants de code lancent les programmes nommés là"
)
_EDITOR = Texts("editors run the tasks named there", "les éditeurs exécutent les tâches nommées là")
_SHELL = Texts("shells run it at start", "les shells l'exécutent au démarrage")
_ENVIRONMENT = Texts(
    "it sets the environment of programs and holds secrets",
    "il fixe l'environnement des programmes et contient des secrets",
)
_PACKAGES = Texts(
    "package managers take sources and programs from it",
    "les gestionnaires de paquets en tirent leurs sources et programmes",
)
_PIPELINE = Texts(
    "it runs on other machines with the project's secrets",
    "il s'exécute sur d'autres machines avec les secrets du projet",
)
_HOOKS = Texts("git runs these hooks on this machine", "git exécute ces hooks sur cette machine")


@dataclass(frozen=True, slots=True)
class ControlFile:
    """One control file or folder.

    Attributes:
        name: its path; a folder stands for everything in it.
        why: what writing it would do.
        anywhere: counts at any depth, else only at the top of the workspace.
        refused: never written by a file tool; otherwise a write is ``privileged`` and always asks.
        guarded: while it is absent, confined commands are kept from making it. Not where it could
            only do harm in a home folder (there all are guarded) or after a push that people see.
    """

    name: str
    why: Texts
    anywhere: bool = True
    refused: bool = True
    guarded: bool = True


CONTROL_FILES = (
    ControlFile(".git", _REPOSITORY),
    ControlFile(".gitmodules", _REPOSITORY, refused=False),
    ControlFile(".hg", _REPOSITORY),
    ControlFile(".husky", _HOOKS, refused=False),
    ControlFile(".githooks", _HOOKS, refused=False),
    ControlFile(".pre-commit-config.yaml", _HOOKS, refused=False),
    ControlFile(".nextgen", _OURS),
    *(ControlFile(name, _AGENT) for name in (".mcp.json", ".claude", ".codex", ".cursor", ".gemini")),
    *(ControlFile(name, _AGENT) for name in (".windsurf", ".roo", ".kiro", ".amazonq")),
    *(ControlFile(name, _EDITOR) for name in (".vscode", ".idea", ".zed", ".exrc", ".nvim.lua", ".dir-locals.el")),
    ControlFile(".devcontainer", _EDITOR, refused=False),
    ControlFile(".env", _ENVIRONMENT),
    ControlFile(".envrc", _ENVIRONMENT),
    ControlFile(".npmrc", _PACKAGES, refused=False),
    ControlFile(".yarnrc.yml", _PACKAGES, refused=False),
    ControlFile(".github/workflows", _PIPELINE, anywhere=False, refused=False, guarded=False),
    ControlFile(".gitlab-ci.yml", _PIPELINE, anywhere=False, refused=False, guarded=False),
    *(ControlFile(name, _SHELL) for name in (".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv")),
    *(
        ControlFile(name, _SHELL, guarded=False)
        for name in (".bash_login", ".bash_logout", ".bash_aliases", ".inputrc", ".zprofile", ".zlogin", ".gitconfig")
    ),
    *(ControlFile(name, _SHELL, anywhere=False, guarded=False) for name in (".config/fish", ".config/git", ".ssh")),
)


SECRET_STORES = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store"),
    *(".config/gcloud", ".config/gh"),
)
"""Folders of secrets, hidden from confined commands when somebody makes a home folder the workspace."""

SECRET_NAMES = (
    ".env", ".env.*", ".envrc", ".netrc", ".pgpass", ".npmrc", ".pypirc", ".git-credentials", "*.pem", "*.key", "*.p12",
    "*.pfx", "*.jks", "*.keystore", "*.kdbx", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "credentials", "*.tfstate",
    "credentials.json", "service-account*.json", "secrets.yml", "secrets.yaml", "secrets.json", "secrets.toml",
)  # fmt: skip
"""Names of files that normally hold secrets: reading one asks, searching leaves them out."""

SECRET_EXAMPLES = (".example", ".sample", ".template", ".dist")
"""Endings of files that show the shape of a secret file without holding secrets."""


def plain_name(name: str) -> str:
    """``name`` as the most forgiving file system would take it.

    Case folded, compatibility forms and ignorable characters removed, trailing dots and spaces cut,
    so that ``.GIT``, ``.git.`` and ``.g\\u200cit`` all are ``.git``; so is its DOS form ``git~1``.
    """
    text = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    text = text.casefold().rstrip(". ") or text
    return ".git" if text == "git~1" else text


def control_file(path: str) -> ControlFile | None:
    """The control file that ``path`` (relative, POSIX) is or lies in; None when it is an ordinary file."""
    parts = [plain_name(part) for part in path.split("/") if part not in ("", ".")]
    for control in CONTROL_FILES:
        wanted = control.name.split("/")
        starts = range(len(parts) - len(wanted) + 1) if control.anywhere else range(min(1, len(parts)))
        if any(parts[at : at + len(wanted)] == wanted for at in starts):
            return control
    return None


_SECRETS = re.compile("|".join(f"(?:{segment(name).pattern})" for name in SECRET_NAMES))


def may_hold_secrets(path: str) -> bool:
    """Whether a file of this name normally holds secrets."""
    name = path.rpartition("/")[2]
    name = name.lower() if name.isascii() else plain_name(name)
    return bool(_SECRETS.match(name)) and not name.endswith(SECRET_EXAMPLES)
