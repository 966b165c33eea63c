"""A model for the far end that does the demo mission sensibly: all it says is made of what its request holds.

``WireServer(provider).answers(DemoModel())`` plans with agents that are offered, calls their tools side by side, quotes
what they gave, proposes the remedies they name and words the answer with the ids it was shown. Nothing is remembered
between requests, so that missions may run side by side, be interrupted and go on.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nextgeneration.testing.wire.script import Call, Calls, Say, Step
from nextgeneration.testing.wire.seen import Seen

TASKS: Mapping[str, tuple[str, Sequence[str]]] = {
    "auditeur_code": ("Audit docker-compose.yml and propose the safe fixes.", ()),
    "security_analyst": ("Look for secrets in files and for dangerous code.", ()),
    "genie_logiciel": ("Lint the code, and judge what to mend first after the audit.", ("auditeur_code",)),
}
"""Agents of the plan: what each is asked, and after which others."""

LOOKS: Mapping[str, Mapping[str, Any]] = {"compose.audit": {}, "fs.read": {"path": "docker-compose.yml"}}
"""The calls of an agent that has no results yet, of the tools it has."""

FILES = 2
"""Files an agent reads itself: those of the worst that its playbook found."""

NOTICED = ("starts the PDF printer", "The engine's socket is mounted for the PDF printer alone", "medium")
"""What the model notices itself: words of a line, the title and severity of the finding made of it."""

_FINDING = re.compile(r"^- (\S+) \[(\w+)\] (\S+): (.+)$", re.MULTILINE)
_REMEDY = re.compile(r"^- (p\d+): fs\.patch: (.+)$", re.MULTILINE)
_PLACE = re.compile(r"\(([^():]+):\d+\)$")
_FENCE = re.compile(r"<<<DATA ([pr]\d+) (\w+) ([^>\s]+)>>>\n(.*?)\n<<<END \1 \2>>>", re.DOTALL)
_WORST = ("critical", "high", "medium", "low", "info")


@dataclass(frozen=True)
class DemoModel:
    """Answers each request of a mission by what stands in it.

    Attributes:
        tasks: agents of the plan, with what each is asked and after which others.
        looks: the calls of an agent that has no results yet, of the tools it has.
    """

    tasks: Mapping[str, tuple[str, Sequence[str]]] = field(default_factory=lambda: TASKS)
    looks: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: LOOKS)

    def __call__(self, seen: Seen) -> Step:
        """The answer to one request."""
        if seen.tools:
            return self._report(seen) if seen.results else self._look(seen)
        shown = json.loads(next(turn.text for turn in seen.turns if turn.role == "user"))
        return self._plan(shown) if "agents" in shown else _prose(shown)

    def _plan(self, shown: Mapping[str, Any]) -> Step:
        """The tasks whose agents are there."""
        there = {agent["name"]: agent for agent in shown["agents"]}
        able = {name: [ability.partition(": ")[0] for ability in agent["can"]] for name, agent in there.items()}
        common = Counter(ability for abilities in able.values() for ability in abilities)
        ids = {name: f"t{number}" for number, name in enumerate((n for n in self.tasks if n in there), 1)}
        tasks = [
            {
                "id": ids[name],
                "agent": name,
                "goal": goal,
                "paths": [],
                "depends": [ids[need] for need in needs if need in ids],
                "criteria": "every finding names its place",
                "why": f"it can {', '.join(sorted(able[name], key=common.__getitem__)[:2]).replace('_', ' ')}",
                "share": 90 // len(ids),
            }
            for name, (goal, needs) in self.tasks.items()
            if name in ids
        ]
        return Say(json.dumps({"tasks": tasks, "unserved": []}))

    def _look(self, seen: Seen) -> Step:
        """What can be looked at, all at once: the files of the worst found so far, or what every agent looks at."""
        found = _found(_fenced(seen))
        places = [place[1] for *_, title in found if (place := _PLACE.search(title))]
        calls = [Call("fs.read", {"path": path}) for path in list(dict.fromkeys(places))[:FILES]]
        if not calls:
            calls = [Call(name, args) for name, args in self.looks.items()]
        calls = [call for call in calls if seen.tool(call.name)]
        if not calls:
            return Call("report", {"status": "partial", "analysis": "None of my tools fits.", "missing": ["a tool"]})
        what = ", ".join(str(call.args.get("path") or call.name) for call in calls if not isinstance(call.args, str))
        return Calls(calls, text=f"I look at {what} myself.")

    def _report(self, seen: Seen) -> Step:
        """The report: what the results hold, what one of them shows besides, and the remedies they name."""
        fenced = _fenced(seen)
        found = _found(fenced)
        counted = Counter(severity for _, severity, _, _ in found)
        tally = ", ".join(f"{counted[name]} {name}" for name in _WORST if counted[name]) or "nothing"
        first = f" First of all: {found[0][3]}." if found else ""
        remedies = [name for *_, text in fenced for name, _ in _REMEDY.findall(text)][
            : 1 if seen.tool("fs.patch") else 0
        ]
        report = {
            "status": "done",
            "analysis": f"My tools found {tally}.{first}",
            "findings": _noticed(fenced),
            "opinions": ["The services would be safer if each had only the mounts it needs."] if remedies else [],
            "actions": [{"remedy": name, "reason": "the tool's own safe fixes"} for name in remedies],
        }
        return Call("report", {key: value for key, value in report.items() if value})


def _fenced(seen: Seen) -> list[tuple[str, str, str, str]]:
    """What tools gave, as the request shows it: label, name of the fence, tool, text."""
    texts = [turn.text for turn in seen.turns if turn.role == "user"] + [result.text for result in seen.results]
    return [fence for text in texts for fence in _FENCE.findall(text)]


def _found(fenced: Sequence[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    """The findings in it, the worst first: id, severity, rule, title and place."""
    found = {one[0]: one for *_, text in fenced for one in _FINDING.findall(text)}
    return sorted(found.values(), key=lambda one: _WORST.index(one[1]))


def _noticed(fenced: Sequence[tuple[str, str, str, str]]) -> list[dict[str, Any]]:
    words, title, severity = NOTICED
    for label, _, tool, text in fenced:
        line = next((line for line in text.splitlines() if words in line), "") if tool == "fs.read" else ""
        if line:
            quote = line.split("\t")[-1].strip()
            about = {"title": title, "severity": severity, "rule": "socket-for-one-job", "path": "docker-compose.yml"}
            return [
                {
                    **about,
                    "cites": [label],
                    "quote": quote,
                    "message": "A printing service of its own would need no socket.",
                }
            ]
    return []


def _prose(shown: Mapping[str, Any]) -> Step:
    """Sentences, each with what it rests on."""
    fixed = [one for one in shown["findings"] if one["fixed"]]
    left = [one for one in shown["findings"] if not one["fixed"]]
    said = [
        _sentence(f"The worst that remains: {one['title']} ({one['where'] or 'no place'}).", findings=[one["id"]])
        for one in left[:1]
    ]
    said += [
        _sentence(f"{len(fixed)} problems are gone and were verified.", findings=[one["id"] for one in fixed])
        for _ in fixed[:1]
    ]
    said += [_sentence(f"The patch is {one['status']}.", actions=[one["id"]]) for one in shown["actions"][:1]]
    said += [_sentence("All agents have reported.", tasks=[one["id"] for one in shown["tasks"]])]
    said += [_sentence("The project is older than it looks.")]
    return Say(json.dumps({"sentences": said}))


def _sentence(text: str, **sources: Sequence[str]) -> dict[str, Any]:
    return {"text": text, "findings": [], "tasks": [], "actions": []} | sources
