"""What models there are here: by the user's settings, by keys that are set, by servers that answer on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nextgeneration.kernel.language import Texts
from nextgeneration.models.facts import chats
from nextgeneration.models.probing import PORTS, Answering, Port, ask, probe
from nextgeneration.models.sources import ALIASES, KNOWN, Known, Source, loopback
from nextgeneration.settings.keys import FoundKey, Keys
from nextgeneration.settings.models import ModelProvider, ModelSettings

_KEY = {
    "environment": Texts("{name} in the environment", "{name} dans l'environnement"),
    ".env": Texts("{name} in .env", "{name} dans .env"),
    "keyring": Texts("{name} in the keyring", "{name} dans le trousseau"),
}
_ANSWERS = Texts("answers on {url}", "répond sur {url}")
_SAID = Texts("settings, {url}", "réglages, {url}")
_NO_KEY = Texts("{name} not found", "{name} introuvable")


def discover(
    settings: ModelSettings, added: Mapping[str, ModelProvider], keys: Keys, ports: Sequence[Port] = PORTS
) -> dict[str, Source]:
    """Every provider that can be asked, by name.

    Args:
        settings: what the user wrote; its providers go before all others.
        added: providers that were added by command.
        keys: where keys are looked for.
        ports: the addresses on this machine that are tried.
    """
    own = {ALIASES.get(name, name): provider for name, provider in {**added, **settings.providers}.items()}
    seconds = settings.probe_ms / 1000
    found: dict[str, Source] = {}
    for name, provider in own.items():
        found[name] = _own(name, provider, keys, seconds)
    if not settings.discover:
        return found
    for known in KNOWN:
        if known.name not in found and (key := _first(known, keys)) is not None:
            found[known.name] = _known(known, key)
    taken = {source.url.rstrip("/") for source in found.values()}
    if seconds:
        for answering in probe([port for port in ports if port.name not in found], seconds):
            if answering.url.rstrip("/") not in taken:
                found[answering.name] = _answering(answering)
    return found


def missing(name: str) -> Source | None:
    """A known provider of this name for which no key was found."""
    known = next((each for each in KNOWN if each.name == name), None)
    return None if known is None else replace(_known(known, None), how=_filled(_NO_KEY, name=known.keys[0]))


def _own(name: str, provider: ModelProvider, keys: Keys, seconds: float) -> Source:
    known = next((each for each in KNOWN if each.name == name), None)
    key_name = provider.key
    if not key_name and known is not None and not provider.url:
        key_name = known.keys[0]
    key = keys.find(key_name)
    url = provider.url or (known.url if known is not None else "")
    dialect = provider.dialect
    if known is not None and "dialect" not in provider.model_fields_set:
        dialect = known.dialect
    source = Source(
        name,
        dialect,
        url,
        key_name,
        key.value if key is not None else None,
        # Behind another address the provider's own prices need not hold.
        known.book if known is not None and (not provider.url or provider.url.rstrip("/") == known.url) else "",
        tuple(provider.models) or (known.models if known is not None and not provider.url else ()),
        how=_filled(_SAID, url=url or provider.package or name),
        package=provider.package,
    )
    if not source.models and loopback(url) and seconds:
        answer = ask(name, dialect, url, seconds, key.value.get_secret_value() if key is not None else "")
        if answer is not None:
            return replace(source, models=_conversing(answer.models), told=answer.told)
    return source


def _first(known: Known, keys: Keys) -> FoundKey | None:
    return next((key for name in known.keys if (key := keys.find(name)) is not None), None)


def _known(known: Known, key: FoundKey | None) -> Source:
    return Source(
        known.name,
        known.dialect,
        known.url,
        key.name if key is not None else known.keys[0],
        key.value if key is not None else None,
        known.book,
        known.models,
        how=_filled(_KEY[key.where], name=key.name) if key is not None else Texts("", ""),
    )


def _answering(answer: Answering) -> Source:
    return Source(
        answer.name,
        answer.dialect,
        answer.url,
        models=_conversing(answer.models),
        told=answer.told,
        how=_filled(_ANSWERS, url=answer.url),
    )


def _conversing(models: Sequence[str]) -> tuple[str, ...]:
    return tuple(model for model in models if chats(model))


def _filled(texts: Texts, **values: str) -> Texts:
    return Texts(texts.en.format(**values), texts.fr.format(**values))
