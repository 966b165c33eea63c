"""``nextgen models …``: what was found, one tiny call, adding and removing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextgeneration.cli.errors import UsageWrong
from nextgeneration.cli.options import Debug, Json, Workspace, enter, plainly, text
from nextgeneration.cli.pages import Command, Group
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped

if TYPE_CHECKING:
    from nextgeneration.models.candidates import Choice
    from nextgeneration.models.gateway import ModelInfo

HELP = text(
    "Language models: what was found and how, one tiny call, adding one.",
    "Modèles de langage : ce qui a été trouvé et comment, un essai, en ajouter.",
)

app = typer.Typer(cls=Group, help=HELP, invoke_without_command=True)

_HEADS = (
    Texts("MODEL", "MODÈLE"),
    Texts("USD/M IN", "USD/M ENTRÉE"),
    Texts("OUT", "SORTIE"),
    Texts("CONTEXT", "CONTEXTE"),
    Texts("CAN", "SAIT"),
    Texts("FOUND", "TROUVÉ"),
)
_FREE = Texts("free", "gratuit")
_UNKNOWN = Texts("?", "?")
_NONE = Texts(
    "No model found: agents run their playbooks, with real tools and rules. Nothing is missing for that.",
    "Aucun modèle trouvé : les agents suivent leurs étapes, avec de vrais outils et règles. Rien ne manque pour cela.",
)
_LOOKED = Texts("Looked for: {places}.", "Cherché : {places}.")
_KEYS = Texts("the keys {names}", "les clés {names}")
_PORTS = Texts("servers on this machine, ports {ports}", "des serveurs sur cette machine, ports {ports}")
_TO_ADD = Texts(
    "To use one: set a key under its name, start Ollama, or\n"
    "  nextgen models add NAME --url https://…/v1 --key-name VARIABLE",
    "Pour en utiliser un : posez une clé sous son nom, lancez Ollama, ou\n"
    "  nextgen models add NOM --url https://…/v1 --key-name VARIABLE",
)
_PURPOSES = {
    "plan": Texts("planning", "planifier"),
    "work": Texts("work", "travailler"),
    "synthesise": Texts("synthesis", "synthétiser"),
    "compact": Texts("compaction", "compacter"),
}
_USED = Texts("Used for", "Employés pour")
_OWN = Texts("Templates with wishes of their own", "Modèles d'agents qui ont leurs propres souhaits")
_ANSWERED = Texts("{name} answered in {seconds:.2f} s: {said}", "{name} a répondu en {seconds:.2f} s : {said}")
_COST = Texts(
    "{input} tokens in, {output} out{estimated}; {cost}",
    "{input} jetons en entrée, {output} en sortie{estimated} ; {cost}",
)
_ESTIMATED = Texts(" (estimated: the provider did not say)", " (estimés : le fournisseur ne le dit pas)")
_CREDITS = Texts("{credits:f} credits", "{credits:f} crédits")
_NO_PRICE = Texts("price unknown", "prix inconnu")
_NO_URL = Texts("--url is missing.", "--url manque.")
_NO_PACKAGE = Texts("--package goes with --dialect langchain.", "--package va avec --dialect langchain.")
_USD_RANGE = Texts(
    "a price is a number from 0 to {most} USD for a million tokens",
    "un prix est un nombre de 0 à {most} USD par million de jetons",
)
_ADDED = Texts("{name} added: {models}", "{name} ajouté : {models}")
_NO_LIST = Texts(
    "its address lists no models; name them as {name}:MODEL",
    "son adresse ne liste aucun modèle ; nommez-les {name}:MODÈLE",
)
_KEY_ABSENT = Texts("No key was found under {name} so far.", "Aucune clé n'a encore été trouvée sous {name}.")
_PLAIN = Texts(
    "This address is not encrypted: the key and every prompt can be read on the way.",
    "Cette adresse n'est pas chiffrée : la clé et chaque invite peuvent être lues en chemin.",
)
_PRICED = Texts("{name} has its price", "{name} a son prix")
_REMOVED = Texts("{name} removed", "{name} retiré")

Model = Annotated[
    str,
    typer.Argument(
        metavar=text("MODEL", "MODÈLE"), help=text("provider:model, as listed.", "fournisseur:modèle, comme listé.")
    ),
]
Name = Annotated[str, typer.Argument(metavar=text("NAME", "NOM"), help=text("Its name here.", "Son nom ici."))]
Url = Annotated[str, typer.Option(metavar="URL", help=text("Its address.", "Son adresse."))]
KeyName = Annotated[
    str,
    typer.Option(
        metavar="VARIABLE",
        help=text("Name of the variable that holds its key.", "Nom de la variable qui contient sa clé."),
    ),
]
Dialect = Annotated[
    str,
    typer.Option(
        metavar="FORMAT",
        help=text(
            "What it speaks: openai, openai-responses, anthropic, google, ollama or langchain.",
            "Ce qu'elle parle : openai, openai-responses, anthropic, google, ollama ou langchain.",
        ),
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        metavar=text("TOKENS", "JETONS"),
        min=1_024,
        max=100_000_000,
        help=text(
            "What its models hold, prompt and answer together. Without it: what they say, or what is known of them.",
            "Ce que contiennent ses modèles, invite et réponse. Sans cela : ce qu'ils disent, ou ce qu'on en sait.",
        ),
    ),
]
Package = Annotated[
    str,
    typer.Option(
        metavar=text("PROVIDER", "FOURNISSEUR"),
        help=text(
            "For langchain: the provider's name there, if it differs.",
            "Pour langchain : le nom du fournisseur là-bas, s'il diffère.",
        ),
    ),
]
ModelNames = Annotated[
    list[str] | None,
    typer.Option(
        metavar=text("MODEL", "MODÈLE"),
        help=text(
            "A model it has; may be repeated. Without any the address is asked.",
            "Un de ses modèles ; répétable. Sans cela l'adresse est interrogée.",
        ),
    ),
]
_USD = text("USD for a million tokens of {}.", "USD par million de jetons {}.")


@app.callback()
def root(
    ctx: typer.Context,
    workspace: Workspace = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the models that were found, and which would be used for what."""
    if ctx.invoked_subcommand is None:
        _list(workspace, json=json, debug=debug)


