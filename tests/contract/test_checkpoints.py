"""Our saver keeps LangGraph's own contract, on a file and in memory, and builds nothing but plain values."""

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.types import Interrupt, Send

from nextgeneration.storage.database import Storage
from nextgeneration.supervisor.checkpoints import CheckpointSaver
from nextgeneration.supervisor.errors import CheckpointRefused
from nextgeneration.supervisor.serializer import StrictSerializer


@pytest.fixture(params=["memory", "file", "core"])
def url(request, tmp_path):
    return "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/state.db", request.param != "core"


async def test_the_saver_conforms(url):
    address, prepared = url

    @checkpointer_test(name=f"ours {address}")
    async def saver():
        storage = Storage.open(address, prepared=prepared)
        yield CheckpointSaver(storage)
        storage.close()

    report = await validate(saver)
    failures = {name: result.failures for name, result in report.results.items() if result.failures}
    assert not failures
    assert all(result.passed for result in report.results.values()), report.results


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1,
        1.5,
        "é",
        [1, [2]],
        {"a": {"b": None}},
        b"\x00\xff",
        Send("node", {"x": 1}),
        (Interrupt({"approvals": ["a"]}, id="i"),),
    ],
)
def test_what_goes_in_comes_out(value):
    serializer = StrictSerializer()
    again = serializer.loads_typed(serializer.dumps_typed(value))
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: "a"},
        float("nan"),
        float("inf"),
        2**63,
        {1, 2},
        object(),
        "\ud800",
        {"__ng__": "send"},
        ValueError("x"),
        print,
    ],
)
def test_what_would_not_come_back_as_it_is_is_refused(value):
    with pytest.raises(CheckpointRefused):
        StrictSerializer().dumps_typed(value)


@pytest.mark.parametrize(
    "row",
    [
        ("msgpack", b"\x81\xa1a\x01"),
        ("pickle", b"cos\nsystem\n(S'id'\ntR."),
        ("json", b'{"__ng__":"constructor","data":"os.system"}'),
        ("json", b'{"__ng__":["send"]}'),
        ("json", b'{"__ng__":"send","node":1,"arg":null}'),
        ("json", b'{"__ng__":"bytes","data":"***"}'),
        ("json", b'{"__ng__":"interrupts","items":3}'),
        ("json", b'{"a":NaN}'),
        ("json", b"\xff\xfe"),
        ("json", b"[" * 100_000),
        ("json", b"{"),
    ],
)
def test_a_crafted_row_runs_nothing_and_is_named(row):
    with pytest.raises(CheckpointRefused):
        StrictSerializer().loads_typed(row)


def test_langchains_constructor_marks_stay_plain_data():
    marked = {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {"command": "id"}}
    serializer = StrictSerializer()
    assert serializer.loads_typed(serializer.dumps_typed(marked)) == marked


async def test_a_flipped_byte_names_the_mission_and_leaves_the_others_alone(tmp_path):
    from sqlalchemy import text

    storage = Storage.open(f"sqlite:///{tmp_path}/state.db")
    saver = CheckpointSaver(storage)
    for thread in ("mis_good", "mis_hurt"):
        config = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
        checkpoint = {
            "v": 4,
            "id": "c1",
            "ts": "t",
            "channel_values": {"a": 1},
            "channel_versions": {"a": 1},
            "versions_seen": {},
        }
        await saver.aput(config, checkpoint, {"step": 0}, {"a": 1})
    hurt = "UPDATE checkpoints SET blob = replace(blob, '1', '2') WHERE thread_id = 'mis_hurt'"
    await storage.write(lambda connection: connection.execute(text(hurt)) and None)
    with pytest.raises(CheckpointRefused, match="mis_hurt"):
        await saver.aget_tuple({"configurable": {"thread_id": "mis_hurt"}})
    good = await saver.aget_tuple({"configurable": {"thread_id": "mis_good"}})
    assert good.checkpoint["channel_values"] == {"a": 1}
    storage.close()
