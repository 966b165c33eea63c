"""The process that parses one PDF: bytes in, JSON out, within limits of its own.

Run as ``python -I -m nextgeneration.tools.docs.pdf_process ORDER``.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from typing import Any

MEMORY_MB = 1024
CPU_SECONDS = 30


def limit() -> None:
    """Bound memory and processor time, where the system can."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MB << 20, MEMORY_MB << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def answer(data: bytes, order: dict[str, Any]) -> dict[str, Any]:
    """The pages' texts, or the problem."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            return {"problem": "encrypted"}
        return _pages(reader, order)
    except (FileNotDecryptedError, DependencyError):
        return {"problem": "encrypted"}
    except MemoryError:
        return {"problem": "memory"}
    except Exception as error:
        # A damaged file fails in any way the parser has; each one means the same to the reader.
        return {"problem": "unreadable", "detail": f"{type(error).__name__}: {error}"}


def _pages(reader: Any, order: dict[str, Any]) -> dict[str, Any]:
    count = len(reader.pages)
    wanted = [n for n in order["pages"] if n <= count] or ([] if order["pages"] else list(range(1, count + 1)))
    cut = len(wanted) > order["max_pages"]
    left = order["max_characters"]
    pages: list[tuple[int, str]] = []
    failed: list[int] = []
    for number in wanted[: order["max_pages"]]:
        if left <= 0:
            cut = True
            break
        try:
            text = reader.pages[number - 1].extract_text() or ""
        except MemoryError:
            raise
        except Exception:
            failed.append(number)
            continue
        cut = cut or len(text) > left
        pages.append((number, text[:left]))
        left -= len(text)
    meta = _metadata(reader)
    return {"count": count, "pages": pages, "failed": failed, "cut": cut, **meta}


def _metadata(reader: Any) -> dict[str, str]:
    try:
        meta = reader.metadata
        return {"title": str(meta.title or "") if meta else "", "author": str(meta.author or "") if meta else ""}
    except Exception:
        return {"title": "", "author": ""}


def main() -> None:
    """Read the bytes from standard input and write the answer."""
    limit()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(5_000)
    found = answer(sys.stdin.buffer.read(), json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(found, ensure_ascii=True))


if __name__ == "__main__":
    main()
