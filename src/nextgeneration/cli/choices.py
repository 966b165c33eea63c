"""What the journal says of the choice of a model, in words: which others were left out or failed, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import brief, escaped

WIDEST = 160

_INSTEAD = Texts("in place of {name}: {why}", "à la place de {name} : {why}")
_LEFT_OUT = Texts("left out {name}: {why}", "écarté : {name}, {why}")
_MORE = Texts("left out {n} more", "{n} autres écartés")


def instead_of(data: Mapping[str, Any], lang: Lang) -> list[str]:
    """A line for each model in whose place another one is asked."""
    return _lines(data.get("instead_of"), _INSTEAD, lang)


def left_out(data: Mapping[str, Any], lang: Lang) -> list[str]:
    """A line for each model that was not considered, and how many there are besides."""
    lines = _lines(data.get("skipped"), _LEFT_OUT, lang)
    more = data.get("skipped_more")
    return [*lines, _MORE.say(lang, n=more)] if isinstance(more, int) else lines


def _lines(named: object, text: Texts, lang: Lang) -> list[str]:
    if not isinstance(named, dict):
        return []
    return [text.say(lang, name=_plain(name), why=_plain(why)) for name, why in named.items()]


def _plain(text: object) -> str:
    return escaped(brief(str(text), WIDEST), newlines=False)
