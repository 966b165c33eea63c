"""F14: a byte flipped, a file cut. The hurt record is named and refused, the other missions go on, nothing crashes."""

import asyncio
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest
from tests.integration.faults_driver import template
from tests.integration.faults_driver_world import heard

from nextgeneration.kernel.errors import NGError
from nextgeneration.missions.service import Missions
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage
from nextgeneration.templates.library import TemplateLibrary

SEALED = re.compile(r"[0-9a-f]{8}[\[{]")
OF_THE_GRAPH = {"checkpoints", "checkpoint_writes"}
"""A cache of the graph: what is hurt there is refused when it is read, and nothing else rests on it."""
RECORD, CHECKPOINT, FILE = "NG-STORAGE-009", "NG-SUPERVISOR-006", "NG-STORAGE-008"


@pytest.fixture
def victim(tmp_path, lives):
    """An installation after kill -9, with two missions: a victim near its end, with every kind of record; a bystander.

    Its folder and the ids of both.
    """
    root = tmp_path / "hurt"
    template(root / "templates", "victim", calls=["keyed"], actions=1, kind="blind")
    template(root / "templates", "trial", calls=["keyed"], actions=1, kind="blind")
    template(root / "templates", "bystander", calls=["keyed"])
    (trace,) = heard(lives.whole(root, accept=[["trial", "trial"]]), "passed")
    last = max(place for place, (boundary, _) in enumerate(trace) if boundary == "approval.asked")
    found = []
    for goal, strike in (("victim", last), ("bystander", "plan.saved")):
        code, said = lives.end(lives.start(root, accept=[[goal, goal]], strike=strike))
        assert code == -signal.SIGKILL
        found += heard(said, "accepted")
    return root, *found


def flipped(value):
    """The value with one bit of its middle changed."""
    middle = len(value) // 2
    if isinstance(value, bytes):
        return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    return value[:middle] + chr(ord(value[middle]) ^ 1) + value[middle + 1 :]


def records_of(database, mission):
    """Every sealed document and blob of a mission: table, column, the row's place, and the value."""
    connection = sqlite3.connect(database)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    of = {"missions": "id = ?", "revisions": "digest IN (SELECT digest FROM pins WHERE mission_id = ?)"}
    for table in sorted(tables):
        info = list(connection.execute(f"PRAGMA table_info({table})"))
        columns, key = [row[1] for row in info], [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
        where = of.get(table) or next((f"{name} = ?" for name in ("mission_id", "thread_id") if name in columns), None)
        for row in connection.execute(f"SELECT * FROM {table} WHERE {where}", (mission,)) if where else ():
            values = dict(zip(columns, row, strict=True))
            for column, value in values.items():
                if isinstance(value, bytes) or (isinstance(value, str) and SEALED.match(value)):
                    yield table, column, {name: values[name] for name in key}, value
    connection.close()


def write(root, table, column, place, value):
    connection = sqlite3.connect(root / "home" / "nextgen.db")
    where = " AND ".join(f"{name} IS ?" for name in place)
    done = connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *place.values()))
    assert done.rowcount == 1
    connection.commit()
    connection.close()


def through(root, look):
    """What ``look`` finds, given the missions of a process that has just been started."""

    async def op():
        storage = Storage.open(StorageSettings(home=root / "home").url)
        try:
            return await look(Missions(storage))
        finally:
            storage.close()

    return asyncio.run(op())


def damages(root):
    return through(root, lambda missions: missions.integrity())


def status(root, mission):
    return through(root, lambda missions: missions.get(mission)).status.value


def the_others_went_on(root, lives, world, bystander):
    """Let a process go on with everything; what it refused. The bystander ended, and nothing was done twice."""
    world.log.clear()
    code, said = lives.end(lives.start(root, all=True))
    assert code == 0, (said, lives.errors())
    assert status(root, bystander) == "done"
    assert all(n == 1 for n in world.times().values())
    return {line["error"] for line in said if "error" in line}


def test_a_bit_flipped_in_any_record_is_named(victim):
    """Each row of each table, one after the other: the check of all records names exactly that one."""
    root, mission, _ = victim
    assert damages(root) == []
    tables = set()
    for table, column, place, value in records_of(root / "home" / "nextgen.db", mission):
        if table in OF_THE_GRAPH | {"blackboard"}:
            continue
        tables.add(table)
        write(root, table, column, place, flipped(value))
        ((at, named, name, _),) = damages(root)
        assert (at, named) == (mission, table), (column, place)
        assert all(str(part) in name for key, part in place.items() if key not in {"tenant", "mission_id"}), name
        write(root, table, column, place, value)
    assert tables >= {"missions", "journal", "effects", "approvals", "tasks", "revisions"}
    assert damages(root) == []


