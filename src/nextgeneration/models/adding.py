"""Adding a provider, a price, and taking them away again."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from nextgeneration.kernel.language import Texts
from nextgeneration.models import keeping
from nextgeneration.models.errors import NameUnclear
from nextgeneration.models.facts import chats
from nextgeneration.models.probing import ask
from nextgeneration.security.secrets import shape_of
from nextgeneration.settings.keys import Keys
from nextgeneration.settings.models import ModelFacts, ModelPrice, ModelProvider

ASK_SECONDS = 5.0
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_KEY_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,79}")
_RANDOM = re.compile(r"(?=[A-Z]*\d)[A-Z0-9]{20,}")
"""Letters and digits without a word's end for longer than any name has: a key that happens to have no small letter."""

_LETTERS = Texts("a name is small letters, digits, - and _", "un nom se compose de minuscules, chiffres, - et _")
_ADDRESS = Texts("an address starts with http:// or https://", "une adresse commence par http:// ou https://")
_NO_SECRET = Texts(
    "write the address without user, password, ? or #; the key has a name of its own",
    "écrivez l'adresse sans utilisateur, mot de passe, ? ni # ; la clé a son propre nom",
)
_KEY = Texts(
    "--key-name is the name of a variable in capitals, such as ACME_KEY, not the key",
    "--key-name est le nom d'une variable en majuscules, comme ACME_KEY, pas la clé",
)
_ABSENT = Texts("nothing of this name was added", "rien de ce nom n'a été ajouté")
_PAIR = Texts("write it as provider:model", "écrivez-le fournisseur:modèle")


def add(home: Path, name: str, provider: ModelProvider, keys: Keys, *, context: int | None = None) -> ModelProvider:
    """Keep a provider; when it names no models its address is asked for them.

    Args:
        home: the folder that keeps it.
        name: its name here.
        provider: its address, format, key name and models.
        keys: where its key is looked for.
        context: tokens that its models hold, prompt and answer together; ``None``: what is known of them otherwise.

    Raises:
        NameUnclear: the name, address or key name is none.
        ModelsFileBroken: the file cannot be read or written.
    """
    parts = urlsplit(provider.url)
    if _NAME.fullmatch(name) is None:
        raise NameUnclear(name=name, detail=_LETTERS)
    if provider.dialect != "langchain" and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise NameUnclear(name=name, detail=_ADDRESS)
    if parts.username or parts.password or set(provider.url) & {"?", "#"}:
        raise NameUnclear(name=name, detail=_NO_SECRET)
    # A key given by mistake must be neither kept nor shown.
    if provider.key and not _names_a_key(provider.key):
        raise NameUnclear(name=name, detail=_KEY)
    kept = keeping.read(home)
    if not provider.models and provider.url:
        found = keys.find(provider.key)
        secret = found.value.get_secret_value() if found is not None else ""
        answer = ask(name, provider.dialect, provider.url, ASK_SECONDS, secret)
        if answer is not None:
            provider = provider.model_copy(update={"models": [model for model in answer.models if chats(model)]})
    kept.providers[name] = provider
    kept.facts.pop(f"{name}:*", None)
    if context is not None:
        kept.facts[f"{name}:*"] = ModelFacts(context=context)
    keeping.write(home, kept)
    return provider


def _names_a_key(text: str) -> bool:
    """Whether a text names a variable, and is not the key itself."""
    return _KEY_NAME.fullmatch(text) is not None and _RANDOM.search(text) is None and shape_of(text) is None


def price(home: Path, name: str, given: ModelPrice) -> None:
    """Keep the price of a model.

    Raises:
        NameUnclear: the name is no ``provider:model``.
        ModelsFileBroken: the file cannot be read or written.
    """
    if not all(name.partition(":")):
        raise NameUnclear(name=name, detail=_PAIR)
    kept = keeping.read(home)
    kept.prices[name] = given
    keeping.write(home, kept)


def remove(home: Path, name: str) -> None:
    """Forget a provider with its prices and what was said of its models, or the price of one model.

    Raises:
        NameUnclear: neither was added.
        ModelsFileBroken: the file cannot be read or written.
    """
    kept = keeping.read(home)
    provider = kept.providers.pop(name, None)
    prices = [key for key in kept.prices if key == name or (provider is not None and key.startswith(f"{name}:"))]
    if provider is None and not prices:
        raise NameUnclear(name=name, detail=_ABSENT)
    for key in prices:
        del kept.prices[key]
    if provider is not None:
        kept.facts.pop(f"{name}:*", None)
    keeping.write(home, kept)
