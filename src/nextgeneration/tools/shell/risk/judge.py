"""The judgement over a shell line or an argv: its label, why, and every command it holds.

The label only decides whether to ask a human; what a command can do is the kernel's confinement.
Two readers take a line apart (:mod:`tree` and :mod:`plain`), tables say what programs do with their
arguments, and whatever is not understood is ``unknown``.
"""

from __future__ import annotations

import itertools
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.tools.shell.errors_risk import TooDeep, TooLong, TooManyCommands
from nextgeneration.tools.shell.risk import reasons as why
from nextgeneration.tools.shell.risk.git import judge_git
from nextgeneration.tools.shell.risk.grammar import Call, judge_program
from nextgeneration.tools.shell.risk.others import OTHERS, SUBCOMMAND_DEFAULTS, SUBCOMMANDS
from nextgeneration.tools.shell.risk.places import NULL, Places
from nextgeneration.tools.shell.risk.plain import read_plain
from nextgeneration.tools.shell.risk.readers import READERS, VERSION_SHOWN
from nextgeneration.tools.shell.risk.reasons import DESTRUCTIVE, SAFE, UNKNOWN, Ground
from nextgeneration.tools.shell.risk.script import Command, Reading, Redirect
from nextgeneration.tools.shell.risk.tree import read_tree
from nextgeneration.tools.shell.risk.words import Arg, NotPlain, Word, arguments, shown, visible
from nextgeneration.tools.shell.risk.wrappers import WRAPPERS, assignment, runs_word
from nextgeneration.tools.shell.risk.writers import WRITERS

MAX_BYTES = 10_000
MAX_COMMANDS = 50
MAX_NESTED_LINES = 8
MAX_ALTERNATIVES = 64
NOWHERE = PurePath("/nonexistent/workspace")

_USUAL_FOLDERS = frozenset({"/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/usr/local/sbin"})
_VERSIONED = re.compile(r"(python|pypy|pip|ruby|perl|lua|php|node|gcc|g\+\+|clang|java)[0-9][0-9.]*|(mkfs)\..*")
_QUOTED = re.compile(r"[^\w@%+=:,./*?\[\]-]")
_DUPLICATE = re.compile(r"[0-9]+-?|-")


@dataclass(frozen=True, slots=True)
class CommandRisk:
    """One simple command of a line: what it would run, its label, and why it has it."""

    argv_text: str
    label: RiskLabel
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineRisk:
    """The judgement over a line.

    Attributes:
        label: the strictest of its parts.
        reasons: why, the strictest first.
        commands: every command, also those that others run, in the order they were met.
        subjects: each command's argv in one canonical spelling, and ``> PATH`` for each file the shell
            writes; permission patterns match these.
    """

    label: RiskLabel
    reasons: tuple[str, ...]
    commands: tuple[CommandRisk, ...]
    subjects: tuple[str, ...]


def judge_line(line: str, workspace: PurePath = NOWHERE, lang: Lang = "en", *, folder: str = "") -> LineRisk:
    """Judge a line as ``bash -c`` would run it.

    Args:
        line: the line.
        workspace: its root, absolute. Without one every absolute path is outside; the subjects are the same.
        lang: of the reasons.
        folder: where below the workspace it starts.

    Raises:
        TooLong: it is too long, holds too many commands or is nested too deep to be asked about.
    """
    judge = _Judge(Places(workspace, folder))
    judge.start(folder)
    judge.line(line)
    return judge.result(lang)


def judge_argv(argv: Sequence[str], workspace: PurePath = NOWHERE, lang: Lang = "en", *, folder: str = "") -> LineRisk:
    """Judge one command that runs without a shell.

    Raises:
        TooLong: as for a line.
    """
    size = sum(len(text.encode("utf-8", "surrogatepass")) + 1 for text in argv)
    if size > MAX_BYTES:
        raise TooLong(size=size, limit=MAX_BYTES)
    judge = _Judge(Places(workspace, folder))
    judge.start(folder)
    judge.grounds.extend(ground for text in argv for ground in _hidden(text))
    judge.command([Arg(text, raw=shlex.quote(text)) for text in argv])
    return judge.result(lang)


