"""Usage errors, told like every other error: in the user's language, with a code, as JSON when asked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from nextgeneration.cli.errors import UsageWrong
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import brief, escaped
from nextgeneration.settings.language import user_language

NEAR = 0.15
"""How much less alike than the nearest option another may be to be named beside it."""

_NO_OPTION = Texts("There is no option {name}{near}", "Il n'y a pas d'option {name}{near}")
_NO_COMMAND = Texts("There is no command {name}{near}", "Il n'y a pas de commande {name}{near}")
_NEAR = Texts("; did you mean {names}?", " ; vouliez-vous dire {names} ?")
_MISSING = Texts("{name} is missing.", "{name} manque.")
_COMMAND = Texts("The command", "La commande")
_NEEDS_VALUE = Texts("{name} needs a value.", "{name} demande une valeur.")
_NO_VALUE = Texts("{name} takes no value.", "{name} ne prend pas de valeur.")
_EXTRA = Texts("Too many arguments: {detail}", "Trop d'arguments : {detail}")
_CHOICES = Texts("{name} must be one of {choices}.", "{name} doit être l'un de {choices}.")
_RANGE = Texts("{name} must be a number from {low} to {high}.", "{name} doit être un nombre de {low} à {high}.")
_LEAST = Texts("{name} must be a number, at least {low}.", "{name} doit être un nombre, au moins {low}.")
_NUMBER = Texts("{name} must be a number.", "{name} doit être un nombre.")
_WRONG = Texts("{name} has a value it cannot have: {detail}", "{name} a une valeur impossible : {detail}")


def usage_error(error: Any) -> UsageWrong:
    """One of Typer's usage errors as ours.

    Typer keeps the kind of error as its class and the parameter as an attribute; its English sentence is
    used only where it says more than these.
    """
    context = error.ctx
    command = context.command_path if context is not None else "nextgen"
    return UsageWrong(detail=escaped(_detail(error), newlines=False), command=command)


def _detail(error: Any) -> str:
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        return _MISSING.say(user_language(), name=_COMMAND.say(user_language()))
    parameter = getattr(error, "param", None)
    if kind == "NoSuchOption":
        near = _near(_nearest(error.option_name, error.possibilities or ()))
        return _NO_OPTION.say(user_language(), name=brief(error.option_name, 80), near=near)
    if kind == "BadOptionUsage":
        text = _NO_VALUE if "does not take" in error.message else _NEEDS_VALUE
        return text.say(user_language(), name=error.option_name)
    if kind == "MissingParameter" and parameter is not None:
        return _MISSING.say(user_language(), name=_name(parameter))
    if kind == "BadParameter" and parameter is not None:
        return _bad_value(parameter, error.message)
    if error.message.startswith("Got unexpected"):
        return _EXTRA.say(user_language(), detail=brief(error.message.rpartition(" (")[2].rstrip(")"), 200))
    return str(error.message)


def unknown_command(name: str, known: list[str], command: str) -> UsageWrong:
    """There is no such command in a group."""
    near = _near(difflib.get_close_matches(name, known))
    detail = _NO_COMMAND.say(user_language(), name=escaped(brief(name, 80), newlines=False), near=near)
    return UsageWrong(detail=detail, command=command)


def _nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names that are about as near as the nearest one, that first."""
    near = {each: difflib.SequenceMatcher(None, name, each).ratio() for each in names}
    best = max(near.values(), default=0.0)
    return sorted((each for each in near if near[each] > best - NEAR), key=lambda each: (-near[each], each))


def _near(names: list[str]) -> str:
    return _NEAR.say(user_language(), names=", ".join(names[:3])) if names else ""


def _name(parameter: Any) -> str:
    return parameter.opts[-1] if parameter.param_type_name == "option" else argument_name(parameter)


def _bad_value(parameter: Any, message: str) -> str:
    kind, name = parameter.type_descriptor, _name(parameter)
    if kind.is_choice:
        return _CHOICES.say(user_language(), name=name, choices=", ".join(str(choice) for choice in kind.choices or ()))
    if kind.annotation in {int, float}:
        low, high = parameter.min, parameter.max
        text = _NUMBER if low is None else _LEAST if high is None else _RANGE
        return text.say(user_language(), name=name, low=low, high=high)
    return _WRONG.say(user_language(), name=name, detail=brief(message, 200))


def argument_name(parameter: Any) -> str:
    """How an argument is written on a usage line."""
    name = str(parameter.metavar or parameter.name).strip("[]").upper()
    return name + "…" if parameter.nargs == -1 else name
