"""The router: which models, in which order, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import ModelRequest, Wish
from nextgeneration.models.candidates import LEAST_OUTPUT, Candidate, Choice
from nextgeneration.models.estimating import IMAGE_LIKELY, likely_tokens, pictures_of

_DEAR = 1e9
_EVERYDAY = 7.5
_BEST = frozenset({"plan", "synthesise"})
"""Purposes that take the best model, whatever it costs."""
_NEARLY = 1.0
"""How much less good, in ranks, the model of the synthesis may be for coming from another provider than the plan's."""

_CANNOT = Texts("cannot do {needs}", "ne sait pas faire : {needs}")
_NEED = {
    "tools": Texts("tools", "outils"),
    "vision": Texts("vision", "vision"),
    "structured": Texts("structured answers", "réponses structurées"),
    "reasoning": Texts("reasoning", "raisonnement"),
}
_TOO_LONG = Texts("its context of {context} tokens is too short", "son contexte de {context} jetons est trop court")
_STAYS = Texts("only models on this machine were wished for", "seuls des modèles sur cette machine étaient souhaités")
_WISHED = Texts("wished for, place {place}", "souhaité, rang {place}")
_INSTEAD = Texts("in place of those wished for", "à la place de ceux souhaités")
_RESTING = Texts("left alone for {seconds:.0f} s after failures", "laissé {seconds:.0f} s après des échecs")
_NONE = Texts("no model fits", "aucun modèle ne convient")
_CHOSEN = Texts("{name}: {why}", "{name} : {why}")
_ONLY = Texts("the only one there is", "le seul qu'il y ait")
_PURPOSE = {
    "plan": Texts("the best for planning", "le meilleur pour planifier"),
    "synthesise": Texts("the best for a synthesis", "le meilleur pour une synthèse"),
    "compact": Texts("the cheapest, for compaction", "le moins cher, pour compacter"),
    "work": Texts("good quality for its price", "bonne qualité pour son prix"),
}
_SECOND = Texts(
    "the best for a synthesis of another provider than the plan's",
    "le meilleur pour une synthèse chez un autre fournisseur que celui du plan",
)
_LEARNED = Texts("it did best so far", "le meilleur jusqu'ici")


_Keyed = tuple[tuple[float, float], Texts, Candidate]
"""By what a model is ordered, why it was taken, and the model."""


def choose(
    wish: Wish,
    request: ModelRequest | None,
    wished: Sequence[Candidate],
    found: Sequence[Candidate],
    skipped: dict[str, Texts],
    *,
    quality: Callable[[str], float | None],
) -> Choice:
    """The models for a wish, the best first.

    Those wished for come first in their order, then the others by purpose: planning and synthesis take the best,
    compaction the cheapest, work what is good for its price. The synthesis takes one of another provider than the plan
    where one is nearly as good, so that a plan is not judged by whoever made it. One that failed lately stands behind
    all that did not. Whoever wishes only for models on this machine gets no others: data that should stay here stays
    here.

    Args:
        wish: what somebody would like.
        request: what is to be asked.
        wished: the models of the wish that are here, in its order.
        found: all models that may be used.
        skipped: models that are not here, with the reason; those left out are added.
        quality: the expected quality of a model by name, where something was learned.
    """
    fitting, others = fit(wish, request, wished, found, skipped)
    ordered = [each.because(_filled(_WISHED, place=place)) for place, each in enumerate(fitting, 1)] + _by_purpose(
        others, wish, quality, instead=bool(wish.prefer)
    )
    awake: list[Candidate] = []
    resting: list[Candidate] = []
    for each in ordered:
        seconds = each.health.resting
        if seconds:
            resting.append(each.because(_filled(_RESTING, seconds=seconds)))
        else:
            awake.append(each)
    if awake:
        # Nobody asks them while another one answers, so that the journal names them with the others left out.
        skipped.update({each.name: each.why for each in resting})
    candidates = (*awake, *resting)
    return Choice(candidates, _why(candidates), skipped)