@app.command(
    "list",
    cls=Command,
    help=text(
        "List the models that were found, and which would be used for what.",
        "Lister les modèles trouvés, et lequel servirait à quoi.",
    ),
)
def list_(workspace: Workspace = Path(), json: Json = False, debug: Debug = False) -> None:
    """List the models that were found, and which would be used for what."""
    _list(workspace, json=json, debug=debug)


def _list(workspace: Path, *, json: bool, debug: bool) -> None:
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.gateways import by_purpose, by_template, gateway

        models = gateway()
        found = models.models()
        purposes = by_purpose(models)
        templates = by_template(models, workspace) if found else {}
        if json:
            voice.document(
                {
                    "models": [_facts(info, voice) for info in found],
                    "purposes": {purpose: _choice(choice, voice) for purpose, choice in purposes.items()},
                    "templates": {name: _choice(choice, voice) for name, choice in templates.items()},
                }
            )
            return 0
        if not found:
            _say_none(voice)
            return 0
        voice.table(_HEADS, [_row(info, voice) for info in found], spare=(4, 3))
        _say_uses(voice, purposes, templates)
        return 0

    plainly(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Make one tiny call: whether it answers, how fast, and what that cost.",
        "Faire un tout petit appel : s'il répond, en combien de temps, à quel prix.",
    ),
)
def check(model: Model, json: Json = False, debug: Debug = False) -> None:
    """Make one tiny call: whether it answers, how fast, and what that cost."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        import time

        from nextgeneration.cli.session import person
        from nextgeneration.kernel.models import Message, ModelRequest
        from nextgeneration.services.gateways import gateway
        from nextgeneration.services.records import open_records
        from nextgeneration.services.trial import Trial

        models = gateway()
        try:
            candidate = models.candidate(model)
            request = ModelRequest((Message("user", "Answer with the single word: ready"),), max_output=512)
            with open_records() as records:
                trial = Trial(records, user=person().partition(":")[2])
                began = time.monotonic()
                answer, micro = await trial.ask(candidate, request)
                seconds = time.monotonic() - began
        finally:
            await models.close()
        credits_ = Decimal(micro).scaleb(-6).normalize() if candidate.priced else None
        if json:
            voice.document(
                {
                    "model": answer.model,
                    "text": answer.text,
                    "seconds": round(seconds, 3),
                    "usage": answer.usage.as_data(),
                    "credits": None if credits_ is None else f"{credits_:f}",
                }
            )
            return 0
        said = escaped(answer.text.strip(), newlines=False)[:200]
        voice.data(_ANSWERED.say(voice.lang, name=answer.model, seconds=seconds, said=said))
        voice.data(
            _COST.say(
                voice.lang,
                input=answer.usage.input,
                output=answer.usage.output,
                estimated=_ESTIMATED if answer.usage.estimated else "",
                cost=_NO_PRICE if credits_ is None else _CREDITS.say(voice.lang, credits=credits_),
            )
        )
        return 0

    enter(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Add an address where models answer. The name of its key is kept, never the key.",
        "Ajouter une adresse où répondent des modèles. Le nom de sa clé est gardé, jamais la clé.",
    ),
    epilog="nextgen models add lab --url http://10.0.0.5:8000/v1\n"
    "nextgen models add acme --url https://llm.example/v1 --key-name ACME_KEY --model large",
)
def add(
    name: Name,
    url: Url = "",
    key_name: KeyName = "",
    dialect: Dialect = "openai",
    package: Package = "",
    model: ModelNames = None,
    context: Context = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Add an address where models answer."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        if not url and dialect != "langchain":
            raise UsageWrong(detail=_NO_URL.say(voice.lang), command="nextgen models add")
        if package and dialect != "langchain":
            raise UsageWrong(detail=_NO_PACKAGE.say(voice.lang), command="nextgen models add")

        from pydantic import ValidationError

        from nextgeneration.models.adding import add as keep
        from nextgeneration.models.errors import NameUnclear
        from nextgeneration.models.sources import loopback
        from nextgeneration.services.gateways import keys, models_home
        from nextgeneration.settings.models import ModelProvider

        try:
            given = ModelProvider.model_validate(
                {"url": url, "key": key_name, "dialect": dialect, "package": package, "models": model or []}
            )
        except ValidationError as error:
            raise NameUnclear(name=dialect, detail=error.errors(include_input=False)[0]["msg"]) from None
        found = keys()
        kept = keep(models_home(), name, given, found, context=context)
        if json:
            voice.document({"name": name, **kept.model_dump(mode="json"), "context": context})
        else:
            listed = ", ".join(f"{name}:{each}" for each in kept.models[:5])
            listed = escaped(listed, newlines=False)
            voice.data(_ADDED.say(voice.lang, name=name, models=listed or _NO_LIST.say(voice.lang, name=name)))
        if key_name and found.find(key_name) is None:
            voice.say(_KEY_ABSENT, name=key_name)
        if url.startswith("http://") and not loopback(url):
            voice.say(_PLAIN)
        return 0

    plainly(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Say what a model costs, where the price data does not know it.",
        "Dire ce que coûte un modèle, là où les données de prix l'ignorent.",
    ),
)
def price(
    model: Model,
    input_: Annotated[float, typer.Option("--input", min=0, help=_USD.format(text("the prompt", "de l'invite")))],
    output: Annotated[float, typer.Option("--output", min=0, help=_USD.format(text("the answer", "de la réponse")))],
    cached: Annotated[
        float | None,
        typer.Option("--cached", min=0, help=_USD.format(text("the prompt read from a cache", "lus d'un cache"))),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what a model costs."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from pydantic import ValidationError

        from nextgeneration.models.adding import price as keep
        from nextgeneration.services.gateways import models_home
        from nextgeneration.settings.models import MOST_USD, ModelPrice

        try:
            given = ModelPrice(
                input=Decimal(str(input_)),
                output=Decimal(str(output)),
                cached=None if cached is None else Decimal(str(cached)),
            )
        except ValidationError:
            detail = _USD_RANGE.say(voice.lang, most=MOST_USD)
            raise UsageWrong(detail=detail, command="nextgen models price") from None
        keep(models_home(), model, given)
        if json:
            voice.document({"model": model, **given.model_dump(mode="json")})
        else:
            voice.data(_PRICED.say(voice.lang, name=escaped(model, newlines=False)))
        return 0

    plainly(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Remove what was added: an address with its prices, or one price.",
        "Retirer ce qui a été ajouté : une adresse et ses prix, ou un prix.",
    ),
)
def remove(name: Name, json: Json = False, debug: Debug = False) -> None:
    """Remove what was added."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.models.adding import remove as forget
        from nextgeneration.services.gateways import models_home

        forget(models_home(), name)
        if json:
            voice.document({"removed": name})
        else:
            voice.data(_REMOVED.say(voice.lang, name=escaped(name, newlines=False)))
        return 0

    plainly(voice, command)


