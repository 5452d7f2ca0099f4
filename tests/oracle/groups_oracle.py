"""Says which hosts may take members of a server group, in a zone, and how many: by trying all ways.

Imports nothing of what it judges. Whether devices and room suffice, `placement_oracle` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random
from typing import TypedDict

from tests.oracle.placement_oracle import RawHost, RawRequest, host_takes, nics_fit

POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")
ZONES = ("nova", "east", "west")


class RawGroup(TypedDict):
    policy: str
    most: int  # On one host, of anti-affinity.
    members: dict[str, int]  # By host.


class RawPlace(TypedDict):
    """What operators say of a host."""

    zone: str
    ssd: list[str]  # What its aggregates say, each of them.


class RawWish(TypedDict):
    """What is asked beside devices and room."""

    zone: str | None
    ssd: str | None  # A value that some aggregate of the host must have.
    group: RawGroup | None


def keeps_policy(group: RawGroup, members: dict[str, int], *, before: dict[str, int]) -> bool:
    """Whether a policy holds with so many members by host; it is no fault that was there before."""
    where = {host: count for host, count in members.items() if count}
    grown = [host for host, count in where.items() if count > before.get(host, 0)]
    if group["policy"] == "affinity":
        return not grown or len(where) == 1 or (len(grown) == 1 and grown[0] in before)
    if group["policy"] == "anti-affinity":
        return all(where[host] <= group["most"] for host in grown)
    return True


def is_wanted(wish: RawWish, place: RawPlace) -> bool:
    """Whether a host is where it should be, the group aside."""
    return wish["zone"] in (None, place["zone"]) and (
        wish["ssd"] is None or wish["ssd"] in place["ssd"]
    )


def may_join(group: RawGroup | None, host_id: str) -> bool:
    """Whether one more member may be there."""
    if group is None:
        return True
    members = dict(group["members"])
    members[host_id] = members.get(host_id, 0) + 1
    return keeps_policy(group, members, before=group["members"])


def rooms(request: RawRequest, hosts: Sequence[RawHost], *, enough: int) -> dict[str, int]:
    """How many servers fit on each host, the wish aside; no more than `enough` are counted."""
    found = {}
    for host in hosts:
        count = 0
        while count < enough:
            times = count + 1
            together: RawRequest = {
                **request,
                "nics": request["nics"] * times,
                "vcpus": request["vcpus"] * times,
                "memory": request["memory"] * times,
                "disk": request["disk"] * times,
            }
            if not (host_takes(together, host) and nics_fit(together, host)):
                break
            count += 1
        found[host["id"]] = count
    return found


def most_members(
    request: RawRequest,
    hosts: Sequence[RawHost],
    places: dict[str, RawPlace],
    wish: RawWish,
    *,
    wanted: int,
) -> int:
    """How many servers fit together, up to a number: every way to spread them is tried."""
    room = rooms(request, hosts, enough=wanted)
    possible = [h["id"] for h in hosts if is_wanted(wish, places[h["id"]])]
    best, group = 0, wish["group"]
    for spread in _spreads([room[host_id] for host_id in possible], wanted):
        total = sum(spread)
        if total <= best:
            continue
        if group is not None:
            members = dict(group["members"])
            for host_id, count in zip(possible, spread, strict=True):
                members[host_id] = members.get(host_id, 0) + count
            if not keeps_policy(group, members, before=group["members"]):
                continue
        best = total
    return best


def _spreads(rooms: Sequence[int], left: int) -> Iterator[tuple[int, ...]]:
    if not rooms:
        yield ()
        return
    for here in range(min(rooms[0], left) + 1):
        for rest in _spreads(rooms[1:], left - here):
            yield (here, *rest)


def is_in_soft_order(group: RawGroup, host_ids: Sequence[str]) -> bool:
    """Whether hosts come as a soft policy wants them."""
    counts = [group["members"].get(host_id, 0) for host_id in host_ids]
    if group["policy"] == "soft-affinity":
        return all(one >= other for one, other in pairwise(counts))
    return all(one <= other for one, other in pairwise(counts))


def random_wish(dice: Random, hosts: Sequence[RawHost]) -> RawWish:
    """A group whose members are where its policy has let them be, mostly; and a zone, at times."""
    policy = dice.choice(POLICIES)
    most = dice.choice((1, 1, 2, 3)) if policy == "anti-affinity" else 1
    members: dict[str, int] = {}
    if policy == "affinity":
        if hosts and dice.random() < 0.5:
            members[dice.choice(hosts)["id"]] = dice.randint(1, 3)
    else:
        for host in hosts:
            if dice.random() < 0.4:
                members[host["id"]] = dice.randint(1, most if policy == "anti-affinity" else 3)
    group: RawGroup = {"policy": policy, "most": most, "members": members}
    return {
        "zone": dice.choice((None, None, None, *ZONES)),
        "ssd": dice.choice((None, None, None, "true", "false")),
        "group": None if dice.random() < 0.15 else group,
    }


def random_place(dice: Random) -> RawPlace:
    return {
        "zone": dice.choice((*ZONES[:2], *ZONES)),
        "ssd": dice.choice(([], ["true"], ["false"], ["false", "true"])),
    }
