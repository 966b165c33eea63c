"""The HTTP interface of the factory, on one screen.

There is no identity yet: bind it to loopback (``uvicorn nextgeneration.server.app:app --host 127.0.0.1``).
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from nextgeneration import __version__
from nextgeneration.agents.base import BaseAgent
from nextgeneration.agents.errors import AgentLimitReached, AgentSpecRefused
from nextgeneration.agents.errors_records import AgentNameTaken
from nextgeneration.agents.factory import AgentFactory
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import language_of
from nextgeneration.observability.metrics import CONTENT_TYPE, exposition
from nextgeneration.server.errors import BodyTooLarge, LocalOnly, RequestRefused
from nextgeneration.server.figures import families_of
from nextgeneration.server.lifetime import lifetime
from nextgeneration.server.limits import BodyLimit
from nextgeneration.server.recorded import Recorded
from nextgeneration.storage.errors import NotStorable, StorageError
from nextgeneration.templates.errors import TemplateError

MAX_BODY_BYTES = 1_000_000
STATUS: dict[type[NGError], int] = {
    TemplateError: 404,
    AgentLimitReached: 429,
    AgentNameTaken: 409,
    AgentSpecRefused: 422,
    RequestRefused: 422,
    BodyTooLarge: 413,
    LocalOnly: 403,
    NotStorable: 422,
    StorageError: 503,
}


class AgentRequest(BaseModel):
    """What an agent is made from."""

    model_config = ConfigDict(extra="forbid")

    template_name: str = Field(max_length=64)
    suffix: str | None = Field(default=None, max_length=64)
    config: dict[str, Any] | None = None


def create_app(factory: AgentFactory | None = None) -> FastAPI:
    """The application over ``factory``, by default the process's own."""
    factory = factory or AgentFactory()
    recorded = Recorded(factory)
    running = lifetime(factory, recorded)
    app = FastAPI(title="NextGeneration Agent Orchestrator", version=__version__, lifespan=running)
    app.add_middleware(BodyLimit, limit=MAX_BODY_BYTES, answer=_too_large)
    app.add_exception_handler(NGError, _problem)
    app.add_exception_handler(RequestValidationError, _refused)
    kept: dict[str, BaseAgent] = {}  # the registry is weak: whoever asks over HTTP has no other hold on an agent

    @app.get("/")
    async def root() -> dict[str, str]:
        """Say that it runs."""
        return {"message": f"{app.title} is running"}

    @app.post("/agents", status_code=201)
    async def create_agent(wanted: AgentRequest) -> dict[str, Any]:
        """Make an agent, record it under its name, and tell everything about it."""
        agent = await factory.create_agent(wanted.template_name, suffix=wanted.suffix, config=wanted.config)
        await (await recorded.records()).agents.add(agent)
        kept[agent.metadata.id] = agent
        return agent.get_info()

    @app.get("/agents")
    async def agents() -> list[dict[str, Any]]:
        """The recorded agents, also those made before this process started."""
        return [record.as_dict() for record in await (await recorded.records()).agents.all()]

    @app.get("/factory/metrics")
    async def factory_metrics() -> dict[str, Any]:
        """The factory's figures as JSON."""
        return factory.get_factory_stats()

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """The same and more for Prometheus: the books too, as they stand now."""
        books = await families_of(recorded)
        return Response(exposition(factory.families, lambda: books), media_type=CONTENT_TYPE)

    @app.post("/templates/refresh")
    async def refresh(request: Request) -> dict[str, int]:
        """Read the template folders again."""
        _local(request)
        return {"templates": await asyncio.to_thread(factory.manager.refresh_cache)}

    return app


def _local(request: Request) -> None:
    """Refuse other machines, and browsers sent here by a page of another origin."""
    host = request.client.host if request.client else ""
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local or "origin" in request.headers:
        raise LocalOnly(path=request.url.path)


async def _problem(request: Request, error: Any) -> JSONResponse:
    """An error as RFC 9457 has it, with our code and how to mend it beside."""
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    problem = error.problem(language_of(request.headers.get("accept-language")))
    body = {"type": "about:blank", "title": error.code, "status": status, "detail": problem["message"], **problem}
    return JSONResponse(body, status, media_type="application/problem+json")


async def _refused(request: Request, error: Any) -> JSONResponse:
    detail = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:10])
    return await _problem(request, RequestRefused(detail=detail))


async def _too_large(scope: Any, receive: Any, send: Any) -> None:
    response = await _problem(Request(scope), BodyTooLarge(limit=MAX_BODY_BYTES))
    await response(scope, receive, send)


app = create_app()
