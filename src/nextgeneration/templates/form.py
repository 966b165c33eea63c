"""What may stand in a template's file. This model is the only source of truth for it.

Descriptions are English; their French form stands beside them under ``x-fr`` and takes their place in
:func:`json_schema` when asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.security.permissions import parse_rule
from nextgeneration.templates.expressions import compiled, expression, expressions
from nextgeneration.templates.versions import parent_reference, parse_version

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,63}$"
STEP_PATTERN = r"^[a-z][a-z0-9_]{0,63}$"
TOOL_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,199}$"
TOOLS_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.:/@+*-]{0,199}$"
CAPABILITY_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}$"
HOOK_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
WORD_PATTERN = r"^\S(?:[^\x00-\x1f\x7f]{0,62}\S)?$"
EXTENSION = "x-"
SCHEMA_ID = "https://nextgeneration.dev/schemas/agent-template-1.json"
MAX_STEPS = 200

TAGS = frozenset({"(text)", "(texts)", "(append)", "(id)", "(object)", "(list)", "(one)"})
"""Names of the branches of values that may be written in two ways; they are no part of a pointer."""


def fault(what: Texts, fix: Texts) -> PydanticCustomError:
    """An error in two languages that :mod:`validation` turns into a problem."""
    return PydanticCustomError("template", "{what}", {"what": what, "fix": fix})


def _extension(key: str) -> str:
    if not key.startswith(EXTENSION):
        raise PydanticCustomError("unknown_key", "unknown key")
    return key


Extra = Annotated[str, AfterValidator(_extension)]


def said(text: str, fr: str, **limits: Any) -> Any:
    """A field's description in both languages, its default, and its limits."""
    extra: dict[str, Any] = {"x-fr": fr}
    default = limits.get("default")
    if isinstance(default, list | dict | BaseModel):
        # Pydantic would copy such a default deeply for every template it reads.
        del limits["default"]
        limits["default_factory"] = type(default)
        extra["default"] = default.model_dump() if isinstance(default, BaseModel) else default
    return Field(description=text, json_schema_extra=extra, **limits)


class Part(BaseModel):
    """Base of everything in the file: strict types, and no key but its own and ``x-`` ones."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        json_schema_extra={"additionalProperties": False, "patternProperties": {"^x-": {}}},
    )

    __pydantic_extra__: dict[Extra, Any]


class Bilingual(Part):
    """A text in English and French."""

    en: str = said("English", "Anglais", max_length=4000)
    fr: str = said("French", "Français", max_length=4000)


def _kind(value: Any) -> str:
    return "(text)" if isinstance(value, str) else "(texts)"


Text = Annotated[
    Annotated[str, Field(max_length=4000), Tag("(text)")] | Annotated[Bilingual, Tag("(texts)")], Discriminator(_kind)
]


def _json_schema(value: dict[str, Any]) -> dict[str, Any]:
    if value:
        # Only templates that have a schema pay for loading the library.
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(value)
        except (SchemaError, RecursionError) as error:
            place = "/".join(map(str, getattr(error, "absolute_path", ())))
            raise fault(
                Texts(f"this is not a JSON Schema (at /{place}).", f"ce n'est pas un JSON Schema (à /{place})."),
                Texts("Follow JSON Schema 2020-12.", "Suivez JSON Schema 2020-12."),
            ) from None
    return value


Schema = Annotated[dict[str, Any], AfterValidator(_json_schema)]


class Capability(Part):
    """Something the agent can do, by which missions are matched to it."""

    id: str = said("name of the capability", "nom de la capacité", pattern=CAPABILITY_PATTERN)
    description: Text = said("what it does", "ce qu'elle fait", default="")
    examples: list[Annotated[str, Field(max_length=1000)]] = said(
        "goals it serves", "buts qu'elle sert", default=[], max_length=50
    )
    input_schema: Schema = said("JSON Schema of its input", "JSON Schema de son entrée", default={})


class Route(Part):
    """Where the supervisor files the template, and by which words it finds it."""

    route: str = said("name of the route", "nom de la route", pattern=WORD_PATTERN)
    keywords: list[Annotated[str, Field(min_length=1, max_length=100)]] = said(
        "words of goals it serves, in any language",
        "mots des buts qu'il sert, en toute langue",
        default=[],
        max_length=200,
    )
    examples: list[Annotated[str, Field(max_length=1000)]] = said(
        "goals it serves", "buts qu'il sert", default=[], max_length=50
    )
    priority: int = said(
        "the higher one wins between equals", "la plus haute l'emporte à égalité", default=0, ge=-1000, le=1000
    )


class Append(Part):
    """Text that follows the parent's."""

    append: str = said("text put after the parent's", "texte ajouté après celui du parent", max_length=200_000)


