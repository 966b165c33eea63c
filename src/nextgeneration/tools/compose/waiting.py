"""Edits that make services wait until what they depend on is healthy."""

from __future__ import annotations

from nextgeneration.tools.compose.edits import Edit, added_keys
from nextgeneration.tools.compose.images import image_of, safe_probe
from nextgeneration.tools.compose.model import ComposeFile, Service
from nextgeneration.tools.compose.yaml_tree import Scalar, Sequence


def checked(file: ComposeFile, name: str) -> bool:
    """Whether the service has a health check that is not switched off."""
    service = file.services.get(name)
    healthcheck = service.mapping("healthcheck") if service else None
    if healthcheck is None:
        return False
    disabled = healthcheck.entries.get("disable")
    if disabled and isinstance(disabled.value, Scalar) and disabled.value.text.lower() == "true":
        return False
    test = healthcheck.entries.get("test")
    if test and isinstance(test.value, Sequence) and test.value.items:
        first = test.value.items[0]
        return not (isinstance(first, Scalar) and first.text == "NONE")
    return bool(test and isinstance(test.value, Scalar) and test.value.text not in ("", "NONE"))


def probe_edits(file: ComposeFile, service: Service) -> tuple[Edit, ...]:
    """A health check for a service whose image is known, and waiting for it where it is depended on."""
    own = _probe(file, service)
    if not own:
        return ()
    edits = set(own)
    for other, condition in file.depended_on.get(service.name, []):
        if not condition:
            waiting = waiting_edits(file, other)
            if not waiting:
                return ()
            edits |= set(waiting)
    return tuple(sorted(edits))


def _probe(file: ComposeFile, service: Service) -> tuple[Edit, ...]:
    test = safe_probe(image_of(service.text("image")))
    if not test or file.somewhere(service, "healthcheck"):
        return ()
    lines = ["healthcheck:", f"  test: {test}", "  interval: 10s", "  timeout: 5s", "  retries: 5"]
    flow = f"healthcheck: {{test: {test}, interval: 10s, timeout: 5s, retries: 5}}"
    return added_keys(file, service, lines, flow, 1)


def waiting_edits(file: ComposeFile, service: Service) -> tuple[Edit, ...]:
    """The short form of ``depends_on`` written as the long one, with the health checks it needs."""
    entry = service.node.entries.get("depends_on")
    if entry is None or entry.merged or not isinstance(entry.value, Sequence):
        return ()
    value = entry.value
    if value.aliased or service.node.aliased or value.tag is not None:
        return ()
    edits: set[Edit] = set()
    conditions: list[tuple[Scalar, str]] = []
    for item in value.items:
        if not isinstance(item, Scalar) or item.aliased or item.block or "$" in item.text:
            return ()
        needed = file.services.get(item.text)
        probe = _probe(file, needed) if needed else ()
        healthy = checked(file, item.text) or bool(probe)
        edits |= set(probe)
        conditions.append((item, "service_healthy" if healthy else "service_started"))
    if value.flow:
        body = ", ".join(f"{item.text}: {{condition: {condition}}}" for item, condition in conditions)
        edits.add(Edit(value.start, value.end, 0, "{" + body + "}"))
    else:
        block = _block(file, entry.key.column, conditions)
        if not block:
            return ()
        edits |= set(block)
    return tuple(sorted(edits))


def _block(file: ComposeFile, column: int, conditions: list[tuple[Scalar, str]]) -> list[Edit]:
    """``- name`` becomes ``name:`` with its condition below; ``column`` is that of ``depends_on``."""
    edits: list[Edit] = []
    for item, condition in conditions:
        line_start = file.text.rfind("\n", 0, item.start) + 1
        line_end = file.text.find("\n", item.end)
        line_end = len(file.text) if line_end < 0 else line_end
        lead, rest = file.text[line_start : item.start], file.text[item.end : line_end]
        if lead.strip(" ") != "-" or (rest.strip() and not rest.lstrip().startswith("#")):
            return []
        # A list may stand at its key's own column, a mapping may not.
        indent = " " * max(lead.index("-"), column + 2)
        ending = "\r" if rest.endswith("\r") else ""
        text = f"{indent}{item.text}:{rest}\n{indent}  condition: {condition}{ending}"
        edits.append(Edit(line_start, line_end, 0, text))
    return edits
