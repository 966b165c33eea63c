"""F14: what a damaged record stops, what it leaves alone, and what is said of it."""

import pytest
from sqlalchemy import text

from nextgeneration.kernel.canonical import digest
from nextgeneration.missions.errors import MissionEnded
from nextgeneration.missions.records import Pin
from nextgeneration.missions.schema import MissionRequest
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.sealed import seal

DATA = {"name": "codeur", "permissions": []}


async def planned(bench):
    """A mission with a plan and a pinned revision, whose worker died."""
    await bench.start()
    await bench.claim.save_plan({"goal": "g"}, pins={"codeur": Pin("codeur", digest(DATA), DATA)})
    return bench.claim.id


async def sql(storage, statement, **values):
    await storage.write(lambda c: c.execute(text(statement), values))


async def other(missions):
    return await missions.accept(MissionRequest(goal="another", workspace="/srv/work"))


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        ("UPDATE documents SET data = 'zzzzzzzz{}'", "documents"),
        ("UPDATE missions SET options = 'zzzzzzzz{}'", "missions"),
        ("UPDATE missions SET lang = 'xx'", "missions"),
        ("DELETE FROM revisions", "pins"),
        ("UPDATE documents SET data = X'00FF'", "documents"),
    ],
)
async def test_a_mission_whose_records_are_damaged_is_set_aside_with_the_reason(bench, storage, missions, harm, named):
    mission = await planned(bench)
    await sql(storage, harm)
    with pytest.raises(RecordDamaged, match=named):
        await bench.crash()
    (line,) = await missions.list()
    assert (line.id, line.status, line.holder) == (mission, "parked", None)
    assert named in line.reason
    assert await missions.orphans() == [], "nobody tries it again and again"
    last = (await missions.journal(mission))[-1]
    assert (last.type, last.data) == ("mission.waiting", {"status": "parked", "reason": line.reason})
    claim = await missions.claim((await other(missions)).id)
    assert await claim.end("done", {}) == "done"


async def test_a_mission_that_was_set_aside_goes_on_when_its_record_is_mended(bench, storage, missions):
    await planned(bench)
    lang = "UPDATE missions SET lang = :lang"
    await sql(storage, lang, lang="xx")
    with pytest.raises(RecordDamaged):
        await bench.crash()
    await sql(storage, lang, lang="fr")
    claim = await bench.take()
    assert claim.plan() == {"goal": "g"}
    assert await claim.end("done", {}) == "done"


async def test_a_mission_cancelled_while_it_is_set_aside_ends_cancelled(bench, storage, missions):
    mission = await planned(bench)
    await sql(storage, "UPDATE missions SET lang = 'xx'")
    await sql(
        storage,
        "CREATE TRIGGER cancels AFTER UPDATE OF status ON missions WHEN new.attempt = 2 AND new.cancelled_by IS NULL "
        "BEGIN UPDATE missions SET cancelled_by = 'human:ada' WHERE id = new.id; END",
    )
    with pytest.raises(RecordDamaged):
        await bench.crash()
    (line,) = await missions.list()
    assert line.status == "cancelled"
    last = (await missions.journal(mission))[-1]
    assert (last.type, last.data) == ("mission.ended", {"status": "cancelled", "by": "human:ada"})


async def test_a_pinned_revision_with_other_content_is_refused(bench, storage, missions):
    """Sealed rightly, so that only its own name tells: nobody may slip another agent under a running mission."""
    mission = await planned(bench)
    await sql(storage, "UPDATE revisions SET data = :data", data=seal(DATA | {"permissions": [{"allow": ["*"]}]}))
    (damage,) = await missions.integrity()
    assert (damage.mission, damage.table, damage.id) == (mission, "revisions", digest(DATA))
    with pytest.raises(RecordDamaged, match=digest(DATA)):
        await bench.crash()


@pytest.mark.parametrize("state", ["runnong", "damaged", "", b"\xff"])
async def test_a_mission_of_no_known_state_is_listed_and_hides_no_other(bench, storage, missions, state):
    mission = await planned(bench)
    good = (await other(missions)).id
    await sql(storage, "UPDATE missions SET status = :state WHERE id = :id", state=state, id=mission)
    assert {line.id: line.status for line in await missions.list()} == {mission: "damaged", good: "queued"}
    assert [line.id for line in await missions.orphans()] == [good]
    assert {(damage.mission, damage.table) for damage in await missions.integrity()} == {(mission, "missions")}
    for refused in (missions.get, missions.claim):
        with pytest.raises(RecordDamaged):
            await refused(mission)
    with pytest.raises(RecordDamaged):
        await missions.cancel(mission, "human:ada")
    with pytest.raises(MissionEnded):
        await bench.claim.event("still.here")


async def test_a_lease_that_is_no_time_keeps_no_other_mission_from_being_found(bench, storage, missions):
    mission = await planned(bench)
    good = (await other(missions)).id
    await sql(storage, "UPDATE missions SET lease_until = 'soon', holder = 'elsewhere' WHERE id = :id", id=mission)
    assert [line.id for line in await missions.orphans()] == [good]
    with pytest.raises(RecordDamaged, match="lease_until soon"):
        await missions.claim(mission)


async def test_a_text_that_is_none_is_named_and_the_records_beside_it_are_read(bench, storage, missions):
    mission = await planned(bench)
    good = await other(missions)
    hurt = "UPDATE {} = CAST(substr({}, 1, 20) || X'80' || substr({}, 22) AS TEXT) WHERE {} = :id"
    for table, column, key in (("documents SET data", "data", "mission_id"), ("missions SET goal", "goal", "id")):
        await sql(storage, hurt.format(table, column, column, key), id=mission)
    assert {line.id for line in await missions.list()} == {mission, good.id}
    assert [(damage.mission, damage.table) for damage in await missions.integrity()] == [(mission, "documents")]
    with pytest.raises(RecordDamaged, match="documents"):
        await bench.crash()
