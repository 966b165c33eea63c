"""Pictures of results: known by their own bytes, measured without being decoded, bounded, kept over a replay."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextgeneration.kernel.models import Image
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.outcomes import recorded
from nextgeneration.testing.wire.pictures import PIXEL
from nextgeneration.tools.base import bounded
from nextgeneration.tools.pictures import MAX_PICTURE_CHARACTERS, MAX_PICTURES, Album, measured


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def png(width: int, height: int, more: int = 0) -> str:
    raw = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes(more)
    return text(raw)


def webp(kind: bytes, body: bytes) -> str:
    return text(b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + body.ljust(14, b"\0"))


JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10" + b"JFIF" + bytes(10) + b"\xff\xff\xc4\x00\x05abc"
    b"\xff\xc2\x00\x11\x08" + (480).to_bytes(2, "big") + (640).to_bytes(2, "big") + b"\x03"
)  # fmt: skip


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (PIXEL, ("image/png", 1, 1)),
        (png(640, 480), ("image/png", 640, 480)),
        (text(b"GIF89a" + (3).to_bytes(2, "little") + (4).to_bytes(2, "little")), ("image/gif", 3, 4)),
        (text(JPEG), ("image/jpeg", 640, 480)),
        (webp(b"VP8X", bytes(4) + b"\x7f\x02\0" + b"\xdf\x01\0"), ("image/webp", 640, 480)),
        (webp(b"VP8L", b"\x2f" + (639 | 479 << 14).to_bytes(4, "little")), ("image/webp", 640, 480)),
        (webp(b"VP8 ", bytes(6) + b"\x80\x02" + b"\xe0\x01"), ("image/webp", 640, 480)),
        (webp(b"ALPH", b""), None),
        (png(0, 5), None),
        (text(JPEG[:20]), None),
        (text(b"\xff\xd8\xff\xd9"), None),
        (text(b"<svg/>"), None),
        ("", None),
        ("not base64!", None),
    ],
)
def test_kind_and_size_are_read_from_the_header(data: str, told: tuple[str, int, int] | None) -> None:
    assert measured(data) == told


@given(st.binary(max_size=60), st.sampled_from([b"\xff\xd8\xff", b"RIFF....WEBPVP8L", b"\x89PNG\r\n\x1a\n", b"GIF89a"]))
def test_a_broken_picture_is_no_error(rest: bytes, start: bytes) -> None:
    found = measured(text(start + rest))
    assert found is None or (found.width > 0 and found.height > 0)


def test_a_result_keeps_so_many_pictures_and_says_what_it_left_out() -> None:
    album = Album()
    told = [album.add(png(10, 10), "image/png") for _ in range(MAX_PICTURES + 1)]
    assert told[0] == "[picture, 10x10, image/png]"
    assert told[-1] == "[picture, 10x10, image/png: too large, left out]"
    assert len(album.kept) == MAX_PICTURES
    large = Album()
    assert large.add(png(10, 10, MAX_PICTURE_CHARACTERS), "image/png").endswith("too large, left out]")
    assert large.add(png(8_001, 1), "image/png").endswith("too large, left out]")
    assert large.kept == []
    assert large.add("%", "image/tiff") == "[picture, image/tiff, 1: cannot be read]"


def test_any_tools_pictures_are_bounded_and_kept_over_a_replay() -> None:
    one = Image("image/png", png(10, 10, MAX_PICTURE_CHARACTERS // 2))
    result = bounded(ToolResult(images=(one, one, Image("image/png", "rubbish"))), "t.x")
    assert result.images == (one,)
    assert result.truncated
    assert recorded(result, "t.x", "key")[1].images == (one,)
    assert bounded(ToolResult(images=(one,)), "t.x") == ToolResult(images=(one,))