@pytest.mark.slow
def test_a_hurt_record_stops_its_mission_and_no_other(tmp_path, victim, lives, world):
    root, mission, bystander = victim
    last = {(table, column): (place, value) for table, column, place, value in records_of(db(root), mission)}
    refused = {}
    for (table, column), (place, value) in last.items():
        copy = tmp_path / f"{table}.{column}"
        shutil.copytree(root, copy)
        write(copy, table, column, place, flipped(value))
        refused[table, column] = the_others_went_on(copy, lives, world, bystander)
        if not refused[table, column]:
            assert status(copy, mission) == "done", "it was not needed any more"
    assert set().union(*refused.values()) == {RECORD, CHECKPOINT}
    for needed in ("effects", "tasks", "revisions", "missions", "documents"):
        assert all(codes == {RECORD} for (table, _), codes in refused.items() if table == needed), needed
    assert refused["checkpoints", "blob"] == {CHECKPOINT}


def db(root):
    return root / "home" / "nextgen.db"


def hurt(root, mission, table, column):
    """Flip a bit in the last row of a table that is the mission's; the value as it was."""
    *_, (place, value) = [
        (place, value) for t, c, place, value in records_of(db(root), mission) if (t, c) == (table, column)
    ]
    write(root, table, column, place, flipped(value))
    return place


def test_a_hurt_checkpoint_parks_its_mission_with_the_reason(victim, lives, world):
    root, mission, bystander = victim
    hurt(root, mission, "checkpoints", "blob")
    assert the_others_went_on(root, lives, world, bystander) == {CHECKPOINT}
    record = through(root, lambda missions: missions.get(mission))
    assert (record.status, mission in record.reason) == ("parked", True)
    assert through(root, lambda missions: missions.cancel(mission, by="human:test")).status == "cancelled"


def test_a_hurt_card_takes_no_answer(victim):
    root, mission, _ = victim
    approval = hurt(root, mission, "approvals", "card")["id"]

    async def answer(missions):
        pending = {asked.id: asked.status for asked in await missions.approvals.list(mission=mission)}
        try:
            await missions.approvals.decide(approval, "approved", by="human:test")
        except NGError as error:
            return pending, error.code, (await missions.approvals.list(mission=mission))[-1].status
        return pending, None, None

    pending, code, after = through(root, answer)
    assert (code, after) == (RECORD, "pending")
    assert approval in pending, "it is still listed"


@pytest.mark.parametrize("table", ["documents", "tasks", "pins"])
def test_a_record_that_is_gone_is_named_and_its_mission_parked(victim, lives, world, table):
    root, mission, bystander = victim
    connection = sqlite3.connect(db(root))
    assert connection.execute(f"DELETE FROM {table} WHERE mission_id = ?", (mission,)).rowcount == 1
    connection.commit()
    connection.close()
    assert the_others_went_on(root, lives, world, bystander) == {RECORD}
    record = through(root, lambda missions: missions.get(mission))
    assert (record.status, table in record.reason) == ("parked", True)


def test_a_text_that_is_none_any_more_is_named(victim, lives, world):
    root, mission, bystander = victim
    damages(root)
    data = bytearray(db(root).read_bytes())
    data[data.rindex(mission.encode() + b"/t1/")] |= 0x80
    db(root).write_bytes(data)
    assert {damage.mission for damage in damages(root)} == {mission}
    assert the_others_went_on(root, lives, world, bystander) <= {RECORD, FILE}


def test_a_mission_whose_record_is_hurt_is_set_aside_with_the_reason(victim, lives, world):
    root, mission, bystander = victim
    hurt(root, mission, "effects", "outcome")
    assert the_others_went_on(root, lives, world, bystander) == {RECORD}
    record = through(root, lambda missions: missions.get(mission))
    assert (record.status, "effects" in record.reason) == ("parked", True)


def test_one_mission_of_no_known_state_does_not_hide_the_others(victim, lives, world):
    root, mission, bystander = victim
    write(root, "missions", "status", {"id": mission}, "runnong")
    assert [(damage.mission, damage.table) for damage in damages(root)] == [(mission, "missions")]
    the_others_went_on(root, lives, world, bystander)


