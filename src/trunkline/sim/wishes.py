"""What a workload asks of servers besides NICs and size: a group, a zone. It never judges."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from trunkline.control.aggregates import add_host, create_aggregate, remove_host
from trunkline.control.server_groups import create_server_group
from trunkline.control.services import Services
from trunkline.domain.identity import Caller
from trunkline.domain.ids import AggregateId, HostName, ServerGroupId, ZoneName
from trunkline.domain.server_group import GroupPolicy
from trunkline.sim.callers import ADMIN, TENANTS

_GROUPS: Final = (
    (GroupPolicy.ANTI_AFFINITY, None),
    (GroupPolicy.AFFINITY, None),
)  # Few: runs are short, and a group of one proves nothing.
_ZONES: Final = (ZoneName("east"), ZoneName("nova"))

Ask = Callable[..., Any]  # As `Workload._ask`.


class Wishes:
    """Groups and zones of one world; none until `begin`. Its dice are its own."""

    def __init__(self, ask: Ask, hosts: tuple[HostName, ...]) -> None:
        self._ask = ask
        self._dice = random.Random()  # noqa: S311 - not before `begin`
        self._hosts = hosts
        self._groups: dict[str, list[ServerGroupId]] = {}  # By the name of their owner.
        self._aggregate: AggregateId | None = None

    def begin(self, seed: int) -> None:
        """Make groups for every tenant, and a zone with the first host."""
        self._dice = random.Random(f"wishes {seed}")  # noqa: S311 - repeatable, not secret
        for caller in TENANTS:
            for policy, most in _GROUPS:
                made = self._ask(
                    caller, "group.create", {"policy": policy.value, "most": most or 1},
                    self._creating(caller, policy, most), lossy=False,
                )  # fmt: skip
                if made is not None:
                    self._groups.setdefault(caller.user_name, []).append(ServerGroupId(made["id"]))
        made = self._ask(ADMIN, "aggregate.create", {}, _create_aggregate, lossy=False)
        if made is not None:
            self._aggregate = AggregateId(made["number"])
            self._move(self._hosts[0], to_east=True)

    def of(self, caller: Caller) -> dict[str, Any]:
        """Choose for a new server: fields of `ServerCreate`."""
        found: dict[str, Any] = {}
        groups = self._groups.get(caller.user_name)
        if groups and self._dice.random() < 0.8:
            found["group_id"] = self._dice.choice(groups)
        if self._aggregate is not None and self._dice.random() < 0.25:
            found["zone"] = self._dice.choice(_ZONES)
        return found

    def act(self, server: Callable[[], None]) -> None:
        """At times ask for one more `server`, or let an admin move a host between zones."""
        if self._groups and self._dice.random() < 0.5:
            server()
        if self._aggregate is not None and self._dice.random() < 0.1:
            self._move(self._dice.choice(self._hosts), to_east=self._dice.random() < 0.5)

    def _move(self, host: HostName, *, to_east: bool) -> None:
        number = self._aggregate
        assert number is not None, "a zone was made"
        zone = _ZONES[0] if to_east else _ZONES[1]

        def move(svc: Services) -> dict[str, Any]:
            (add_host if to_east else remove_host)(svc, ADMIN, number, host)
            return {"zone": str(zone)}

        asked = {"host": str(host), "zone": str(zone)}
        self._ask(ADMIN, "zone.move", asked, move, lossy=False)

    @staticmethod
    def _creating(
        caller: Caller, policy: GroupPolicy, most: int | None
    ) -> Callable[[Services], dict[str, Any]]:
        def create(svc: Services) -> dict[str, Any]:
            made = create_server_group(svc, caller, policy.value, policy, max_per_host=most)
            return {"id": made.group.id, "policy": policy.value, "most": most or 1}

        return create


def _create_aggregate(svc: Services) -> dict[str, Any]:
    made = create_aggregate(svc, ADMIN, "east", zone=_ZONES[0])
    return {"number": made.aggregate.id}
