"""SIGKILL between every two steps, at random instants, and by the outside world in the middle of a call.

The witness is the effect server: what it was asked, under which idempotency key. Nothing is judged by our own records
that the witness can tell.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from tests.integration.faults_driver import KINDS, template
from tests.integration.faults_driver_world import heard

from nextgeneration.missions.boundaries import BOUNDARIES
from nextgeneration.missions.service import Missions
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage

REPEATABLE = {"pure", "keyed"}


@contextmanager
def opened(root):
    storage = Storage.open(StorageSettings(home=root / "home").url)
    try:
        yield Missions(storage)
    finally:
        storage.close()


def judged(root):
    """Every mission by its id: its status, the places of its effects, the questions about calls in doubt.

    Each journal is checked to have no gap, each record to be what was written.
    """

    async def look(missions):
        assert await missions.integrity() == []
        found = {}
        for line in await missions.list(limit=None):
            seqs = [event.seq for event in await missions.journal(line.id)]
            assert seqs == list(range(1, len(seqs) + 1)), f"a gap in the journal of {line.id}"
            effects = {f"{e.task}/{e.position}/{e.name}" for e in await missions.effects(line.id)}
            asked = [a for a in await missions.approvals.list(mission=line.id) if a.kind == "in_doubt"]
            found[line.id] = (line.status.value, effects, len(asked))
        return found

    with opened(root) as missions:
        return asyncio.run(look(missions))


def in_the_world(world, mission):
    """What the witness saw of a mission: kind and count by the place of each effect."""
    kinds = world.kinds()
    return {key.removeprefix(f"{mission}/"): (kinds[key], n) for key, n in world.times(f"{mission}/").items()}


def cuts(traces, step):
    """Where to cut: at every pass of each kind's trace, or at the first one of each boundary with each tool."""
    if step == "every":
        return [(kind, place) for kind, trace in traces.items() for place in range(len(trace))]
    first = {}
    for kind, trace in traces.items():
        for place, at in enumerate(trace):
            first.setdefault(tuple(at), (kind, place))
    return list(first.values())


def allowed(boundary, tool):
    """How many calls happen twice, and how many questions are asked, when the process dies at this pass.

    Only what was done and not yet recorded may happen again, and only what may be repeated. What a reading call gave is
    written with the task's next transaction: whether it is read again is told apart.
    """
    done_outside = boundary == "effect.called"
    begun = boundary in {"effect.intent", "effect.called"}
    return int(done_outside and tool in REPEATABLE - {"pure"}), int(begun and tool == "blind")


def kill_everywhere(world, lives, root, step):
    """Kill one mission of each kind at every pass of every boundary, then let another process finish them all.

    Returns:
        By mission: its kind, and the boundary and tool it was killed at. By kind: what a mission does to the world
        when nothing happens to it.
    """
    killed, clean = {}, {}
    traces = {}
    for kind in KINDS:
        template(root / "templates", f"trial_{kind}", calls=[kind, "denied"], actions=1, kind=kind)
        said = lives.whole(root, accept=[[kind, f"trial_{kind}"]])
        (traces[kind],) = heard(said, "passed")
        clean[kind] = in_the_world(world, heard(said, "accepted")[0])
    met = {boundary for trace in traces.values() for boundary, _ in trace}
    assert met == set(BOUNDARIES), "the missions of this test pass every boundary that the system lists"
    for kind, place in cuts(traces, step):
        boundary, tool = traces[kind][place]
        key = f"{kind}-{place}"
        code, said = lives.end(lives.start(root, accept=[[key, f"trial_{kind}"]], strike=place))
        assert (code, heard(said, "strikes")) == (-signal.SIGKILL, [boundary]), (key, said)
        killed[key] = (kind, boundary, tool)
    lives.whole(root, all=True)
    # Accepted again under their keys, they are the same missions; none of them has anything left to do.
    again = heard(lives.whole(root, accept=[[key, f"trial_{kind}"] for key, (kind, *_) in killed.items()]), "accepted")
    return dict(zip(again, killed.values(), strict=True)), clean


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", ["first", pytest.param("every", marks=pytest.mark.soak)])
def test_killed_at_every_boundary_the_system_lists_with_every_kind_of_tool(tmp_path, world, lives, step):
    killed, clean = kill_everywhere(world, lives, tmp_path, step)
    found = judged(tmp_path)
    assert len(found) == len(killed) + len(KINDS), "each accepted mission is there, none twice"
    assert {status for status, *_ in found.values()} == {"done"}
    for mission, (kind, boundary, tool) in killed.items():
        at = f"{kind} mission killed at {boundary} of {tool}"
        seen = in_the_world(world, mission)
        assert {place: of for place, (of, _) in seen.items()} == {
            place: of for place, (of, _) in clean[kind].items()
        }, at
        repeats, questions = allowed(boundary, tool)
        assert sum(n - 1 for of, n in seen.values() if of != "pure") == repeats, at
        assert sum(n - 1 for of, n in seen.values() if of == "pure") <= 1, at
        assert found[mission][2] == questions, at
        assert all(n == 1 for of, n in seen.values() if of not in REPEATABLE), at