def _expressions(value: Any) -> Any:
    for _, text in expressions(value):
        try:
            compiled(text)
        except NGError as error:
            raise fault(
                Texts(error.message("en") + ".", error.message("fr") + "."), Texts(error.hint("en"), error.hint("fr"))
            ) from None
    return value


def _condition(value: Any) -> Any:
    if not isinstance(value, bool) and expression(value) is None:
        raise fault(
            Texts("a condition is true, false or an expression.", "une condition est true, false ou une expression."),
            Texts('Write {"$": "<JMESPath>"}.', 'Écrivez {"$": "<JMESPath>"}.'),
        )
    return _expressions(value)


def _many(value: Any) -> Any:
    if not isinstance(value, list) and expression(value) is None:
        raise fault(
            Texts("`each` is a list or an expression.", "`each` est une liste ou une expression."),
            Texts('Write {"$": "<JMESPath>"}.', 'Écrivez {"$": "<JMESPath>"}.'),
        )
    return _expressions(value)


class Step(Part):
    """One call of a playbook. A value is literal unless it is exactly ``{"$": "<JMESPath>"}``."""

    id: str = said(
        "name by which later steps refer to it",
        "nom pour les étapes suivantes",
        default="",
        pattern=r"^$|" + STEP_PATTERN,
    )
    tool: str = said("the tool to call", "l'outil à appeler", pattern=TOOL_PATTERN)
    with_: Annotated[dict[str, Any], AfterValidator(_expressions)] = said(
        "its arguments", "ses arguments", default={}, alias="with"
    )
    when: Annotated[Any, AfterValidator(_condition)] = said(
        "runs only if this is true", "ne s'exécute que si c'est vrai", default=True
    )
    each: Annotated[Any, AfterValidator(_many)] = said(
        "runs once for each of these, as `item`", "s'exécute pour chacun, comme `item`", default=[]
    )
    on_error: Literal["stop", "continue"] = said("what a failure does", "ce que fait un échec", default="stop")


class Model(Part):
    """Which models suit the agent."""

    prefer: list[Annotated[str, Field(pattern=WORD_PATTERN)]] = said(
        "provider:model, best first", "fournisseur:modèle, le meilleur d'abord", default=[], max_length=20
    )
    needs: list[Annotated[str, Field(pattern=WORD_PATTERN)]] = said(
        "abilities it cannot do without, such as tools or vision",
        "aptitudes indispensables (tools, vision…)",
        default=[],
        max_length=20,
    )
    max_output: int | None = said(
        "most tokens of one answer (default 4096)",
        "jetons d'une réponse au plus (défaut 4096)",
        default=None,
        ge=16,
        le=1_000_000,
    )
    temperature: float | None = said(
        "0 to 2; default: the model's own", "0 à 2 ; défaut : celle du modèle", default=None, ge=0, le=2
    )
    context: int | None = said(
        "tokens of conversation before it is shortened (default 96000)",
        "jetons de conversation avant qu'elle soit abrégée (défaut 96000)",
        default=None,
        ge=1_000,
        le=10_000_000,
    )


def _rule(text: str) -> str:
    try:
        parse_rule(text)
    except NGError as error:
        raise fault(
            Texts("this rule cannot be read.", "cette règle est illisible."), Texts(error.hint("en"), error.hint("fr"))
        ) from None
    return text


