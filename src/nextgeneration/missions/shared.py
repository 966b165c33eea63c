"""What all claims of a process share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from nextgeneration.credits.ledger import Ledger
from nextgeneration.events.bus import Bus
from nextgeneration.kernel.clock import Clock
from nextgeneration.missions.boundaries import At, nowhere
from nextgeneration.missions.rounds import Rounds
from nextgeneration.missions.soon import Soon
from nextgeneration.missions.store import ApprovalStore, EffectStore, MissionStore
from nextgeneration.storage.database import Storage
from nextgeneration.storage.tables import LOCAL

if TYPE_CHECKING:
    from nextgeneration.missions.claims import Claim
    from nextgeneration.missions.tolls import Tolls


POLL_SECONDS = 0.5
"""How often a worker looks whether its missions were cancelled from elsewhere."""


@dataclass
class Shared:
    """The parts of the missions room.

    Attributes:
        holder: the name under which this process holds leases.
        at: called at every boundary (``boundaries``).
        live: the claims of this process by mission.
        known_revisions: digests that are certainly stored.
        soon: who has something that should be on disk soon.
        rounds: looks how missions stand.
        tolls: what calls of tools cost; ``None``: none costs anything.
    """

    storage: Storage
    clock: Clock
    bus: Bus
    holder: str
    lease_seconds: float = 30.0
    approval_days: float = 7.0
    tenant: str = LOCAL
    at: At = nowhere
    missions: MissionStore = field(default_factory=MissionStore)
    effects: EffectStore = field(default_factory=EffectStore)
    approvals: ApprovalStore = field(default_factory=ApprovalStore)
    live: dict[str, Claim] = field(default_factory=dict)
    known_revisions: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=Ledger)
    tolls: Tolls | None = None
    soon: Soon = field(default_factory=Soon)
    rounds: Rounds = field(init=False)

    def __post_init__(self) -> None:
        # Somebody may have cancelled a mission from elsewhere.
        self.rounds = Rounds(self.storage, self.missions, min(POLL_SECONDS, self.lease_seconds / 3))

    def lease_end(self) -> datetime:
        """When a lease taken now runs out."""
        return self.clock.now() + timedelta(seconds=self.lease_seconds)
