"""Normal ports: the VLANs of their taps and of the bridge's uplinks, and the way from VFs to them.

libvirt makes the tap when the guest starts, and the tap's VLANs vanish with it. What uplinks and
PFs are given besides is shared by servers, so that it is taken away by a unit of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from trunkline.domain.bridge import Bridge, BridgePort, describe_port
from trunkline.domain.device import PciFunction
from trunkline.domain.pci import PciAddress
from trunkline.domain.server import PowerState
from trunkline.domain.vf import LinkState
from trunkline.reconcile.desired import NicConfig, ServerConfig
from trunkline.reconcile.domain_xml import is_tap
from trunkline.reconcile.observed import Addition, PfAddress, UplinkVlan
from trunkline.reconcile.report import DriftFact
from trunkline.reconcile.steps import (
    BridgeCheck,
    ForgetAddition,
    ReadBackPfAddress,
    ReadBackTap,
    ReadBackUplink,
    RememberAddition,
    SetPfAddress,
    SetPortVlan,
    Step,
    described_vlan,
)
from trunkline.reconcile.view import Refused, View, Waiting


@dataclass(slots=True)
class Taps:
    """What the taps of a server need."""

    shared: list[Step] = field(default_factory=list)  # Of uplinks and PFs; at any time.
    writes: list[Step] = field(default_factory=list)  # Once there are the taps.
    checks: list[BridgeCheck] = field(default_factory=list)
    drifts: list[DriftFact] = field(default_factory=list)

    @property
    def differ(self) -> bool:
        """Whether something is not as it should be."""
        return bool(self.shared or self.writes)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return what puts right a guest that has its taps."""
        return (*self.shared, *self.writes, *self.checks) if self.differ else ()


def plan_taps(view: View, server: ServerConfig, *, is_attached: bool) -> Taps:
    """Gather what the normal ports of `server` need; `is_attached`: there should be its taps.

    Raises:
        Refused: A bridge can't carry the port's network as it is.
        Waiting: Bridges can't be read, or a tap was taken from its bridge.
    """
    found = Taps()
    for nic, bridge in _on_bridges(view, server):
        for addition in _additions(view, nic, bridge):
            _add(view, found, addition)
        if nic.link_state is LinkState.DISABLE:
            _require_filtering(bridge, f"can't cut off port {nic.port_id}, which is down")
        if bridge.vlan_filtering:
            _program(found, nic, bridge, is_attached=is_attached)
        elif is_attached:
            _tap(nic, bridge, is_attached=True)
    return found


def plan_leftovers(view: View) -> Iterator[tuple[Addition, tuple[Step, ...]]]:
    """Yield each addition that was made for servers and none of `view` needs, with what takes it
    away.

    A guest that is to go is given its network until it has gone; which that was is not known.
    """
    journal = view.observed.journal
    added: set[Addition] = {*journal.uplink_vlans, *journal.pf_addresses}
    if not added or view.observed.bridges_problem:
        return
    if any(view.may_have_guest(server_id) for server_id in view.removals):
        return
    needed = _needed(view)
    if needed is None:
        return
    for addition in sorted(added - needed - _kept_for(view, added), key=str):
        forget = ForgetAddition(addition)
        if _is_there(view, addition):
            yield addition, (*_change(view, addition, present=False), forget)
        else:
            yield addition, (forget,)


def _on_bridges(view: View, server: ServerConfig) -> Iterator[tuple[NicConfig, Bridge]]:
    for nic in normal_nics(server):
        assert nic.bridge is not None
        if view.observed.bridges_problem:
            raise Waiting(f"bridges can't be read: {view.observed.bridges_problem}")
        bridge = view.observed.bridges.get(nic.bridge)
        if bridge is None:
            raise Refused(f"the host has no bridge {nic.bridge}")
        yield nic, bridge


def normal_nics(server: ServerConfig) -> Iterator[NicConfig]:
    """Yield the NICs that are taps on a Linux bridge."""
    return (nic for nic in server.nics if is_tap(nic))


def with_leaving(server: ServerConfig) -> ServerConfig:
    """Return `server` as its guest may still be: with the NICs that are to leave it."""
    return replace(server, nics=(*server.nics, *server.leaving), leaving=(), places=())


def _additions(view: View, nic: NicConfig, bridge: Bridge) -> Iterator[Addition]:
    """Yield what `nic` needs of uplinks and PFs, be it there or not."""
    if nic.vlan_id:
        _require_filtering(bridge, "does not keep VLANs apart")
    for uplink in bridge.uplinks:
        if nic.vlan_id:
            vlan = UplinkVlan(bridge=bridge.name, ifname=uplink.ifname, vlan_id=nic.vlan_id)
            loses_tag = uplink.vlans.get(nic.vlan_id) or uplink.pvid == nic.vlan_id
            if loses_tag and vlan not in view.observed.journal.uplink_vlans:
                raise Refused(f"{uplink.ifname} carries VLAN {nic.vlan_id} without its tag")
            yield vlan
        for pf in sorted(uplink.functions):
            # Without VFs a PF has nobody to switch frames for.
            if pf in view.observed.pf_addresses and _function(view, pf).vf_count:
                yield PfAddress(pf=pf, mac=nic.mac)


def _require_filtering(bridge: Bridge, problem: str) -> None:
    if not bridge.vlan_filtering:
        raise Refused(
            f"bridge {bridge.name} {problem}: "
            f"ip link set {bridge.name} type bridge vlan_filtering 1"
        )


