"""How well a template fits a goal, and why: capabilities, route, keywords, examples and text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.supervisor.lexicon import plain, words

if TYPE_CHECKING:
    from nextgeneration.templates.revision import Revision

NAME, KEYWORD, EXAMPLE, CAPABILITY, ROUTE, TEXT = 6.0, 3.0, 4.0, 2.0, 2.0, 0.5
"""What one match is worth, in points; a keyword of several words is worth one point more a word."""

_WHY = {
    "name": Texts("named in the goal", "nommé dans le but"),
    "keyword": Texts("keywords {words}", "mots-clés {words}"),
    "example": Texts("like its example “{words}”", "proche de son exemple « {words} »"),
    "capability": Texts("can {words}", "sait {words}"),
    "route": Texts("route {words}", "route {words}"),
    "text": Texts("description mentions {words}", "sa description cite {words}"),
}


@dataclass(frozen=True)
class Match:
    """One template against one goal. ``score`` is in points; see the module's weights."""

    template: str
    score: float
    route: str
    reasons: tuple[tuple[str, str], ...] = ()

    def why(self, lang: Lang) -> str:
        """The reasons in words, strongest first."""
        return ", ".join(_WHY[kind].say(lang, words=text) for kind, text in self.reasons)


@dataclass
class _Profile:
    """A template's words, made once per revision."""

    name: str
    route: str
    priority: float
    names: set[str]
    keywords: list[tuple[str, list[str]]]
    examples: list[tuple[str, set[str]]]
    capabilities: list[tuple[str, set[str]]]
    route_words: set[str]
    text: set[str] = field(default_factory=set)


class Index:
    """The profiles of all templates, ready to be matched against goals."""

    def __init__(self, revisions: Iterable[Revision]) -> None:
        self._profiles = [_profile(revision) for revision in revisions]
        seen = Counter(word for p in self._profiles for word in p.text)
        self._rarity = {word: math.log(1 + len(self._profiles) / n) for word, n in seen.items()}

    def match(self, goal: str) -> list[Match]:
        """Every template with a score above 0 for ``goal``, best first; equal scores by name."""
        spoken = words(goal)
        raw = plain(goal)
        found = [match for p in self._profiles if (match := self._score(p, spoken, raw)).score > 0]
        return sorted(found, key=lambda m: (-m.score, m.template))

    def _score(self, p: _Profile, spoken: Sequence[str], raw: str) -> Match:
        said = set(spoken)
        points: list[tuple[float, str, str]] = []
        if any(name in raw for name in p.names):
            points.append((NAME, "name", p.name))
        hits = [(text, len(parts)) for text, parts in p.keywords if _holds(spoken, parts)]
        if hits:
            points.append((sum(KEYWORD + n - 1 for _, n in hits), "keyword", ", ".join(text for text, _ in hits[:4])))
        closest = max(((_overlap(said, parts), text) for text, parts in p.examples), default=(0.0, ""))
        if closest[0] > 0.5:
            points.append((EXAMPLE * closest[0], "example", closest[1]))
        able = [name for name, parts in p.capabilities if parts and len(parts & said) * 2 > len(parts)]
        if able:
            points.append((CAPABILITY * min(len(able), 3), "capability", ", ".join(able[:3])))
        if p.route_words & said:
            points.append((ROUTE, "route", p.route))
        told = sorted(p.text & said)
        if told:
            points.append((TEXT * min(sum(self._rarity[w] for w in told), 4), "text", ", ".join(told[:4])))
        # A description alone is no reason to send an agent out.
        score = sum(value for value, _, _ in points) + (p.priority / 1000 if points else 0)
        ordered = sorted(points, key=lambda item: -item[0])
        return Match(p.name, round(score, 3), p.route, tuple((kind, text) for _, kind, text in ordered))


def _profile(revision: Revision) -> _Profile:
    route = revision.route
    examples = [*route.examples, *(e for c in revision.capabilities for e in c.examples)]
    described = " ".join((*revision.description, *(text for c in revision.capabilities for text in c.description)))
    return _Profile(
        name=revision.name,
        route=route.route,
        priority=float(route.priority),
        names={plain(revision.name), plain(revision.name.replace("_", " "))},
        keywords=[(keyword, words(keyword)) for keyword in route.keywords],
        examples=[(example, set(words(example))) for example in examples],
        capabilities=[(c.id, set(words(c.id))) for c in revision.capabilities],
        route_words=set(words(f"{route.route} {revision.domain}")),
        text=set(words(f"{described} {revision.role}")),
    )


def _holds(spoken: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether ``parts`` stand in ``spoken`` in their order, with at most one other word between two of them."""
    return bool(parts) and any(_from(spoken, start, parts) for start in range(len(spoken)))


def _from(spoken: Sequence[str], at: int, parts: Sequence[str]) -> bool:
    if spoken[at] != parts[0]:
        return False
    for part in parts[1:]:
        near = spoken[at + 1 : at + 3]
        if part not in near:
            return False
        at += 1 + near.index(part)
    return True


def _overlap(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b) if a and b else 0.0
