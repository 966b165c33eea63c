"""The error tree: stable codes, what went wrong, where, and how to mend it."""

from __future__ import annotations

from typing import Any, ClassVar

from nextgeneration.kernel.language import Lang, Texts

CATALOGUE: dict[str, type[NGError]] = {}
"""Every concrete error class by its code; filled as the rooms' ``errors`` modules are imported."""


def _remake(cls: type[NGError], where: str | None, values: dict[str, Any]) -> NGError:
    return cls(where=where, **values)


class NGError(Exception):
    """Base of every error a user can see.

    A subclass states ``code``, ``what`` and ``mend`` as class attributes; the fields of these texts
    are the keyword arguments it is raised with, kept as ``values`` and readable as attributes.
    Instances survive pickling.

    Args:
        where: the place, such as ``file.json:12`` or a mission id; shown before the message.
        **values: the fields of ``what`` and ``mend``.
    """

    code: ClassVar[str] = ""
    what: ClassVar[Texts] = Texts("Something went wrong.", "Une erreur est survenue.")
    mend: ClassVar[Texts] = Texts("Run again with --debug.", "Relancez avec --debug.")
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1
    control: ClassVar[bool] = False
    """True for what concerns the whole mission (its lease is lost, it waits): no agent may handle it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        code = cls.__dict__.get("code")
        if code:
            known = CATALOGUE.setdefault(code, cls)
            if known.__qualname__ != cls.__qualname__:
                raise TypeError(f"{code} is used by {known.__qualname__} and {cls.__qualname__}")

    def __init__(self, *, where: str | None = None, **values: Any) -> None:
        self.where = where
        self.values = values
        super().__init__(self.message("en"))

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), self.where, self.values)

    def message(self, lang: Lang = "en") -> str:
        """What went wrong, with its place, in one line."""
        text = self.what.say(lang, **self.values)
        return f"{self.where}: {text}" if self.where else text

    def hint(self, lang: Lang = "en") -> str:
        """How to mend it."""
        return self.mend.say(lang, **self.values)

    def problem(self, lang: Lang = "en") -> dict[str, Any]:
        """The one JSON shape of errors: ``code``, ``message``, ``where``, ``hint``, ``retryable``."""
        return {
            "code": self.code,
            "message": self.what.say(lang, **self.values),
            "where": self.where,
            "hint": self.hint(lang),
            "retryable": self.retryable,
        }


class InternalError(NGError):
    """An exception we did not foresee, kept as a typed error at a room's border."""

    code = "NG-KERNEL-001"
    what = Texts("Internal error {kind}: {detail}", "Erreur interne {kind} : {detail}")
    mend = Texts(
        "This is a defect: run again with --debug and report the trace.",
        "C'est un défaut : relancez avec --debug et signalez la trace.",
    )


class NotCanonical(NGError, ValueError):
    """A value has no canonical JSON form."""

    code = "NG-KERNEL-002"
    what = Texts(
        "This value has no canonical JSON form: {detail}", "Cette valeur n'a pas de forme JSON canonique : {detail}"
    )
    mend = Texts(
        "Use plain JSON: finite numbers, integers within 2^53, string keys, no lone surrogates.",
        "Utilisez du JSON simple : nombres finis, entiers dans 2^53, clés textuelles, Unicode valide.",
    )


def as_problem(error: BaseException, lang: Lang = "en") -> dict[str, Any]:
    """The JSON shape of any exception; an unforeseen one is named by its type."""
    if isinstance(error, NGError):
        return error.problem(lang)
    return InternalError(kind=type(error).__name__, detail=str(error)[:500]).problem(lang)
