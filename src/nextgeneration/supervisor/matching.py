"""How well a template fits a goal, and why: capabilities, route, keywords, examples and text."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.supervisor.lexicon import CONCEPTS, plain, words

if TYPE_CHECKING:
    from nextgeneration.templates.revision import Revision

NAME, KEYWORD, EXAMPLE, CAPABILITY, ROUTE, TEXT = 6.0, 3.0, 4.0, 2.0, 2.0, 0.5
"""What one match is worth, in points; a keyword of several words is worth one point more a word."""

SLIP = 5
"""Letters a word must have to be recognised with a slip of the hand in it: short words are too close to each other."""

TYPED = 300
"""Characters up to which a goal counts as typed by hand; what is pasted has no slips."""

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
        """The reasons in words, strongest first; what the description has in common only when it is all there is."""
        told = [reason for reason in self.reasons if reason[0] != "text"] or self.reasons
        return ", ".join(_WHY[kind].say(lang, words=text) for kind, text in told)


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
    text: set[str]
    vocabulary: set[str] = field(init=False)
    """Every word the template can be found by."""

    def __post_init__(self) -> None:
        phrases = (parts for _, parts in (*self.keywords, *self.examples, *self.capabilities))
        self.vocabulary = self.route_words.union(self.text, *phrases)

    def named(self, raw: str) -> bool:
        """Whether a goal names the template."""
        return any(map(raw.__contains__, self.names))

    def met(self, said: set[str], raw: str) -> bool:
        """Whether anything at all is in common with a goal."""
        return not self.vocabulary.isdisjoint(said) or self.named(raw)


class Index:
    """The profiles of all templates, ready to be matched against goals."""

    def __init__(self, revisions: Iterable[Revision]) -> None:
        self._profiles = [_profile(revision) for revision in revisions]
        seen = Counter(word for p in self._profiles for word in p.text)
        self._rarity = {word: math.log(1 + len(self._profiles) / n) for word, n in seen.items()}
        able = Counter(name for p in self._profiles for name, _ in p.capabilities)
        most = math.log(1 + len(self._profiles)) or 1.0
        # What every template inherits from a common parent tells none of them from the others.
        self._special = {name: math.log(1 + len(self._profiles) / n) / most for name, n in able.items()}
        self._vocabulary = frozenset(word for p in self._profiles for word in p.vocabulary)
        # A slip of the hand leaves the first letter: only words with the same one are compared.
        self._by_letter: dict[str, list[str]] = {}
        for word in (*CONCEPTS, *sorted(self._vocabulary)):
            if len(word) >= SLIP:
                self._by_letter.setdefault(word[0], []).append(word)
        # Goals are made of the same few words.
        self._meaning = functools.lru_cache(maxsize=4096)(self._meant)

    def match(self, goal: str) -> list[Match]:
        """Every template with a score above 0 for ``goal``, best first; equal scores by name."""
        spoken = words(goal)
        if len(goal) <= TYPED:
            spoken = [self._meaning(word) for word in spoken]
        said, raw = set(spoken), plain(goal)
        scored = [self._score(p, spoken, said, raw) for p in self._profiles if p.met(said, raw)]
        found = [match for match in scored if match.score > 0]
        return sorted(found, key=lambda m: (-m.score, m.template))

    def _meant(self, word: str) -> str:
        """``word``, or the one it is a slip of the hand away from, when nobody here knows it as it stands."""
        if len(word) < SLIP - 1 or word in self._vocabulary or word in CONCEPTS or not word.isalpha():
            return word
        near = (known for known in self._by_letter.get(word[0], ()) if _slip(word, known))
        meant = next(near, None)
        return word if meant is None else CONCEPTS.get(meant, meant)

    def _score(self, p: _Profile, spoken: Sequence[str], said: set[str], raw: str) -> Match:
        points: list[tuple[float, str, str]] = []
        if p.named(raw):
            points.append((NAME, "name", p.name))
        hits = [(text, len(parts)) for text, parts in p.keywords if parts[0] in said and _holds(spoken, parts)]
        if hits:
            points.append((sum(KEYWORD + n - 1 for _, n in hits), "keyword", ", ".join(text for text, _ in hits[:4])))
        # A set much smaller or larger than the other has too little in common with it, whatever it holds.
        some, most = len(said) / 2, len(said) * 2
        alike = [(_overlap(said, parts), text) for text, parts in p.examples if some < len(parts) < most]
        closest, example = max(alike, default=(0.0, ""))
        if closest > 0.5:
            points.append((EXAMPLE * closest, "example", example))
        able = [name for name, parts in p.capabilities if parts and len(parts & said) * 2 > len(parts)]
        if able:
            worth = sum(sorted((self._special[name] for name in able), reverse=True)[:3])
            points.append((CAPABILITY * worth, "capability", ", ".join(able[:3])))
        if p.route_words & said:
            points.append((ROUTE, "route", p.route))
        told = sorted(p.text & said)
        if told:
            points.append((TEXT * min(sum([self._rarity[w] for w in told]), 4), "text", ", ".join(told[:4])))
        # A description alone is no reason to send an agent out.
        score = sum([value for value, _, _ in points]) + (p.priority / 1000 if points else 0)
        ordered = sorted(points, key=lambda item: -item[0])
        return Match(p.name, round(score, 3), p.route, tuple([(kind, text) for _, kind, text in ordered]))


def _profile(revision: Revision) -> _Profile:
    route = revision.route
    examples = [*route.examples, *(e for c in revision.capabilities for e in c.examples)]
    # What is told of a parent's capability would make every child of it fit whatever the parent fits.
    own = [
        capability
        for index, capability in enumerate(revision.capabilities)
        if revision.origins.get(f"/capabilities/{index}", revision.name) == revision.name
    ]
    described = " ".join((*revision.description, *(text for capability in own for text in capability.description)))
    return _Profile(
        name=revision.name,
        route=route.route,
        priority=float(route.priority),
        names={plain(revision.name), plain(revision.name.replace("_", " "))},
        keywords=[(keyword, parts) for keyword in route.keywords if (parts := words(keyword))],
        examples=[(example, set(words(example))) for example in examples],
        capabilities=[(c.id, set(words(c.id))) for c in revision.capabilities],
        route_words=set(words(f"{route.route} {revision.domain}")),
        text=set(words(f"{described} {revision.role}")),
    )


def _holds(spoken: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether ``parts`` stand in ``spoken`` in their order, with at most one other word between two of them."""
    return any(_from(spoken, start, parts) for start in range(len(spoken)))


def _from(spoken: Sequence[str], at: int, parts: Sequence[str]) -> bool:
    if spoken[at] != parts[0]:
        return False
    for part in parts[1:]:
        near = spoken[at + 1 : at + 3]
        if part not in near:
            return False
        at += 1 + near.index(part)
    return True


def _slip(word: str, known: str) -> bool:
    """Whether one letter is missing, added, changed, or swapped with its neighbour; the first one stands."""
    if len(known) < SLIP or known[0] != word[0] or abs(len(known) - len(word)) > 1 or known == word:
        return False
    at = next((n for n, (a, b) in enumerate(zip(word, known, strict=False)) if a != b), min(len(word), len(known)))
    left, right = word[at:], known[at:]
    swapped = len(left) > 1 and left[1::-1] + left[2:] == right
    return swapped or left[1:] == right[1:] or left[1:] == right or left == right[1:]


def _overlap(a: set[str], b: set[str]) -> float:
    both = len(a & b)
    return both / (len(a) + len(b) - both) if both else 0.0
