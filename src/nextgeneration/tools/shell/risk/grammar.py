"""What a program's arguments mean: a table entry per program, and the reading of an argv by it.

``flags`` is a list of options in one string: ``-n`` takes nothing, ``-n=`` a text, ``-n=r`` a path
that is read, ``-n=w`` a path that is written, ``--color?`` a text that must be attached, ``--arg==``
two texts. Long options count only when spelled out. An option that is not listed is unknown, and so
is then the command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.tools.shell.risk import reasons as why
from nextgeneration.tools.shell.risk.places import Places
from nextgeneration.tools.shell.risk.reasons import SAFE, UNKNOWN, WRITE, Ground
from nextgeneration.tools.shell.risk.words import Arg

UNLIMITED = 10_000
_NUMBER = re.compile(r"-[0-9]+[a-z]?")
_FLAG = re.compile(r"(--?[A-Za-z0-9_?@:#+.,%-]*?|\+[a-z]+)(==|=r|=w|=|\?)?")


@dataclass(frozen=True, slots=True)
class Program:
    """How one program is judged.

    Attributes:
        flags: the options that keep it within ``label``.
        operands: what its operands are: a key of ``OPERANDS``.
        label: what it does at least.
        reason: why, when that is more than reading.
        numbers: ``-5`` is an option.
        lists: an argument ``@FILE`` stands for the arguments that FILE holds.
        follows: the options with which it follows the links it meets in folders; ``()``: none does.
        most: how many operands it may have; the next one would be written to.
        mild: none of its options can do harm, so that a file named like one is no danger.
        stop: options end at the first operand.
        raw: ``check`` reads the arguments by itself.
        check: further rules of its own.
    """

    flags: str = ""
    operands: str = "read"
    label: RiskLabel = SAFE
    reason: Texts = why.ONLY_READS
    numbers: bool = False
    lists: bool = False
    follows: tuple[str, ...] = ()
    most: int = UNLIMITED
    mild: bool = False
    stop: bool = False
    raw: bool = False
    check: Callable[[Call, Parsed], Iterable[Ground]] | None = None


@dataclass(slots=True)
class Parsed:
    """An argv taken apart."""

    flags: list[tuple[str, str, Arg | None]] = field(default_factory=list)
    """Name, kind (``""``, ``"="``, ``"=r"`` …) and value of each option."""
    operands: list[Arg] = field(default_factory=list)
    grounds: list[Ground] = field(default_factory=list)

    def has(self, *names: str) -> bool:
        """Whether one of these options is given."""
        return any(name in names for name, _, _ in self.flags)

    def values(self, *names: str) -> list[Arg]:
        """The values of these options."""
        return [value for name, _, value in self.flags if name in names and value is not None]


class Inner(Protocol):
    """Judges what a command would run in turn. Both record what they judge and return no grounds."""

    def command(self, args: Sequence[Arg], fed: tuple[str, ...] = (), texts: tuple[str, ...] = ()) -> tuple[()]:
        """An argv it would run."""
        ...

    def line(self, text: str) -> tuple[()]:
        """A shell line it would run."""
        ...


@dataclass(slots=True)
class Call:
    """One command to judge."""

    name: str
    args: Sequence[Arg]
    places: Places
    judge: Inner
    fed: tuple[str, ...] = ()
    """Names of the programs whose output is its input."""
    texts: tuple[str, ...] = ()
    """What is known of its input: here-documents, and what ``echo`` prints."""


@lru_cache(maxsize=512)
def _table(flags: str) -> dict[str, str]:
    table: dict[str, str] = {}
    for token in flags.split():
        match = _FLAG.fullmatch(token)
        if match is None:
            raise TypeError(f"not an option of a table: {token}")
        table[match[1]] = match[2] or ""
    return table


def parse(program: Program, call: Call) -> Parsed:
    """Take ``call.args`` apart by the options of ``program``."""
    parsed = Parsed()
    table = _table(program.flags)
    rest = iter(call.args)
    for arg in rest:
        text = arg.text
        if not arg.clear:
            if not (program.mild and program.operands == "text" and not arg.loose and not arg.private):
                parsed.grounds.append(Ground(UNKNOWN, why.UNCLEAR, arg.shown))
            parsed.operands.append(arg)
        elif text == "--":
            parsed.operands.extend(rest)
            break
        elif len(text) > 1 and text[0] in "-+" and (text[0] == "-" or "+" in program.flags):
            _option(program, call, arg, table, rest, parsed)
        else:
            if arg.head and not program.mild:
                parsed.grounds.append(Ground(UNKNOWN, why.GLOB_OPTION, arg.shown))
            parsed.operands.append(arg)
            if program.stop:
                parsed.operands.extend(rest)
    return parsed


def _option(program: Program, call: Call, arg: Arg, table: dict[str, str], rest: Iterator[Arg], parsed: Parsed) -> None:
    """One argument that begins with a dash."""
    text = arg.text
    if arg.expanded:
        parsed.grounds.append(Ground(UNKNOWN, why.OPTION_EXPANDED, arg.shown))
    if program.numbers and _NUMBER.fullmatch(text):
        parsed.flags.append(("-N", "", Arg(text)))
        return
    name, separator, value = text.partition("=")
    kind = table.get(name)
    if kind is not None and (text.startswith("--") or not separator or kind in ("=", "=r", "=w")):
        if separator:
            attached = Arg(value, glob=arg.glob, tilde=arg.tilde)
            if kind in ("", "=="):
                parsed.grounds.append(Ground(UNKNOWN, why.OPTION_UNKNOWN, call.name, arg.shown))
            parsed.flags.append((name, kind, attached))
        else:
            _valued(call, arg, name, kind, rest, parsed)
        return
    if text.startswith("--"):
        parsed.grounds.append(Ground(UNKNOWN, why.OPTION_UNKNOWN, call.name, arg.shown))
        return
    for index in range(1, len(text)):
        name, following = text[0] + text[index], text[index + 1 :]
        kind = table.get(name)
        if kind is None:
            parsed.grounds.append(Ground(UNKNOWN, why.OPTION_UNKNOWN, call.name, arg.shown))
            return
        if kind and following:
            parsed.flags.append((name, kind, Arg(following, glob=arg.glob)))
            if kind == "==":
                parsed.grounds.append(Ground(UNKNOWN, why.OPTION_UNKNOWN, call.name, arg.shown))
            return
        if kind:
            _valued(call, arg, name, kind, rest, parsed)
            return
        parsed.flags.append((name, "", None))


def _valued(call: Call, arg: Arg, name: str, kind: str, rest: Iterator[Arg], parsed: Parsed) -> None:
    """An option whose values, if any, are the next arguments."""
    if kind in ("", "?"):
        parsed.flags.append((name, kind, None))
        return
    for _ in range(2 if kind == "==" else 1):
        value = next(rest, None)
        if value is None:
            parsed.grounds.append(Ground(UNKNOWN, why.OPTION_UNKNOWN, call.name, arg.shown))
        elif (not value.clear and (value.loose or kind in ("=r", "=w"))) or value.glob:
            parsed.grounds.append(Ground(UNKNOWN, why.UNCLEAR, value.shown))
        parsed.flags.append((name, kind, value))


def judge_program(program: Program, call: Call) -> Iterator[Ground]:
    """All grounds for the label of one call by its table entry."""
    parsed = Parsed() if program.raw else parse(program, call)
    if program.label is not SAFE:
        yield Ground(program.label, program.reason, call.name)
    yield from parsed.grounds
    for _, kind, value in parsed.flags:
        if value is not None and kind == "=r":
            yield from call.places.read(value)
        elif value is not None and kind == "=w":
            yield from call.places.write(value)
    if program.lists:
        yield from _from_files(call)
    if program.follows and parsed.has(*program.follows):
        for operand in parsed.operands or [Arg(".")]:
            yield from call.places.walk(operand)
    if program.most < UNLIMITED and any(operand.glob for operand in parsed.operands):
        # It may match several files: the second would be written to.
        yield from (Ground(UNKNOWN, why.TOO_MANY_OPERANDS, call.name, arg.shown) for arg in parsed.operands if arg.glob)
    if len(parsed.operands) > program.most:
        for extra in parsed.operands[program.most :]:
            yield Ground(UNKNOWN, why.TOO_MANY_OPERANDS, call.name, extra.shown)
            yield from call.places.write(extra)
    yield from OPERANDS[program.operands](call, parsed)
    if program.check is not None:
        yield from program.check(call, parsed)


def _from_files(call: Call) -> Iterator[Ground]:
    """Arguments that stand in files, which this line does not show; a wildcard may match such a name."""
    for arg in call.args:
        if arg.text.startswith("@") or arg.head:
            yield Ground(UNKNOWN, why.ARGUMENTS_IN_FILE, call.name, arg.shown)


def _read(call: Call, parsed: Parsed) -> Iterator[Ground]:
    for operand in parsed.operands:
        if operand.text != "-" or operand.glob:
            yield from call.places.read(operand)


def _names(call: Call, parsed: Parsed) -> Iterator[Ground]:
    for operand in parsed.operands:
        yield from call.places.read(operand, names_only=True)


def _write(call: Call, parsed: Parsed) -> Iterator[Ground]:
    for operand in parsed.operands:
        yield from call.places.write(operand)


def _text(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Operands that are no paths; the shell still looks for what unquoted wildcards match."""
    for operand in parsed.operands:
        if operand.glob or operand.tilde:
            yield from call.places.read(operand, names_only=True, through=False)


