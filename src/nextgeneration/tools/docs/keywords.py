"""``docs.keywords``: the words and short phrases a text is about, with scores and places.

Candidates are runs of content words between stop words and punctuation (RAKE, Rose et al. 2010). A
word's weight is its degree over its frequency, damped by how rarely it stands; earlier and headed words
count more (after YAKE, Campos et al. 2020). Scores are between 0 and 1, relative to the best.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.findings import Location
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import BaseTool
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.docs.corpus import Document, documents
from nextgeneration.tools.docs.prose import STOP_WORDS, blocks
from nextgeneration.tools.docs.summary import TextArgs, chosen_language

MAX_PHRASE = 3
_PLACES = 5
_LINK = re.compile(
    r"!?\[([^\]\n]{0,300})\]\([^)\n]{0,500}\)|https?://\S+|<[^>\n]{1,200}>|[*_~]{1,3}(?=\w)|(?<=\w)[*~]{1,3}"
)
_TOKEN = re.compile(r"[^\W\d_][\w+#]*(?:[-'’.][^\W_][\w+#]*)*|\d+|[^\w\s]")
_ELIDED = re.compile(r"(?i)^(l|d|j|m|t|s|n|c|qu|jusqu|lorsqu|puisqu)['’](.+)")


class KeywordArgs(TextArgs):
    """What to look through, and how many keywords to give."""

    count: int = Field(default=15, ge=1, le=100, description="at most this many keywords")


class Keyword(BaseModel):
    """A word or phrase, as it is most often written."""

    model_config = ConfigDict(frozen=True)

    keyword: str
    score: float
    count: int
    locations: tuple[Location, ...]


class Keywords(BaseModel):
    """The keywords, best first."""

    model_config = ConfigDict(frozen=True)

    language: str
    keywords: tuple[Keyword, ...]
    sources: tuple[str, ...]


def extract(texts: Sequence[Document], language: Lang, count: int) -> list[Keyword]:
    """The ``count`` best keywords of the texts."""
    seen: dict[tuple[str, ...], list[tuple[str, str, int]]] = defaultdict(list)
    headed: set[tuple[str, ...]] = set()
    frequency: Counter[str] = Counter()
    degree: Counter[str] = Counter()
    order: dict[tuple[str, ...], int] = {}
    for path, line, heading, phrase in _phrases(texts, STOP_WORDS[language]):
        key = tuple(word.lower() for word in phrase)
        seen[key].append((" ".join(phrase), path, line))
        order.setdefault(key, len(order))
        if heading:
            headed.add(key)
        for word in key:
            frequency[word] += 1
            degree[word] += len(key)
    scores = {}
    for key, places in seen.items():
        weight = sum(degree[w] / frequency[w] * math.log(1 + frequency[w]) for w in key) / math.sqrt(len(key))
        early = 1 + 0.5 / (1 + order[key] / 50)
        scores[key] = weight * math.log(1 + len(places)) * early * (1.5 if key in headed else 1.0)
    best = sorted(scores, key=lambda key: (-scores[key], order[key]))
    top = scores[best[0]] if best else 1.0
    chosen: list[tuple[str, ...]] = []
    for key in best:
        if len(chosen) == count:
            break
        # A part of a better phrase that never stands alone often enough says nothing new.
        if any(_inside(key, other) and len(seen[key]) <= 2 * len(seen[other]) for other in chosen):
            continue
        chosen.append(key)
    return [_keyword(seen[key], scores[key] / top) for key in chosen]


def _keyword(places: list[tuple[str, str, int]], score: float) -> Keyword:
    written = Counter(text for text, _, _ in places).most_common(1)[0][0]
    spots = dict.fromkeys((path, line) for _, path, line in places)
    locations = tuple(Location(path=path, line=line) for path, line in list(spots)[:_PLACES])
    return Keyword(keyword=written, score=round(score, 3), count=len(places), locations=locations)


def _inside(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return len(part) < len(whole) and any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def _phrases(texts: Sequence[Document], stop: frozenset[str]) -> Iterator[tuple[str, int, bool, tuple[str, ...]]]:
    for document in texts:
        for block in blocks(document.text):
            for line, text in block.lines:
                plain = _LINK.sub(lambda match: f"{match[1] or ''} ", text).replace("`", " ")
                for phrase in _runs(plain, stop):
                    yield document.path, line, block.kind == "heading", phrase


def _runs(text: str, stop: frozenset[str]) -> Iterator[tuple[str, ...]]:
    run: list[str] = []
    for token in _TOKEN.findall(text):
        elided = _ELIDED.match(token)
        if elided:
            yield from _cut(run)
            run, token = [], elided[2]
        if len(token) < 2 or token.lower() in stop or not token[0].isalpha():
            yield from _cut(run)
            run = []
        else:
            run.append(token)
    yield from _cut(run)


def _cut(run: list[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(run), MAX_PHRASE):
        phrase = tuple(run[start : start + MAX_PHRASE])
        if any(len(word) > 2 for word in phrase):
            yield phrase


class DocsKeywords(BaseTool):
    """Keyword extraction."""

    spec = ToolSpec(
        name="docs.keywords",
        summary=Texts(
            "Find the keywords of a text or of files, with scores and places, in English or French.",
            "Trouver les mots-clés d'un texte ou de fichiers, avec scores et lieux, en français ou en anglais.",
        ),
        args=KeywordArgs,
        result=Keywords,
    )

    def subjects(self, args: KeywordArgs) -> tuple[str, ...]:
        """The paths it reads."""
        return tuple(args.paths)

    async def call(self, args: KeywordArgs, context: ToolContext) -> ToolResult:
        """Find the keywords.

        Raises:
            NoText: there is nothing to read.
            PathRefused, FileMissing: a path is not in the workspace.
        """
        return await asyncio.to_thread(self._work, args, context)

    def _work(self, args: KeywordArgs, context: ToolContext) -> ToolResult:
        texts = documents(args.text, args.paths, self.spec.name, context, Notes(self.spec.name, context.lang))
        language = chosen_language(args.language, texts, context.lang)
        found = extract(texts, language, args.count)
        value = Keywords(language=language, keywords=tuple(found), sources=tuple(d.path for d in texts if d.path))
        return ToolResult(value=value.model_dump(mode="json"), text=", ".join(k.keyword for k in found))
