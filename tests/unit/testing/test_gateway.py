"""The scripted gateway: what a test changes about it while a mission runs is what the mission meets."""

from nextgeneration.kernel.models import Wish
from nextgeneration.testing.gateway import ScriptedCandidate, ScriptedGateway
from nextgeneration.testing.thinking import ScriptedModel


def names(gateway, **wish):
    return [candidate.name for candidate in gateway.candidates(Wish(**wish)).candidates]


def test_models_stand_in_their_order_unless_somebody_prefers_one():
    gateway = ScriptedGateway(ScriptedModel([], "a:one"), ScriptedCandidate(ScriptedModel([], "b:two")))
    assert names(gateway) == ["a:one", "b:two"]
    assert names(gateway, prefer=("b:two",)) == ["b:two", "a:one"]


def test_models_that_a_test_takes_away_are_gone():
    gateway = ScriptedGateway(ScriptedModel([], "a:one"), ScriptedModel([], "b:two"))
    gateway.models = gateway.models[1:]
    assert names(gateway) == names(gateway, prefer=("a:one",)) == ["b:two"]
    gateway.models = ()
    assert not gateway.available(Wish())
    assert names(gateway) == []