def kill_at_random(world, lives, root, kills, seed, at_once=6, reach=0.25):
    """Kill 0-250 ms after first progress, with missions of all kinds under way, until it was done ``kills`` times.

    Returns:
        How many missions there were, and the slowest first progress after a kill, in seconds.
    """
    chance = random.Random(seed)
    for kind in KINDS:
        template(root / "templates", f"trial_{kind}", calls=[kind, "pure", kind], actions=2, kind=kind)
    rounds = done = 0
    slowest = 0.0
    while done < kills:
        batch = [[f"{rounds}-{n}", f"trial_{KINDS[n % len(KINDS)]}"] for n in range(at_once)]
        finished = False
        while done < kills and not finished:
            since = time.monotonic()
            pid = lives.start(root, accept=batch, all=True, seconds=0.03)
            if lives.hear(pid, "progress"):
                slowest = max(slowest, time.monotonic() - since)
                time.sleep(chance.random() * reach)
                os.kill(pid, signal.SIGKILL)
            code, said = lives.end(pid)
            assert code in {0, -signal.SIGKILL}, said
            done += code == -signal.SIGKILL
            # A life that found nothing left to do ended by itself, or was killed after it had said so.
            finished = code == 0 or heard(said, "passed") != []
        rounds += 1
    lives.whole(root, all=True)
    return rounds * at_once, slowest


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [100, pytest.param(500, marks=pytest.mark.soak)])
def test_killed_at_random_instants_nothing_is_lost_nothing_silently_repeated(tmp_path, world, lives, kills):
    missions, slowest = kill_at_random(world, lives, tmp_path, kills, seed=kills)
    found = judged(tmp_path)
    assert len(found) == missions
    assert {status for status, *_ in found.values()} == {"done"}
    again = questions = 0
    for mission, (_, _, asked) in found.items():
        seen = in_the_world(world, mission)
        assert len(seen) == 6, "no effect is missing, and none has a second key"
        assert all(n == 1 for of, n in seen.values() if of not in REPEATABLE)
        assert asked <= sum(of == "blind" for of, _ in seen.values())
        again += sum(n - 1 for _, n in seen.values())
        questions += asked
    figures = f"{kills} kills, {missions} missions: {again} calls again under their key, {questions} asked about"
    print(f"{figures}; first progress after at most {slowest:.2f} s")


CALLS = 10


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_by_the_world_after_it_did_the_effect_and_before_its_answer_is_read(tmp_path, world, lives, kind):
    """F2, at each of 10 positions: a keyed call comes again under its key, what must not be repeated is asked about."""
    template(tmp_path / "templates", "ten", calls=[kind] * CALLS, allow=["world.*"])
    missions = []
    for position in range(CALLS):
        seen = Counter()

        def strike(asked, position=position, seen=seen):
            seen[asked.kind] += 1
            return signal.SIGKILL if asked.kind == kind and seen[kind] == position + 1 else None

        world.strike = strike
        pid = lives.start(tmp_path, accept=[[f"{position}", "ten"]])
        missions.append(lives.hear(pid, "accepted"))
        code, said = lives.end(pid)
        assert code == -signal.SIGKILL, said
    world.strike = lambda _asked: None

    lives.whole(tmp_path, all=True, answers=False)
    in_doubt = kind == "blind"
    assert [judged(tmp_path)[m][0] for m in missions] == ["waiting" if in_doubt else "done"] * CALLS
    if in_doubt:
        assert set(world.times().values()) == {1}, "nothing is done again without a human"
    lives.whole(tmp_path, all=True)

    found = judged(tmp_path)
    for position, mission in enumerate(missions):
        assert found[mission][0] == "done"
        assert found[mission][2] == int(in_doubt)
        calls = [
            (key, n)
            for key, (of, n) in sorted(in_the_world(world, mission).items())
            if of == kind and "look" not in key
        ]
        assert len(calls) == CALLS, "no effect is missing, and none has a second key"
        twice = [key for key, n in calls if n > 1]
        assert twice == ([f"t1/{position + 2}/world.{kind}"] if kind in REPEATABLE else [])
