"""Prose in English and French: its language, its words, and its sentences with their places.

Markdown and reStructuredText are read as far as sentences need it: code, tables, comments and front
matter are left out, headings are known as headings, a list item is a paragraph of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from nextgeneration.kernel.language import Lang

_ENGLISH = """
a about above after again against all also although am an and any are as at be because been before being below
between both but by can cannot could did do does doing done down during each either else even ever every few for
from further get gets got had has have having he her here hers him his how however i if in into is it its itself
just let like made make makes many may me might more most much must my neither no nor not now of off often on
once one only or other our out over own per same see shall she should since so some still such than that the
their them then there these they this those though through thus to too under until up upon us use used uses
using very was we well were what when where whether which while who whom whose why will with within without
would yet you your yours two three four five six seven eight nine ten another
"""
_FRENCH = """
a à ai ainsi alors après as assez au aucun aucune aussi autre autres aux avait avant avec avoir ayant bien c car
ce ceci cela celle celles celui cependant ces cet cette ceux chacun chaque chez ci comme comment contre d dans
de depuis des deux devant doit doivent donc dont du durant elle elles en encore entre es est et étaient était
étant été être eu eux fait faire faut fois font ici il ils j je l la laquelle le lequel les lesquels leur leurs
lors lorsque lui m ma mais malgré même mêmes mes moi moins mon n ne ni non nos notre nous on ont or ou où par
parce parmi pas pendant peu peut peuvent plus plusieurs pour pourquoi puis puisque qu quand que quel quelle
quelles quels qui quoi s sa sans se selon sera seront ses si sinon soit son sont sous sur t ta tandis te tel
telle telles tels tes toi ton toujours tous tout toute toutes très trop tu un une vers voici voilà vos votre
vous y trois quatre cinq six sept huit neuf dix
"""
STOP_WORDS: dict[Lang, frozenset[str]] = {"en": frozenset(_ENGLISH.split()), "fr": frozenset(_FRENCH.split())}
_SHORTENED = """
mr mrs ms dr prof sr jr st vs etc e.g i.e eg ie cf al fig figs no nos vol pp p ed eds approx dept est inc ltd co
corp jan feb mar apr jun jul aug sep sept oct nov dec ph.d u.s u.k m mm mme mmes mlle mlles me mgr pr p.ex ex
env art chap sect réf ref tél tel av apr adj boul bd c.-à-d c.à.d n.b nb i.a janv févr avr juil déc id ibid op
suiv
"""
_ABBREVIATIONS = frozenset(_SHORTENED.split())
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*|\d+(?:[.,]\d+)*")
_ELISION = re.compile(r"(?i)^(?:l|d|j|m|t|s|n|c|qu|jusqu|lorsqu|puisqu|quoiqu)['’](?=\w)")
_END = re.compile(r"[.!?…]\s?»(?=\s|$)|(?:\.{1,3}|…|[!?]+)[\"'”’»)\]*_]*(?=\s|$)")
_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_UNDERLINE = re.compile(r"^(=+|-+|~+|\^+|\"+|\*+|#+|\++)\s*$")
_ITEM = re.compile(r"^(\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?)")
_SKIP_LINE = re.compile(r"^\s*(?:\||<!--|</?\w|:?-{3,}|\[!\[|!\[|\[[^\]]+\]:\s|\.\. )")
_RST_DIRECTIVE = re.compile(r"^\s*\.\. (?:code|code-block|sourcecode|image|figure|toctree|table|math|include)\b.*::")
_SPAN = re.compile(r"`[^`\n]{1,200}`|https?://\S{1,500}|\]\([^)\s]{1,500}\)")

Kind = Literal["heading", "text", "item"]


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, paragraph or list item: its lines as they stand, without markers.

    ``lines`` pairs each line's number with its text.
    """

    kind: Kind
    lines: tuple[tuple[int, str], ...]

    @property
    def text(self) -> str:
        """The lines as one."""
        return " ".join(" ".join(text.split()) for _, text in self.lines)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it stands in its source, line breaks made spaces."""

    text: str
    line: int
    end_line: int
    heading: str
    block: int
    first: bool


def words(text: str) -> list[str]:
    """The words in lower case, French elisions (``l'``, ``qu'``) taken off."""
    return [_ELISION.sub("", word.lower()) for word in _WORD.findall(text)]


def language_of_text(text: str, otherwise: Lang = "en") -> Lang:
    """The language whose stop words are more frequent; ``otherwise`` when neither is."""
    found = words(text[:100_000])
    only_en = STOP_WORDS["en"] - STOP_WORDS["fr"]
    only_fr = STOP_WORDS["fr"] - STOP_WORDS["en"]
    english = sum(word in only_en for word in found)
    french = sum(word in only_fr for word in found)
    if english == french:
        return otherwise
    return "fr" if french > english else "en"


def blocks(text: str) -> list[Block]:
    """The parts of a text that hold prose, in order."""
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), 1):
        reader.line(number, line.rstrip("\r"))
    reader.flush()
    return reader.found


class _Reader:
    """Reads lines and cuts them into blocks."""

    def __init__(self) -> None:
        self.found: list[Block] = []
        self._open: list[tuple[int, str]] = []
        self._kind: Kind = "text"
        self._fence = ""
        self._front = False
        self._literal: int | None = None

    def flush(self) -> None:
        """Close the block that is open."""
        if self._open:
            self.found.append(Block(self._kind, tuple(self._open)))
        self._open, self._kind = [], "text"

    def line(self, number: int, line: str) -> None:
        """Take the next line."""
        if self._left_out(number, line):
            return
        if not line.strip():
            self.flush()
        elif heading := _HEADING.match(line):
            self._heading(number, heading[2])
        elif _UNDERLINE.match(line) and len(self._open) == 1 and len(line.strip()) >= 3:
            self._kind = "heading"
            self.flush()
        elif _SKIP_LINE.match(line) or _UNDERLINE.match(line):
            self.flush()
        elif item := _ITEM.match(line):
            self.flush()
            self._open, self._kind = [(number, line[item.end() :])], "item"
        else:
            self._open.append((number, re.sub(r"^\s*(?:>\s?)*", "", line)))

    def _heading(self, number: int, text: str) -> None:
        self.flush()
        self._open, self._kind = [(number, text)], "heading"
        self.flush()

    def _left_out(self, number: int, line: str) -> bool:
        """Whether the line is inside code, front matter or a directive's body."""
        if self._front or (number == 1 and line.strip() == "---"):
            self._front = not (self._front and line.strip() in {"---", "..."})
            return True
        fence = _FENCE.match(line)
        if self._fence:
            if fence and fence[1].startswith(self._fence) and line.strip() == fence[1]:
                self._fence = ""
            return True
        if fence:
            self.flush()
            self._fence = fence[1]
            return True
        return self._in_literal(line)

    def _in_literal(self, line: str) -> bool:
        indent = len(line) - len(line.lstrip())
        if self._literal is not None:
            if not line.strip() or indent > self._literal:
                return True
            self._literal = None
        if _RST_DIRECTIVE.match(line):
            self.flush()
            self._literal = indent
            return True
        # An indented block after a blank line is code; inside a list it is the item's continuation.
        return not self._open and indent >= 4 and bool(line.strip()) and not _ITEM.match(line)