def _pattern(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """A pattern, unless options gave it, then paths."""
    given = parsed.has("-e", "-f", "--regexp", "--file", "--files")
    operands = parsed.operands if given else parsed.operands[1:]
    yield from _text(call, Parsed(operands=parsed.operands[: len(parsed.operands) - len(operands)]))
    yield from _read(call, Parsed(operands=operands))


def _skip_first(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """A mode, owner or size, then paths that are written."""
    given = parsed.has("--reference")
    yield from _write(call, Parsed(operands=parsed.operands if given else parsed.operands[1:]))


def _copy(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Sources, then a destination unless ``-t`` names it."""
    targets = parsed.values("-t", "--target-directory")
    sources = parsed.operands if targets else parsed.operands[:-1]
    yield from targets_of(call, sources, targets or parsed.operands[-1:])
    yield from _read(call, Parsed(operands=list(sources)))


def targets_of(call: Call, sources: Sequence[Arg], targets: Sequence[Arg]) -> Iterator[Ground]:
    """Where copies of ``sources`` may land: on the target, or in it under their own names."""
    for target in targets:
        yield from call.places.write(target)
        for source in sources:
            name = source.text.rstrip("/").rpartition("/")[2]
            if source.text.endswith("/") or name in ("", ".", "..") or (source.glob and name[:1] == "."):
                yield Ground(UNKNOWN, why.WRITES_UNSEEN, source.shown)
            elif target.clear and source.clear:
                landed = Arg(f"{target.text.rstrip('/')}/{name}", glob=source.glob, tilde=target.tilde)
                yield from (ground for ground in call.places.write(landed) if ground.label is not WRITE)


def _move(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Like a copy, but the sources are changed too."""
    targets = parsed.values("-t", "--target-directory")
    sources = parsed.operands if targets else parsed.operands[:-1]
    yield from targets_of(call, sources, targets or parsed.operands[-1:])
    yield from _write(call, Parsed(operands=list(sources)))


def _revisions(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Revisions and paths, which only git can tell apart."""
    for operand in parsed.operands:
        text = operand.text
        if text.startswith("/") or operand.tilde or operand.glob or ".." in text.split("/") or not operand.clear:
            yield from call.places.read(operand)
        else:
            # `HEAD:path` reads a file too.
            path = Arg(text.rpartition(":")[2])
            yield from (ground for ground in call.places.read(path) if ground.texts is why.READS_SECRET)


def _anything(_: Call, __: Parsed) -> Iterator[Ground]:
    return iter(())


OPERANDS: dict[str, Callable[[Call, Parsed], Iterator[Ground]]] = {
    "read": _read,
    "names": _names,
    "write": _write,
    "text": _text,
    "pattern": _pattern,
    "mode": _skip_first,
    "copy": _copy,
    "move": _move,
    "revisions": _revisions,
    "any": _anything,
}
