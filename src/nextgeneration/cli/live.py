"""Progress while a mission runs: a tree of agents on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped, shortened

if TYPE_CHECKING:
    from rich.live import Live

    from nextgeneration.events.schema import Event

_STATE = {
    "waits": Texts("waits", "attend"),
    "works": Texts("works", "travaille"),
    "done": Texts("done", "terminé"),
    "partial": Texts("partial", "partiel"),
    "failed": Texts("failed", "échec"),
    "skipped": Texts("skipped", "non lancé"),
    "over_budget": Texts("over budget", "budget épuisé"),
    "asks": Texts("asks", "demande"),
}
_MARK = {
    "waits": "·",
    "works": "▸",
    "done": "✓",
    "partial": "◐",
    "failed": "✗",
    "skipped": "–",
    "over_budget": "◌",
    "asks": "?",
}
_COLOUR = {
    "done": "green",
    "partial": "yellow",
    "failed": "red",
    "skipped": "dim",
    "over_budget": "yellow",
    "works": "cyan",
}
_FOUND = Texts("{n} findings", "{n} constats")
_FOUND_ONE = Texts("1 finding", "1 constat")
_PLAN = Texts("plan: {n} agents", "plan : {n} agents")
_ASKS = Texts("approval needed", "accord demandé")


class Row:
    """One agent's line."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.state = "waits"
        self.doing = ""
        self.found: int | None = None
        self.started = time.monotonic()
        self.seconds = 0.0

    def text(self, voice: Voice) -> str:
        """``✓ auditeur_code  done  12 findings  0.4 s``."""
        said = _STATE[self.state].say(voice.lang)
        parts = [f"{_MARK[self.state]} {self.agent:<22} {said:<10}"]
        if self.found is not None:
            found = _FOUND_ONE if self.found == 1 else _FOUND
            parts.append(f"{found.say(voice.lang, n=self.found):<14} {self.seconds:5.1f} s")
        elif self.doing:
            parts.append(self.doing)
        return "  ".join(parts).rstrip()


class Progress:
    """Listens to a mission's events and shows them.

    Use as a context manager around the run; ``hear`` is the bus's subscriber.
    """

    def __init__(self, voice: Voice, mission: str) -> None:
        self._voice = voice
        self._mission = mission
        self._rows: dict[str, Row] = {}
        self._live: Live | None = None
        self._tools: dict[str, Callable[[Event], None]] = {
            "mission.planned": self._planned,
            "mission.replanned": self._planned,
            "task.started": self._started,
            "task.ended": self._ended,
            "effect.intent": self._effect,
            "approval.asked": self._asked,
        }

    def __enter__(self) -> Progress:
        if self._voice.live:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._voice.err, highlight=False)
            self._live = Live(get_renderable=self._tree, console=console, refresh_per_second=8, transient=False)
            self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def hear(self, event: Event) -> None:
        """Take one event of the journal. Must be called in the loop's thread."""
        if event.mission_id != self._mission:
            return
        if self._voice.jsonl:
            self._voice.data(json.dumps(event.as_dict(), ensure_ascii=False))
        handler = self._tools.get(event.type)
        if handler is not None:
            handler(event)

    def _tree(self) -> Any:
        from rich.text import Text
        from rich.tree import Tree

        tree = Tree(Text(self._mission, style="bold"), guide_style="dim")
        for row in self._rows.values():
            tree.add(Text(row.text(self._voice), style=_COLOUR.get(row.state, "")))
        return tree

    def _line(self, text: str) -> None:
        if self._live is None and not self._voice.machine:
            self._voice.note(f"  {text}")

    def _planned(self, event: Event) -> None:
        for task in event.data.get("tasks", []):
            self._rows.setdefault(task["id"], Row(task["agent"]))
        self._line(_PLAN.say(self._voice.lang, n=len(self._rows)))

    def _started(self, event: Event) -> None:
        row = self._rows.setdefault(event.task or "", Row(event.data.get("agent", "")))
        row.state, row.started = "works", time.monotonic()
        self._line(row.text(self._voice))

    def _effect(self, event: Event) -> None:
        row = self._rows.get(event.task or "")
        if row is not None:
            row.doing = shortened(escaped(str(event.data.get("tool", ""))), 40)

    def _asked(self, event: Event) -> None:
        row = self._rows.get(event.task or "")
        if row is not None and row.state == "works":
            row.state = "asks"
        self._line(f"? {_ASKS.say(self._voice.lang)}: {escaped(str(event.data.get('why', '')), newlines=False)}")

    def _ended(self, event: Event) -> None:
        row = self._rows.setdefault(event.task or "", Row(event.data.get("agent", "")))
        row.state = str(event.data.get("status", "done"))
        row.found = int(event.data.get("findings", 0))
        row.seconds = time.monotonic() - row.started
        self._line(row.text(self._voice))
