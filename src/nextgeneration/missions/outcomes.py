"""What came of a call, as it is recorded and as it is answered again: the first answer and every replay are equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from nextgeneration.kernel.canonical import canonical
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Evidence, Finding
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.errors import OutcomeTooLarge, ToolFailed, remade
from nextgeneration.missions.records import Effect
from nextgeneration.missions.schema import Edit
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.sealed import encoded, plain, seal, seal_json, unseal, unsealed

MAX_BYTES = 4_000_000
"""Largest outcome kept. The tools' own limits are far below; this one is for those that have none."""

UNCONFIRMED = Texts(
    "This call was interrupted; that it was done is confirmed by {by}. Its own result is not known.",
    "Cet appel a été interrompu ; qu'il ait été fait est confirmé par {by}. Son propre résultat n'est pas connu.",
)


EDITED = Texts(
    "{by} changed the arguments of this call before it was made: {args}",
    "{by} a changé les arguments de cet appel avant qu'il soit fait : {args}",
)
SHOWN_ARGS = 2000
"""Characters of edited arguments that the result of their call repeats."""


def noted(result: ToolResult, edit: Edit | None, lang: Lang) -> ToolResult:
    """``result`` with the note that the call was not made as it was asked for: an agent must not think it was."""
    if edit is None:
        return result
    args = shortened(canonical(edit.args).decode(), SHOWN_ARGS)
    note = EDITED.say(lang, by=escaped(edit.by, newlines=False), args=args)
    return result.model_copy(update={"text": f"{note}\n{result.text}".rstrip()})


def recorded(result: ToolResult, tool: str, key: str) -> tuple[str, ToolResult]:
    """A result as sealed text, and as every replay will read it.

    Values are cleaned of lone surrogates, NUL and non-finite numbers; each finding's evidence names the effect.

    Raises:
        OutcomeTooLarge: it is larger than :data:`MAX_BYTES`.
        NotStorable: it holds something JSON has no form for.
    """
    if result.findings:
        result = result.model_copy(update={"findings": tuple(_cited(f, tool, key) for f in result.findings)})
    try:
        data = result.model_dump_json(exclude_defaults=True).encode()
    except ValueError:
        data = b""
    if not data or b"\\u0000" in data:
        data = encoded(plain(result.model_dump()))
    if len(data) > MAX_BYTES:
        raise OutcomeTooLarge(tool=tool, size=len(data), limit=MAX_BYTES)
    return seal_json(data), ToolResult.model_validate_json(data)


def _cited(finding: Finding, tool: str, key: str) -> Finding:
    evidence = finding.evidence or (Evidence(source=tool, location=finding.location),)
    cited = tuple(item if item.effect else item.model_copy(update={"effect": key}) for item in evidence)
    return finding.model_copy(update={"evidence": cited})


def unconfirmed(tool: str, key: str, by: str, lang: Lang) -> tuple[str, ToolResult]:
    """The result of a call that was done, as somebody found out afterwards, but never answered."""
    text = UNCONFIRMED.say(lang, by=by)
    return recorded(ToolResult(ok=True, value={"unconfirmed": True}, text=text), tool, key)


def failure(problem: Mapping[str, Any]) -> str:
    """A tool's error as sealed text."""
    return seal({"problem": problem})


def refusal(error: NGError) -> str:
    """A refusal of ours as sealed text; its values are plain JSON."""
    return seal({"refusal": refused_as(error)})


def refused_as(error: NGError) -> dict[str, Any]:
    """A refusal of ours as plain JSON, from which :func:`remake` makes it again."""
    return {"code": error.code, "where": error.where, "values": error.values}


def failed(tool: str, problem: Mapping[str, Any]) -> ToolFailed:
    """A tool's recorded error as what is raised, at the call and at each replay."""
    message, hint = problem.get("message", ""), problem.get("hint", "")
    return ToolFailed(tool=tool, message=message, hint=hint, problem=dict(problem))


def replayed(effect: Effect, key: str) -> ToolResult:
    """The answer of an effect whose outcome is recorded.

    Raises:
        ToolFailed, EffectRefused, OverBudget, …: it was this error.
        RecordDamaged: the record is not what was written.
    """
    text = effect.outcome or ""
    if effect.status == "done":
        try:
            return ToolResult.model_validate_json(unsealed(text, "effects", key))
        except ValidationError as error:
            raise RecordDamaged(table="effects", id=key, detail=str(error)) from None
    answer = unseal(text, "effects", key)
    if "refusal" in answer:
        raise remake(answer["refusal"], key)
    raise failed(effect.name, answer["problem"])


def remake(said: Mapping[str, Any], key: str) -> NGError:
    """A recorded refusal as the error it was.

    Raises:
        RecordDamaged: this version knows no such error.
    """
    again = remade(said["code"], said["where"], said["values"])
    if again is None:
        raise RecordDamaged(table="effects", id=key, detail=said["code"])
    return again
