"""Progress while a mission runs: a tree of agents on a terminal, plain lines elsewhere."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from nextgeneration.cli.choices import instead_of
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import risk_said
from nextgeneration.kernel.show import brief, escaped
from nextgeneration.supervisor.thinking import PLAN, PROSE

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from nextgeneration.events.schema import Event

_STATE = {
    "waits": Texts("waits", "attend"),
    "works": Texts("works", "travaille"),
    "done": Texts("done", "terminé"),
    "partial": Texts("partly done", "en partie"),
    "failed": Texts("failed", "échec"),
    "skipped": Texts("not started", "non lancé"),
    "over_budget": Texts("over budget", "budget épuisé"),
    "asks": Texts("waits for approval", "attend un accord"),
    "approved": Texts("approved, under way", "accepté, en cours"),
    "rejected": Texts("refused", "refusé"),
    "expired": Texts("nobody answered", "sans réponse"),
    "verified": Texts("done and verified", "fait et vérifié"),
}
_MARK = {
    "waits": ("·", "dim"),
    "works": ("▸", "cyan"),
    "done": ("✓", "green"),
    "partial": ("◐", "yellow"),
    "failed": ("✗", "red"),
    "skipped": ("–", "dim"),
    "over_budget": ("◌", "yellow"),
    "asks": ("?", "bold yellow"),
    "approved": ("▸", "cyan"),
    "rejected": ("✗", "yellow"),
    "expired": ("✗", "yellow"),
    "verified": ("✓", "bold green"),
}
_FOUND = Texts("{n} findings", "{n} constats")
_FOUND_ONE = Texts("1 finding", "1 constat")
_PLAN = Texts("plan: {n} tasks{names}", "plan : {n} tâches{names}")
_PLAN_ONE = Texts("plan: 1 task{names}", "plan : 1 tâche{names}")
_REPLAN = Texts("plan changed: {n} more", "plan modifié : {n} de plus")
_NOBODY = Texts("plan: no agent fits this goal", "plan : aucun agent ne convient à ce but")
_ASKS = Texts("{mark} {what}: waits for approval [{label}]", "{mark} {what} : attend un accord [{label}]")
_ACTED = Texts("{mark} {what}: {state}", "{mark} {what} : {state}")
_ANSWERED = Texts("{mark} {what}: {state} ({by})", "{mark} {what} : {state} ({by})")
_CANCELLED = Texts("cancelled by {by}", "annulée par {by}")
_ROOT = Texts("Mission {id}  {goal}", "Mission {id}  {goal}")

_SUPERVISOR = {
    PLAN: Texts("supervisor: plan", "superviseur : plan"),
    PROSE: Texts("supervisor: answer", "superviseur : réponse"),
}

ACTIONS = "act_"
"""How the ids of actions begin: their rows come after the agents'."""

_OTHERS = re.compile(r" \(\+\d+\)$")
"""How a title counts the checks that go with its call: the card names them."""

LABEL = 24
WIDEST_LABEL = 48
WIDEST_DOING = 60


@dataclass
class Row:
    """One line: an agent at its task, or an action."""

    label: str
    state: str = "waits"
    doing: str = ""
    found: int | None = None
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None

    @property
    def mark(self) -> str:
        """One character for the state, beside the word for it."""
        return _MARK.get(self.state, _MARK["works"])[0]

    @property
    def colour(self) -> str:
        """Rich's style for the mark."""
        return _MARK.get(self.state, _MARK["works"])[1]

    def about(self, voice: Voice, *, ticking: bool = False) -> str:
        """What is said after the label: the state, what is being done, findings and seconds."""
        said = _STATE.get(self.state)
        parts = [f"{said.say(voice.lang) if said else self.state:<11}"]
        if self.found or (self.found is not None and self.state in {"done", "partial"}):
            text = (_FOUND_ONE if self.found == 1 else _FOUND).say(voice.lang, n=self.found)
            parts.append(f"{text:<12}")
        if self.seconds is not None:
            parts.append(f"{self.seconds:5.1f} s")
        elif ticking and self.state == "works":
            parts.append(f"{time.monotonic() - self.started:5.1f} s  {self.doing}")
        return "  ".join(parts).rstrip()