class _Judge:
    """Everything found in one line so far."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.grounds: list[Ground] = []
        self.commands: list[tuple[str, list[Ground]]] = []
        self.subjects: list[str] = []
        self.nested = 0
        self.counted = 0

    def start(self, folder: str) -> None:
        """Judge the folder it starts in."""
        if folder:
            self.grounds.extend(self.places.read(Arg(folder), names_only=True))

    def line(self, text: str) -> tuple[()]:
        """Judge a shell line; also called for lines inside lines."""
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > MAX_BYTES:
            raise TooLong(size=len(data), limit=MAX_BYTES)
        self.nested += 1
        if self.nested > MAX_NESTED_LINES:
            raise TooDeep(limit=MAX_NESTED_LINES)
        self.grounds.extend(_hidden(text))
        source = data.decode("latin-1")
        tree = read_tree(data, source)
        if tree.background:
            self.grounds.append(Ground(UNKNOWN, why.LEFT_RUNNING))
        self.grounds.extend(Ground(DESTRUCTIVE, why.CALLS_ITSELF, shown(name)) for name in sorted(tree.recursive))
        constructs = list(tree.constructs)
        commands = list(tree.commands)
        try:
            plain = read_plain(source)
        except NotPlain as odd:
            if not constructs:
                constructs.append(odd.construct)
        else:
            if plain.shape != tree.shape:
                self.grounds.append(Ground(UNKNOWN, why.READ_TWICE))
                known = [command.shape for command in tree.commands]
                commands += [command for command in plain.commands if command.shape not in known]
        for construct in constructs:
            ground = (
                Ground(UNKNOWN, why.NOT_VALID) if construct == "?" else Ground(UNKNOWN, why.CONSTRUCT, shown(construct))
            )
            self.grounds.append(ground)
        self._enter(commands)
        for command in commands:
            self._simple(command, tree)
        self.nested -= 1
        return ()

    def _enter(self, commands: Sequence[Command]) -> None:
        """Note every folder the line changes into, before anything is judged: a loop may come back."""
        for command in commands:
            if any(word.raw in ("cd", "pushd") for word in command.words[:2]):
                for word in command.words[1:]:
                    for arg in arguments(word, {}):
                        self.places.enter(arg)

    def command(self, args: Sequence[Arg], fed: tuple[str, ...] = (), texts: tuple[str, ...] = ()) -> tuple[()]:
        """Judge an argv and record it."""
        self._count()
        self._record(args, [], fed, texts)
        return ()

    def result(self, lang: Lang) -> LineRisk:
        """Everything found, said in ``lang``."""
        commands = []
        for text, grounds in self.commands:
            label = RiskLabel.strictest(ground.label for ground in grounds)
            commands.append(CommandRisk(text, label, _said(grounds, lang)))
        everything = [*self.grounds, *(ground for _, grounds in self.commands for ground in grounds)]
        label = RiskLabel.strictest(ground.label for ground in everything)
        if label is SAFE:
            everything.append(Ground(SAFE, why.ONLY_READS))
        else:
            everything = [ground for ground in everything if ground.label is not SAFE]
        return LineRisk(label, _said(everything, lang), tuple(commands), tuple(dict.fromkeys(self.subjects)))

    def _count(self) -> None:
        self.counted += 1
        if self.counted > MAX_COMMANDS:
            raise TooManyCommands(limit=MAX_COMMANDS)

    def _simple(self, command: Command, reading: Reading) -> None:
        """One simple command of a line, for each value its loop variables take."""
        self._count()
        for values in _values(command, reading, self.grounds):
            args = [arg for word in command.words for arg in arguments(word, values)]
            grounds: list[Ground] = []
            written: list[str] = []
            for name, word in command.assigns:
                value = arguments(word, values)[0] if word.parts else Arg("")
                grounds.extend(assignment(name, value, alone=not command.words))
            for redirect in command.redirects:
                grounds.extend(self._redirect(redirect, values, written))
            if command.loop:
                self.grounds.extend([*grounds, *self._loop(command.loop, args)])
            elif args:
                given = tuple(filter(None, (_input(redirect, values) for redirect in command.redirects)))
                fed, printed = _producers(command.fed, values)
                self._record(args, grounds, fed, given + printed)
            else:
                self.grounds.extend(grounds)
            self.subjects.extend(written)

    def _record(self, args: Sequence[Arg], grounds: list[Ground], fed: tuple[str, ...], texts: tuple[str, ...]) -> None:
        """Note a command, then judge it: what it runs in turn comes after it."""
        self.commands.append((_canonical(args), grounds))
        self.subjects.append(self.commands[-1][0])
        grounds.extend(self._argv(args, fed, texts))

    def _loop(self, name: str, values: Sequence[Arg]) -> Iterator[Ground]:
        """A ``for`` loop's variable and values."""
        yield from assignment(name, Arg(""), alone=True)
        for value in values:
            if value.glob or value.tilde:
                yield from self.places.read(value, names_only=True, through=False)

    def _redirect(self, redirect: Redirect, values: dict[str, Arg], written: list[str]) -> Iterator[Ground]:
        if redirect.word is None or redirect.operator == "<<<":
            return
        targets = arguments(redirect.word, values)
        if len(targets) != 1:
            yield Ground(UNKNOWN, why.UNCLEAR, shown(redirect.word.raw))
        for target in targets:
            if redirect.operator in (">&", "<&") and target.clear and _DUPLICATE.fullmatch(target.text):
                continue
            if redirect.operator in ("<", "<&"):
                if target.text != NULL or not target.clear:
                    yield from self.places.read(target)
            else:
                grounds = list(self.places.write(target, overwrite=True))
                if grounds:
                    written.append(f"> {target.shown}")
                yield from grounds

    def _argv(self, args: Sequence[Arg], fed: tuple[str, ...], texts: tuple[str, ...]) -> Iterator[Ground]:
        """All grounds for one argv: its name, then what the tables say of it."""
        if not args:
            yield Ground(UNKNOWN, why.NOT_KNOWN, "")
            return
        first, rest = args[0], list(args[1:])
        yield from _foreign(args)
        if first.expanded or not first.clear or first.glob or first.tilde:
            yield Ground(UNKNOWN, why.NAME_EXPANDED, first.shown)
            words = first.text.split()
            if not first.clear:
                # A guess at what it runs can only make the label stricter.
                rest = [*(Arg(word, raw=word) for word in words[1:]), *rest]
                first = Arg(words[0]) if words else rest.pop(0) if rest else Arg("")
        name = first.text
        if "/" in name:
            folder, _, base = self.places.full(name).rpartition("/")
            if name.rpartition("/")[0] not in _USUAL_FOLDERS:
                yield Ground(UNKNOWN, why.RUNS_FILE, first.shown)
            name = base if folder in _USUAL_FOLDERS or name.rpartition("/")[0] in _USUAL_FOLDERS else name
        match = _VERSIONED.fullmatch(name)
        name = (match[1] or match[2]) if match else name
        yield from _program(Call(name, rest, self.places, self, fed, texts))