Rules = list[Annotated[str, AfterValidator(_rule)]]


class Permissions(Part):
    """Rules `tool` or `tool(pattern)`; deny beats ask beats allow, and a child never loosens its parents'."""

    allow: Rules = said("calls that need no approval", "appels sans approbation", default=[], max_length=500)
    ask: Rules = said("calls that always need one", "appels toujours soumis à approbation", default=[], max_length=500)
    deny: Rules = said("calls that are never made", "appels jamais faits", default=[], max_length=500)


class Budget(Part):
    """Limits of one task; of a chain of parents the smallest counts."""

    credits: int | None = said("credits", "crédits", default=None, ge=0, le=2**53 - 1)
    model_calls: int | None = said("model calls", "appels de modèle", default=None, ge=0, le=2**53 - 1)
    tool_calls: int | None = said("tool calls", "appels d'outil", default=None, ge=0, le=2**53 - 1)
    seconds: float | None = said("seconds", "secondes", default=None, gt=0, le=10_000_000)


def _plural(value: Any) -> str:
    return "(list)" if isinstance(value, list) else "(one)"


HookName = Annotated[str, Field(pattern=HOOK_PATTERN)]
HookNames = Annotated[
    Annotated[HookName, Tag("(one)")] | Annotated[list[HookName], Field(max_length=32), Tag("(list)")],
    Discriminator(_plural),
]


class HookTable(Part):
    """Entry points of installed packages, called around `process`; parents' first."""

    before_process: HookNames = said(
        "before the work; a failure stops the agent", "avant le travail ; un échec arrête l'agent", default=[]
    )
    after_process: HookNames = said("after the work", "après le travail", default=[])
    on_error: HookNames = said("when the work fails", "quand le travail échoue", default=[])


def _id_or(value: Any) -> str:
    return "(id)" if isinstance(value, str) else "(object)"


def _append_or(value: Any) -> str:
    return "(text)" if isinstance(value, str) else "(append)"


CapabilityItem = Annotated[
    Annotated[str, Field(pattern=CAPABILITY_PATTERN), Tag("(id)")] | Annotated[Capability, Tag("(object)")],
    Discriminator(_id_or),
]
RouteItem = Annotated[
    Annotated[str, Field(pattern=WORD_PATTERN), Tag("(id)")] | Annotated[Route, Tag("(object)")], Discriminator(_id_or)
]
Instructions = Annotated[
    Annotated[str, Field(max_length=200_000), Tag("(text)")] | Annotated[Append, Tag("(append)")],
    Discriminator(_append_or),
]


def _version(text: str) -> str:
    try:
        parse_version(text)
    except NGError:
        raise fault(
            Texts("this is not a SemVer version.", "ce n'est pas une version SemVer."),
            Texts("Write three numbers, such as 1.0.0.", "Écrivez trois nombres, comme 1.0.0."),
        ) from None
    return text


def _parent(text: str) -> str:
    try:
        parent_reference(text)
    except NGError as error:
        raise fault(
            Texts("the range after @ cannot be read.", "l'intervalle après @ est illisible."),
            Texts(error.hint("en"), error.hint("fr")),
        ) from None
    return text


