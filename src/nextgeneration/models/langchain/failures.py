"""The exceptions of every provider library as our failures, which say what may have been billed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from nextgeneration.kernel.clock import Clock, SystemClock
from nextgeneration.models.errors import (
    AccountEmpty,
    AnswerTooLarge,
    BadModelRequest,
    ContextTooLong,
    KeyRefused,
    ModelFailure,
    ModelMissing,
    ModelOverloaded,
    ModelRateLimited,
    ModelTimedOut,
    ModelUnreachable,
    RubbishAnswer,
    ServerFailed,
    StreamBroken,
)
from nextgeneration.models.langchain.bounds import BodyTooLarge

LONGEST = 1e7
"""Most seconds that a provider can ask us to wait; whatever is longer is as good as never."""

DETAIL = 300
"""Most characters of what a provider said that are shown."""

_SECRETS = re.compile(
    r"(?i)\b(bearer\s+)[^\s\"',;]+|\b(sk|pk|rk|gsk|xai|key|AIza|hf|nvapi|lsv2)[-_A-Za-z0-9]*[-_][A-Za-z0-9_*.-]{6,}"
    r"|\bAIza[A-Za-z0-9_-]{10,}|([?&](?:key|api_key|token)=)[^&\s]+|(https?://)[^/\s:@]+:[^/\s@]+@"
)
_BEFORE = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "gaierror", "ConnectionRefusedError", "ProxyError"}
)
_UNSENT = frozenset({"WriteError", "WriteTimeout", "LocalProtocolError", "UnsupportedProtocol", "InvalidURL"})
_SLOW = frozenset({"ReadTimeout", "APITimeoutError", "TimeoutException", "TimeoutError", "StreamChunkTimeoutError"})
_CUT = frozenset({"ReadError", "RemoteProtocolError", "CloseError", "IncompleteRead", "ConnectionResetError"})
_LONG = re.compile(
    r"(?i)context[_ ](length|window)|maximum context|prompt is too long|too many tokens|input.{0,20}(too long|exceeds)"
    r"|exceeds? the maximum number of tokens|token limit|exceed.{0,40}context|model_context_window|request_too_large"
)
_DAILY = re.compile(r"PerDay|per day", re.IGNORECASE)
_EMPTY = re.compile(
    r"(?i)insufficient[_ ](quota|balance|credit)|credit balance is too low|billing|exceeded your current quota"
)
_BAD_KEY = re.compile(r"(?i)api[_ ]key (not valid|is invalid|expired)|invalid[_ ]api[_ ]key|API_KEY_INVALID")


@dataclass(frozen=True)
class Asked:
    """Whom we asked, for the words of a failure.

    Attributes:
        secret: the key, so that it can be taken out of what is said.
        began: whether an answer had begun to arrive.
    """

    name: str
    provider: str
    key_name: str
    secret: str = ""
    began: bool = False
    seconds: float = 0.0


def failure(error: BaseException, asked: Asked, clock: Clock | None = None) -> ModelFailure:
    """The failure that an exception means."""
    chain = list(_chain(error))
    if large := next((each for each in chain if isinstance(each, BodyTooLarge)), None):
        return AnswerTooLarge(model=asked.name, limit=large.limit)
    detail = scrubbed(_said(chain), asked.secret)
    values: dict[str, Any] = {"model": asked.name, "detail": detail}
    status, headers = _status(chain), _headers(chain)
    if status is not None and status >= 400:
        return _by_status(status, headers, chain, asked, values, clock or SystemClock())
    names = {type(each).__name__ for each in chain}
    if not asked.began and (names & _BEFORE or _refused(chain)):
        return ModelUnreachable(**values)
    if not asked.began and names & _UNSENT:
        return ModelUnreachable(**values)
    if names & _SLOW or any(isinstance(each, TimeoutError) for each in chain):
        return ModelTimedOut(model=asked.name, seconds=asked.seconds)
    # Ollama's library raises its own error for one in the middle of an answer.
    if (
        asked.began
        or names & _CUT
        or "ResponseError" in names
        or any("Connection" in name or "Stream" in name for name in names)
    ):
        return _broken(chain, values)
    return RubbishAnswer(**values)


def scrubbed(text: str, secret: str = "") -> str:
    """What a provider said, without keys, in one line, cut."""
    if secret and len(secret) >= 4:
        text = text.replace(secret, "***")
    text = _SECRETS.sub(lambda match: next((g for g in (match[1], match[3], match[4]) if g), "") + "***", text)
    text = " ".join(text.split())
    return text if len(text) <= DETAIL else text[: DETAIL - 1] + "…"


def _by_status(
    status: int,
    headers: Mapping[str, str],
    chain: list[BaseException],
    asked: Asked,
    values: dict[str, Any],
    clock: Clock,
) -> ModelFailure:
    text = " ".join(str(each) for each in chain)
    wait = retry_after(headers, chain, clock)
    of = {**values, "provider": asked.provider, "key": asked.key_name or "—"}
    if asked.began:
        return _broken(chain, values)
    if status == 402 or (status in {400, 403, 429} and wait is None and _spent_up(text)):
        return AccountEmpty(**of)
    if status == 429:
        return ModelRateLimited(**values, retry_after=wait, again=headers.get("x-should-retry") != "false")
    if status in {401, 403} or (status == 400 and _BAD_KEY.search(text)):
        return KeyRefused(**of)
    if status == 413 or (status in {400, 422, 500} and _LONG.search(text)):
        return ContextTooLong(**values)
    if status == 404:
        return ModelMissing(**of)
    if status in {503, 529}:
        return ModelOverloaded(**values, retry_after=wait)
    if status < 500 and status not in {408, 409, 425}:
        return BadModelRequest(**values)
    # A provider's own error body says that it did not answer. A bare page from something in between says nothing
    # about what happened behind it.
    said_so = headers.get("x-should-retry") == "true" or (status in {500, 409, 425} and _own_error(chain))
    return ServerFailed(**values, retry_after=wait, spent="none" if said_so else "unknown")


def _spent_up(text: str) -> bool:
    """Whether waiting would not help. Google speaks of a quota and of billing for limits by the minute too."""
    return (_DAILY if "RESOURCE_EXHAUSTED" in text else _EMPTY).search(text) is not None


def _broken(chain: list[BaseException], values: dict[str, Any]) -> ModelFailure:
    text = " ".join(str(each) for each in chain).lower()
    limited = "rate_limit" in text or "overloaded" in text
    return StreamBroken(**values, retry_after=1.0 if limited else None)


def retry_after(headers: Mapping[str, str], chain: list[BaseException], clock: Clock) -> float | None:
    """Seconds after which the provider wants to be asked again, however it says so."""
    if text := headers.get("retry-after-ms"):
        return _seconds(text, 1000.0)
    if text := headers.get("retry-after"):
        if (seconds := _seconds(text, 1.0)) is not None:
            return seconds
        try:
            at = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        return max((at.replace(tzinfo=at.tzinfo or UTC) - clock.now()).total_seconds(), 0.0)
    # Google says it in the body, as `"retryDelay": "17s"`.
    for each in chain:
        if match := re.search(r"retryDelay['\"]?:\s*['\"](\d+(?:\.\d+)?)s", str(each)):
            return min(float(match[1]), LONGEST)
    return None


def _seconds(text: str, per: float) -> float | None:
    try:
        value = float(text) / per
    except ValueError:
        return None
    return min(value, LONGEST) if value >= 0 else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < 20:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _status(chain: list[BaseException]) -> int | None:
    for each in chain:
        for value in (
            getattr(each, "status_code", None),
            getattr(each, "code", None),
            getattr(getattr(each, "response", None), "status_code", None),
        ):
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
                return value
    return None


def _headers(chain: list[BaseException]) -> Mapping[str, str]:
    for each in chain:
        headers = getattr(getattr(each, "response", None), "headers", None)
        if headers is not None:
            return {str(key).lower(): str(value) for key, value in dict(headers).items()}
    return {}


def _own_error(chain: list[BaseException]) -> bool:
    """Whether the body of the answer is an error in JSON."""
    for each in chain:
        body = getattr(each, "body", None) or getattr(each, "details", None)
        if isinstance(body, Mapping):
            return True
        # Ollama's library has already taken the words out of its JSON.
        if type(each).__name__ == "ResponseError" and not str(getattr(each, "error", "")).lstrip().startswith("<"):
            return True
    return False


def _refused(chain: list[BaseException]) -> bool:
    """Ollama's library says a failed connection as Python's own ``ConnectionError``."""
    return any(type(each) is ConnectionError for each in chain)


def _said(chain: list[BaseException]) -> str:
    """The words of the provider where there are any, else the kinds of exceptions."""
    for each in chain:
        body = getattr(each, "body", None) or getattr(each, "details", None)
        if isinstance(body, Mapping):
            inner = body.get("error", body)
            message = inner.get("message") if isinstance(inner, Mapping) else inner
            if isinstance(message, str) and message:
                return message
            return json.dumps(body, ensure_ascii=False, default=str)
    if said := next((text for each in chain if isinstance(text := getattr(each, "error", None), str)), ""):
        return said
    texts = list(dict.fromkeys(text for each in chain if (text := str(each).strip())))
    last = texts[-1] if texts else ""
    kind = type(chain[-1]).__name__
    return f"{kind}: {last}" if last else kind