def _untagged_vlan(bridge: Bridge) -> int:
    """Return the VLAN of the untagged frames of the bridge's uplinks.

    Raises:
        Refused: They have none, or several.
    """
    found = {uplink.pvid for uplink in bridge.uplinks} or {bridge.default_pvid}
    if len(found) > 1:
        raise Refused(f"the uplinks of {bridge.name} differ in their untagged VLAN")
    vlan_id = found.pop()
    for uplink in bridge.uplinks:
        if not (vlan_id and uplink.vlans.get(vlan_id)):
            raise Refused(
                f"{uplink.ifname} carries no untagged network: "
                f"bridge vlan add dev {uplink.ifname} vid 1 pvid untagged"
            )
    return vlan_id


def _program(found: Taps, nic: NicConfig, bridge: Bridge, *, is_attached: bool) -> None:
    is_down = nic.link_state is LinkState.DISABLE
    # Of a port in no VLAN the bridge takes nothing, and gives nothing to it.
    vlan_id = 0 if is_down else nic.vlan_id or _untagged_vlan(bridge)
    port = _tap(nic, bridge, is_attached=is_attached)
    ifname = nic.logical_name
    found.checks.append(ReadBackTap(bridge=bridge.name, ifname=ifname, vlan_id=vlan_id))
    if port.carries_alone(vlan_id):
        return
    others = [each for each in sorted(port.vlans) if each != vlan_id]
    # First out of the networks that are not its own.
    found.writes += [SetPortVlan(ifname=ifname, vlan_id=each, member=False) for each in others]
    if vlan_id and not (port.pvid == vlan_id and port.vlans.get(vlan_id)):
        found.writes.append(SetPortVlan(ifname=ifname, vlan_id=vlan_id, untagged=True))
    found.drifts.append(_drift(ifname, f"{describe_port(port)}, not {described_vlan(vlan_id)}"))


def _tap(nic: NicConfig, bridge: Bridge, *, is_attached: bool) -> BridgePort:
    """Return the tap of `nic`, or what libvirt will make when the guest starts."""
    port = bridge.ports.get(nic.logical_name)
    if port is None and is_attached:
        raise Waiting(
            f"{nic.logical_name} was taken from its bridge: "
            f"ip link set {nic.logical_name} master {bridge.name}"
        )
    return bridge.new_port(nic.logical_name) if port is None or not is_attached else port


def _add(view: View, found: Taps, addition: Addition) -> None:
    write, check = _change(view, addition, present=True)
    found.checks.append(check)
    if _is_there(view, addition):
        return
    journal = view.observed.journal
    if addition in journal.uplink_vlans or addition in journal.pf_addresses:
        found.drifts.append(_drift(_ifname(view, addition), f"without {addition}"))
    else:
        found.shared.append(RememberAddition(addition))
    found.shared.append(write)


def _is_there(view: View, addition: Addition) -> bool:
    if isinstance(addition, PfAddress):
        return addition.mac in view.observed.pf_addresses.get(addition.pf, ())
    bridge = view.observed.bridges.get(addition.bridge)
    port = None if bridge is None else bridge.ports.get(addition.ifname)
    return port is not None and port.carries_tagged(addition.vlan_id)


def _needed(view: View) -> set[Addition] | None:
    """Return what the servers need; None: what a guest has now can't be told from its bridges."""
    needed: set[Addition] = set()
    for server in view.servers:
        if server.wanted_power is not PowerState.RUNNING and not view.may_have_guest(server.id):
            continue
        try:
            for nic, bridge in _on_bridges(view, with_leaving(server)):
                needed.update(_additions(view, nic, bridge))
        except Refused:
            # A guest runs on with what it was given, though it would not be started so any more.
            if view.may_have_guest(server.id):
                return None
    return needed


def _kept_for(view: View, added: set[Addition]) -> set[Addition]:
    """Return what servers would need, were the uplink in its bridge and the PF as it was.

    When it comes back, what it lacks has been taken from it by somebody: that is drift.
    """
    vlans, macs = set(), set()
    for server in view.servers:
        if server.wanted_power is PowerState.RUNNING or view.may_have_guest(server.id):
            taps = list(normal_nics(with_leaving(server)))
            vlans |= {(nic.bridge, nic.vlan_id) for nic in taps}
            macs |= {nic.mac for nic in taps}
    return {
        each
        for each in added
        if (
            each.mac in macs and not _is_there(view, each)
            if isinstance(each, PfAddress)
            else (each.bridge, each.vlan_id) in vlans
        )
    }


def _change(
    view: View, addition: Addition, *, present: bool
) -> tuple[SetPfAddress | SetPortVlan, BridgeCheck]:
    if isinstance(addition, UplinkVlan):
        write = SetPortVlan(ifname=addition.ifname, vlan_id=addition.vlan_id, member=present)
        return write, ReadBackUplink(addition, member=present)
    pf, mac, ifname = addition.pf, addition.mac, _ifname(view, addition)
    return (
        SetPfAddress(pf=pf, pf_ifname=ifname, mac=mac, present=present),
        ReadBackPfAddress(pf=pf, pf_ifname=ifname, mac=mac, present=present),
    )


def _ifname(view: View, addition: Addition) -> str:
    if isinstance(addition, UplinkVlan):
        return addition.ifname
    return _function(view, addition.pf).ifname or str(addition.pf)


def _function(view: View, pf: PciAddress) -> PciFunction:
    return view.observed.functions[pf]


def _drift(ifname: str, found: str) -> DriftFact:
    return DriftFact(address=None, ifname=ifname, found=found, repaired=False)
