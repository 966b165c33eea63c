"""What the ledger deals in: scopes, limits, holds and what became of them. Amounts are micro-credits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from nextgeneration.credits.errors import AmountRefused, ScopeRefused
from nextgeneration.kernel.models import Usage
from nextgeneration.storage.tables import LOCAL

MAX_AMOUNT = 2**53
"""Above it JSON readers lose digits: no single amount may be larger."""

EACH = "*"
"""As a limit's name: each account of the scope by itself."""

SCOPES = ("tenant", "user", "agent", "mission", "task", "model")
"""Whom a charge concerns, in the order of :meth:`Scopes.accounts`."""


MAX_ABOVE = 6
"""Tasks above one another whose limits bind the lowest: each agent may be called through a team of its own."""


class Period(StrEnum):
    """How long a limit counts before it begins anew. Periods are UTC's."""

    TOTAL = "total"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def bucket(self, at: str) -> str:
        """The period that ``at`` lies in, as the beginning that all its times share."""
        return at[: _BUCKET[self]]


_BUCKET = {Period.TOTAL: 0, Period.HOUR: 13, Period.DAY: 10, Period.MONTH: 7}


def checked(field: str, amount: int) -> int:
    """``amount`` if it can stand in the books.

    Raises:
        AmountRefused: it is no integer from 0 to :data:`MAX_AMOUNT`.
    """
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 <= amount <= MAX_AMOUNT:
        raise AmountRefused(field=field, value=repr(amount))
    return amount


def account_of(scope: str, name: str) -> str:
    """The account of one name in one scope.

    Raises:
        ScopeRefused: there is no such scope, or the name is empty.
    """
    if scope not in SCOPES or not name:
        raise ScopeRefused(given=f"{scope} {name}".strip(), known=", ".join(SCOPES))
    return f"{scope}:{name}"


def above(task: str) -> tuple[str, ...]:
    """The tasks that ``task`` works for, the nearest first: ``t1/3`` and ``t1`` for ``t1/3/2``."""
    if "/" not in task:
        return ()
    parts = task.split("/")
    return tuple("/".join(parts[:length]) for length in range(len(parts) - 1, 0, -1))[:MAX_ABOVE]


class Scopes(NamedTuple):
    """Whom a charge concerns; what is empty concerns nobody.

    Attributes:
        agent: the template's name.
        task: unique within its mission only; ``t1/3`` works for ``t1``, and its charges are ``t1``'s too.
        model: ``provider:model``, or the tool that has a price.
    """

    tenant: str = LOCAL
    user: str = ""
    agent: str = ""
    mission: str = ""
    task: str = ""
    model: str = ""

    def accounts(self) -> tuple[str, ...]:
        """One account a scope, in the order of :data:`SCOPES`, then those of the tasks above this one.

        Empty where the charge concerns nobody.
        """
        task = f"task:{self.mission}/{self.task}" if self.task else ""
        return (
            f"tenant:{self.tenant}",
            self.user and f"user:{self.user}",
            self.agent and f"agent:{self.agent}",
            self.mission and f"mission:{self.mission}",
            task,
            self.model and f"model:{self.model}",
            *(f"task:{self.mission}/{name}" for name in above(self.task)),
        )


class Limit(NamedTuple):
    """How much an account may spend.

    Attributes:
        scope: one of :data:`SCOPES`.
        name: whose; a task's is ``mission/task``; :data:`EACH` in a recorded limit means everyone's own.
        amount: micro-credits a period.
        per: the period.
        soft: warns and wants a human to be asked, but refuses nothing.
    """

    scope: str
    name: str
    amount: int
    per: Period = Period.TOTAL
    soft: bool = False

    @property
    def account(self) -> str:
        """The account it limits."""
        return f"{self.scope}:{self.name}"

    @property
    def key(self) -> str:
        """Its name in words, such as ``user:ada/day``."""
        return f"{self.account}/{self.per.value}"

    def as_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "scope": self.scope,
            "name": self.name,
            "amount": int(self.amount),
            "per": self.per.value,
            "soft": self.soft,
        }