def fit(
    wish: Wish,
    request: ModelRequest | None,
    wished: Sequence[Candidate],
    found: Sequence[Candidate],
    skipped: dict[str, Texts],
) -> tuple[list[Candidate], list[Candidate]]:
    """Which of the models wished for can be taken, and which others; the arguments are those of :func:`choose`."""
    needs = wish.needs | _needs(request)
    # The image's share is what differs from model to model; measuring the text for each would be most of the work.
    length = likely_tokens(request, 0) if request is not None else 0
    pictures = pictures_of(request) if request is not None else 0
    room = min(request.max_output, LEAST_OUTPUT) if request is not None else 0

    def fits(candidate: Candidate) -> bool:
        size = length + pictures * min(candidate.facts.image, IMAGE_LIKELY) + min(room, candidate.max_output)
        return _able(candidate, needs, skipped) and _holds(candidate, size, skipped)

    fitting = [each for each in wished if fits(each)]
    names = {candidate.name for candidate in wished}
    others = [each for each in found if each.name not in names and fits(each)]
    if wish.prefer and wished and all(candidate.local for candidate in wished):
        skipped.update({each.name: _STAYS for each in others if not each.local})
        others = [each for each in others if each.local]
    return fitting, others


def _needs(request: ModelRequest | None) -> frozenset[str]:
    if request is None:
        return frozenset()
    # A result's pictures are told in words as well, so that a model that does not see can go on.
    pictures = any(message.images for message in request.messages if message.role != "tool")
    return frozenset({*(["tools"] if request.tools else []), *(["vision"] if pictures else [])})


def _able(candidate: Candidate, needs: frozenset[str], skipped: dict[str, Texts]) -> bool:
    lacking = sorted(needs - candidate.facts.abilities)
    if lacking:
        skipped[candidate.name] = Texts(
            _CANNOT.en.format(needs=", ".join(_need(need).en for need in lacking)),
            _CANNOT.fr.format(needs=", ".join(_need(need).fr for need in lacking)),
        )
    return not lacking


def _need(name: str) -> Texts:
    return _NEED.get(name, Texts(name, name))


def _holds(candidate: Candidate, size: int, skipped: dict[str, Texts]) -> bool:
    if size > candidate.context:
        skipped[candidate.name] = _filled(_TOO_LONG, context=candidate.context)
    return size <= candidate.context


def _by_purpose(
    candidates: Sequence[Candidate], wish: Wish, quality: Callable[[str], float | None], *, instead: bool
) -> list[Candidate]:
    keyed: list[_Keyed] = []
    for candidate in candidates:
        learned = quality(candidate.name)
        rank = candidate.facts.rank if learned is None else 10.0 * learned
        price = _price(candidate)
        if wish.purpose in _BEST:
            order = (-rank, price)
        elif wish.purpose == "compact":
            order = (price, -rank)
        else:
            order = (_distance(rank, learned=learned is not None), price)
        keyed.append((order, _why_taken(wish.purpose, instead=instead, learned=learned is not None), candidate))
    keyed.sort(key=lambda entry: entry[0])
    if wish.purpose == "synthesise":
        _second_look(keyed)
    return [candidate.because(why) for _, why, candidate in keyed]


def _why_taken(purpose: str, *, instead: bool, learned: bool) -> Texts:
    return _INSTEAD if instead else _LEARNED if learned else _PURPOSE.get(purpose, _PURPOSE["work"])


def _second_look(keyed: list[_Keyed]) -> None:
    """Bring forward the best one of another provider than the first, which plans, where it is nearly as good.

    Not one elsewhere for one on this machine, nor one without a price for one that has it. What is left alone for now
    neither plans nor is brought forward.
    """
    awake = [entry for entry in keyed if not entry[2].health.resting]
    if not awake:
        return
    (least, *_), _, plans = awake[0]
    provider = plans.name.partition(":")[0]
    for entry in awake:
        order, why, candidate = entry
        if order[0] > least + _NEARLY:
            return
        alike = (candidate.local or not plans.local) and (candidate.priced or not plans.priced)
        if alike and candidate.name.partition(":")[0] != provider:
            keyed.remove(entry)
            keyed.insert(0, (order, _SECOND if why is _PURPOSE["synthesise"] else why, candidate))
            return


def _distance(rank: float, *, learned: bool) -> float:
    """How far a model is from what everyday work wants: nearly the best, at a fraction of its price."""
    return 10.0 - rank if learned else abs(rank - _EVERYDAY)


def _price(candidate: Candidate) -> float:
    price = candidate.price
    return price.typical if price is not None else _DEAR


def _why(candidates: Sequence[Candidate]) -> Texts:
    if not candidates:
        return _NONE
    first = candidates[0]
    why = _ONLY if len(candidates) == 1 and not first.why.en.startswith(_WISHED.en[:10]) else first.why
    return Texts(_CHOSEN.en.format(name=first.name, why=why.en), _CHOSEN.fr.format(name=first.name, why=why.fr))


def _filled(texts: Texts, **values: object) -> Texts:
    return Texts(texts.en.format(**values), texts.fr.format(**values))
