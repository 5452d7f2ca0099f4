"""Raw fleets with servers, as placement wants them."""

from __future__ import annotations

from itertools import islice

from tests.oracle.defrag_oracle import RawDefrag, RawNic, RawRule, RawServer
from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.device_pool import PoolMember, pools_of
from trunkline.domain.ids import DeviceId, HostId, HostName
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import (
    GroupRule,
    NicChoice,
    NicDemand,
    Placed,
    PlacementRequest,
    SegmentOption,
)
from trunkline.placement.hosts.views import HostView
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.place import candidates
from trunkline.placement.planning.defrag import (
    STATES_MAX,
    Goal,
    NoPlan,
    Plan,
    covers,
    find_plan,
    inquiries,
)
from trunkline.placement.planning.residents import Resident


def plan_for(raw: RawDefrag, *, states_max: int = STATES_MAX) -> Plan | NoPlan:
    """As the service does it: the hosts of the target, and as many others as are needed."""
    views = {view.id: view for view in host_views(raw)}
    own = sorted({HostId(pf["host"]) for pf in raw["pfs"] if pf["id"] in raw["target"]})
    goal = Goal(free=raw["free"], whole=raw["whole"], attributes=raw["wants"])
    here = [one for one in residents(raw) if one.host_id in own]
    targets = [views[host_id] for host_id in own]
    found = covers(goal, [DeviceId(pf) for pf in raw["target"]], targets, here)
    fleet = Fleet()
    for view in views.values():
        fleet.put_host(view)
    takers = {
        inquiry.shape: [
            fleet.view(placed.host_id)
            for placed in islice(candidates(inquiry.request, fleet), inquiry.at_most)
        ]
        for inquiry in inquiries(found, targets)
    }
    return find_plan(found, targets, takers, states_max=states_max)


def host_views(raw: RawDefrag) -> list[HostView]:
    held = {ref for server in raw["servers"] for ref in devices_of(raw, server).values()}
    members: dict[str, list[PoolMember]] = {host["id"]: [] for host in raw["hosts"]}
    for pf in raw["pfs"]:
        kin = DeviceId(pf["id"])
        refs = [DeviceRef(kin), *(DeviceRef(kin, index) for index in range(pf["vfs"]))]
        members[pf["host"]] += [
            PoolMember(
                ref=ref,
                kind=DeviceKind.PF if ref.vf_index is None else DeviceKind.VF,
                address=f"0000:{pf['card']:02x}:00.{pf['id'][-1]}" if ref.vf_index is None else "",
                attributes=pf["tags"],
                taken=ref in held
                or (ref.vf_index is not None and ref.vf_index >= pf["vfs"] - pf["lost_vfs"]),
                offered=pf["offered"] or ref.vf_index is not None,
            )
            for ref in refs
        ]
    return [
        HostView(
            id=HostId(host["id"]),
            name=HostName(host["id"]),
            enabled=host["in_service"],
            free_vcpus=host["vcpus"],
            free_memory_mib=host["memory"],
            pools=pools_of(members[host["id"]]),
        )
        for host in raw["hosts"]
    ]


def residents(raw: RawDefrag) -> list[Resident]:
    return [_resident(raw, server) for server in raw["servers"]]


def devices_of(raw: RawDefrag, server: RawServer) -> dict[str, DeviceRef]:
    """Each NIC's device: VFs are handed out in the order of servers and NICs."""
    given: dict[str, int] = {}
    found = {}
    for other in raw["servers"]:
        for nic in other["nics"]:
            ref = DeviceRef(DeviceId(nic["pf"]))
            if not nic["whole"]:
                ref = DeviceRef(ref.kin_id, given.get(nic["pf"], 0))
                given[nic["pf"]] = given.get(nic["pf"], 0) + 1
            if other is server:
                found[nic["name"]] = ref
    return found


def _resident(raw: RawDefrag, server: RawServer) -> Resident:
    devices = devices_of(raw, server)
    choices = [
        NicChoice(nic=nic["name"], segment_id=None, device=devices[nic["name"]])
        for nic in server["nics"]
    ]
    return Resident(
        server_id=f"id-{server['name']}",
        name=server["name"],
        host_id=HostId(server["host"]),
        request=PlacementRequest(
            nics=tuple(_demand(nic, server["rules"]) for nic in server["nics"]),
            vcpus=server["vcpus"],
            memory_mib=server["memory"],
            rules=tuple(
                GroupRule(
                    scope=Scope(rule["by"]),
                    apart=rule["apart"],
                    hard=True,
                    nics=frozenset(rule["nics"]),
                )
                for rule in server["rules"]
                if rule["by"] != "node"
            ),
        ),
        placed=Placed(host_id=HostId(server["host"]), seen_generation=0, choices=tuple(choices)),
    )


def _demand(nic: RawNic, rules: list[RawRule]) -> NicDemand:
    of_node = any(rule["by"] == "node" and nic["name"] in rule["nics"] for rule in rules)
    return NicDemand(
        nic=nic["name"],
        kind=DeviceKind.PF if nic["whole"] else DeviceKind.VF,
        options=(SegmentOption(segment_id=None, attributes=nic["wants"]),),
        numa=NumaPolicy.REQUIRED if of_node else None,
    )
