"""The models of this process: what was found, which one is taken for what, and how each is asked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

from nextgeneration.kernel.clock import Clock
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import ModelRequest, Wish
from nextgeneration.models import keeping
from nextgeneration.models.candidates import Candidate, Choice
from nextgeneration.models.discovery import discover, missing
from nextgeneration.models.errors import KeyMissing, NameUnclear
from nextgeneration.models.facts import Facts, facts_of
from nextgeneration.models.health import Health
from nextgeneration.models.langchain.client import LangChainClient, Manner
from nextgeneration.models.langchain.transport import Transport
from nextgeneration.models.learning import NoExperience, Quality
from nextgeneration.models.prices import Price, PriceBook, context_of
from nextgeneration.models.probing import PORTS, Port
from nextgeneration.models.routing import choose, fit
from nextgeneration.models.sources import KNOWN, Source, split
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.keys import Keys
from nextgeneration.settings.models import ModelSettings

CREDIT_USD = Decimal("0.01")

_NO_KEY = Texts("no key under {name}", "pas de clé sous {name}")
_NO_PROVIDER = Texts("no provider of this name", "aucun fournisseur de ce nom")
_NO_PACKAGE = Texts("the extra [{extra}] is not installed", "l'extra [{extra}] n'est pas installé")
_NOT_IN_USE = Texts("not among NG_MODELS_USE", "pas dans NG_MODELS_USE")
_NEVER = Texts("excluded by NG_MODELS_NEVER", "exclu par NG_MODELS_NEVER")
_NO_MATCH = Texts("nothing found fits this name", "rien de trouvé ne correspond à ce nom")


@dataclass(frozen=True)
class ModelInfo:
    """A model as ``nextgen models`` lists it.

    Attributes:
        how: how its provider was found.
        usable: empty when it can be asked; else why not.
        resting: seconds for which it is left alone after failures.
        seconds: how long it takes to answer, as far as this process knows.
    """

    name: str
    provider: str
    how: Texts
    local: bool
    facts: Facts
    price: Price | None
    usable: Texts | None = None
    resting: float = 0.0
    seconds: float | None = None


class Gateway:
    """Every model that can be reached from here. Nothing is looked for and no library is loaded before first use.

    Args:
        settings: which models, and how they are asked.
        clock: for prices, health and durations.
        credit_usd: what one credit is worth.
        home: the folder that keeps added providers.
        environment: where keys are; by default this process's own.
        quality: what is known of models' quality.
        ports: addresses on this machine that are tried.
    """

    def __init__(
        self,
        settings: ModelSettings,
        *,
        clock: Clock,
        credit_usd: Decimal = CREDIT_USD,
        home: Path | None = None,
        environment: Environment | None = None,
        quality: Quality | None = None,
        ports: Sequence[Port] = PORTS,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._credit_usd = credit_usd
        self._home = home
        self._environment = environment
        self._quality = quality or NoExperience()
        self._ports = ports
        self._transport = Transport(settings.connect_seconds, settings.answer_seconds, settings.answer_bytes)
        self._lock = threading.RLock()
        self._sources: dict[str, Source] | None = None
        self._made: dict[str, Candidate] = {}
        self._health: dict[str, Health] = {}
        self._prices = PriceBook(settings.prices, clock)
        self._facts = dict(settings.facts)

    def candidates(self, wish: Wish, request: ModelRequest | None = None, *, agent: str = "") -> Choice:
        """The models for a wish, the best first.

        Args:
            wish: what somebody would like.
            request: what is to be asked: a model that it does not fit is left out.
            agent: the template that asks, for what is learned about quality.
        """
        skipped: dict[str, Texts] = {}
        wished, in_use = self._here(wish, skipped)
        return choose(
            wish,
            request,
            wished,
            in_use,
            skipped,
            quality=lambda name: self._quality.expected(name, agent, wish.purpose),
        )

    def available(self, wish: Wish) -> bool:
        """Whether there is any model for a wish."""
        skipped: dict[str, Texts] = {}
        return any(fit(wish, None, *self._here(wish, skipped), skipped))

    def _here(self, wish: Wish, skipped: dict[str, Texts]) -> tuple[list[Candidate], list[Candidate]]:
        """The models wished for that may be used, and all that may."""
        wished = self._named(wish.prefer, skipped)
        in_use = self._named(self._settings.use, skipped) if self._settings.use else self._found(skipped)
        if self._settings.use:
            names = {candidate.name for candidate in in_use}
            for candidate in wished:
                if candidate.name not in names:
                    skipped[candidate.name] = _NOT_IN_USE
            wished = [candidate for candidate in wished if candidate.name in names]
        return wished, in_use

    def candidate(self, name: str) -> Candidate:
        """One model by its name.

        Raises:
            NameUnclear: it names none that is here.
            KeyMissing: its provider is known, and there is no key for it.
        """
        skipped: dict[str, Texts] = {}
        found = self._named((name,), skipped)
        if not found:
            provider = name.partition(":")[0]
            if provider not in self.sources() and (absent := missing(provider)) is not None:
                raise KeyMissing(model=name, key=absent.key_name, provider=provider)
            raise NameUnclear(name=name, detail=skipped.get(name, _NO_MATCH))
        return found[0]

    def models(self) -> list[ModelInfo]:
        """Every model that was found, usable or not, in the order of their providers."""
        shown: list[ModelInfo] = []
        extra = [name for name in self._settings.use if "*" not in name]
        for source in self.sources().values():
            listed = [*source.models, *(m for p, m in map(split, extra) if p == source.name and m not in source.models)]
            for model in listed:
                candidate = self._make(source, model)
                shown.append(
                    ModelInfo(
                        candidate.name,
                        source.name,
                        source.how,
                        candidate.local,
                        candidate.facts,
                        candidate.price,
                        self._refused(source, candidate.name),
                        candidate.health.resting,
                        candidate.health.seconds,
                    )
                )
        return shown

    def sources(self) -> dict[str, Source]:
        """Every provider that was found, by name; looked for once.

        Raises:
            ModelsFileBroken: the file of added providers cannot be read.
        """
        with self._lock:
            if self._sources is None:
                self._sources = self._look()
            return self._sources

    def refresh(self) -> None:
        """Look again at the next use: a key was set, a server started."""
        with self._lock:
            self._sources = None
            self._made.clear()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    def _look(self) -> dict[str, Source]:
        kept = keeping.read(self._home) if self._home is not None else keeping.Kept()
        self._prices = PriceBook({**kept.prices, **self._settings.prices}, self._clock)
        self._facts = {**self._settings.facts, **kept.facts}
        environment = self._environment or Environment.current()
        keys = Keys(environment, self._settings.dotenv, keyring=self._settings.keyring)
        return discover(self._settings, kept.providers, keys, self._ports)

    def _found(self, skipped: dict[str, Texts]) -> list[Candidate]:
        found: list[Candidate] = []
        for source in self.sources().values():
            for model in source.models:
                candidate = self._make(source, model)
                if (refused := self._refused(source, candidate.name)) is not None:
                    skipped[candidate.name] = refused
                else:
                    found.append(candidate)
        return found

    def _named(self, names: Sequence[str], skipped: dict[str, Texts]) -> list[Candidate]:
        """The candidates that names and patterns mean, in their order."""
        found: dict[str, Candidate] = {}
        for name in names:
            for candidate in self._meant(name, skipped):
                found.setdefault(candidate.name, candidate)
        return list(found.values())

    def _meant(self, name: str, skipped: dict[str, Texts]) -> list[Candidate]:
        provider, model = split(name)
        sources = self.sources()
        if not provider or any(mark in name for mark in "*?["):
            full = f"{provider}:{model}" if provider else f"*:{model}"
            ignored: dict[str, Texts] = {}
            matching = [each for each in self._found(ignored) if fnmatchcase(each.name, full)]
            if not matching:
                skipped[name] = next((why for key, why in ignored.items() if fnmatchcase(key, full)), _NO_MATCH)
            return matching
        source = sources.get(provider)
        if source is None:
            absent = missing(provider)
            skipped[name] = _NO_PROVIDER if absent is None else _filled(_NO_KEY, name=absent.key_name)
            return []
        candidate = self._make(source, model)
        if (refused := self._refused(source, candidate.name)) is not None:
            skipped[name] = refused
            return []
        return [candidate]

    def _refused(self, source: Source, name: str) -> Texts | None:
        never = self._settings.never
        if never and any(fnmatchcase(name, pattern) for pattern in never):
            return _NEVER
        if source.extra:
            return _filled(_NO_PACKAGE, extra=source.extra)
        if source.key_name and source.key is None:
            return _filled(_NO_KEY, name=source.key_name)
        return None

    def _make(self, source: Source, model: str) -> Candidate:
        name = f"{source.name}:{model}"
        with self._lock:
            made = self._made.get(name)
            if made is None:
                window = context_of(source.book, model) if source.book else None
                facts = facts_of(name, model, source.told.get(model, {}), window, self._facts)
                if source.dialect == "ollama":
                    facts = replace(facts, context=min(facts.context, self._settings.ollama_context))
                manner = Manner(self._settings.answer_seconds, self._settings.silence_seconds)
                made = self._made[name] = Candidate(
                    name,
                    LangChainClient(source, model, facts, manner, self._transport),
                    source.local,
                    facts,
                    self._health.setdefault(name, Health(self._clock)),
                    source.book,
                    self._prices,
                    self._credit_usd,
                )
            return made


def known_keys() -> tuple[tuple[str, str], ...]:
    """Each known provider with the name its key usually has, for whoever has none yet."""
    return tuple((known.name, known.keys[0]) for known in KNOWN)


def _filled(texts: Texts, **values: str) -> Texts:
    return Texts(texts.en.format(**values), texts.fr.format(**values))
