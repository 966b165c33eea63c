"""The check every template passes before anything else looks at it.

It reads raw data, not a parsed template: what is dangerous must be refused even where the rest of
the template is wrong. It decides nothing about calls (that is ``permissions``) and contains nothing
(that is the kernel's): it keeps out templates that could only be there to do harm, or by mistake.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Protocol

from nextgeneration.kernel.language import Texts
from nextgeneration.security.errors import Refusal, TemplateRefused
from nextgeneration.security.secrets import shape_of

DANGEROUS_TOOLS: frozenset[str] = frozenset(
    """
    eval exec execfile compile __import__ globals setattr
    os.system os.popen os.popen2 os.popen3 os.startfile os.fork os.forkpty os.kill os.killpg os.abort
    os.execl os.execle os.execlp os.execlpe os.execv os.execve os.execvp os.execvpe
    os.spawnl os.spawnle os.spawnlp os.spawnlpe os.spawnv os.spawnve os.spawnvp os.spawnvpe
    os.posix_spawn os.posix_spawnp os.remove os.removedirs os.rmdir os.unlink os.chmod os.chown os.chroot
    os.putenv os.setuid os.setgid posix.system nt.system platform.popen commands.getoutput shutil.rmtree
    subprocess subprocess.run subprocess.Popen subprocess.call subprocess.check_call subprocess.check_output
    subprocess.getoutput subprocess.getstatusoutput asyncio.create_subprocess_exec asyncio.create_subprocess_shell
    pickle pickle.load pickle.loads _pickle.loads cPickle.loads dill dill.loads marshal marshal.loads shelve jsonpickle
    yaml.load yaml.full_load yaml.unsafe_load ctypes ctypes.CDLL cffi importlib importlib.import_module
    imp.load_source runpy runpy.run_path runpy.run_module pty pty.spawn code.interact code.InteractiveConsole
    sys.settrace sys.setprofile timeit.timeit multiprocessing.Process
    """.split()  # noqa: SIM905 - a list of names reads better as lines
)
"""What no template may call a tool, in any case, spelling or surrounding. A module's name covers all that is in it."""

HOOK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""What a hook may be named: an entry point's plain name, which no import string, path or command fits."""

_TOOL_NAME = re.compile(r"[a-z0-9_.@+*?!-]*")
_BARE = frozenset({"eval", "exec", "execfile", "compile", "__import__", "globals", "setattr"})
_EVALUATES = frozenset({"eval", "exec", "execfile", "__import__"})
_FORBIDDEN = frozenset(name.casefold() for name in DANGEROUS_TOOLS)
_MODULES = frozenset(name for name in _FORBIDDEN - _BARE if "." not in name)
_REMOTE = frozenset({"mcp", "a2a"})
_INVISIBLE = {"Cf", "Cc", "Mn", "Me", "Zs", "Zl", "Zp"}
_SEPARATORS = re.compile(r"[.:/\\\[\]'\"]+|->")
_BUILTINS = {"builtins", "__builtins__", "__builtin__", "__main__", "python", "py"}
_SHORTEST_SECRET = 20
_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST_INTEGER = 2**53 - 1


class TemplateLimits(NamedTuple):
    """How large a template's parts may be."""

    characters: int = 1_000_000
    depth: int = 64
    values: int = 50_000
    tools: int = 256
    capabilities: int = 256
    hooks: int = 32


class SignaturePolicy(Protocol):
    """Who vouches for a template. A policy that requires signatures looks for one beside the file."""

    def check(self, template_data: dict[str, Any], template_path: str) -> Sequence[Refusal]:
        """Why the template's signature is not good enough; nothing when it is."""
        ...


class NoSignatureRequired:
    """The default: whoever can write into the templates folder is trusted as far as the other checks go."""

    def check(self, template_data: dict[str, Any], template_path: str) -> Sequence[Refusal]:
        """Accept every template, signed or not."""
        return ()


