"""What test runners report, read into one form. Everything here comes from untrusted programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree

PASSED, FAILED, ERROR, SKIPPED = "passed", "failed", "error", "skipped"
MAX_CASES = 20_000
MAX_MESSAGE = 2_000
_HEAD = 4_000


@dataclass(frozen=True, slots=True)
class Case:
    """One test: its name, what became of it, where it stands, and what it said when it failed."""

    name: str
    outcome: str
    path: str = ""
    line: int | None = None
    message: str = ""

    @property
    def excerpt(self) -> str:
        """The end of what it said, where runners put the reason."""
        return self.message.strip()[-500:]


def shortened(case: Case) -> Case:
    """``case`` with a message whose middle is left out when it is long."""
    if len(case.message) <= MAX_MESSAGE:
        return case
    half = MAX_MESSAGE // 2
    return replace(case, message=f"{case.message[:half]}\n[…]\n{case.message[-half:]}")


def junit(data: bytes) -> list[Case]:
    """pytest's XML (``xunit1``: with files and lines). An unreadable document has no cases."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        return []  # pytest writes none, and entities are how XML is made to explode
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - without a DTD there are no entities to expand
    except ElementTree.ParseError:
        return []
    return [_junit_case(case) for case in list(root.iter("testcase"))[:MAX_CASES]]


def _junit_case(case: ElementTree.Element) -> Case:
    outcome, message = PASSED, ""
    for tag, meaning in (("failure", FAILED), ("error", ERROR), ("skipped", SKIPPED)):
        found = case.find(tag)
        if found is not None:
            outcome = meaning
            message = "\n".join(part for part in (found.get("message") or "", found.text or "") if part)
            break
    name, path = case.get("name") or "?", case.get("file") or ""
    group = (case.get("classname") or "").rpartition(".")[2]
    in_class = group and group[:1].isupper()
    line = int(case.get("line", "")) + 1 if (case.get("line") or "").isdigit() else None
    failed_at = re.findall(r"^(\S[^\n:]*\.py):(\d+): ", message, re.MULTILINE) if outcome == FAILED else []
    here = [int(number) for file, number in failed_at if file == path]
    return Case(
        f"{path}::{group + '::' if in_class else ''}{name}" if path else name,
        outcome,
        path,
        here[-1] if here else line,
        message,
    )


_UNITTEST_LINE = re.compile(
    r"^(\w+) \(([\w.]+)\)(?:\n[^\n]*)? \.\.\. (ok|FAIL|ERROR|skipped|expected failure)", re.MULTILINE
)
_UNITTEST_BLOCK = re.compile(
    r"^={20,}\n(FAIL|ERROR): (\w+) \(([\w.]+)\)[^\n]*\n(?:[^\n]+\n)?-{20,}\n(.*?)(?=^={20,}|^-{20,}\nRan)",
    re.MULTILINE | re.DOTALL,
)
_TRACE = re.compile(r'File "([^"\n]+)", line (\d+)')


def unittest(text: str) -> list[Case]:
    """The output of ``python -m unittest -v``."""
    blocks = {_unittest_name(found[2], found[3]): found[4] for found in _UNITTEST_BLOCK.finditer(text)}
    meanings = {"ok": PASSED, "FAIL": FAILED, "ERROR": ERROR, "skipped": SKIPPED, "expected failure": PASSED}
    cases = {}
    for found in _UNITTEST_LINE.finditer(text):
        name = _unittest_name(found[1], found[2])
        cases[name] = _traced(Case(name, meanings[found[3]]), blocks.get(name, ""))
    for name, block in blocks.items():  # an import that failed has a block only
        cases.setdefault(name, _traced(Case(name, ERROR), block))
    return list(cases.values())[:MAX_CASES]


def _unittest_name(method: str, place: str) -> str:
    return place if place.endswith("." + method) else f"{place}.{method}"


def _traced(case: Case, block: str) -> Case:
    """``case`` at the last line of its traceback that is the project's own."""
    own = [place for place in _TRACE.findall(block) if "/lib/python" not in place[0] and not place[0].startswith("<")]
    if not own:
        return replace(case, message=block.strip())
    return replace(case, message=block.strip(), path=own[-1][0], line=int(own[-1][1]))


_TAP_POINT = re.compile(r"^( *)(not ok|ok) \d+ - (.*?)(?: # (SKIP|TODO)\b.*)?$")


def tap(text: str) -> list[Case]:
    """What ``node --test --test-reporter=tap`` prints: leaves only, groups are counted by their tests."""
    cases: list[Case] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        point = _TAP_POINT.match(line)
        if point is None:
            continue
        facts = _tap_facts(lines[number + 1 : number + 200], len(point[1]) + 2)
        if facts.get("type") == "suite" or facts.get("failureType") == "subtestsFailed":
            continue
        outcome = SKIPPED if point[4] else PASSED if point[2] == "ok" else FAILED
        place = re.match(r"(.*?):(\d+):\d+$", facts.get("location", ""))
        name = point[3].replace("\\#", "#")
        message = "\n".join(facts[key] for key in ("error", "stack") if key in facts) if outcome == FAILED else ""
        path, line_number = (place[1], int(place[2])) if place else ("", None)
        cases.append(Case(name, outcome, path, line_number, message))
    return cases[:MAX_CASES]


