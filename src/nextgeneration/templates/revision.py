"""A template with its inheritance resolved: immutable, in canonical JSON, named by its digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import ValidationError

from nextgeneration.kernel.canonical import digest as digest_of
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.templates.errors import RevisionAltered

HOOK_POINTS = ("before_process", "after_process", "on_error")
COMPUTED_METADATA = frozenset({"content_hash", "inherited_from", "origins"})
"""Keys of ``metadata`` that are made when a template is loaded; what a file says there is ignored."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Something the agent can do."""

    id: str
    description: Texts
    examples: tuple[str, ...] = ()
    input_schema: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """Where the supervisor files the template."""

    route: str
    keywords: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the playbook.

    ``when`` is a boolean or an expression, ``each`` a list, an expression, or ``None`` for a single
    call; an expression is ``{"$": "<JMESPath>"}``.
    """

    id: str
    tool: str
    with_: dict[str, Any] = field(default_factory=dict)
    when: Any = True
    each: Any = None
    on_error: Literal["stop", "continue"] = "stop"


@dataclass(frozen=True, slots=True)
class ModelWishes:
    """Which models suit the agent, and how they are asked; ``None`` where the template says nothing."""

    prefer: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    max_output: int | None = None
    temperature: float | None = None
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one task; ``None`` where the template sets none."""

    credits: int | None = None
    model_calls: int | None = None
    tool_calls: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Hooks:
    """Names of entry points, parents' first."""

    before_process: tuple[str, ...] = ()
    after_process: tuple[str, ...] = ()
    on_error: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Revision:
    """What an agent is made from. Two revisions are equal when their digests are.

    ``data`` is the canonical form: ``digest`` is the digest of exactly it, and :meth:`from_data`
    rebuilds the revision. The mappings inside are shared by all agents of the revision; copy before
    you change one.

    Attributes:
        permissions: the lists of each level, root first.
        parents: names of the ancestors, nearest first.
        metadata: the template's own, with ``content_hash``, ``inherited_from`` and ``origins``
            (JSON pointer into ``data`` -> the template that decided it).
        source: the file, ``builtin:<file>``, or a word for what was never a file.
        default_playbook: no template of the lineage has a playbook; the constant one stands in, and
            its agent's report is at most ``partial``.
    """

    name: str
    digest: str
    role: str
    domain: str
    version: str
    capabilities: tuple[Capability, ...]
    route: Route
    description: Texts
    instructions: str
    runtime: str
    tools: tuple[str, ...]
    playbook: tuple[Step, ...]
    default_playbook: bool
    playbook_first: bool
    model: ModelWishes
    permissions: tuple[PermissionRules, ...]
    budget: Budget
    hooks: Hooks
    default_config: dict[str, Any]
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    metadata: dict[str, Any]
    parents: tuple[str, ...]
    source: str
    data: dict[str, Any]

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Revision) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def content_hash(self) -> str:
        """The digest, under the name it has in ``metadata``."""
        return self.digest

    @property
    def inherited_from(self) -> str | None:
        """The direct parent."""
        return self.parents[0] if self.parents else None

    @property
    def origins(self) -> Mapping[str, str]:
        """JSON pointer into ``data`` -> the template that decided what stands there."""
        origins: Mapping[str, str] = self.metadata["origins"]
        return origins

    @classmethod
    def from_data(
        cls,
        data: dict[str, Any],
        *,
        digest: str | None = None,
        source: str = "(record)",
        origins: Mapping[str, str] | None = None,
    ) -> Self:
        """The revision whose canonical form is ``data``.

        Args:
            data: a revision's ``data``, perhaps after a round trip through storage.
            digest: what it must hash to, when that is known.
            source: where it comes from.
            origins: the provenance of each field, when it is known.

        Raises:
            RevisionAltered: the data is not a revision's, or not the one with ``digest``.
        """
        try:
            found = digest_of(data)
            if digest is not None and found != digest:
                raise RevisionAltered(name=str(data.get("name", "?"))[:64], detail=f"{found} != {digest}")
            return cls._made(data, found, source, dict(origins or {}))
        except (KeyError, TypeError, AttributeError, ValidationError) as error:
            name = str(data.get("name", "?"))[:64] if isinstance(data, dict) else "?"
            raise RevisionAltered(name=name, detail=type(error).__name__) from None
        except NGError as error:
            if isinstance(error, RevisionAltered):
                raise
            raise RevisionAltered(name="?", detail=error.message("en")) from None

    @classmethod
    def _made(cls, data: dict[str, Any], digest: str, source: str, origins: dict[str, str]) -> Self:
        route, model, budget = data["supervisor_route"], data["model"], data["budget"]
        parents = tuple(parent["name"] for parent in data["parents"])
        computed = {"content_hash": digest, "inherited_from": parents[0] if parents else None, "origins": origins}
        return cls(
            name=data["name"],
            digest=digest,
            role=data["role"],
            domain=data["domain"],
            version=data["version"],
            capabilities=tuple(_capability(item) for item in data["capabilities"]),
            route=Route(route["route"], tuple(route["keywords"]), tuple(route["examples"]), route["priority"]),
            description=_texts(data["description"]),
            instructions=data["instructions"],
            runtime=data["runtime"],
            tools=tuple(data["tools"]),
            playbook=tuple(_step(step) for step in data["playbook"]),
            default_playbook=data["default_playbook"],
            playbook_first=data["playbook_first"],
            model=_wishes(model),
            permissions=tuple(_rules(level) for level in data["permissions"]),
            budget=Budget(*(budget.get(key) for key in ("credits", "model_calls", "tool_calls", "seconds"))),
            hooks=Hooks(*(tuple(data["hooks"][point]) for point in HOOK_POINTS)),
            default_config=data["default_config"],
            input_schema=data["input_schema"],
            output_schema=data["output_schema"],
            metadata={**data["metadata"], **computed},
            parents=parents,
            source=source,
            data=data,
        )


def _texts(value: Mapping[str, str]) -> Texts:
    return Texts(value["en"], value["fr"])


def _capability(item: Mapping[str, Any]) -> Capability:
    return Capability(item["id"], _texts(item["description"]), tuple(item["examples"]), item["input_schema"])


def _wishes(model: Mapping[str, Any]) -> ModelWishes:
    asked = {key: model.get(key) for key in ("max_output", "temperature", "context")}
    return ModelWishes(tuple(model["prefer"]), tuple(model["needs"]), **asked)


def _step(step: Mapping[str, Any]) -> Step:
    return Step(step["id"], step["tool"], step["with"], step["when"], step["each"], step["on_error"])


def _rules(level: Mapping[str, Sequence[str]]) -> PermissionRules:
    lists = ("allow", "ask", "deny", "untrusted")
    return PermissionRules(**{name: tuple(level[name]) for name in lists if name != "untrusted" or name in level})