class TemplateSecurityValidator:
    """Refuses dangerous tools, hook targets, capabilities outside a list, secrets, and what is too large.

    Args:
        allowed_capabilities: glob patterns of the capabilities templates may claim; ``None`` allows all.
        limits: how large a template may be.
        signatures: who vouches for templates.
    """

    DANGEROUS_TOOLS = DANGEROUS_TOOLS

    def __init__(
        self,
        *,
        allowed_capabilities: Sequence[str] | None = None,
        limits: TemplateLimits = TemplateLimits(),  # noqa: B008 - immutable
        signatures: SignaturePolicy | None = None,
    ) -> None:
        self.allowed_capabilities = None if allowed_capabilities is None else tuple(allowed_capabilities)
        self.limits = limits
        self.signatures = signatures or NoSignatureRequired()

    def validate(self, template_data: Any, template_path: str = "(memory)") -> bool:
        """Let the template go on to be parsed and cached, or refuse it.

        It never answers ``False``: what is dangerous is an error that nobody can forget to look at.

        Args:
            template_data: the parsed JSON, not yet checked in any way.
            template_path: where it comes from, for the error and for signatures.

        Returns:
            Always ``True``.

        Raises:
            TemplateRefused: naming every reason.
        """
        path = str(template_path)
        reasons = list(self._size(template_data))
        if not reasons:
            reasons += self._content(template_data)
            reasons += self.signatures.check(template_data, path)
        if reasons:
            raise TemplateRefused.because(path, reasons)
        return True

    def _size(self, data: Any) -> Iterator[Refusal]:
        """What makes the data too large or too odd to look at any further."""
        if not isinstance(data, dict):
            what = Texts("a template is a JSON object.", "un modèle est un objet JSON.")
            yield Refusal("", what, Texts("Put it in braces.", "Mettez-le entre accolades."))
            return
        limits = self.limits
        characters = values = 0
        waiting: list[tuple[Any, int]] = [(data, 1)]
        while waiting:
            value, depth = waiting.pop()
            values += 1
            if isinstance(value, str):
                if not _is_text(value):
                    yield _not_json()
                    return
                characters += len(value)
            elif isinstance(value, dict):
                if not all(isinstance(key, str) and _is_text(key) for key in value):
                    yield _not_json()
                    return
                characters += sum(map(len, value))
                waiting += [(inner, depth + 1) for inner in value.values()]
            elif isinstance(value, list):
                waiting += [(inner, depth + 1) for inner in value]
            elif not _is_scalar(value):
                yield _not_json()
                return
            if depth > limits.depth:
                yield _too_much(Texts("levels of nesting", "niveaux d'imbrication"), limits.depth)
                return
            if values + len(waiting) > limits.values:
                yield _too_much(Texts("values", "valeurs"), limits.values)
                return
            if characters > limits.characters:
                yield _too_much(Texts("characters", "caractères"), limits.characters)
                return

    def _content(self, data: dict[str, Any]) -> Iterator[Refusal]:
        yield from self._tools(data)
        yield from self._hooks(data)
        yield from self._capabilities(data)
        yield from _secrets(data)

    def _tools(self, data: dict[str, Any]) -> Iterator[Refusal]:
        tools = data.get("tools")
        if isinstance(tools, list) and len(tools) > self.limits.tools:
            yield _too_much(Texts("tools", "outils"), self.limits.tools, "/tools")
        for pointer, name in _tool_names(data):
            fault = danger(name)
            if fault:
                yield Refusal(pointer, fault, _USE_ANOTHER)

    def _hooks(self, data: dict[str, Any]) -> Iterator[Refusal]:
        for count, (pointer, target) in enumerate(_hook_targets(data), 1):
            if count > self.limits.hooks:
                yield _too_much(Texts("hooks", "crochets"), self.limits.hooks, "/hooks")
                return
            if not isinstance(target, str) or not HOOK_NAME.fullmatch(target):
                what = Texts("a hook is not an entry point's name.", "un crochet n'est pas un nom de point d'entrée.")
                yield Refusal(pointer, what, _HOOK_FIX)

    def _capabilities(self, data: dict[str, Any]) -> Iterator[Refusal]:
        claimed = data.get("capabilities")
        if not isinstance(claimed, list):
            return
        if len(claimed) > self.limits.capabilities:
            yield _too_much(Texts("capabilities", "capacités"), self.limits.capabilities, "/capabilities")
        if self.allowed_capabilities is None:
            return
        for index, item in enumerate(claimed):
            name = item.get("id") if isinstance(item, dict) else item
            if not isinstance(name, str) or not any(fnmatchcase(name, glob) for glob in self.allowed_capabilities):
                what = Texts("this capability is not on the allow-list.", "cette capacité n'est pas sur la liste.")
                yield Refusal(f"/capabilities/{index}", what, _ALLOW_FIX)


