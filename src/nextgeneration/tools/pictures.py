"""Pictures that tools bring: what they really are, how large, and how many of them are kept.

Only what a model's provider takes is kept: a PNG, JPEG, GIF or WebP by its own first bytes, not by what a server calls
it, of a size that can be looked at. Nothing is decoded: width and height stand in the header.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from nextgeneration.kernel.models import Image

MAX_PICTURES = 8
"""Pictures of one result."""
MAX_PICTURE_CHARACTERS = 1_400_000
"""Base64 of all pictures of one result: a megabyte."""
JPEG = b"\xff\xd8\xff"
"""How every JPEG begins; no text does."""
MAX_SIDE = 8_000
"""Pixels: what is wider or higher is refused by the providers."""


class Measured(NamedTuple):
    """What a picture's header says."""

    media_type: str
    width: int
    height: int


class Album:
    """The pictures of one result: each is kept while there is room, and each is told in words."""

    def __init__(self) -> None:
        self.kept: list[Image] = []
        self._room = MAX_PICTURE_CHARACTERS

    def add(self, data: str, called: str) -> str:
        """Keep a picture when it can be shown; the words that stand for it.

        Args:
            data: base64.
            called: the media type that was said.
        """
        found = measured(data)
        if found is None:
            return f"[picture, {called}, {len(data)}: cannot be read]"
        told = f"picture, {found.width}x{found.height}, {found.media_type}"
        if max(found.width, found.height) > MAX_SIDE or len(data) > self._room or len(self.kept) >= MAX_PICTURES:
            return f"[{told}: too large, left out]"
        self._room -= len(data)
        self.kept.append(Image(found.media_type, data))
        return f"[{told}]"


def within(images: tuple[Image, ...]) -> tuple[Image, ...]:
    """As many of a result's pictures as may be kept."""
    album = Album()
    for image in images:
        album.add(image.data, image.media_type)
    return tuple(album.kept)


def measured(data: str) -> Measured | None:
    """The kind and size of a picture in base64; ``None`` when it is none that models see."""
    if len(data) > MAX_PICTURE_CHARACTERS:
        # Too large in any case: its header is all that is told.
        data = data[: 4 * (MAX_PICTURE_CHARACTERS // 4)]
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    for kind, size in (("png", _png(raw)), ("gif", _gif(raw)), ("webp", _webp(raw)), ("jpeg", _jpeg(raw))):
        if size is not None and min(size) > 0:
            return Measured(f"image/{kind}", *size)
    return None


def _png(raw: bytes) -> tuple[int, int] | None:
    if raw[:8] != b"\x89PNG\r\n\x1a\n" or raw[12:16] != b"IHDR" or len(raw) < 24:
        return None
    return int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")


def _gif(raw: bytes) -> tuple[int, int] | None:
    if raw[:6] not in {b"GIF87a", b"GIF89a"} or len(raw) < 10:
        return None
    return int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")


def _webp(raw: bytes) -> tuple[int, int] | None:
    if raw[:4] != b"RIFF" or raw[8:12] != b"WEBP" or len(raw) < 30:
        return None
    match raw[12:16]:
        case b"VP8X":
            return int.from_bytes(raw[24:27], "little") + 1, int.from_bytes(raw[27:30], "little") + 1
        case b"VP8L":
            bits = int.from_bytes(raw[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return int.from_bytes(raw[26:28], "little") & 0x3FFF, int.from_bytes(raw[28:30], "little") & 0x3FFF
    return None


def _jpeg(raw: bytes) -> tuple[int, int] | None:
    """Width and height from the frame header, after however many other segments."""
    if raw[:3] != JPEG:
        return None
    at = 2
    while at + 9 <= len(raw) and raw[at] == 0xFF:
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return int.from_bytes(raw[at + 7 : at + 9], "big"), int.from_bytes(raw[at + 5 : at + 7], "big")
        else:
            at += 2 + max(int.from_bytes(raw[at + 2 : at + 4], "big"), 2)
    return None