def _say_none(voice: Voice) -> None:
    from nextgeneration.models.gateway import known_keys
    from nextgeneration.models.probing import PORTS

    voice.data(_NONE.say(voice.lang))
    names = ", ".join(key for _, key in known_keys()[:6]) + ", …"
    ports = ", ".join(str(port.port) for port in PORTS)
    places = f"{_KEYS.say(voice.lang, names=names)}; {_PORTS.say(voice.lang, ports=ports)}"
    voice.data(_LOOKED.say(voice.lang, places=places))
    voice.data(_TO_ADD.say(voice.lang))


def _say_uses(voice: Voice, purposes: dict[str, Choice], templates: dict[str, Choice]) -> None:
    voice.data("")
    voice.data(f"{_USED.say(voice.lang)}:" if voice.lang == "en" else f"{_USED.say(voice.lang)} :")
    for purpose, choice in purposes.items():
        voice.data(f"  {_PURPOSES[purpose].say(voice.lang):<12}{escaped(choice.why.say(voice.lang), newlines=False)}")
    usual = purposes["work"].first
    own = {
        name: choice
        for name, choice in templates.items()
        if (choice.first.name if choice.first else "") != (usual.name if usual else "")
    }
    if own:
        voice.data(f"{_OWN.say(voice.lang)}:" if voice.lang == "en" else f"{_OWN.say(voice.lang)} :")
        for name, choice in own.items():
            voice.data(f"  {name:<24}{escaped(choice.why.say(voice.lang), newlines=False)}")