def danger(name: str) -> Texts | None:
    """Why no tool may have this name, whatever its disguise; ``None`` when it may."""
    plain = normal_name(name)
    if not _TOOL_NAME.fullmatch(plain):
        return Texts(
            "this tool's name holds characters that no tool's name has.",
            "le nom de cet outil contient des caractères qu'aucun nom d'outil n'a.",
        )
    parts = plain.split(".")
    while len(parts) > 1 and parts[0] in _BUILTINS:
        parts = parts[1:]
    runs = {".".join(parts[start:end]) for start in range(len(parts)) for end in range(start + 2, len(parts) + 1)}
    evaluates = parts[0] in _BARE or (parts[0] not in _REMOTE and _EVALUATES & set(parts))
    if evaluates or runs & _FORBIDDEN or _MODULES & set(parts):
        return Texts("this tool runs code outside every limit.", "cet outil exécute du code hors de toute limite.")
    return None


def normal_name(name: str) -> str:
    """A tool's name without disguise.

    Compatibility forms are folded, invisible characters and spaces removed, separators made dots, case
    ignored.
    """
    text = unicodedata.normalize("NFKC", name[:2000])
    text = "".join(character for character in text if unicodedata.category(character) not in _INVISIBLE)
    return _SEPARATORS.sub(".", unicodedata.normalize("NFKC", text).casefold()).strip(".")


def _tool_names(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every place of a template that names a tool."""
    tools = data.get("tools")
    if isinstance(tools, list):
        yield from ((f"/tools/{i}", name) for i, name in enumerate(tools) if isinstance(name, str))
    playbook = data.get("playbook")
    if isinstance(playbook, list):
        for i, step in enumerate(playbook):
            if isinstance(step, dict) and isinstance(step.get("tool"), str):
                yield f"/playbook/{i}/tool", step["tool"]
    permissions = data.get("permissions")
    if isinstance(permissions, dict):
        allowed = permissions.get("allow")
        if isinstance(allowed, list):
            for i, rule in enumerate(allowed):
                if isinstance(rule, str):
                    yield f"/permissions/allow/{i}", rule.partition("(")[0]


def _hook_targets(data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    hooks = data.get("hooks")
    if hooks is None:
        return
    if not isinstance(hooks, dict):
        yield "/hooks", hooks
        return
    for key, value in hooks.items():
        if key.startswith("x-"):
            continue
        place = "/hooks/" + key.replace("~", "~0").replace("/", "~1")
        if isinstance(value, list):
            yield from ((f"{place}/{i}", target) for i, target in enumerate(value))
        else:
            yield place, value


def _secrets(data: dict[str, Any]) -> Iterator[Refusal]:
    """Values in the shape of well-known keys: a template names a secret, it never holds one."""
    waiting: list[tuple[str, Any]] = [("", data)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", v) for key, v in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{pointer}/{i}", inner) for i, inner in enumerate(value)]
        elif isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
            shape = shape_of(value)
            if shape:
                en, fr = shape.label.en, shape.label.fr
                what = Texts(f"this looks like a secret ({en}).", f"ceci ressemble à un secret ({fr}).")
                yield Refusal(pointer, what, _SECRET_FIX)


def _is_text(text: str) -> bool:
    """Whether a text is Unicode that every reader and store can hold: no half of a surrogate pair, no NUL."""
    return (text.isascii() or not _SURROGATE.search(text)) and "\0" not in text


def _is_scalar(value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER
    return isinstance(value, float) and value - value == 0


def _not_json() -> Refusal:
    what = Texts("the data is not plain JSON.", "les données ne sont pas du JSON simple.")
    fix = Texts(
        "Use Unicode texts, finite numbers, integers within 2^53, lists and objects.",
        "Utilisez textes Unicode, nombres finis, entiers dans 2^53, listes et objets.",
    )
    return Refusal("", what, fix)


def _too_much(of: Texts, limit: int, pointer: str = "") -> Refusal:
    what = Texts(f"there are more than {limit} {of.en}.", f"il y a plus de {limit} {of.fr}.")
    return Refusal(pointer, what, Texts("Make it smaller, or split it.", "Réduisez-le, ou divisez-le."))


_USE_ANOTHER = Texts(
    "Use shell.run or python_interpreter, which are contained.",
    "Utilisez shell.run ou python_interpreter, qui sont confinés.",
)
_HOOK_FIX = Texts(
    "Name an entry point that an installed package registers, without dots, colons or slashes.",
    "Nommez un point d'entrée qu'un paquet installé déclare, sans point, deux-points ni barre.",
)
_ALLOW_FIX = Texts(
    "Remove it, or add it to the list in the settings.", "Retirez-la, ou ajoutez-la à la liste des réglages."
)
_SECRET_FIX = Texts(
    "Replace it, and put the value into the environment or the secret store.",
    "Remplacez-la, et mettez la valeur dans l'environnement ou le coffre.",
)

security_validator = TemplateSecurityValidator()
"""The validator with default limits."""
