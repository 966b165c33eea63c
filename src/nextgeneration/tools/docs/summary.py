"""``docs.summary``: the sentences that say most, as they stand, with their places.

Nothing is written by us: a summary is a choice of sentences. Each is scored by its centrality in the
graph of shared words (TextRank, Mihalcea and Tarau 2004, with the TF-IDF cosine of LexRank, Erkan and
Radev 2004), its place (the first of a text and of a paragraph say more), and the words it shares with
the headings; a sentence that repeats a chosen one is passed over (MMR, Carbonell and Goldstein 1998).
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.code.notes import Notes, Skipped
from nextgeneration.tools.docs.corpus import MAX_TEXT, Document, documents
from nextgeneration.tools.docs.prose import STOP_WORDS, Sentence, language_of_text, sentences, words

MAX_GRAPH = 300
MIN_WORDS, MAX_WORDS = 4, 80
_DAMPING = 0.85
_ROUNDS = 30
_ALIKE = 0.6


class TextArgs(Args):
    """A text, or files to take it from; with neither, the workspace's own documentation."""

    text: str = Field(default="", max_length=MAX_TEXT, description="the text itself")
    paths: list[str] = Field(default=[], max_length=200, description="text files or folders of the workspace")
    language: Literal["auto", "en", "fr"] = Field(default="auto", description="language of the text")


class SummaryArgs(TextArgs):
    """What to summarise, and how far."""

    length: int = Field(default=250, ge=10, le=5_000, description="at most this many words")
    sentences: int | None = Field(default=None, ge=1, le=200, description="at most this many sentences")


class Extract(BaseModel):
    """A sentence of the text, as it stands."""

    model_config = ConfigDict(frozen=True)

    text: str
    path: str
    line: int
    end_line: int
    heading: str
    score: float


class Summary(BaseModel):
    """The chosen sentences, in the order of the text."""

    model_config = ConfigDict(frozen=True)

    language: str
    summary: str
    sentences: tuple[Extract, ...]
    words: int
    of_words: int
    of_sentences: int
    sources: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()


@dataclass(slots=True)
class _Candidate:
    document: int
    sentence: Sentence
    terms: dict[str, float]
    place: float
    score: float = 0.0


def summarise(texts: Sequence[Document], language: Lang, *, length: int, most: int | None) -> list[Extract]:
    """The sentences that say most, at most ``length`` words and ``most`` sentences, in order."""
    candidates = _candidates(texts, language)
    _rank(candidates)
    chosen: list[_Candidate] = []
    used = 0
    for candidate in sorted(candidates, key=lambda c: -c.score):
        size = len(candidate.sentence.text.split())
        if most is not None and len(chosen) >= most:
            break
        if (used + size > length and chosen) or any(_cosine(candidate.terms, c.terms) > _ALIKE for c in chosen):
            continue
        chosen.append(candidate)
        used += size
        if used >= length:
            break
    chosen.sort(key=lambda c: (c.document, c.sentence.line, c.sentence.block))
    best = max((c.score for c in chosen), default=1.0) or 1.0
    return [_extract(c, texts[c.document].path, best) for c in chosen]


def _extract(candidate: _Candidate, path: str, best: float) -> Extract:
    sentence = candidate.sentence
    return Extract(
        text=sentence.text,
        path=path,
        line=sentence.line,
        end_line=sentence.end_line,
        heading=sentence.heading,
        score=round(candidate.score / best, 3),
    )


def _candidates(texts: Sequence[Document], language: Lang) -> list[_Candidate]:
    stop = STOP_WORDS[language]
    found: list[tuple[int, Sentence, list[str]]] = []
    for number, document in enumerate(texts):
        for sentence in sentences(document.text):
            terms = [word for word in words(sentence.text) if word not in stop and len(word) > 1]
            if MIN_WORDS <= len(sentence.text.split()) <= MAX_WORDS and len(terms) >= 2:
                found.append((number, sentence, terms))
    if not found:
        # Too little prose to choose from: whatever sentences there are.
        found = [(n, s, words(s.text)) for n, document in enumerate(texts) for s in sentences(document.text)]
    frequency = Counter(term for _, _, terms in found for term in set(terms))
    total = len(found)
    candidates: list[_Candidate] = []
    firsts: set[int] = set()
    for number, sentence, terms in found:
        weights = {t: n * math.log(1 + total / frequency[t]) for t, n in Counter(terms).items()}
        shared = len(set(terms) & set(words(sentence.heading))) / (len(set(terms)) or 1)
        lead = 0.5 if number not in firsts else 0.0
        # What ends in a colon leads to something that the summary will not show.
        lead -= 0.4 if sentence.text.endswith(":") else 0.0
        place = lead + (0.2 if sentence.first else 0.0) + 0.3 * min(shared * 3, 1) + 0.2 / (1 + len(candidates) / 20)
        firsts.add(number)
        candidates.append(_Candidate(number, sentence, weights, place))
    return candidates


