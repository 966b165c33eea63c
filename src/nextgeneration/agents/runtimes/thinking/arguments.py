"""Whether what a model wrote as arguments can be used, and what to say to it when not."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import brief

MAX_MISFITS = 3
"""Times a tool may be called with arguments that do not fit before it is closed for the run."""

_MAX_LINES = 10
_MISFIT = Texts(
    "{tool} was not called, its arguments do not fit:\n{lines}\nCorrect these and call it again.",
    "{tool} n'a pas été appelé, ses arguments ne conviennent pas :\n{lines}\nCorrigez-les et rappelez-le.",
)
_NO_OBJECT = Texts(
    "{tool} was not called: its arguments are no JSON object. Write them as one JSON object: {raw}",
    "{tool} n'a pas été appelé : ses arguments ne sont pas un objet JSON. Écrivez-les en un objet JSON : {raw}",
)
_CUT = Texts(
    "{tool} was not called: your answer was cut off before its arguments ended. Make a smaller call.",
    "{tool} n'a pas été appelé : votre réponse a été coupée avant la fin des arguments. Faites un appel plus petit.",
)
_CLOSED = Texts(
    "{tool} was called {times} times with arguments that do not fit; it is closed for this run. Go on without it.",
    "{tool} a été appelé {times} fois avec des arguments qui ne conviennent pas ; il est fermé. Continuez sans lui.",
)
_UNKNOWN = Texts("There is no tool {tool!r}{close}.", "Il n'y a pas d'outil {tool!r}{close}.")
_CLOSE = Texts("; did you mean {names}?", " ; vouliez-vous dire {names} ?")
_YOURS = Texts(" Yours are: {names}", " Les vôtres sont : {names}")


def misfit_of(error: ValidationError) -> str:
    """One line for each thing that does not fit, in words."""
    details = error.errors(include_url=False, include_context=False)
    lines = []
    for detail in details[:_MAX_LINES]:
        place = ".".join(map(str, detail["loc"])) or "(all)"
        given = "" if detail["type"] == "missing" else f" (given: {brief(repr(detail['input']), 80)})"
        lines.append(f"- {place}: {detail['msg']}{given}")
    if len(details) > _MAX_LINES:
        lines.append(f"- … {len(details) - _MAX_LINES} more")
    return "\n".join(lines)


class Misfits:
    """How often each tool of a run was called with arguments that do not fit."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def closed(self, tool: str) -> bool:
        """Whether it was called so too often."""
        return bool(self._times) and self._times.get(tool, 0) >= MAX_MISFITS

    def refusal(self, tool: str, lang: Lang) -> str:
        """What is said of a closed tool."""
        return _CLOSED.say(lang, tool=tool, times=MAX_MISFITS)

    def unfit(self, tool: str, error: ValidationError, lang: Lang) -> str:
        """Count once more; what to say."""
        self._count(tool)
        return _MISFIT.say(lang, tool=tool, lines=misfit_of(error))

    def malformed(self, tool: str, raw: str, lang: Lang, *, cut: bool) -> str:
        """The same for what is no JSON object; ``cut``: because the answer was cut off."""
        self._count(tool)
        return _CUT.say(lang, tool=tool) if cut else _NO_OBJECT.say(lang, tool=tool, raw=brief(raw, 200))

    def _count(self, tool: str) -> None:
        self._times[tool] = self._times.get(tool, 0) + 1


def unknown(tool: str, names: list[str], lang: Lang) -> str:
    """What is said of a tool that is not there: the close ones, and all when they are few."""
    close = get_close_matches(tool, names, 3, 0.5)
    if not close:  # models write fs_read for fs.read
        plain = tool.replace("_", ".")
        close = [name for name in names if name.replace("_", ".") == plain]
    hint = _CLOSE.say(lang, names=", ".join(close)) if close else ""
    said = _UNKNOWN.say(lang, tool=brief(tool, 80), close=hint)
    return said if close or len(names) > 40 else said + _YOURS.say(lang, names=", ".join(names) or "-")


def arguments(call: Any) -> str:
    """A call's arguments in one short line."""
    return brief(str(call.args if call.args is not None else call.raw), 160)
