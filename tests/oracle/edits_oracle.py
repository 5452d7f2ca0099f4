"""Says what the smallest change is that makes a request fit on a host: by trying, breadth first.

Imports nothing of what it judges. A change is a set of edits to the raw data:

* `enable_host`, `bring_back_agent`: the host is enabled, is up. `try_again`: it is not excluded.
  `ask_for_host`: no other host is asked for. `free_vcpus`, `free_memory`, `free_disk`: there is as
  much as is asked for. `add_bridge`: it has a bridge on one more physical network.
* `free_device`: one device has no owner.
* `drop_rule`: one hard rule over NICs with devices is gone, however often it was said; or all
  policies `required`, `legacy` and `socket` are.
* `offer_device`: one NIC that wants a device is gone from the request: it got a new one, placed as
  its rules want it. There are as many of these as would be needed if all devices of the host were
  free and all rules gone, never more.

What zones, aggregates and server groups ask for is in `groups_oracle`.

Of two changes, the one with fewer edits is smaller; of those with equally many, the one with fewer
of the last kind of `KINDS`, then of the last but one, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import combinations

from tests.oracle.placement_oracle import RawHost, RawRequest, RawRule, host_takes
from tests.oracle.places_oracle import fits_on

KINDS = (
    "enable_host",
    "drop_rule",
    "leave_group",
    "free_device",
    "free_vcpus",
    "free_memory",
    "free_disk",
    "bring_back_agent",
    "solve_problem",
    "try_again",
    "ask_for_host",
    "ask_for_zone",
    "join_aggregate",
    "add_bridge",
    "offer_device",
    "change_demand",
)
Edit = tuple[str, str]  # Kind, and what of: a device, a rule's number, a NIC, a network.
Size = tuple[int, ...]
NUMA = "numa"


def size_of(kinds: Sequence[str]) -> Size:
    return (len(kinds), *(kinds.count(kind) for kind in reversed(KINDS)))


def smallest_change(request: RawRequest, host: RawHost, *, at_most: int) -> Size | None:
    """The size of the smallest change; None: more than `at_most` edits would be needed."""
    offered = offers_needed(request, host)
    possible = list(edits(request, host))
    for count in range(at_most + 1):
        sizes = [
            size
            for chosen in combinations(possible, count)
            if sum(kind == "offer_device" for kind, _ in chosen) == offered
            and fits(*edited(request, host, chosen))
            for size in [size_of([kind for kind, _ in chosen])]
        ]
        if sizes:
            return min(sizes)
    return None


def edits(request: RawRequest, host: RawHost) -> Iterator[Edit]:
    """All edits that change anything."""
    if not (host["enabled"] or request.get("even_disabled")):
        yield "enable_host", ""
    for said in sorted({said_by(request, rule) for rule in request.get("rules", [])}):
        yield "drop_rule", said
    if any(nic.get("numa") not in (None, "preferred") for nic in request["nics"]):
        yield "drop_rule", NUMA
    for device in host["devices"]:
        if not device["free"]:
            yield "free_device", device["id"]
    for kind, size in (("free_vcpus", "vcpus"), ("free_memory", "memory"), ("free_disk", "disk")):
        if request[size] > host[size]:  # type: ignore[literal-required]  # of these three
            yield kind, size
    if not host["up"]:
        yield "bring_back_agent", ""
    if host["id"] in request["excluded"]:
        yield "try_again", ""
    if request["only"] not in (None, host["name"]):
        yield "ask_for_host", ""
    networks = {option["bridge"] for nic in request["nics"] for option in nic["options"]}
    for network in sorted(name for name in networks if name and name not in host["bridges"]):
        yield "add_bridge", network
    for nic in request["nics"]:
        if nic["kind"] is not None:
            yield "offer_device", nic["name"]


def edited(
    request: RawRequest, host: RawHost, chosen: Sequence[Edit]
) -> tuple[RawRequest, RawHost]:
    request, host = deepcopy(request), deepcopy(host)
    gone = [what for kind, what in chosen if kind == "drop_rule"]
    if "rules" in request:
        request["rules"] = [r for r in request["rules"] if said_by(request, r) not in gone]
    for kind, what in chosen:
        match kind:
            case "enable_host":
                host["enabled"] = True
            case "drop_rule" if what == NUMA:
                for nic in request["nics"]:
                    nic["numa"] = None
            case "free_device":
                for device in host["devices"]:
                    device["free"] = device["free"] or device["id"] == what
            case "free_vcpus" | "free_memory" | "free_disk":
                host[what] = request[what]  # type: ignore[literal-required]  # of three
            case "bring_back_agent":
                host["up"] = True
            case "try_again":
                request["excluded"] = []
            case "ask_for_host":
                request["only"] = host["name"]
            case "add_bridge":
                host["bridges"].append(what)
            case "offer_device":
                request["nics"] = [nic for nic in request["nics"] if nic["name"] != what]
    return request, host


def said_by(request: RawRequest, rule: RawRule) -> str:
    """What a rule says; one that says the same as another is no rule of its own."""
    devices = [nic["name"] for nic in request["nics"] if nic["kind"] is not None]
    nics = sorted(set(rule["nics"]) & set(devices))
    return f"{rule['scope']} {rule['apart']} {rule['hard']} {nics}"


def fits(request: RawRequest, host: RawHost) -> bool:
    return host_takes(request, host) and fits_on(request, host)


def offers_needed(request: RawRequest, host: RawHost) -> int:
    """How many devices are lacking even if all were free and no rule was there."""
    wanting = [nic for nic in request["nics"] if nic["kind"] is not None]
    bare = deepcopy(host)
    for device in bare["devices"]:
        device["free"] = True
    for count in range(len(wanting) + 1):
        for kept in combinations(wanting, len(wanting) - count):
            asked = deepcopy(request)
            asked["nics"] = [{**nic, "numa": None} for nic in kept]
            asked["rules"] = []
            if fits_on(asked, bare):
                return count
    raise AssertionError("a request without NICs fits")


def fits_once(
    request: RawRequest, host: RawHost, *, freed: Sequence[str], others: Sequence[str]
) -> bool:
    """Whether it fits once just these devices are free, and edits of these other kinds are made.

    Which rule is dropped, which bridge added and which NIC offered a device is tried.
    """
    loose = [edit for edit in edits(request, host) if edit[0] in others]
    return any(
        fits(*edited(request, host, [*chosen, *(("free_device", what) for what in freed)]))
        for chosen in combinations(loose, len(others))
        if sorted(kind for kind, _ in chosen) == sorted(others)
    )