def _rank(candidates: list[_Candidate]) -> None:
    """Give each candidate its score; the graph has at most ``MAX_GRAPH`` of them, the densest."""
    total: Counter[str] = Counter()
    for candidate in candidates:
        total.update(candidate.terms)
    for candidate in candidates:
        size = math.sqrt(len(candidate.terms)) or 1.0
        candidate.score = sum(total[term] for term in candidate.terms) / size
    graph = sorted(candidates, key=lambda c: -(c.score * (1 + c.place)))[:MAX_GRAPH]
    kept = {id(c) for c in graph}
    for candidate in candidates:
        if id(candidate) not in kept:
            candidate.score = 0.0
    for candidate, central in zip(graph, _centrality(graph), strict=True):
        candidate.score = central * (1 + candidate.place)


def _centrality(candidates: Sequence[_Candidate]) -> list[float]:
    """TextRank over the cosine of the candidates' words; 1 is the mean."""
    count = len(candidates)
    edges: list[list[tuple[int, float]]] = [[] for _ in candidates]
    norms = [math.sqrt(sum(w * w for w in c.terms.values())) or 1.0 for c in candidates]
    for i in range(count):
        for j in range(i + 1, count):
            weight = _dot(candidates[i].terms, candidates[j].terms) / (norms[i] * norms[j])
            if weight > 0.05:
                edges[i].append((j, weight))
                edges[j].append((i, weight))
    sums = [sum(weight for _, weight in row) or 1.0 for row in edges]
    rank = [1.0] * count
    for _ in range(_ROUNDS):
        rank = [(1 - _DAMPING) + _DAMPING * sum(rank[j] * weight / sums[j] for j, weight in row) for row in edges]
    return rank


def _dot(one: dict[str, float], other: dict[str, float]) -> float:
    if len(other) < len(one):
        one, other = other, one
    return sum(weight * other[term] for term, weight in one.items() if term in other)


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    norm = math.sqrt(sum(w * w for w in one.values()) * sum(w * w for w in other.values()))
    return _dot(one, other) / norm if norm else 0.0


def chosen_language(language: str, texts: Sequence[Document], otherwise: Lang) -> Lang:
    """The language asked for, else the one the texts are in."""
    if language == "auto":
        return language_of_text("\n".join(d.text[:20_000] for d in texts), otherwise)
    return "fr" if language == "fr" else "en"


class DocsSummary(BaseTool):
    """Extractive summaries."""

    spec = ToolSpec(
        name="docs.summary",
        summary=Texts(
            "Summarise a text or files by their most telling sentences, word for word.",
            "Résumer un texte ou des fichiers par leurs phrases les plus parlantes, mot pour mot.",
        ),
        args=SummaryArgs,
        result=Summary,
        aliases=("summarize_text",),
    )

    def subjects(self, args: SummaryArgs) -> tuple[str, ...]:
        """The paths it reads."""
        return tuple(args.paths)

    async def call(self, args: SummaryArgs, context: ToolContext) -> ToolResult:
        """Choose the sentences.

        Raises:
            NoText: there is nothing to summarise.
            PathRefused, FileMissing: a path is not in the workspace.
        """
        return await asyncio.to_thread(self._work, args, context)

    def _work(self, args: SummaryArgs, context: ToolContext) -> ToolResult:
        notes = Notes(self.spec.name, context.lang)
        texts = documents(args.text, args.paths, self.spec.name, context, notes)
        language = chosen_language(args.language, texts, context.lang)
        extracts = summarise(texts, language, length=args.length, most=args.sentences)
        told = " ".join(extract.text for extract in extracts)
        value = Summary(
            language=language,
            summary=told,
            sentences=tuple(extracts),
            words=len(told.split()),
            of_words=sum(len(words(d.text)) for d in texts),
            of_sentences=sum(len(sentences(d.text)) for d in texts),
            sources=tuple(d.path for d in texts if d.path),
            skipped=tuple(notes.skipped[:50]),
        )
        return ToolResult(value=value.model_dump(mode="json"), text=told)