def _tap_facts(lines: list[str], indent: int) -> dict[str, str]:
    """The YAML block after a point, as far as it is used."""
    facts: dict[str, str] = {}
    if not lines or lines[0] != " " * indent + "---":
        return facts
    key = ""
    for line in lines[1:]:
        if line == " " * indent + "...":
            break
        entry = re.match(rf"^ {{{indent}}}(\w+): ?(.*)$", line)
        if entry:
            key, value = entry[1], entry[2]
            facts[key] = "" if value in ("|-", ">-", "|") else value.strip("'\"")
        elif key:
            facts[key] += ("\n" if facts[key] else "") + line.strip()
    return facts


def jest(data: bytes) -> list[Case]:
    """The JSON that Jest and Vitest write."""
    meanings = {"passed": PASSED, "failed": FAILED}
    cases = []
    for file in _list(_loaded(data), "testResults"):
        path = str(file.get("name", ""))
        tests = _list(file, "assertionResults")
        for test in tests:
            place = test.get("location") or {}
            line = place.get("line") if isinstance(place, dict) else None
            messages = test.get("failureMessages") or []
            cases.append(
                Case(
                    str(test.get("fullName") or test.get("title") or "?"),
                    meanings.get(str(test.get("status")), SKIPPED),
                    path,
                    line if isinstance(line, int) else None,
                    "\n".join(map(str, messages)),
                )
            )
        if not tests and file.get("status") == "failed":
            cases.append(Case(path, ERROR, path, None, str(file.get("message", ""))))
    return cases[:MAX_CASES]


def _loaded(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _list(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = value.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


_GO_PLACE = re.compile(r"^[ \t]+([\w./-]+\.go):(\d+):", re.MULTILINE)


def go(text: str, module: str) -> list[Case]:
    """What ``go test -json`` prints; ``module`` is the module's path, which packages begin with."""
    output: dict[tuple[str, str], list[str]] = {}
    ended: dict[tuple[str, str], str] = {}
    for event in _json_lines(text):
        key = (str(event.get("Package", event.get("ImportPath", ""))), str(event.get("Test", "")))
        action = event.get("Action")
        if action in ("output", "build-output"):
            output.setdefault(key, []).append(str(event.get("Output", "")))
        elif action in ("pass", "fail", "skip"):
            ended[key] = str(action)
    parents = {(package, test.rpartition("/")[0]) for package, test in ended if "/" in test}
    failing = {package for (package, test), action in ended.items() if test and action == "fail"}
    cases = []
    for (package, test), action in ended.items():
        if (package, test) in parents or (not test and (action != "fail" or package in failing)):
            continue
        message = "".join(output.get((package, test), []))
        folder = package.removeprefix(module).strip("/")
        place = _GO_PLACE.search(message[:_HEAD])
        path = f"{folder}/{place[1]}".lstrip("/") if place else folder
        outcome = {"pass": PASSED, "skip": SKIPPED}.get(action, FAILED if test else ERROR)
        cases.append(Case(f"{package}.{test}".rstrip("."), outcome, path, int(place[2]) if place else None, message))
    return cases[:MAX_CASES]


def _json_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.split("\n"):
        if line.startswith("{"):
            event = _loaded(line.encode("utf-8", "replace"))
            if event:
                yield event


_CARGO_LINE = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", re.MULTILINE)
_CARGO_BLOCK = re.compile(r"^---- (\S+) stdout ----\n(.*?)(?=^---- |^failures:|\Z)", re.MULTILINE | re.DOTALL)
_CARGO_PLACE = re.compile(r"panicked at (?:'.*', )?([^\s:]+\.rs):(\d+)")
_CARGO_ERROR = re.compile(r"^error(?:\[E\d+\])?: (.+)\n(?:[ \t]*--> ([^\s:]+):(\d+))?", re.MULTILINE)


def cargo(output: str, errors: str) -> list[Case]:
    """What ``cargo test`` prints; a build that fails is one error a complaint of the compiler."""
    blocks = {found[1]: found[2] for found in _CARGO_BLOCK.finditer(output)}
    meanings = {"ok": PASSED, "FAILED": FAILED, "ignored": SKIPPED}
    cases = []
    for found in _CARGO_LINE.finditer(output):
        block = blocks.get(found[1], "")
        place = _CARGO_PLACE.search(block[:_HEAD])
        path, line = (place[1], int(place[2])) if place else ("", None)
        cases.append(Case(found[1], meanings[found[2]], path, line, block.strip()))
    if not cases:
        complaints = (found for found in _CARGO_ERROR.finditer(errors) if found[2])
        cases = [Case(f"build: {found[1]}", ERROR, found[2], int(found[3]), found[0].strip()) for found in complaints]
    return cases[:MAX_CASES]


def counted(cases: Iterable[Case]) -> dict[str, int]:
    """How many cases ended in which way."""
    counts = dict.fromkeys((PASSED, FAILED, ERROR, SKIPPED), 0)
    for case in cases:
        counts[case.outcome] += 1
    return counts
