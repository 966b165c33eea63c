"""Commands that have a known successor, and how to tell whether it is there."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.tools.system.host import Host


class Successor(BaseModel):
    """What does the same work under another name.

    ``compatible`` means that the old name may simply be made to call it; ``available`` that
    ``probe`` was run and worked (``answer`` is its first line).
    """

    call: list[str]
    compatible: bool
    why: str
    available: bool = False
    program: str = ""
    answer: str = ""

    @property
    def words(self) -> str:
        """The call as it is typed."""
        return " ".join(self.call)


_COMPOSE = Texts(
    "Compose is now a part of the docker command: `docker compose` takes the same options and files.",
    "Compose fait maintenant partie de la commande docker : `docker compose` accepte les mêmes options et fichiers.",
)
_RENAMED = Texts("This system calls the same program {call}.", "Ce système appelle le même programme {call}.")
_OTHER = Texts(
    "{call} does the same work today, with other options.", "{call} fait aujourd'hui ce travail, avec d'autres options."
)
_MODULE = Texts("pip is a module of Python: {call}.", "pip est un module de Python : {call}.")
_PODMAN = Texts("Podman takes the same options as docker.", "Podman accepte les mêmes options que docker.")

# command → (call, arguments of the probe, compatible, why)
_TABLE: dict[str, tuple[tuple[str, str, bool, Texts], ...]] = {
    "docker-compose": (
        ("docker compose", "version", True, _COMPOSE),
        ("podman compose", "version", True, _PODMAN),
    ),
    "docker": (("podman", "--version", True, _PODMAN),),
    "python": (("python3", "--version", True, _RENAMED),),
    "python3": (("python", "--version", False, _RENAMED),),
    "pip": (("python3 -m pip", "--version", True, _MODULE),),
    "pip3": (("python3 -m pip", "--version", True, _MODULE),),
    "nodejs": (("node", "--version", True, _RENAMED),),
    "node": (("nodejs", "--version", True, _RENAMED),),
    "fd": (("fdfind", "--version", True, _RENAMED),),
    "bat": (("batcat", "--version", True, _RENAMED),),
    "exa": (("eza", "--version", True, _RENAMED),),
    "vi": (("vim", "--version", True, _RENAMED),),
    "egrep": (("grep -E", "--version", True, _RENAMED),),
    "fgrep": (("grep -F", "--version", True, _RENAMED),),
    "gmake": (("make", "--version", True, _RENAMED),),
    "ifconfig": (("ip address", "", False, _OTHER),),
    "netstat": (("ss", "--version", False, _OTHER),),
    "yum": (("dnf", "--version", True, _RENAMED),),
    "apt-key": (("gpg", "--version", False, _OTHER),),
}


def known_calls(command: str) -> list[str]:
    """What may simply be called in place of ``command``, available here or not, the best first."""
    return [call for call, _, compatible, _ in _TABLE.get(command, ()) if compatible]


async def successors(host: Host, command: str, lang: Lang, avoid: Path | None = None) -> list[Successor]:
    """The known successors of ``command``, with whether each works here."""
    found = []
    for call, probe, compatible, why in _TABLE.get(command, ()):
        words = call.split()
        program = host.program(words[0], avoid)
        ran = await host.run([*words, *probe.split()], avoid=avoid) if program else None
        found.append(
            Successor(
                call=words,
                compatible=compatible,
                why=why.say(lang, call=call),
                available=ran is not None and ran.ok,
                program=program or "",
                answer=ran.lines[0][:200] if ran and ran.lines else "",
            )
        )
    return found