class TemplateFile(Part):
    """An agent, described. `name`, `role` and `domain` must stand in the file; everything else has a default."""

    schema_: str = said("where this schema is", "où se trouve ce schéma", default="", alias="$schema", max_length=2000)
    name: str = said("the file's name without .json", "le nom du fichier sans .json", pattern=NAME_PATTERN)
    role: str = said("what kind of agent, such as analyzer", "le genre d'agent, comme analyzer", pattern=WORD_PATTERN)
    domain: str = said("what it is about", "son domaine", pattern=WORD_PATTERN)
    version: Annotated[str, AfterValidator(_version)] = said("SemVer", "SemVer", default="1.0.0", max_length=100)
    capabilities: list[CapabilityItem] = said(
        "what it can do; united with the parent's",
        "ce qu'il sait faire ; uni à celles du parent",
        default=[],
        max_length=256,
    )
    supervisor_route: RouteItem = said(
        "where the supervisor files it; default: the parent's, else the domain",
        "où le superviseur le range ; défaut : celle du parent, sinon le domaine",
        default="",
    )
    parent: Annotated[str, AfterValidator(_parent)] = said(
        "the template it builds on: name or name@^1.0",
        "le modèle dont il hérite : nom ou nom@^1.0",
        default="",
        pattern=r"^[a-z][a-z0-9_-]{0,63}(?:@.{1,200})?$",
    )
    description: Text = said("what it is for, in one or two languages", "son but, en une ou deux langues", default="")
    instructions: Instructions = said(
        'what a model is told; {"append": …} keeps the parent\'s',
        'ce qu\'on dit à un modèle ; {"append": …} garde celles du parent',
        default="",
    )
    runtime: Literal["auto", "playbook", "llm", "python", "wasm", "remote"] = said(
        "what drives it; auto: llm when a model answers, else playbook",
        "ce qui le conduit ; auto : llm si un modèle répond, sinon playbook",
        default="auto",
    )
    tools: list[Annotated[str, Field(pattern=TOOLS_PATTERN)]] = said(
        "what it may call, by name or pattern such as mcp:docs/*; united with the parent's",
        "ce qu'il peut appeler, par nom ou motif comme mcp:docs/* ; uni à ceux du parent",
        default=[],
        max_length=256,
    )
    playbook: list[Step] = said(
        "steps it runs without a model", "étapes qu'il suit sans modèle", default=[], max_length=MAX_STEPS
    )
    playbook_first: bool = said(
        "run the playbook even when a model answers", "suivre les étapes même si un modèle répond", default=False
    )
    model: Model = said("which models suit it", "quels modèles conviennent", default=Model())
    permissions: Permissions = said(
        "what it may do unasked", "ce qu'il peut faire sans demander", default=Permissions()
    )
    budget: Budget = said("limits of one task", "limites d'une tâche", default=Budget())
    hooks: HookTable = said("entry points around its work", "points d'entrée autour du travail", default=HookTable())
    default_config: dict[str, Any] = said(
        "its configuration, merged into the parent's", "sa configuration, fusionnée à celle du parent", default={}
    )
    input_schema: Schema = said("JSON Schema of its input", "JSON Schema de son entrée", default={})
    output_schema: Schema = said("JSON Schema of its result", "JSON Schema de son résultat", default={})
    metadata: dict[str, Any] = said(
        "anything, merged into the parent's", "libre, fusionné à celui du parent", default={}
    )

    @model_validator(mode="after")
    def _distinct(self) -> TemplateFile:
        _unique((step.id for step in self.playbook if step.id), "playbook")
        _unique((item if isinstance(item, str) else item.id for item in self.capabilities), "capabilities")
        if self.parent.partition("@")[0] == self.name:
            raise fault(
                Texts("`parent` is the template itself.", "`parent` est le modèle lui-même."),
                Texts("Name another template.", "Nommez un autre modèle."),
            )
        return self


def _unique(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise fault(
                Texts(f"`{name}` stands twice in `{where}`.", f"`{name}` est deux fois dans `{where}`."),
                Texts("Keep one.", "Gardez-en un."),
            )
        seen.add(name)


@lru_cache(maxsize=2)
def _schema(lang: Lang) -> dict[str, Any]:
    schema = TemplateFile.model_json_schema(by_alias=True)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}
    schema["title"] = {"en": "Agent template", "fr": "Modèle d'agent"}[lang]
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            french = node.pop("x-fr", None)
            if french and lang == "fr":
                node["description"] = french
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return schema


def json_schema(lang: Lang = "en") -> dict[str, Any]:
    """The JSON Schema (2020-12) of a template's file, with descriptions in one language. A new copy each time."""
    return deepcopy(_schema(lang))