# -- files -------------------------------------------------------------------------------------------------------------


def hurt_file(path, at=None, cut=None):
    if cut is not None:
        os.truncate(path, cut)
    else:
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("harm", [{"at": 3}, {"cut": 100}, {"cut": 8_192}], ids=["header", "only header", "cut"])
def test_a_hurt_database_file_is_refused_by_its_name_without_a_traceback(victim, lives, harm):
    """By every command, and it is left as it is: nothing is made anew in its place."""
    root, *_ = victim
    damages(root)  # the last one to close it puts everything into the one file
    hurt_file(db(root), **harm)
    before = db(root).read_bytes()
    code, said = lives.end(lives.start(root, all=True))
    assert (code, heard(said, "failed")) == (3, [FILE])
    for command in (["missions", "list"], ["approvals", "list"], ["doctor", "--json"]):
        argv = [sys.executable, "-c", "from nextgeneration.cli.main import main; main()", *command]
        home = {**os.environ, "NG_HOME": str(root / "home")}
        done = subprocess.run(argv, env=home, cwd=root, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1, (command, done)
        assert FILE in done.stdout + done.stderr or "damaged" in done.stdout, (command, done)
        assert "Traceback" not in done.stderr
    assert db(root).read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["flip", "cut", "head", "empty"])
def test_a_hurt_log_of_writes_leaves_a_prefix_of_what_was_written(victim, lives, world, harm):
    """Whole transactions up to the hurt place, and none after it; what is left is worked on to its end."""
    root, *_ = victim
    log = root / "home" / "nextgen.db-wal"
    size = log.stat().st_size
    hurt_file(
        log, **{"flip": {"at": size // 2}, "cut": {"cut": size // 3}, "head": {"at": 4}, "empty": {"cut": 0}}[harm]
    )

    async def whole(missions):
        for line in await missions.list(limit=None):
            seqs = [event.seq for event in await missions.journal(line.id)]
            assert seqs == list(range(1, len(seqs) + 1))
            assert (await missions.get(line.id)).seq == len(seqs)
        return await missions.integrity()

    assert through(root, whole) == []
    lives.whole(root, all=True)
    assert through(root, whole) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("flips", [12, pytest.param(400, marks=pytest.mark.soak)])
def test_a_bit_flipped_anywhere_in_the_file_never_crashes_and_never_repeats(tmp_path, victim, lives, world, flips):
    """Pages, indexes, free space: every command answers or says by a code why not; no call happens twice."""
    root, *_ = victim
    damages(root)
    data, chance = db(root).read_bytes(), random.Random(flips)
    places = [place for place in range(len(data)) if data[place]]
    copy = tmp_path / "copy"
    for place in chance.sample(places, flips):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(root, copy)
        db(copy).write_bytes(data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :])
        world.log.clear()
        code, said = lives.end(lives.start(copy, all=True))
        assert code in {0, 3}, (place, said, lives.errors())
        codes = {line.get("error") or line.get("failed") for line in said if {"error", "failed"} & set(line)}
        assert all(re.fullmatch(r"NG-[A-Z]+-\d{3}", code) for code in codes), (place, codes)
        assert all(n == 1 for key, n in world.times().items() if world.kinds()[key] == "blind"), place


@pytest.mark.parametrize("harm", [{"at": 0}, {"cut": 40}, {"cut": 0}], ids=["flip", "cut", "empty"])
def test_a_hurt_template_is_named_and_the_missions_that_pinned_it_go_on(victim, lives, world, harm):
    root, mission, bystander = victim
    hurt_file(root / "templates" / "victim.json", **harm)
    (broken,) = [
        summary for summary in TemplateLibrary(root / "templates", builtin=False).summaries() if summary.broken
    ]
    assert broken.name == "victim"
    assert broken.broken.code.startswith("NG-TEMPLATE-")
    assert the_others_went_on(root, lives, world, bystander) == set()
    assert status(root, mission) == "done", "it keeps the revision it pinned"
    again = lives.whole(root, accept=[["again", "victim"], ["other", "bystander"]])
    told = {line["mission"]: line["status"] for line in again if "mission" in line}
    assert [told[one] for one in heard(again, "accepted")] == ["failed", "done"], "nobody is left for the first"