class Progress:
    """Listens to a mission's events and shows them.

    ``hear`` is the bus's subscriber. A terminal gets a tree that is drawn in place between :meth:`draw` and
    :meth:`rest`; anything else gets a line whenever something changes.
    """

    def __init__(self, voice: Voice, mission: str, goal: str) -> None:
        self._voice = voice
        self._mission = mission
        self._root = _ROOT.say(voice.lang, id=mission, goal=escaped(brief(goal, 100), newlines=False))
        self._rows: dict[str, Row] = {}
        self._titles: dict[str, str] = {}
        self._passed: set[str] = set()
        self._planned = 0
        self._fresh: set[str] = set()
        self._drawn = False
        self._live: Live | None = None
        self._handlers: dict[str, Callable[[Event], None]] = {
            "mission.planned": self._plan,
            "mission.replanned": self._plan,
            "mission.cancelled": self._cancelled,
            "task.started": self._started,
            "task.ended": self._ended,
            "effect.intent": self._effect,
            "effect.again": self._effect,
            "effect.progress": self._effect,
            "effect.outcome": self._supervised,
            "effect.refused": self._supervised,
            "approval.asked": self._asked,
            "approval.decided": self._decided,
            "action.done": self._acted,
            "action.verified": self._acted,
        }
        if not voice.live and not voice.jsonl:
            voice.note(self._root)

    def __enter__(self) -> Progress:
        self.draw()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.rest()

    def draw(self) -> None:
        """Start drawing on a terminal; what was drawn to its end before stays above."""
        if not self._voice.live or self._live is not None:
            return
        from rich.console import Console
        from rich.live import Live

        colours: Literal["auto"] | None = "auto" if self._voice.colour(self._voice.err) else None
        console = Console(file=self._voice.err, highlight=False, color_system=colours)
        self._live = Live(get_renderable=self._tree, console=console, refresh_per_second=10, transient=False)
        self._live.start()

    def rest(self) -> None:
        """Stop drawing, so that something else can be written."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
            self._drawn = True
            self._fresh.clear()

    @property
    def rows(self) -> list[Row]:
        """The lines as they stand, in order."""
        return list(self._rows.values())

    def hear(self, event: Event) -> None:
        """Take one event of the journal, or one of progress."""
        if event.mission_id != self._mission:
            return
        handler = self._handlers.get(event.type)
        if handler is not None:
            handler(event)

    # -- drawing -----------------------------------------------------------------------------------------------------

    def _tree(self) -> Text:
        """The whole tree the first time; after a rest only what happened since."""
        from rich.text import Text

        rows = [row for key, row in list(self._rows.items()) if not self._drawn or key in self._fresh]
        text = Text(no_wrap=True, overflow="ellipsis")
        if not self._drawn:
            text.append(self._root, style="bold")
        width = max((len(row.label) for row in rows), default=0)
        for place, row in enumerate(rows):
            guide = "└─ " if place == len(rows) - 1 else "├─ "
            text.append(("" if not text else "\n") + guide, style="dim")
            text.append(row.mark, style=row.colour)
            text.append(f" {row.label:<{max(width, LABEL)}}  {row.about(self._voice, ticking=True)}")
        return text

    def _line(self, text: str) -> None:
        if self._live is None and not self._voice.jsonl and not self._voice.live:
            self._voice.note(f"  {text}")

    def _said(self, row: Row, more: str = "") -> None:
        self._line(f"{row.mark} {row.label:<{LABEL}}  {row.about(self._voice):<11}  {more}".rstrip())

    def _row(self, event: Event, label: str = "") -> Row:
        key = event.task or ""
        row = self._rows.get(key)
        if row is None:
            row = self._placed(key, escaped(brief(label or key, WIDEST_LABEL), newlines=False))
        self._fresh.add(key)
        return row

    def _placed(self, key: str, label: str) -> Row:
        """A new line; that of an agent called by another stands under it, after the others there."""
        rows = list(self._rows.items())
        above = [name for name in self._rows if key.startswith(f"{name}/")]
        row = Row(f"{'  ' * (len(above) - 1)}└ {label}" if above else label)
        family = max(above, key=len, default="")
        places = [n for n, (name, _) in enumerate(rows, 1) if name == family or name.startswith(f"{family}/")]
        rows.insert(places[-1] if above else len(rows), (key, row))
        self._rows = dict(rows)
        return row

    # -- events ------------------------------------------------------------------------------------------------------

    def _plan(self, event: Event) -> None:
        tasks = event.data.get("tasks", [])
        count = len(tasks) if isinstance(tasks, list) else int(tasks or 0)
        names = []
        for task in tasks if isinstance(tasks, list) else ():
            if isinstance(task, dict) and task.get("agent"):
                names.append(str(task["agent"]))
                self._rows.setdefault(str(task.get("id", "")), Row(names[-1]))
        if event.type == "mission.replanned":
            self._line(_REPLAN.say(self._voice.lang, n=max(count - self._planned, count if names else 1)))
        elif not count:
            self._line(_NOBODY.say(self._voice.lang))
        else:
            said = f" ({', '.join(names)})" if names else ""
            self._line((_PLAN_ONE if count == 1 else _PLAN).say(self._voice.lang, n=count, names=said))
        self._planned = max(count, self._planned)

    def _cancelled(self, event: Event) -> None:
        self._line(_CANCELLED.say(self._voice.lang, by=escaped(str(event.data.get("by", "")), newlines=False)))

    def _started(self, event: Event) -> None:
        row = self._row(event, str(event.data.get("agent", "")))
        row.state, row.started = "works", time.monotonic()
        self._said(row)

    def _effect(self, event: Event) -> None:
        key = event.task or ""
        tool, line = str(event.data.get("tool", "")), str(event.data.get("line", ""))
        if key in _SUPERVISOR:
            self._supervising(event)
            return
        if key not in self._rows and not key.startswith(ACTIONS):
            return
        if tool == "model":
            tool = str(event.data.get("model", "")) or tool
            self._passed_over(tool, event)
            # What a model says grows at its end: that is what is shown.
            room = max(WIDEST_DOING - len(tool) - 2, 0)
            line = f"…{line[1 - room :]}" if len(line) > room > 1 else line
        row = self._row(event, escaped(tool, newlines=False))
        row.doing = escaped(brief(f"{tool}  {line}".strip(), WIDEST_DOING), newlines=False)

    def _passed_over(self, model: str, event: Event) -> None:
        """Say once that a model is asked in the place of another one."""
        for line in instead_of(event.data, self._voice.lang):
            said = f"  {escaped(model, newlines=False)} {line}"
            if said not in self._passed:
                self._passed.add(said)
                self._line(said)

    def _supervising(self, event: Event) -> None:
        """The supervisor asks a model."""
        self._passed_over(str(event.data.get("model", "")), event)
        if event.type != "effect.intent":
            return
        row = self._row(event, _SUPERVISOR[event.task or ""].say(self._voice.lang))
        row.state, row.started, row.seconds = "works", time.monotonic(), None
        row.doing = escaped(brief(str(event.data.get("model", "")), WIDEST_DOING), newlines=False)
        self._said(row, row.doing)

    def _supervised(self, event: Event) -> None:
        """A model has answered the supervisor, or has not."""
        row = self._rows.get(event.task or "") if event.task in _SUPERVISOR else None
        if row is not None and event.data.get("tool") == "model":
            status = str(event.data.get("status", "done"))
            row.state = "over_budget" if event.type == "effect.refused" else status
            row.seconds = time.monotonic() - row.started
            self._said(row)

    def _asked(self, event: Event) -> None:
        title = escaped(brief(_OTHERS.sub("", str(event.data.get("title", ""))), 100), newlines=False)
        self._titles[str(event.data.get("approval", ""))] = title
        row = self._row(event, title)
        row.state = "asks"
        label = risk_said(str(event.data.get("label", "")), self._voice.lang)
        self._line(_ASKS.say(self._voice.lang, mark=row.mark, what=title, label=escaped(label, newlines=False)))

    def _decided(self, event: Event) -> None:
        row = self._row(event)
        row.state = str(event.data.get("verdict", "approved"))
        what = self._titles.get(str(event.data.get("approval", "")), row.label)
        state = _STATE.get(row.state)
        text = state.say(self._voice.lang) if state else row.state
        by = escaped(str(event.data.get("by", "")), newlines=False)
        self._line(_ANSWERED.say(self._voice.lang, mark=row.mark, what=what, state=text, by=by))

    def _acted(self, event: Event) -> None:
        key = str(event.data.get("action", ""))
        row = self._rows.setdefault(key, Row(key))
        self._fresh.add(key)
        row.state = str(event.data.get("status", "done"))
        state = _STATE.get(row.state)
        text = state.say(self._voice.lang) if state else row.state
        self._line(_ACTED.say(self._voice.lang, mark=row.mark, what=row.label, state=text))

    def _ended(self, event: Event) -> None:
        row = self._row(event, str(event.data.get("agent", "")))
        row.state = str(event.data.get("status", "done"))
        row.found = int(event.data.get("findings", 0))
        cost: Any = event.data.get("cost")
        spent = cost.get("seconds") if isinstance(cost, dict) else None
        row.seconds = float(spent) if isinstance(spent, (int, float)) else time.monotonic() - row.started
        self._said(row)
