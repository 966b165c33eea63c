"""How much a provider may send for one request, in whatever form it sends it.

Time alone bounds nothing: in five minutes a server of this machine fills its memory many times. The bound is put on by
hooks of the HTTP client, which know both libraries that the providers' own are made with, and leave proxies alone.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import ModuleType
from typing import Any

_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_ZLIB_OR_GZIP = 47
"""zlib's word for: whichever of the two it is."""

Hooks = dict[str, list[Callable[[Any], Awaitable[None]]]]


class BodyTooLarge(Exception):
    """An answer went on beyond the bound, packed or unpacked."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes")
        self.limit = limit


def hooks(library: ModuleType, limit: int) -> Hooks:
    """Event hooks for an asynchronous client of ``httpx`` or ``httpx2``."""

    class Bounded(library.AsyncByteStream):  # type: ignore[name-defined, misc] # both libraries have one
        def __init__(self, stream: Any, packed: bool) -> None:
            self._stream = stream
            self._packed = packed

        async def __aiter__(self) -> AsyncIterator[bytes]:
            raw = clear = 0
            unpack = zlib.decompressobj(_ZLIB_OR_GZIP) if self._packed else None
            # It is unpacked here, because a little that is packed can become very much.
            async for chunk in self._stream:
                raw += len(chunk)
                if raw > limit:
                    raise BodyTooLarge(limit)
                if unpack is None:
                    yield chunk
                    continue
                piece = unpack.decompress(chunk, limit - clear + 1)
                clear += len(piece)
                if clear > limit:
                    raise BodyTooLarge(limit)
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def asking(request: Any) -> None:
        request.headers["Accept-Encoding"] = "gzip, deflate"

    async def answered(response: Any) -> None:
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed not in {"", "identity"}:
            if packed not in _PACKED:
                raise library.DecodingError(f"packed as {packed[:40]!r}, unasked", request=response.request)
            del response.headers["content-encoding"]
        response.stream = Bounded(response.stream, packed in _PACKED)

    return {"request": [asking], "response": [answered]}
