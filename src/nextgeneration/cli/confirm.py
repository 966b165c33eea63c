"""One question before something that cannot be undone by the same command."""

from __future__ import annotations

from nextgeneration.cli.errors import NotConfirmed
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts

_YES = {"en": {"y", "yes"}, "fr": {"o", "oui"}}
_CHOICE = Texts("{question} [y/N] > ", "{question} [o/N] > ")
_NO = Texts("Nothing was changed.", "Rien n'a été changé.")


def confirmed(voice: Voice, question: Texts, *, yes: bool, **values: object) -> bool:
    """Whether a person says yes, here or by ``--yes``.

    Raises:
        NotConfirmed: nobody can be asked.
    """
    if yes:
        return True
    asked = question.say(voice.lang, **values)
    if not voice.can_ask:
        raise NotConfirmed(question=asked)
    voice.err.write(_CHOICE.say(voice.lang, question=asked))
    voice.err.flush()
    said = voice.into.readline().strip().lower() in _YES[voice.lang]
    if not said:
        voice.say(_NO)
    return said