def sentences(text: str) -> list[Sentence]:
    """The sentences of the paragraphs and list items, each with its lines and the heading above it."""
    found: list[Sentence] = []
    heading = ""
    for index, block in enumerate(blocks(text)):
        if block.kind == "heading":
            heading = block.text
            continue
        found += [
            Sentence(said, line, end_line, heading, index, first)
            for said, line, end_line, first in _sentences_of(block)
        ]
    return found


def _sentences_of(block: Block) -> Iterator[tuple[str, int, int, bool]]:
    text, starts = "", []
    for number, line in block.lines:
        piece = " ".join(line.split())
        if piece:
            text += (" " if text else "") + piece
            starts.append((len(text) - len(piece), number))
    begin = 0
    for end in [*_ends(text), len(text)]:
        said = text[begin:end].strip()
        if said:
            offset = begin + len(text[begin:end]) - len(text[begin:end].lstrip())
            yield said, _line_at(starts, offset), _line_at(starts, offset + len(said) - 1), begin == 0
        begin = end


def _line_at(starts: list[tuple[int, int]], offset: int) -> int:
    return next(number for start, number in reversed(starts) if start <= offset)


def _ends(text: str) -> Iterator[int]:
    """Where sentences end: a full stop that is no abbreviation, decimal, or part of code or an address."""
    spans = [match.span() for match in _SPAN.finditer(text)]
    for match in _END.finditer(text):
        if any(start < match.start() < end - 1 for start, end in spans):
            continue
        rest = text[match.end() :].lstrip()
        if rest and not (rest[0].isupper() or rest[0].isdigit() or rest[0] in "«\"“‘'([`*_¿¡-–—"):
            continue
        before = text[: match.start()].rpartition(" ")[2].lstrip("(«\"'“*_").lower()
        if match[0].startswith(".") and rest and _is_abbreviation(before, rest):
            continue
        yield match.end()


def _is_abbreviation(word: str, rest: str) -> bool:
    if word == "etc":
        return not rest[0].isupper()
    bare = word.rstrip(".")
    initial = len(bare) == 1 and bare.isalpha()
    return initial or bare in _ABBREVIATIONS or bool(re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", word))
