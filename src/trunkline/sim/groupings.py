"""What the auditor knows of server groups and availability zones. Imports nothing of Trunkline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trunkline.sim.model import GROUP_KEPT, ZONE_KEPT, Server, Violation
from trunkline.sim.raw_hosts import RawHost

Message = Mapping[str, Any]


@dataclass
class Groupings:
    """Which servers are to be together or apart, and where: as it was asked and acknowledged."""

    groups: dict[str, tuple[str, int]] = field(default_factory=dict)  # Policy, most on a host.
    group_of: dict[str, str] = field(default_factory=dict)  # By server.
    zone_of: dict[str, str] = field(default_factory=dict)  # By server: what it asked for.
    host_zones: dict[str, str | None] = field(default_factory=dict)  # None: an answer was lost.

    def hear_group(self, message: Message) -> None:
        """Take in that a group was made."""
        answer = message["answer"]
        if answer is not None:
            self.groups[answer["id"]] = answer["policy"], answer["most"]

    def hear_zone(self, message: Message) -> None:
        """Take in that a host changed zones, if it did."""
        asked, answer = message["request"], message["answer"]
        self.host_zones[asked["host"]] = None if answer is None else answer["zone"]

    def hear_server(self, message: Message) -> None:
        """Take in what a new server asked for."""
        answer, asked = message["answer"], message["request"]
        if answer is not None and asked.get("group_id"):
            self.group_of[answer["id"]] = asked["group_id"]
        if answer is not None and asked.get("zone"):
            self.zone_of[answer["id"]] = asked["zone"]

    def check_shown(self, servers: Mapping[str, Server]) -> None:
        """Hold what one list of all servers has shown against what was asked."""
        self._check(
            (server_id, server.host)
            for server_id, server in servers.items()
            if server.host and not server.delete_asked
        )

    def check_guests(self, hosts: Iterable[RawHost], servers: Mapping[str, Server]) -> None:
        """Hold what runs on the machines against it."""
        self._check(
            (guest.server_id, host.name)
            for host in hosts
            for guest in host.guests.values()
            if guest.runs and self._counts(servers.get(guest.server_id))
        )

    @staticmethod
    def _counts(server: Server | None) -> bool:
        """Whether it is not on its way out: the guest of a deleted server may run for a while."""
        return server is not None and not server.delete_asked

    def _check(self, placed: Iterable[tuple[str, str]]) -> None:
        members: dict[str, dict[str, int]] = {}
        for server_id, host in placed:
            zone = self.zone_of.get(server_id)
            if zone is not None and self.host_zones.get(host, "nova") not in (zone, None):
                raise Violation(
                    ZONE_KEPT,
                    f"server {server_id}, asked for in {zone}, is on {host} in "
                    f"{self.host_zones.get(host)}",
                )
            group = self.group_of.get(server_id)
            if group is not None:
                on = members.setdefault(group, {})
                on[host] = on.get(host, 0) + 1
        for group, on in members.items():
            for wrong in self._wrong(group, on):
                raise Violation(GROUP_KEPT, f"group {group}: {wrong}")

    def _wrong(self, group: str, on: Mapping[str, int]) -> Iterator[str]:
        policy, most = self.groups[group]
        if policy == "affinity" and len(on) > 1:
            yield f"members are on {' and '.join(sorted(on))}"
        if policy == "anti-affinity":
            for host, count in on.items():
                if count > most:
                    yield f"{count} members are on {host}, of which no more than {most} may be"