def _program(call: Call) -> Iterator[Ground]:
    """What the tables say of one program."""
    name = call.name
    if len(call.args) == 1 and call.args[0].text == "--version" and not call.args[0].expanded and name in VERSION_SHOWN:
        return
    if name == "tar" and call.args and call.args[0].text.isalpha():
        call = replace(call, args=[replace(call.args[0], text="-" + call.args[0].text), *call.args[1:]])
    if name == "git":
        yield from judge_git(call)
    elif name in READERS:
        yield from judge_program(READERS[name], call)
    elif name in WRITERS:
        yield from judge_program(WRITERS[name], call)
    elif name in SUBCOMMANDS:
        yield from _subcommand(call)
        yield from runs_word(call)
    elif name in WRAPPERS:
        yield from WRAPPERS[name](call)
    elif name in OTHERS:
        label, texts = OTHERS[name]
        yield Ground(label, texts, shown(name))
        yield from runs_word(call)
    elif name in ("source", "."):
        yield Ground(UNKNOWN, why.RUNS_CODE, name)
    else:
        yield Ground(UNKNOWN, why.NOT_KNOWN, shown(name))


def _subcommand(call: Call) -> Iterator[Ground]:
    """Programs whose first operand decides."""
    operands = [arg for arg in call.args if arg.text[:1] not in ("-", "+")]
    name = program = call.name
    if name in ("docker", "podman") and operands and operands[0].text == "compose":
        name, program, operands = "compose", f"{program} compose", operands[1:]
    table = SUBCOMMANDS[name]
    default = SUBCOMMAND_DEFAULTS.get(name) or OTHERS.get(name) or (UNKNOWN, why.RUNS_CODE)
    if operands and operands[0].text in table and not operands[0].expanded:
        found = [table[operands[0].text]]
    else:
        # An option's value may stand where the word is expected: every word counts.
        found = [default, *(table[arg.text] for arg in operands if arg.text in table)]
    label, texts = max(found, key=lambda entry: entry[0].rank)
    yield Ground(label, texts, f"{program} {operands[0].shown}" if operands else program)


