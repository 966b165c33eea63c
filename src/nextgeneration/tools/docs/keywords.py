"""``docs.keywords``: the words and short phrases a text is about, with scores and places.

Candidates are the words, pairs and triples within runs of content words between stop words and
punctuation (RAKE, Rose et al. 2010). A word's weight is its
degree over its frequency, damped by how rarely it stands; earlier and headed words
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
    for path, line, heading, run in _runs(texts, STOP_WORDS[language]):
        for word in run:
            frequency[word.lower()] += 1
            degree[word.lower()] += min(len(run), MAX_PHRASE)
        for phrase in _phrases(run):
            key = tuple(word.lower() for word in phrase)
            seen[key].append((" ".join(phrase), path, line))
            if heading:
                headed.add(key)
    order = {key: number for number, key in enumerate(seen)}
    scores = {}
    for key, places in seen.items():
        weight = sum(degree[w] / frequency[w] * math.log(1 + frequency[w]) for w in key) / math.sqrt(len(key))
        early = 1 + 0.5 / (1 + order[key] / 50)
        scores[key] = weight * math.log(1 + len(places)) * early * (1.5 if key in headed else 1.0)
    best = sorted(scores, key=lambda key: (-scores[key], order[key]))
    chosen = _distinct(best, {key: len(places) for key, places in seen.items()}, count)
    top = scores[best[0]] if best else 1.0
    return [_keyword(seen[key], scores[key] / top) for key in chosen]


def _distinct(best: Sequence[tuple[str, ...]], counts: dict[tuple[str, ...], int], most: int) -> list[tuple[str, ...]]:
    """The first keys that say something the ones before them do not."""
    chosen: list[tuple[str, ...]] = []
    for key in best:
        if len(chosen) == most:
            break
        part = any(_inside(key, other) and counts[key] <= 2 * counts[other] for other in chosen)
        once = counts[key] == 1 and any(_inside(other, key) for other in chosen)
        if not part and not once:
            chosen.append(key)
    return chosen


def _keyword(places: list[tuple[str, str, int]], score: float) -> Keyword:
    written = Counter(text for text, _, _ in places).most_common(1)[0][0]
    spots = dict.fromkeys((path, line) for _, path, line in places)
    locations = tuple(Location(path=path, line=line) for path, line in list(spots)[:_PLACES])
    return Keyword(keyword=written, score=round(score, 3), count=len(places), locations=locations)


def _inside(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return len(part) < len(whole) and any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def _runs(texts: Sequence[Document], stop: frozenset[str]) -> Iterator[tuple[str, int, bool, tuple[str, ...]]]:
    """Each run of content words with its path, its line, and whether it stands in a heading."""
    for document in texts:
        for block in blocks(document.text):
            for line, text in block.lines:
                plain = _LINK.sub(lambda match: f"{match[1] or ''} ", text).replace("`", " ")
                for run in _content(plain, stop):
                    yield document.path, line, block.kind == "heading", run


def _content(text: str, stop: frozenset[str]) -> Iterator[tuple[str, ...]]:
    run: list[str] = []
    for token in [*_TOKEN.findall(text), "."]:
        elided = _ELIDED.match(token)
        word = elided[2] if elided else token
        content = len(word) > 1 and word.lower() not in stop and word[0].isalpha()
        if run and (elided or not content):
            yield tuple(run)
            run = []
        if content:
            run.append(word)


def _phrases(run: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words of a run, its pairs and triples; a name of one or two letters is no keyword alone."""
    for size in range(1, MAX_PHRASE + 1):
        for start in range(len(run) - size + 1):
            phrase = run[start : start + size]
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
