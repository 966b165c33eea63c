"""Files that decide what other programs run: hooks, editor and agent settings, startup files.

Writing one of them is how an agent would leave its confinement without breaking it: the command
runs later, outside, in somebody else's name. One list serves the file tools and the confinement.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from nextgeneration.kernel.language import Texts

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
        folder: whether it is normally a folder.
        anywhere: counts at any depth, else only at the top of the workspace.
        refused: never written by a file tool; otherwise a write is ``privileged`` and always asks.
    """

    name: str
    why: Texts
    folder: bool = False
    anywhere: bool = True
    refused: bool = True


CONTROL_FILES = (
    ControlFile(".git", _REPOSITORY, folder=True),
    ControlFile(".gitmodules", _REPOSITORY, refused=False),
    ControlFile(".hg", _REPOSITORY, folder=True),
    ControlFile(".husky", _HOOKS, folder=True, refused=False),
    ControlFile(".githooks", _HOOKS, folder=True, refused=False),
    ControlFile(".pre-commit-config.yaml", _HOOKS, refused=False),
    ControlFile(".nextgen", _OURS, folder=True),
    ControlFile(".mcp.json", _AGENT),
    ControlFile(".claude", _AGENT, folder=True),
    ControlFile(".codex", _AGENT, folder=True),
    ControlFile(".cursor", _AGENT, folder=True),
    ControlFile(".gemini", _AGENT, folder=True),
    ControlFile(".vscode", _EDITOR, folder=True),
    ControlFile(".idea", _EDITOR, folder=True),
    ControlFile(".zed", _EDITOR, folder=True),
    ControlFile(".devcontainer", _EDITOR, folder=True, refused=False),
    ControlFile(".exrc", _EDITOR),
    ControlFile(".nvim.lua", _EDITOR),
    ControlFile(".dir-locals.el", _EDITOR),
    ControlFile(".env", _ENVIRONMENT),
    ControlFile(".envrc", _ENVIRONMENT),
    ControlFile(".npmrc", _PACKAGES, refused=False),
    ControlFile(".yarnrc.yml", _PACKAGES, refused=False),
    ControlFile(".github/workflows", _PIPELINE, folder=True, anywhere=False, refused=False),
    ControlFile(".gitlab-ci.yml", _PIPELINE, anywhere=False, refused=False),
    *(
        ControlFile(name, _SHELL)
        for name in (
            ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".inputrc",
            ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".gitconfig",
        )
    ),
    ControlFile(".config/fish", _SHELL, folder=True, anywhere=False),
    ControlFile(".config/git", _REPOSITORY, folder=True, anywhere=False),
    ControlFile(".ssh", _SHELL, folder=True, anywhere=False),
)  # fmt: skip

SECRET_STORES = (
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".config/gcloud",
    ".config/gh",
    ".password-store",
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