def _row(info: ModelInfo, voice: Voice) -> list[tuple[str, str]]:
    if info.price is None:
        prices = (_UNKNOWN.say(voice.lang), _UNKNOWN.say(voice.lang))
    elif info.price.source == "local":
        prices = (_FREE.say(voice.lang), "")
    else:
        prices = (f"{info.price.input.base.normalize():f}", f"{info.price.output.base.normalize():f}")
    can = ", ".join(sorted(info.facts.abilities))
    how = info.how.say(voice.lang)
    if info.usable is not None:
        how = f"{how}; {info.usable.say(voice.lang)}"
    return [
        (info.name, "bold" if info.usable is None else "dim"),
        (prices[0], "dim"),
        (prices[1], "dim"),
        (f"{info.facts.context // 1000}k", "dim"),
        (can, "dim"),
        (how, "place" if info.usable is None else "bad"),
    ]


def _facts(info: ModelInfo, voice: Voice) -> dict[str, Any]:
    rates = info.price
    return {
        "model": info.name,
        "provider": info.provider,
        "found": info.how.say(voice.lang),
        "usable": info.usable is None,
        "problem": None if info.usable is None else info.usable.say(voice.lang),
        "local": info.local,
        "context": info.facts.context,
        "max_output": info.facts.max_output,
        "can": sorted(info.facts.abilities),
        "price": None
        if rates is None
        else {
            "input": f"{rates.input.base:f}",
            "output": f"{rates.output.base:f}",
            "cached": f"{rates.cached.base:f}",
            "cache_written": f"{rates.cache_written.base:f}",
            "source": rates.source,
        },
    }


def _choice(choice: Choice, voice: Voice) -> dict[str, Any]:
    return {
        "models": [candidate.name for candidate in choice.candidates],
        "why": choice.why.say(voice.lang),
        "skipped": {name: why.say(voice.lang) for name, why in choice.skipped.items()},
    }