def _values(command: Command, reading: Reading, grounds: list[Ground]) -> Iterable[dict[str, Arg]]:
    """The values of variables where ``command`` stands: one set for each turn of its loops."""
    words = [*command.words, *(word for _, word in command.assigns), *(r.word for r in command.redirects if r.word)]
    used = {part.text for word in words for part in word.parts if part.kind == "variable"}
    guesses: dict[str, Arg] = {}
    choices: list[list[tuple[str, Arg]]] = []
    for name in sorted(used):
        values = _bound(name, command, reading, 0)
        if values:
            choices.append([(name, value) for value in values])
        elif name in reading.guesses:
            guesses[name] = replace(_guess(reading.guesses[name]), clear=False)
    if not choices:
        return [guesses]
    sets = list(itertools.islice(itertools.product(*choices), MAX_ALTERNATIVES + 1))
    if len(sets) > MAX_ALTERNATIVES:
        grounds.append(Ground(UNKNOWN, why.UNCLEAR, "$" + shown(choices[0][0][0])))
    return [{**guesses, **dict(chosen)} for chosen in sets]


def _bound(name: str, command: Command, reading: Reading, depth: int) -> list[Arg]:
    """All values of a variable that is set once, where nothing can skip it; none when that is not so."""
    binding = reading.bindings.get(name)
    if binding is None or not binding.since <= command.start < binding.until or depth > 3:
        return []
    result: list[Arg] = []
    for word in binding.values:
        inner = {part.text for part in word.parts if part.kind == "variable"}
        nested = Command(word.start)
        values = {other: found[0] for other in inner if len(found := _bound(other, nested, reading, depth + 1)) == 1}
        result.extend(arguments(word, values))
    return result


def _guess(word: Word) -> Arg:
    return arguments(word, {})[0] if word.parts else Arg("")


def _producers(commands: Sequence[Command], values: dict[str, Arg]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the programs that feed a command, and what is known of their output."""
    names: list[str] = []
    printed: list[str] = []
    for command in commands:
        args = [arg for word in command.words for arg in arguments(word, values)]
        if args:
            names.append(args[0].text.rpartition("/")[2])
            if names[-1] in ("echo", "printf"):
                printed.append(" ".join(arg.text for arg in args[1:] if not arg.text.startswith("-")))
        printed.extend(filter(None, (_input(redirect, values) for redirect in command.redirects)))
    # What passes through another program is no longer what was printed.
    return tuple(names), tuple(printed) if set(names) <= {"echo", "printf", "cat"} else ()


def _input(redirect: Redirect, values: dict[str, Arg]) -> str:
    """The text of a here-document or here-string."""
    if redirect.operator == "<<<" and redirect.word is not None:
        return " ".join(arg.text for arg in arguments(redirect.word, values))
    return redirect.text or ""


def _foreign(args: Sequence[Arg]) -> Iterator[Ground]:
    """Letters outside ASCII in the command's name or an option, and hidden ones in any argument."""
    for index, arg in enumerate(args):
        if arg.text.isascii() and arg.text.isprintable():
            continue
        option = arg.text.startswith("-") or unicodedata.category(arg.text[0]) == "Pd" if arg.text else False
        if not arg.text.isascii() and (index == 0 or option):
            yield Ground(UNKNOWN, why.FOREIGN_NAME, shown(arg.text.encode("ascii", "backslashreplace").decode()))
        yield from _hidden(arg.text)


def _hidden(text: str) -> Iterator[Ground]:
    """Control and format characters, and blanks that only look like one."""
    if text.isascii() and text.isprintable():
        return
    odd = [c for c in text if c not in "\n\t " and unicodedata.category(c) in _ODD_CATEGORIES]
    if odd:
        codes = " ".join(f"U+{ord(c):04X}" for c in dict.fromkeys(odd))
        yield Ground(UNKNOWN, why.CONTROL_CHARACTER, shown(codes))


_ODD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})


def _canonical(args: Sequence[Arg]) -> str:
    """An argv in one spelling: quotes only where needed, the program without its usual folder."""
    texts = [_spelled(arg) for arg in args]
    folder, _, name = args[0].text.rpartition("/") if args else ("", "", "")
    if args and args[0].clear and folder in _USUAL_FOLDERS:
        texts[0] = name
    return visible(" ".join(texts))


def _spelled(arg: Arg) -> str:
    if not arg.clear or (arg.tilde and not arg.glob):
        return arg.raw or arg.text
    if arg.glob:
        return _QUOTED.sub(r"\\\g<0>", arg.text)
    return shlex.quote(arg.text)


def _said(grounds: Iterable[Ground], lang: Lang) -> tuple[str, ...]:
    """Reasons in words, the strictest first, each once."""
    ordered = sorted(grounds, key=lambda ground: -ground.label.rank)
    return tuple(dict.fromkeys(ground.say(lang) for ground in ordered))
