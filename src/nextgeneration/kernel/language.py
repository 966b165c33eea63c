"""The two languages a user reads, and texts that exist in both."""

from __future__ import annotations

from typing import Literal, NamedTuple

Lang = Literal["en", "fr"]

LANGUAGES: tuple[Lang, ...] = ("en", "fr")


class Texts(NamedTuple):
    """One text in English and French.

    The texts are ours and may hold ``{name}`` fields; the values put into them are data and are
    never read as a format again.
    """

    en: str
    fr: str

    def say(self, lang: Lang, **values: object) -> str:
        """The text in ``lang`` with its fields filled in; a field that is a text itself is said in ``lang`` too."""
        text = self.fr if lang == "fr" else self.en
        if not values:
            return text
        if Texts in map(type, values.values()):
            values = {name: value.say(lang) if isinstance(value, Texts) else value for name, value in values.items()}
        return text.format(**values)


class Counted(NamedTuple):
    """A noun that stands behind a number. French has the singular for none as well, English for one only."""

    one: Texts
    more: Texts

    def of(self, number: int) -> Texts:
        """The number with its noun, to be put into another text or said alone."""
        en, fr = self.one if number == 1 else self.more, self.one if number < 2 else self.more
        return Texts(f"{number} {en.en}", f"{number} {fr.fr}")


def language_of(locale: str | None) -> Lang:
    """The language for a POSIX locale such as ``fr_CA.UTF-8``; English when it is not French."""
    return "fr" if (locale or "").lower().startswith("fr") else "en"
