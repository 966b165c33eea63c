"""Draw docs/try.svg and renew the transcript in README.md from a real run of ``nextgen try`` on a terminal.

The demo runs in a pseudo-terminal and its question is answered with ``a``; nothing is edited but folder names and
what is cut, which is said.
"""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
WIDTH, HEIGHT = 118, 60


def recorded() -> str:
    """Everything the terminal showed."""
    leader, follower = pty.openpty()
    with tempfile.TemporaryDirectory() as home:
        env = {
            **os.environ,
            "NG_HOME": home,
            "NG_LANG": "en",
            "NG_MODELS_DISCOVER": "false",
            "TERM": "xterm-256color",
            "COLUMNS": str(WIDTH),
            "LINES": str(HEIGHT),
        }
        env.pop("NO_COLOR", None)
        argv = [str(Path(sys.executable).with_name("nextgen")), "try"]
        process = subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower, env=env)
        os.close(follower)
        seen = b""
        answered = False
        while process.poll() is None or select.select([leader], [], [], 0.2)[0]:
            if not select.select([leader], [], [], 0.2)[0]:
                continue
            try:
                seen += os.read(leader, 65536)
            except OSError:
                break
            if not answered and b"[a]pprove" in seen:
                os.write(leader, b"a\n")
                answered = True
        text = seen.decode("utf-8", "replace").replace(home, "~/.nextgen")
    return re.sub(r"/tmp/nextgen-try-[^/\s]+", "/tmp/nextgen-try", text)


def settled(text: str) -> str:
    """What stands on the screen at the end: lines drawn again replace those above."""
    lines: list[str] = []
    row = 0
    for part in re.split(r"(\x1b\[\d*A|\x1b\[2K|\x1b\[\?25[lh]|\r\n|\n|\r)", text):
        if part in {"\r\n", "\n"}:
            row += 1
        elif re.fullmatch(r"\x1b\[(\d*)A", part):
            row -= int(re.fullmatch(r"\x1b\[(\d*)A", part)[1] or 1)  # type: ignore[index]
        elif part == "\x1b[2K":
            while len(lines) <= row:
                lines.append("")
            lines[row] = ""
        elif part and part != "\r" and not part.startswith("\x1b[?25"):
            while len(lines) <= row:
                lines.append("")
            lines[row] += part
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def shortened(screen: str, kept: int = 12) -> str:
    """The screen with the patch cut after its first lines, which is said."""
    lines = screen.split("\n")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    first = next(n for n, line in enumerate(plain) if line.strip().startswith("@@"))
    last = next(n for n, line in enumerate(plain) if line.startswith("call 2 of 2")) - 1
    cut = f"  ⋮ {last - first - kept} more lines of the patch"
    return "\n".join([*lines[: first + kept], cut, *lines[last:]])


def in_short(plain: str, kept: int = 5) -> str:
    """The transcript for the README: the card and what else is cut stand in the picture, which is said."""
    lines = plain.split("\n")
    card = next(n for n, line in enumerate(lines) if line.startswith("── Approval"))
    asked = next(n for n, line in enumerate(lines) if line.startswith("[a]pprove"))
    worst = next(n for n, line in enumerate(lines) if line.startswith("  critical"))
    alike = sum(int(number) for line in lines[worst : worst + kept] for number in re.findall(r"\+(\d+) of this", line))
    remain = next(int(found[1]) for line in lines if (found := re.match(r"(\d+) findings remain", line)))
    spent = next(n for n, line in enumerate(lines) if " tool calls, " in line)
    return "\n".join(
        [
            *lines[: card + 1],
            "  ⋮ the card: why, the patch, and what verifies it (see the picture)",
            *lines[asked : worst + kept],
            f"  ⋮ {remain - kept - alike} more, what was done and what can be done next (see the picture)",
            *lines[spent:],
        ]
    )


def main() -> None:
    screen = shortened(settled(recorded()))
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi("$ make try\n" + screen))
    console.save_svg(str(ROOT / "docs" / "try.svg"), title="nextgen try")
    plain = in_short(re.sub(r"\x1b\[[0-9;]*m", "", screen))
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    block = f"<!-- try -->\n```text\n{plain}\n```\n<!-- /try -->"
    readme.write_text(re.sub(r"<!-- try -->.*<!-- /try -->", lambda _: block, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
