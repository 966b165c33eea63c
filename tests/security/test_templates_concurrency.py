"""Many threads and tasks read templates while their files change on disk in every way: nobody sees half of one."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from nextgeneration.kernel.canonical import digest
from nextgeneration.templates.errors import TemplateInvalid, TemplateUnknown
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.revision import Revision

FAMILIES = 4
THREADS = 32
TASKS = 200
LAST = 1_000_000


def content(name: str, parent: str | None, stamp: int) -> str:
    """A template whose every part carries the same stamp: a torn read would show two."""
    data = {
        "name": name,
        "role": f"role-{stamp}",
        "domain": f"domain-{stamp}",
        "version": f"1.0.{stamp}",
        "capabilities": [f"{name}_{i}_{stamp}" for i in range(30)],
        "tools": [f"{name}.tool{i}.{stamp}" for i in range(30)],
        "default_config": {f"{name}_{i}": stamp for i in range(30)},
        "metadata": {f"{name}_stamp": stamp},
    }
    return json.dumps(data | ({"parent": parent} if parent else {}), indent=1)


def inspect(revision: Revision) -> None:
    """Every template of the lineage is in the revision with one stamp only, and the digest fits."""
    stamps = {key.removesuffix("_stamp"): value for key, value in revision.metadata.items() if key.endswith("_stamp")}
    assert stamps.keys() == {revision.name, *revision.parents}
    own = stamps[revision.name]
    assert (revision.role, revision.domain, revision.version) == (f"role-{own}", f"domain-{own}", f"1.0.{own}")
    for name, stamp in stamps.items():
        assert {f"{name}.tool{i}.{stamp}" for i in range(30)} == {t for t in revision.tools if t.startswith(f"{name}.")}
        assert {v for k, v in revision.default_config.items() if k.startswith(f"{name}_")} == {stamp}
    assert len(revision.capabilities) == 30 * len(stamps)
    assert revision.metadata["content_hash"] == revision.digest


class Writers:
    """Threads that change the files in the ways editors, deployments and accidents do."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.stop = threading.Event()
        self.random = random.Random(seed)
        self.stamp = 0

    def save(self, name: str, parent: str | None) -> None:
        path = self.folder / f"{name}.json"
        self.stamp += 1
        text = content(name, parent, self.stamp)
        way = self.random.choice(["rename", "rename", "truncate", "delete", "broken", "half"])
        if way == "rename":
            fresh = self.folder / f".{name}.new"
            fresh.write_text(text)
            fresh.replace(path)
        elif way == "truncate":
            with path.open("w") as file:
                middle = self.random.randrange(len(text))
                file.write(text[:middle])
                file.flush()
                time.sleep(self.random.choice([0, 0.001, 0.005]))
                file.write(text[middle:])
        elif way == "delete":
            path.unlink(missing_ok=True)
            time.sleep(self.random.choice([0, 0.002, 0.08]))
            path.write_text(text)
        else:
            path.write_text("{broken" if way == "broken" else text[: len(text) // 2])

    def run(self) -> None:
        while not self.stop.is_set():
            family = self.random.randrange(FAMILIES)
            name, parent = self.random.choice(lineage(family))
            self.save(name, parent)
            time.sleep(0.003)
        for family in range(FAMILIES):
            for name, parent in lineage(family):
                (self.folder / f"{name}.json").write_text(content(name, parent, LAST))


def lineage(family: int) -> list[tuple[str, str | None]]:
    return [(f"base{family}", None), (f"child{family}", f"base{family}"), (f"leaf{family}", f"child{family}")]


class Hammer:
    """Readers on threads and tasks over one library; the first thing any of them raises ends the test."""

    def __init__(self, folder: Path, seconds: float, seed: int) -> None:
        self.names = [name for family in range(FAMILIES) for name, _ in lineage(family)]
        self.seed = seed
        self.library = TemplateLibrary(folder, builtin=False, ttl_seconds=0.5, cache_size=9)
        self.writers = Writers(folder, seed)
        self.failures: list[BaseException] = []
        self.seen = 0
        self.end = time.monotonic() + seconds

    def look(self, turn: random.Random) -> None:
        name, action = turn.choice(self.names), turn.random()
        with suppress(TemplateUnknown, TemplateInvalid):
            if action < 0.01:
                self.library.refresh()
            elif action < 0.03:
                inspect(self.library.reload(name))
            elif action < 0.05:
                assert all(summary.broken or summary.role for summary in self.library.summaries())
                for revision in self.library.revisions().values():
                    inspect(revision)
            else:
                inspect(self.library.get(name))
                self.seen += 1

    def thread(self, number: int) -> None:
        turn = random.Random(self.seed + number)
        try:
            while time.monotonic() < self.end and not self.failures:
                self.look(turn)
        except BaseException as error:
            self.failures.append(error)

    async def task(self, number: int) -> None:
        turn = random.Random(self.seed + 1000 + number)
        while time.monotonic() < self.end and not self.failures:
            self.look(turn)
            await asyncio.sleep(0.005)

    async def tasks(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(TASKS):
                group.create_task(self.task(number))

    def run(self) -> None:
        threads = [threading.Thread(target=self.thread, args=(number,)) for number in range(THREADS)]
        writing = threading.Thread(target=self.writers.run)
        self.library.start_watching()
        try:
            for each in (writing, *threads):
                each.start()
            asyncio.run(self.tasks())
        finally:
            self.writers.stop.set()
            for each in (*threads, writing):
                each.join()
        if self.failures:
            raise self.failures[0]

    def is_final(self, name: str) -> bool:
        """Whether the last thing written is what is served."""
        with suppress(TemplateUnknown, TemplateInvalid):
            metadata = self.library.get(name).metadata
            return {value for key, value in metadata.items() if key.endswith("_stamp")} == {LAST}
        return False


def hammer(folder: Path, seconds: float, seed: int) -> int:
    """How many revisions were inspected without finding fault."""
    for family in range(FAMILIES):
        for name, parent in lineage(family):
            (folder / f"{name}.json").write_text(content(name, parent, 0))
    readers = Hammer(folder, seconds, seed)
    try:
        readers.run()
        settled = time.monotonic() + 20
        while time.monotonic() < settled and not all(map(readers.is_final, readers.names)):
            time.sleep(0.05)
        assert [name for name in readers.names if not readers.is_final(name)] == []
        assert [summary.name for summary in readers.library.summaries() if summary.broken] == []
        for name in readers.names:
            assert digest(readers.library.get(name).data) == readers.library.get(name).digest
    finally:
        readers.library.stop_watching()
    return readers.seen


def test_nobody_sees_a_half_loaded_template(tmp_path):
    assert hammer(tmp_path, 2.0, seed=7) > 50


@pytest.fixture(autouse=True)
def _quiet():
    """Thousands of broken files are logged here; their text would drown a failure."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(4))
def test_nobody_sees_a_half_loaded_template_for_long(tmp_path, seed):
    assert hammer(tmp_path, 20.0, seed=seed) > 500