class Hold(NamedTuple):
    """The worst case of one call, to be reserved before it.

    Attributes:
        id: the effect's key and the try; never used twice.
        amount: the worst case.
        attempt: of the claim that makes the call.
        at: now, as ``kernel.clock.iso`` writes it; the charge belongs to the periods of this moment.
        limits: those that come with the call itself, such as its mission's budget, on accounts of its scopes.
    """

    id: str
    amount: int
    scopes: Scopes
    attempt: int
    at: str
    limits: tuple[Limit, ...] = ()


class HoldStatus(StrEnum):
    """What became of a hold."""

    HELD = "held"
    SETTLED = "settled"
    UNCONFIRMED = "unconfirmed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class SoftWarning:
    """A soft limit that this hold comes close to or passes.

    Attributes:
        bucket: the period, so that a human is asked once in each.
        share: per cent of the limit that is spent, held and wanted together.
        asks: a human is to be asked before the call.
    """

    limit: Limit
    bucket: str
    spent: int
    held: int
    wanted: int
    cap: int
    asks: bool = True

    @property
    def share(self) -> int:
        """Per cent of the limit that is spent, held and wanted together."""
        return 100 * (self.spent + self.held + self.wanted) // self.cap if self.cap else 100

    def as_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "limit": self.limit.key,
            "bucket": self.bucket,
            "spent": self.spent,
            "held": self.held,
            "wanted": self.wanted,
            "cap": self.cap,
            "share": self.share,
            "asks": self.asks,
        }


class Settled(NamedTuple):
    """A hold and what became of it.

    Attributes:
        held: the worst case.
        charged: what it cost; 0 while it is held.
        again: this settlement changed nothing, an earlier one holds.
    """

    id: str
    status: HoldStatus
    scopes: Scopes
    attempt: int
    held: int
    charged: int
    usage: Usage
    at: str
    settled_at: str
    again: bool = False

    @property
    def overrun(self) -> int:
        """How much it cost beyond its worst case."""
        return max(self.charged - self.held, 0)

    def as_data(self) -> dict[str, Any]:
        """Plain JSON."""
        scopes = {name: getattr(self.scopes, name) for name in SCOPES if getattr(self.scopes, name)}
        return {
            "id": self.id,
            "status": self.status.value,
            **scopes,
            "held": self.held,
            "charged": self.charged,
            "overrun": self.overrun,
            "usage": self.usage.as_data(),
            "at": self.at,
            "settled_at": self.settled_at,
        }


class Standing(NamedTuple):
    """A limit and how much of its present period is used. ``granted`` was added to it for this period."""

    limit: Limit
    bucket: str
    spent: int
    held: int
    granted: int

    @property
    def cap(self) -> int:
        """The limit with what was granted."""
        return self.limit.amount + self.granted

    @property
    def left(self) -> int:
        """What is neither spent nor held; never below 0."""
        return max(self.cap - self.spent - self.held, 0)

    def as_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return self.limit.as_data() | {
            "bucket": self.bucket,
            "spent": self.spent,
            "held": self.held,
            "granted": self.granted,
            "left": self.left,
        }


@dataclass(frozen=True, slots=True)
class Room:
    """What the hard limits of a call leave.

    Attributes:
        left: not spent: the largest worst case that can ever fit now.
        free: neither spent nor held: the largest that fits at once.
    """

    left: int
    free: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What a human added to a limit for one period."""

    account: str
    period: str
    bucket: str
    amount: int
    reason: str
    by: str
    at: str

    def as_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Stop:
    """An account on which nothing more is held, because a call cost more than its worst case."""

    account: str
    hold: str
    overrun: int
    at: str

    def as_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"account": self.account, "hold": self.hold, "overrun": self.overrun, "at": self.at}


@dataclass(frozen=True, slots=True)
class ReportLine:
    """What one mission, agent, model, user, task or day used."""

    name: str
    calls: int
    charged: int
    unconfirmed: int
    held: int
    input: int
    output: int
    cached: int

    def as_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A place where the books do not agree with themselves."""

    kind: str
    where: str
    found: int
    expected: int

    def as_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": self.kind, "where": self.where, "found": self.found, "expected": self.expected}
