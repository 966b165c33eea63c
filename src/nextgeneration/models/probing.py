"""Which model servers answer on this machine. Only the loopback address is asked, for a moment."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from nextgeneration.settings.models import Dialect

BODY = 1_000_000
"""Most bytes read of what such a server says."""
SHOWN = 12
"""Of how many Ollama models we ask what they can do."""


@dataclass(frozen=True, slots=True)
class Port:
    """A usual address of a kind of server."""

    name: str
    port: int
    path: str = "/v1"
    dialect: Dialect = "openai"


PORTS = (
    Port("ollama", 11434, "", "ollama"),
    Port("lmstudio", 1234),
    Port("vllm", 8000),
    Port("llamacpp", 8080),
    Port("docker", 12434, "/engines/v1"),
)


@dataclass(frozen=True, slots=True)
class Answering:
    """A server that answered, with its models and what it said of them."""

    name: str
    dialect: Dialect
    url: str
    models: tuple[str, ...]
    told: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def probe(ports: Sequence[Port], seconds: float) -> list[Answering]:
    """The servers that answer on the loopback address, in the order of ``ports``, within ``seconds`` in all."""
    return _together([partial(_ask, port) for port in ports], seconds)


def ask(name: str, dialect: Dialect, url: str, seconds: float, key: str = "") -> Answering | None:
    """What models the server at ``url`` has; ``None`` when it does not say."""
    if dialect not in {"openai", "openai-responses", "ollama"}:
        return None
    return _server(name, dialect, url, time.monotonic() + seconds, key)


def _together(calls: Sequence[Callable[[float], Answering | None]], seconds: float) -> list[Answering]:
    by = time.monotonic() + seconds
    found: dict[int, Answering] = {}

    def run(number: int, call: Callable[[float], Answering | None]) -> None:
        if (answer := call(by)) is not None:
            found[number] = answer

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(by - time.monotonic(), 0))
    return [found[number] for number in sorted(dict(found))]


def _ask(port: Port, by: float) -> Answering | None:
    return _server(port.name, port.dialect, f"http://127.0.0.1:{port.port}{port.path}", by)


def _server(name: str, dialect: Dialect, url: str, by: float, key: str = "") -> Answering | None:
    try:
        if dialect == "ollama":
            return _ollama(name, url, by)
        entries = _get(url, "/models", by, key).get("data")
        listed = {
            str(entry["id"]): _said(entry)
            for entry in entries or []
            # Our own OpenAI-compatible door is no model: asking ourselves would never end.
            if isinstance(entry, dict) and entry.get("id") and entry.get("owned_by") != "nextgeneration"
        }
    except (OSError, ValueError, AttributeError, TypeError, http.client.HTTPException):
        return None
    return Answering(name, dialect, url, tuple(listed), listed) if listed else None


def _ollama(name: str, url: str, by: float) -> Answering | None:
    entries = _get(url, "/api/tags", by).get("models") or []
    names = [str(entry["name"]) for entry in entries if isinstance(entry, dict) and entry.get("name")]
    told: dict[str, Mapping[str, int]] = {}
    for model in names[:SHOWN]:
        try:
            told[model] = _shown(_get(url, "/api/show", by, body={"model": model}))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            break
    return Answering(name, "ollama", url, tuple(names), told) if names else None


def _shown(said: Mapping[str, Any]) -> dict[str, int]:
    can = set(said.get("capabilities") or ())
    facts: dict[str, int] = (
        {"tools": "tools" in can, "vision": "vision" in can, "reasoning": "thinking" in can} if can else {}
    )
    window = next((v for k, v in (said.get("model_info") or {}).items() if k.endswith(".context_length")), None)
    if isinstance(window, int) and window > 0:
        facts["context"] = window
    return facts


def _said(entry: Mapping[str, Any]) -> dict[str, int]:
    """The context of a model, by the names that vLLM, LM Studio, llama.cpp and OpenRouter have for it."""
    meta = entry.get("meta")
    candidates = [entry.get(key) for key in ("max_model_len", "max_context_length", "context_length")]
    candidates += [meta.get(key) for key in ("n_ctx", "n_ctx_train")] if isinstance(meta, dict) else []
    return next(({"context": value} for value in candidates if isinstance(value, int) and value > 0), {})


def _get(url: str, path: str, by: float, key: str = "", body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    left = by - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection = kind(parts.hostname or "", parts.port, timeout=left)
    try:
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        sent = None if body is None else json.dumps(body)
        connection.request("GET" if sent is None else "POST", parts.path.rstrip("/") + path, sent, headers)
        response = connection.getresponse()
        if response.status != 200:
            return {}
        value = json.loads(response.read(BODY))
    finally:
        connection.close()
    return value if isinstance(value, dict) else {}
