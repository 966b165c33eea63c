"""However much a server sends, packed or not, streamed or whole, it is cut off at a bound."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx2
import pytest
from tests.unit.models.far import MODELS, far

from nextgeneration.models.errors import AnswerTooLarge
from nextgeneration.models.health import FAILURES
from nextgeneration.models.langchain.bounds import BodyTooLarge, hooks
from nextgeneration.testing import wire

pytestmark = pytest.mark.slow  # starts servers

EVERY = pytest.mark.parametrize("provider", MODELS)
BOTH = pytest.mark.parametrize("listen", [False, True], ids=["whole", "streamed"])


@EVERY
@BOTH
async def test_a_body_that_never_ends_is_cut_off_by_its_bytes_and_counts_against_the_model(
    provider: str, listen: bool
) -> None:
    async with far(provider, answer_bytes=10_000) as there:
        with pytest.raises(AnswerTooLarge) as failed:
            await there.ask(wire.Endless(pace=0), listen=listen, max_output=100_000)
        error = failed.value
        assert (error.spent, error.again, error.other) == ("unknown", False, True)
        assert there.candidate.name in str(error)
        assert "10000 bytes" in str(error)
        for _ in range(FAILURES):
            there.candidate.failed(error)
        assert there.candidate.health.resting > 0


@EVERY
async def test_an_answer_within_the_bound_is_whole(provider: str) -> None:
    async with far(provider, answer_bytes=10_000) as there:
        assert (await there.ask(wire.Say("all of it"))).text == "all of it"


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_what_is_packed_is_counted_unpacked(library: Any) -> None:
    """A megabyte of nothing is a kilobyte on the wire."""

    async def asked(body: bytes, **headers: str) -> bytes:
        async def respond(request: Any) -> Any:
            assert request.headers["accept-encoding"] == "gzip, deflate"
            return library.Response(200, headers=headers, stream=Slowly(body))

        class Slowly(library.AsyncByteStream):
            def __init__(self, body: bytes) -> None:
                self.body = body

            async def __aiter__(self) -> AsyncIterator[bytes]:
                for start in range(0, len(self.body), 100):
                    yield self.body[start : start + 100]

        transport = library.MockTransport(respond)
        async with library.AsyncClient(transport=transport, event_hooks=hooks(library, 10_000)) as client:
            content: bytes = (await client.get("http://far/")).content
            return content

    assert await asked(gzip.compress(b"a" * 10_000), **{"content-encoding": "gzip"}) == b"a" * 10_000
    assert await asked(zlib.compress(b"words"), **{"content-encoding": "Deflate"}) == b"words"
    assert await asked(b"words", **{"content-encoding": "identity"}) == b"words"
    for packed in (gzip.compress(bytes(1_000_000)), gzip.compress(bytes(10_001))):
        with pytest.raises(BodyTooLarge):
            await asked(packed, **{"content-encoding": "gzip"})
    with pytest.raises(BodyTooLarge):
        await asked(bytes(10_001))
    with pytest.raises(library.DecodingError):
        await asked(b"?", **{"content-encoding": "br"})
