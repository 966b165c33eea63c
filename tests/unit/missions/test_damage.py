"""F14: a damaged record is named and refused; other missions go on."""

import pytest
from sqlalchemy import text

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.reports import Report
from nextgeneration.missions.errors import Parked
from nextgeneration.missions.records import Pin
from nextgeneration.missions.schema import MissionRequest, TaskRecord
from nextgeneration.storage.errors import RecordDamaged

REVISION = Pin("codeur", digest({"name": "codeur"}), {"name": "codeur"})


async def full_mission(bench):
    """One mission with a record of every kind."""
    bench.tool("look", lambda _a, _c: {"n": 1})
    bench.writer("act")
    await bench.start()
    task = TaskRecord("t1", "codeur", "codeur", "sha256:1", "look")
    await bench.claim.save_plan({"goal": "g"}, tasks=[task], pins={"codeur": REVISION})
    await bench.task().call("look", {})
    with pytest.raises(Parked):
        await bench.task("t2").call("act", {})
    await bench.claim.end_task("t1", Report(agent="codeur", status="done"))


PLACES = [
    ("documents", "data"),
    ("missions", "budget"),
    ("missions", "options"),
    ("tasks", "plan"),
    ("tasks", "report"),
    ("effects", "args"),
    ("effects", "outcome"),
    ("revisions", "data"),
    ("approvals", "card"),
    ("journal", "data"),
]

FLIP = """UPDATE {table} SET {column} =
    substr({column}, 1, 12) || char(unicode(substr({column}, 13, 1)) + 1) || substr({column}, 14)"""


@pytest.mark.parametrize(("table", "column"), PLACES)
async def test_a_changed_byte_names_the_record_and_harms_no_other_mission(bench, storage, missions, table, column):
    await full_mission(bench)
    await bench.saved()
    assert await missions.integrity() == []
    await storage.write(lambda c: c.execute(text(FLIP.format(table=table, column=column))))
    other = await missions.accept(MissionRequest(goal="another", workspace="/srv/work"))
    damages = await missions.integrity()
    assert {damage.mission for damage in damages} == {bench.claim.id}
    assert {damage.table for damage in damages} == {table}
    if table not in {"approvals", "journal"}:
        with pytest.raises(RecordDamaged, match=table):
            await bench.crash()
    claim = await missions.claim(other.id)
    assert await claim.end("done", {}) == "done"
    assert {line.id for line in await missions.list()} == {bench.claim.id, other.id}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE effects SET status = 'intent'",
        "UPDATE effects SET status = 'dome'",
        "UPDATE effects SET rule = 'twice'",
        "UPDATE effects SET outcome = NULL",
        "UPDATE missions SET status = 'rumming'",
        "UPDATE missions SET lang = 'xx'",
        "UPDATE approvals SET status = 'approvee'",
        "DELETE FROM revisions",
    ],
)
async def test_a_state_that_cannot_be_is_refused(bench, storage, missions, change):
    await full_mission(bench)
    await storage.write(lambda c: c.execute(text(change)))
    read = bench.approvals.list if "approvals" in change else bench.crash
    with pytest.raises(RecordDamaged):
        await (missions.get(bench.claim.id) if "missions SET status" in change else read())


async def test_a_damaged_card_is_no_question(bench, storage):
    await full_mission(bench)
    (approval,) = await bench.approvals.pending()
    await storage.write(lambda c: c.execute(text(FLIP.format(table="approvals", column="card"))))
    with pytest.raises(RecordDamaged):
        await bench.approvals.get(approval.id)
    with pytest.raises(RecordDamaged):
        await bench.approvals.decide(approval.id, "approved", "human:ada")


async def test_an_intent_that_vanished_is_not_settled(bench, storage):
    async def loses(_args, _context):
        await storage.write(lambda c: c.execute(text("DELETE FROM effects")))

    bench.tool("look", loses)
    await bench.start()
    await bench.task().call("look", {})
    with pytest.raises(RecordDamaged):
        await bench.saved()
    await bench.claim.event("still.writable")


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("journal", "UPDATE missions SET seq = 1"),
        ("effects", "UPDATE effects SET position = 2"),
        ("pins", "UPDATE pins SET name = 'other'"),
        ("tasks", "UPDATE tasks SET task_id = 't2'"),
    ],
)
async def test_a_place_that_is_taken_is_damage_and_harms_no_other_mission(bench, storage, missions, table, change):
    """A flipped bit in a key or a count makes the next insertion meet a row that it did not write."""
    await full_mission(bench)
    await bench.saved()
    await storage.write(lambda c: c.execute(text(change)))
    claim, again = bench.claim, TaskRecord("t2", "codeur", "codeur", "sha256:1", "look")

    async def go_on():
        match table:
            case "effects":
                task = bench.task()
                await task.call("look", {})
                await task.record("second", lambda: 2)
                await claim.flush()
            case "pins":
                await claim.pin("other", REVISION.digest, REVISION.data)
            case "tasks":
                claim.add_tasks([again])
                await claim.flush()
            case _:
                await claim.event("one.more")

    other = await missions.accept(MissionRequest(goal="another", workspace="/srv/work"))
    with pytest.raises(RecordDamaged, match=table):
        await go_on()
    claim = await missions.claim(other.id)
    assert await claim.end("done", {}) == "done"
