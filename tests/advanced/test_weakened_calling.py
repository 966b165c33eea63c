"""The tests of agents that call agents bite: each fails when the one mechanism behind it is taken away."""

import pytest
from tests.unit.agents import test_subagents as tests
from tests.unit.agents.calling_house import House

from nextgeneration.missions import delegating
from nextgeneration.missions.lineage import Lineage


def only_its_own_permissions(patch):
    patch.setattr(Lineage, "permissions", property(lambda self: ()))


def only_its_own_budget(patch):
    take = Lineage.take

    def alone(self, tally, unit):
        higher, self.higher = self.higher, ()
        try:
            return take(self, tally, unit)
        finally:
            self.higher = higher

    patch.setattr(Lineage, "take", alone)


def only_its_own_credits(patch):
    _made_with(patch, lambda lineage: setattr(lineage, "credits", ()))


def _made_with(patch, change):
    begin = Lineage.__init__

    def changed(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        change(self)

    patch.setattr(Lineage, "__init__", changed)


def nobody_is_above(patch):
    patch.setattr(Lineage, "templates", property(lambda self: ()))


def what_was_read_counts_as_it_is_now(patch):
    begin = delegating.Branch.__init__

    def later(self, door, caller, lineage, position, read, guided):
        begin(self, door, caller, lineage, position, lineage.read, guided)

    patch.setattr(delegating.Branch, "__init__", later)


WEAKENED = [
    (lambda house: tests.test_what_either_template_denies_is_denied(house, "boss"), only_its_own_permissions),
    (tests.test_what_agents_below_call_counts_against_the_caller, only_its_own_budget),
    (tests.test_the_callers_credits_bind_those_below, only_its_own_credits),
    (tests.test_a_circle_is_refused_with_the_chain_it_would_close, nobody_is_above),
    (tests.test_a_card_below_stays_the_same_when_an_agent_beside_it_has_ended, what_was_read_counts_as_it_is_now),
]


@pytest.mark.parametrize(("scenario", "weaken"), WEAKENED, ids=[weaken.__name__ for _, weaken in WEAKENED])
async def test_what_narrows_is_missed_when_it_is_gone(tmp_path, monkeypatch, scenario, weaken):
    weaken(monkeypatch)
    with pytest.raises(AssertionError):
        await scenario(House(tmp_path))
