"""Names of commands: which text is one, and which command a message is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.system.errors import CommandNameRefused

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
LONGEST_TEXT = 10_000
_N = r"(?P<name>[A-Za-z0-9_./\\+:-]{1,128})"
_Q = r"[\"'`‘’‚‛“”«»´]\s*"


class Mention(NamedTuple):
    """A command named in a text. ``system`` is what the wording gives away, empty when nothing."""

    command: str
    system: str
    sure: bool


class _Form(NamedTuple):
    pattern: re.Pattern[str]
    system: str
    sure: bool


def _form(text: str, system: str = "", *, sure: bool = True) -> _Form:
    return _Form(re.compile(text.replace("<Q>", f"(?:{_Q})").replace("<N>", _N), re.IGNORECASE), system, sure)


_FORMS = (
    # cmd.exe
    _form(r"<Q>?<N>(?:\s*<Q>)?\s+is not recogni[sz]ed as an internal or external command", "Windows"),
    _form(r"<Q>?<N>(?:\s*<Q>)?\s+n['’]est pas reconnu[e]?\s+en tant que commande\s+interne", "Windows"),
    # PowerShell
    _form(r"the term\s+<Q><N>\s*<Q>\s+is not recogni[sz]ed", "Windows"),
    _form(r"(?:le terme\s+)<Q><N>\s*<Q>\s+n['’]est pas reconnu", "Windows"),
    _form(r"^\s*<N>\s*:\s+(?:the term|le terme)\s.*", "Windows"),
    # POSIX shells
    _form(r"command not found\s*:\s*<Q>?<N>"),
    _form(r"commande introuvable\s*:\s*<Q>?<N>"),
    _form(r"unknown command(?:\s*:)?\s+<Q>?<N>"),
    _form(r"commande inconnue(?:\s*:)?\s+<Q>?<N>"),
    _form(r"<Q>?<N>(?:\s*<Q>)?\s*:\s*(?:command not found|commande introuvable|commande non trouvée)"),
    _form(r"command\s+<Q><N>\s*<Q>\s+not found"),
    _form(r"(?:^|:)\s*(?:\d+:\s*)?<Q>?<N>(?:\s*<Q>)?\s*:\s*(?:not found|inaccessible or not found|introuvable)"),
    _form(r"env:\s*<Q>?<N>(?:\s*<Q>)?\s*:\s*(?:no such file|aucun fichier)"),
    _form(r"exec:\s*<Q><N>\s*<Q>:\s*executable file not found"),
    _form(r"no such file or directory:\s*<Q><N>\s*<Q>"),
    _form(r"aucun fichier ou dossier de ce (?:type|nom)\s*:\s*<Q><N>\s*<Q>"),
    _form(r"spawn\s+<N>\s+ENOENT"),
    # people
    _form(r"<Q>?<N>(?:\s*<Q>)?\s+is not recogni[sz]ed"),
    _form(r"<Q>?<N>(?:\s*<Q>)?\s+n['’]est pas reconnu"),
    _form(
        r"(?:la\s+)?commande\s+<Q>?<N>(?:\s*<Q>)?\s+"
        r"(?:n['’]existe pas|est introuvable|manque|n['’]est pas|ne (?:marche|fonctionne))"
    ),
    _form(
        r"(?:the\s+)?command\s+<Q>?<N>(?:\s*<Q>)?\s+"
        r"(?:does\s*n[o'’]t exist|is missing|is not|is unknown|does\s*n[o'’]t work)"
    ),
    _form(r"<Q>?<N>(?:\s*<Q>)?\s+(?:is not installed|n['’]est pas installée?|is missing|est introuvable|manque)"),
    _form(
        r"<Q>?<N>(?:\s*<Q>)?\s+(?:ne (?:marche|fonctionne) (?:pas|plus)|does\s*n[o'’]t work|is not working)", sure=False
    ),
    _form(
        r"(?:can\s*not|cannot|can['’]t|could not|unable to) (?:find|run|execute) (?:the command\s+)?<Q>?<N>", sure=False
    ),
    _form(
        r"(?:impossible d['’](?:exécuter|utiliser)|impossible de (?:lancer|trouver)) (?:la commande\s+)?<Q>?<N>",
        sure=False,
    ),
    _form(
        r"(?:install|installe[rz]?|(?:fix|répare[rz]?|corrige[rz]?)(?: the command| la commande)?)\s+<Q>?<N>",
        sure=False,
    ),
    _form(r"<Q><N>\s*<Q>", sure=False),
)
# Words that stand where a name would, in both languages.
_NOT_NAMES = frozenset(
    {
        "a",
        "an",
        "and",
        "anything",
        "are",
        "as",
        "bash",
        "c'est",
        "ce",
        "ceci",
        "cela",
        "cette",
        "cmdlet",
        "code",
        "command",
        "commande",
        "commands",
        "dash",
        "de",
        "des",
        "du",
        "el",
        "en",
        "env",
        "erreur",
        "error",
        "est",
        "est-ce",
        "et",
        "everything",
        "exec",
        "external",
        "externe",
        "fichier",
        "file",
        "fish",
        "from",
        "il",
        "in",
        "internal",
        "interne",
        "is",
        "it",
        "it's",
        "ksh",
        "la",
        "le",
        "les",
        "ligne",
        "line",
        "mon",
        "my",
        "ne",
        "not",
        "of",
        "on",
        "or",
        "ou",
        "pas",
        "program",
        "programme",
        "project",
        "projet",
        "que",
        "qui",
        "sh",
        "something",
        "term",
        "terme",
        "that",
        "the",
        "there",
        "this",
        "to",
        "un",
        "une",
        "us",
        "user",
        "was",
        "what",
        "which",
        "with",
        "zsh",
        "ça",
    }
)


def checked_name(name: str) -> str:
    """``name`` when it is one plain command name.

    Raises:
        CommandNameRefused: it holds a folder, a space, an option or anything a shell would read.
    """
    if not NAME.fullmatch(name):
        raise CommandNameRefused(name=repr(name[:80]))
    return name


def mentions(text: str) -> list[Mention]:
    """The commands a message or goal is about, the surest wording first, each once.

    Understands the messages of bash, zsh, dash, fish, ksh, env, Docker, Node, cmd.exe and PowerShell
    in English and French, and how people put it.
    """
    found: dict[str, Mention] = {}
    for mention in _all(text[:LONGEST_TEXT]):
        found.setdefault(mention.command, mention)
    return sorted(found.values(), key=lambda mention: not mention.sure)


def _all(text: str) -> Iterator[Mention]:
    lines = text.splitlines()
    for form in _FORMS:
        for line in lines:
            for match in form.pattern.finditer(line):
                name = _plain(match["name"])
                if name:
                    yield Mention(name, form.system, form.sure)


def _plain(written: str) -> str:
    """The name without folder, ``.exe`` and punctuation; empty when it is no name."""
    name = re.split(r"[/\\]", written.strip(":.\\/"))[-1].rsplit(":", 1)[-1]
    name = re.sub(r"\.(?:exe|cmd|bat|ps1)$", "", name, flags=re.IGNORECASE).strip(".-:+")
    if not NAME.fullmatch(name) or name.lower() in _NOT_NAMES or name.isdigit():
        return ""
    return name


NONE_NAMED = Texts(
    "No command name was recognised in this text. Quote the error message as it was shown, or name the command.",
    "Aucun nom de commande n'a été reconnu dans ce texte. Citez le message d'erreur tel quel, ou nommez la commande.",
)
