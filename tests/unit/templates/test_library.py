"""The library: what is served, what is kept when files break, and how changes are noticed."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from nextgeneration.kernel.language import Texts
from nextgeneration.templates.entries import LibraryChange, Tally
from nextgeneration.templates.errors import (
    NotJson,
    ParentCycle,
    ParentInvalid,
    ParentMissing,
    ParentsTooDeep,
    ParentVersionRefused,
    TemplateDangerous,
    TemplateInvalid,
    TemplatePathRefused,
    TemplateUnknown,
)
from nextgeneration.templates.folders import BUILTIN, signature_of
from nextgeneration.templates.library import TemplateLibrary


def template(name: str, **more: object) -> dict:
    return {"name": name, "role": "r", "domain": "d", **more}


def write(folder: Path, name: str, **more: object) -> Path:
    """Save as editors do: a temporary file, renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    fresh = folder / f".{name}.tmp"
    fresh.write_text(json.dumps(template(name, **more)))
    fresh.replace(path)
    return path


def soon(condition: Callable[[], object], seconds: float = 3.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def library(tmp_path):
    made = TemplateLibrary(tmp_path, builtin=False)
    yield made
    made.stop_watching()


@pytest.fixture
def watched(library):
    library.start_watching()
    return library


class FakeClock:
    """A clock that stands until it is moved; its wall time is far from any file's."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        return self.at


def test_built_in_templates_are_there_and_all_usable():
    library = TemplateLibrary()
    assert {"base_specialist", "documentaliste"} <= set(library.names())
    assert [summary.name for summary in library.summaries() if summary.broken] == []
    child, parent = library.get("documentaliste"), library.get("base_specialist")
    assert parent.name in child.parents
    assert {c.id for c in parent.capabilities} <= {c.id for c in child.capabilities}
    assert {"summarize_text", "extract_keywords", "generate_docstrings"} <= {c.id for c in child.capabilities}
    assert {"pdf_reader", "markdown_writer", "python_interpreter", "file_reader"} <= set(child.tools)
    assert child.default_config == {"log_level": "INFO", "summary_length": 250}
    assert (child.role, child.domain, child.version) == ("analyzer", "documentation", "1.1.0")
    assert child.source == "builtin:documentaliste.json"


def test_the_same_object_is_served_until_something_changes(library, tmp_path):
    write(tmp_path, "one")
    assert library.get("one") is library.get("one")
    library.refresh()
    assert library.get("one") is library.get("one")
    time.sleep(0.12)
    assert library.get("one").content_hash == library.get("one").metadata["content_hash"]


@pytest.mark.parametrize(
    "name", ["nope", "../x", "x/../../etc", "", "A", "a" * 65, "ok\n", None, 3, "é", "nul\0", "-a", "_a"]
)
def test_an_unknown_or_impossible_name_is_unknown(library, tmp_path, name):
    with pytest.raises(TemplateUnknown):
        library.get(name)
    with pytest.raises(TemplateUnknown):
        library.reload(name)


def test_an_unknown_name_gets_a_suggestion_in_both_languages(library, tmp_path):
    write(tmp_path, "hardware")
    with pytest.raises(TemplateUnknown) as caught:
        library.get("hadrware")
    assert "did you mean hardware?" in caught.value.message("en")
    assert "vouliez-vous dire hardware" in caught.value.message("fr")
    assert isinstance(caught.value, LookupError)


def test_paths(library, tmp_path):
    path = write(tmp_path, "one")
    assert library.path("one") == path
    assert library.path("none") == tmp_path / "none.json"
    with pytest.raises(TemplateUnknown):
        library.path("../one")


def test_the_first_folder_wins_and_shadowing_is_shown(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    mine, other = write(first, "one", role="mine"), write(second, "one", role="other")
    (first / "one.json.zst").write_bytes(zstandard.compress(json.dumps(template("one", role="packed")).encode()))
    library = TemplateLibrary(first, second, builtin=False)
    assert library.get("one").role == "mine"
    (summary,) = library.summaries()
    assert summary.shadows == (first / "one.json.zst", other)
    assert summary.source == str(mine)
    mine.unlink()
    time.sleep(0.12)
    assert library.get("one").role == "packed"
    (first / "one.json.zst").unlink()
    time.sleep(0.12)
    assert library.get("one").role == "other"


def test_a_broken_file_is_told_each_time_and_mends(library, tmp_path):
    path = tmp_path / "one.json"
    path.write_text("{")
    for _ in range(2):
        with pytest.raises(NotJson) as caught:
            library.get("one")
    assert str(path) in caught.value.where
    assert library.summaries()[0].broken.code == NotJson.code
    assert library.summaries()[0].description == Texts("", "")
    write(tmp_path, "one")
    time.sleep(0.12)
    assert library.get("one").name == "one"


def test_a_broken_edit_keeps_the_last_good_revision_live_and_says_so(watched, tmp_path, caplog):
    path = write(tmp_path, "one", role="good")
    changes: list[LibraryChange] = []
    watched.subscribe(changes.append)
    good = watched.get("one")
    with caplog.at_level(logging.ERROR, "nextgeneration.templates"):
        path.write_text('{"name": "one", ')
        assert soon(lambda: any(change.kind == "broken" for change in changes))
    assert watched.get("one") is good
    (change,) = [change for change in changes if change.kind == "broken"]
    assert change.digest == good.digest
    assert change.problem.code == NotJson.code
    assert "last good revision stays live" in caplog.text
    (summary,) = watched.summaries()
    assert summary.broken.code == NotJson.code
    assert summary.role == "good"
    with pytest.raises(NotJson):
        watched.reload("one")
    assert watched.get("one") is good
    write(tmp_path, "one", role="better")
    assert soon(lambda: any(change.kind == "mended" for change in changes))
    assert watched.get("one").role == "better"
    assert watched.summaries()[0].broken is None


def test_dangerous_templates_never_enter_the_cache(library, tmp_path):
    write(tmp_path, "one", tools=["os.system"])
    with pytest.raises(TemplateDangerous):
        library.get("one")
    with pytest.raises(TemplateDangerous):
        library.resolve(template("two", hooks={"on_error": "os:system"}))
    assert library.revisions() == {}


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    write(tmp_path / "out", "one")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.json").symlink_to(tmp_path / "out" / "one.json")
    with pytest.raises(TemplatePathRefused):
        TemplateLibrary(tmp_path / "in", builtin=False).get("one")


def test_parents_that_are_missing_wrong_circular_or_too_many(library, tmp_path):
    write(tmp_path, "orphan", parent="nobody")
    write(tmp_path, "base", version="1.4.0")
    write(tmp_path, "picky", parent="base@^2.0")
    write(tmp_path, "happy", parent="base@>=1.0 <2")
    write(tmp_path, "a", parent="b")
    write(tmp_path, "b", parent="c")
    write(tmp_path, "c", parent="a")
    write(tmp_path, "tail", parent="a")
    (tmp_path / "bad.json").write_text("[")
    write(tmp_path, "heir", parent="bad")
    write(tmp_path, "grandheir", parent="heir")
    write(tmp_path, "n0")
    for number in range(1, 30):
        write(tmp_path, f"n{number}", parent=f"n{number - 1}")
    for name, error in {
        "orphan": ParentMissing,
        "picky": ParentVersionRefused,
        "a": ParentCycle,
        "b": ParentCycle,
        "c": ParentCycle,
        "tail": ParentCycle,
        "heir": ParentInvalid,
        "grandheir": ParentInvalid,
        "n9": ParentsTooDeep,
        "n29": ParentsTooDeep,
    }.items():
        with pytest.raises(error) as caught:
            library.get(name)
        assert caught.value.problems[0].pointer == "/parent"
        assert caught.value.problems[0].line == 1
    assert library.get("happy").parents == ("base",)
    assert library.get("n8").parents == tuple(f"n{number}" for number in range(7, -1, -1))
    write(tmp_path, "c")
    time.sleep(0.12)
    assert library.get("tail").parents == ("a", "b", "c")


def test_a_thousand_parents_do_not_crash(tmp_path):
    write(tmp_path, "n0")
    for number in range(1, 1500):
        (tmp_path / f"n{number}.json").write_text(json.dumps(template(f"n{number}", parent=f"n{number - 1}")))
    library = TemplateLibrary(tmp_path, builtin=False)
    with pytest.raises(TemplateInvalid):
        library.get("n1499")
    assert library.get("n8").parents[-1] == "n0"


def test_a_circle_made_by_an_edit_keeps_both_live(library, tmp_path):
    write(tmp_path, "a")
    write(tmp_path, "b", parent="a")
    first = library.get("a"), library.get("b")
    write(tmp_path, "a", parent="b")
    with pytest.raises(ParentCycle):
        library.reload("a")
    assert (library.get("a"), library.get("b")) == first
    assert {s.name for s in library.summaries() if s.broken} == {"a", "b"}


def test_a_change_reloads_only_what_changed_and_its_children(watched, tmp_path):
    write(tmp_path, "base")
    write(tmp_path, "child", parent="base")
    write(tmp_path, "grandchild", parent="child")
    write(tmp_path, "other")
    before = dict(watched.revisions())
    changes: list[LibraryChange] = []
    time.sleep(0.2)
    watched.revisions()
    loads = watched.metrics()["templates_loaded"]
    watched.subscribe(changes.append)
    write(tmp_path, "base", tools=["pytest"])
    assert soon(lambda: len(changes) >= 3)
    after = watched.revisions()
    assert {change.name for change in changes} == {"base", "child", "grandchild"}
    assert all(after[name].digest != before[name].digest for name in ("base", "child", "grandchild"))
    assert after["other"] is before["other"]
    assert after["grandchild"].tools == ("pytest",)
    assert watched.metrics()["templates_loaded"] - loads <= 2  # the file itself, once more when it has settled


def test_a_parent_that_disappears_leaves_its_child_live_and_marked(watched, tmp_path):
    base = write(tmp_path, "base")
    write(tmp_path, "child", parent="base")
    child = watched.get("child")
    base.unlink()
    assert soon(lambda: any(s.name == "child" and s.broken for s in watched.summaries()))
    assert watched.get("child") is child
    with pytest.raises(TemplateUnknown):
        watched.get("base")
    write(tmp_path, "base")
    assert soon(lambda: not any(s.broken for s in watched.summaries()))


@pytest.mark.parametrize("way", ["create", "modify", "rename", "delete"])
def test_the_watcher_notices_each_kind_of_change_within_a_second(watched, tmp_path, way):
    changes: list[tuple[str, str]] = []
    path = tmp_path / "one.json"
    if way != "create":
        path.write_text(json.dumps(template("one")))
        watched.get("one")
        time.sleep(0.2)
        watched.names()
    watched.subscribe(lambda change: changes.append((change.kind, change.name)))
    if way == "rename":
        write(tmp_path, "one", role="new")
    elif way == "delete":
        path.unlink()
    else:
        path.write_text(json.dumps(template("one", role="new")))
    kind = {"create": "added", "delete": "removed"}.get(way, "changed")
    assert soon(lambda: (kind, "one") in changes, 1.0)
    assert ("one" in watched.names()) == (way != "delete")


def test_reloading_works_while_the_callers_event_loop_is_blocked(tmp_path):
    """The user's own test: a template copied alone, a tool nobody knows appended, 1.2 s without the loop."""

    async def scenario() -> None:
        library = TemplateLibrary(tmp_path / "elsewhere")
        library.start_watching()
        try:
            folder = tmp_path / "alone"
            folder.mkdir()
            shutil.copy(BUILTIN / "documentaliste.json", folder)
            library.move(folder)
            revision = await asyncio.to_thread(library.reload, "documentaliste")
            assert revision.source == str(folder / "documentaliste.json")
            seen: list[str] = []
            library.subscribe(lambda change: seen.append(threading.current_thread().name))
            data = json.loads((folder / "documentaliste.json").read_text())
            data["tools"].append("pytest")
            (folder / "documentaliste.json").write_text(json.dumps(data))
            time.sleep(1.2)  # the loop is blocked on purpose
            assert seen[:1] == ["template-watch"]
            changed = library.get("documentaliste")
            assert changed.metadata["content_hash"] != revision.metadata["content_hash"]
            assert "pytest" in changed.tools
        finally:
            library.stop_watching()

    asyncio.run(scenario())


def test_a_change_is_seen_without_any_watcher(library, tmp_path):
    write(tmp_path, "one", role="old")
    assert library.get("one").role == "old"
    write(tmp_path, "one", role="new")
    assert soon(lambda: library.get("one").role == "new", 1.0)


def test_two_quick_writes_of_one_size_are_both_seen(library, tmp_path):
    """A second write within the clock tick of the first has the same signature; the file is read again for it."""
    path = tmp_path / "one.json"
    for role in ("aaa", "bbb"):
        path.write_text(json.dumps(template("one", role=role)))
        stamp = path.stat()
        library.get("one")
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert soon(lambda: library.get("one").role == "bbb", 1.0)


def test_a_half_written_file_is_not_shown_as_broken(library, tmp_path):
    """Truncate, wait, write: in between the good revision stays, and nobody is told of a fault."""
    path = write(tmp_path, "one", role="old")
    changes: list[LibraryChange] = []
    library.get("one")
    time.sleep(0.12)
    library.get("one")
    library.subscribe(changes.append)
    path.write_text("")
    for _ in range(3):
        assert library.get("one").role == "old"
        library.refresh()
        assert library.get("one").role == "old"
        time.sleep(0.005)
    path.write_text(json.dumps(template("one", role="new")))
    assert soon(lambda: library.get("one").role == "new", 1.0)
    assert [change.kind for change in changes] == ["changed"]


def test_deleting_and_writing_anew_is_one_change(library, tmp_path):
    path = write(tmp_path, "one", role="old")
    library.get("one")
    time.sleep(0.12)
    library.get("one")
    path.unlink()
    assert library.get("one").role == "old"
    write(tmp_path, "one", role="new")
    assert soon(lambda: library.get("one").role == "new", 1.0)


def test_moving_follows_the_watch_and_forgets_the_old_folder(watched, tmp_path):
    write(tmp_path, "old")
    watched.get("old")
    changes: list[tuple[str, str]] = []
    time.sleep(0.2)
    watched.names()
    watched.subscribe(lambda change: changes.append((change.kind, change.name)))
    new = tmp_path / "new"
    version = watched.version()
    watched.move(new)  # does not exist yet
    assert watched.version() > version
    assert changes == [("removed", "old")]
    with pytest.raises(TemplateUnknown):
        watched.get("old")
    write(new, "fresh")
    assert soon(lambda: ("added", "fresh") in changes, 1.5)
    write(new, "fresh", role="changed")
    assert soon(lambda: watched.get("fresh").role == "changed", 1.0)
    assert watched.folders[0] == new


def test_a_folder_removed_and_made_again_is_watched_again(watched, tmp_path):
    folder = tmp_path / "f"
    watched.move(folder)
    write(folder, "one")
    assert soon(lambda: "one" in watched.names())
    shutil.rmtree(folder)
    assert soon(lambda: watched.names() == [])
    changes: list[str] = []
    watched.subscribe(lambda change: changes.append(change.kind))
    write(folder, "two")
    assert soon(lambda: "added" in changes, 1.5)


def test_refresh_may_be_called_in_a_signal_handler(watched, tmp_path):
    """The handler interrupts the main thread anywhere, also while it holds the library's lock."""
    write(tmp_path, "one")
    before = signal.signal(signal.SIGUSR1, lambda *_: watched.refresh())
    try:
        end = time.monotonic() + 0.5
        sender = threading.Thread(
            target=lambda: [(os.kill(os.getpid(), signal.SIGUSR1), time.sleep(0.002)) for _ in range(150)]
        )
        sender.start()
        while time.monotonic() < end:
            assert watched.get("one").name == "one"
        sender.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert watched.metrics()["templates_loaded"] > 10


def test_a_refresh_reads_files_again_even_with_an_unchanged_signature(tmp_path):
    library = TemplateLibrary(tmp_path, builtin=False, hot_reload=False)
    path = write(tmp_path, "one", role="old")
    assert library.get("one").role == "old"
    path.write_text(json.dumps(template("one", role="new")))
    time.sleep(0.1)
    assert library.get("one").role == "old"  # no hot reload: the time to live decides
    library.refresh()
    assert library.get("one").role == "new"


def test_the_time_to_live_ends_a_cached_revision(tmp_path):
    clock = FakeClock()
    library = TemplateLibrary(tmp_path, builtin=False, hot_reload=False, ttl_seconds=300, clock=clock)
    path = write(tmp_path, "one", role="old")
    library.get("one")
    path.write_text(json.dumps(template("one", role="new")))
    assert library.names() == ["one"]
    write(tmp_path, "two")
    clock.at += 299
    assert library.get("one").role == "old"
    assert library.names() == ["one"]
    clock.at += 2
    assert library.get("one").role == "new"
    assert library.names() == ["one", "two"]


def test_metrics_count_hits_and_misses(library, tmp_path):
    write(tmp_path, "one")
    assert library.metrics()["cache_hit_rate"] == 0.0
    for _ in range(10):
        library.get("one")
    figures = library.metrics()
    assert (figures["templates_loaded"], figures["cache_misses"], figures["cache_hits"]) == (1, 1, 9)
    assert figures["cache_hit_rate"] == 0.9
    assert figures["cache_size"] == 1
    assert library.metrics() == figures
    assert figures["load"]["count"] == library.load_timing.count == 1


def test_the_least_recently_used_leave_but_never_a_last_good_revision(tmp_path):
    library = TemplateLibrary(tmp_path, builtin=False, cache_size=10)
    for number in range(30):
        write(tmp_path, f"t{number}")
    (tmp_path / "t0.json").write_text(json.dumps(template("t0")))
    kept = library.get("t0")
    (tmp_path / "t0.json").write_text("{")
    time.sleep(0.1)
    assert library.get("t0") is kept
    for number in range(1, 30):
        library.get(f"t{number}")
        assert library.metrics()["cache_size"] <= 11
    assert library.get("t0") is kept
    assert len(library.summaries()) == 30
    assert library.version() == library.version()
    assert len(library.revisions()) == 30


def test_subscribers_may_fail_and_leave(watched, tmp_path, caplog):
    seen: list[str] = []

    def failing(change: LibraryChange) -> None:
        raise RuntimeError("mine")

    watched.subscribe(failing)
    leave = watched.subscribe(lambda change: seen.append(change.name))
    write(tmp_path, "one")
    assert soon(lambda: seen == ["one"])
    leave()
    leave()
    write(tmp_path, "two")
    assert soon(lambda: "two" in watched.revisions())
    assert seen == ["one"]
    assert "a subscriber of template changes failed" in caplog.text


def test_revisions_and_version_stand_still_when_nothing_changes(library, tmp_path):
    write(tmp_path, "one")
    first, version = library.revisions(), library.version()
    time.sleep(0.3)
    assert library.revisions() is first
    assert library.version() == version
    write(tmp_path, "two")
    assert soon(lambda: set(library.revisions()) == {"one", "two"}, 1.0)
    assert library.version() > version


def test_resolving_in_memory(library, tmp_path):
    write(tmp_path, "base", version="1.0.0", tools=["a"])
    data = template("mine", parent="base@^1.0", tools=["b"], default_config={"list": [1]})
    revision = library.resolve(data)
    data["default_config"]["list"].append(2)
    assert revision.default_config == {"list": [1]}
    assert revision.tools == ("a", "b")
    assert "mine" not in library.names()
    for bad, error in (("nobody", ParentMissing), ("base@^2", ParentVersionRefused)):
        with pytest.raises(error, match="memory"):
            library.resolve(template("mine", parent=bad))
    with pytest.raises(ParentCycle):
        library.resolve(template("base", parent="child")) if write(tmp_path, "child", parent="base") else None
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ParentInvalid):
        library.resolve(template("mine", parent="bad"))


def test_starting_and_stopping_the_watch_twice_is_harmless(library):
    library.start_watching()
    library.start_watching()
    assert library.watching
    library.stop_watching()
    library.stop_watching()
    assert not library.watching


def test_the_watch_polls_where_there_are_no_events(library, tmp_path, monkeypatch):
    monkeypatch.setattr("nextgeneration.templates.watch._observer", lambda: None)
    library.start_watching()
    changes: list[str] = []
    library.subscribe(lambda change: changes.append(change.kind))
    write(tmp_path, "one")
    assert soon(lambda: changes == ["added"], 1.5)


def test_a_tally_loses_nothing():
    tally = Tally()

    def add() -> None:
        for _ in range(10_000):
            tally.add()

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    looks = [tally.value() for _ in range(50)]
    for thread in threads:
        thread.join()
    assert tally.value() == 80_000
    assert looks == sorted(looks)


def test_signatures(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert signature_of(tmp_path / "none") is None
    assert signature_of(tmp_path / "loop") == (0, 0, 0, 0)
