"""Fleets of hosts in zones and aggregates, and requests that ask for these and have groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.oracle.groups_oracle import RawPlace, RawWish
from tests.oracle.placement_oracle import RawHost, RawRequest
from tests.properties.placement_world import a_fleet, a_host, a_request
from trunkline.domain.aggregate import MetadataDemand
from trunkline.domain.ids import HostId, ServerGroupId, ZoneName
from trunkline.domain.server_group import GroupPolicy
from trunkline.placement.asks.fellows import Fellows
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.hosts.views import HostView
from trunkline.placement.index.fleet import Fleet

Places = dict[str, RawPlace]  # By host.


def the_fleet(hosts: Iterable[RawHost], places: Places) -> Fleet:
    fleet = a_fleet(())
    for host in hosts:
        fleet.put_host(moved(a_host(host), places[host["id"]]))
    return fleet


def moved(host: HostView, place: RawPlace) -> HostView:
    """The same host where operators say by now that it is."""
    return replace(
        host,
        zone=ZoneName(place["zone"]),
        metadata=frozenset(("ssd", value) for value in place["ssd"]),
    )


def the_request(raw: RawRequest, wish: RawWish) -> PlacementRequest:
    group = wish["group"]
    return replace(
        a_request(raw),
        zone=None if wish["zone"] is None else ZoneName(wish["zone"]),
        metadata=() if wish["ssd"] is None else (MetadataDemand(key="ssd", wanted=wish["ssd"]),),
        fellows=None
        if group is None
        else Fellows(
            group_id=ServerGroupId("g"),
            name="web",
            policy=GroupPolicy(group["policy"]),
            max_per_host=group["most"],
            on={HostId(host_id): count for host_id, count in group["members"].items()},
        ),
    )
