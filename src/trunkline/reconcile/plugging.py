"""Giving a guest that runs one NIC more, and taking one from it.

A NIC that is plugged in is made as at a start: its device is programmed and read back first. Where
libvirt does not put everything there itself, or writes over it, the guest is suspended before, and
resumed by the plan that finds the NIC as it should be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from trunkline.domain.network_pool import PoolMode
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VlanProtocol
from trunkline.reconcile.desired import NicConfig, ServerConfig
from trunkline.reconcile.domain_xml import device_xml, is_tap, netdev_name, pool_of
from trunkline.reconcile.nic_steps import PlugNic, Suspend, UnplugNic
from trunkline.reconcile.observed import DomainPower, DomainState
from trunkline.reconcile.server_devices import gather_devices
from trunkline.reconcile.steps import Step
from trunkline.reconcile.taps import plan_taps
from trunkline.reconcile.view import Outcome, Unplanned, Verdict, View


def lacking(view: View, server: ServerConfig, domain: DomainState) -> tuple[NicConfig, ...]:
    """Return the NICs that a guest has not got, and can be given. It starts with those of pools."""
    return tuple(
        nic
        for nic in server.nics
        if pool_of(nic, view.pools) is None and _has(view, domain, nic) is False
    )


def still_there(view: View, server: ServerConfig, domain: DomainState) -> tuple[NicConfig, ...]:
    """Return the NICs that are to leave a guest which has them."""
    return tuple(nic for nic in server.leaving if _has(view, domain, nic))


def given_besides(view: View, server: ServerConfig) -> frozenset[PciAddress | str]:
    """Return devices and netdevs that a guest may have until its NICs have left it."""
    shown = (_shown(view, nic) for nic in server.leaving)
    return frozenset(each for each in shown if each is not None)


def plan_plug(view: View, server: ServerConfig, nic: NicConfig, domain: DomainState) -> Verdict:
    """Return what gives the running guest of `server` the NIC that it lacks."""
    waits = _must_wait(domain)
    if waits is not None:
        return waits
    alone = replace(server, nics=(nic,), devices=(), leaving=(), places=())
    try:
        devices = gather_devices(view, alone, is_attached=False)
        taps = plan_taps(view, alone, is_attached=False)
        xml = device_xml(nic, view.vif_types)
    except Unplanned as why:
        return why.verdict
    steps: list[Step] = [*devices.journal, *devices.writes, *devices.checks]
    steps += devices.read_back()
    if devices.reloads:
        return Verdict(outcome=Outcome.TO_DO, steps=(*steps, *devices.reloads))
    steps += taps.shared
    if _is_unfinished_when_plugged(nic):
        steps.append(Suspend(server.id))
    device, ifname = _named(view, nic)
    steps.append(
        PlugNic(server_id=server.id, port_id=nic.port_id, xml=xml, device=device, ifname=ifname)
    )
    return Verdict(outcome=Outcome.TO_DO, steps=tuple(steps))


def plan_unplug(view: View, server: ServerConfig, nic: NicConfig, domain: DomainState) -> Verdict:
    """Return what takes a NIC from the running guest of `server`."""
    waits = _must_wait(domain)
    if waits is not None:
        return waits
    device, ifname = _named(view, nic)
    step = UnplugNic(server_id=server.id, port_id=nic.port_id, device=device, ifname=ifname)
    return Verdict(outcome=Outcome.TO_DO, steps=(step,))


def as_it_is(server: ServerConfig, without: Iterable[NicConfig]) -> ServerConfig:
    """Return `server` with those NICs alone that its guest has: what is to be kept right now."""
    left_out = {nic.port_id for nic in without}
    if not left_out:
        return server
    kept = [(place, nic) for place, nic in server.placed_nics if nic.port_id not in left_out]
    return replace(
        server,
        nics=tuple(nic for _, nic in kept),
        places=(*(place for place, _ in kept), *(place for place, _ in server.placed_devices)),
    )


def _must_wait(domain: DomainState) -> Verdict | None:
    if domain.doing:
        return Verdict(outcome=Outcome.PREPARING, reason=domain.doing)
    if domain.power is not DomainPower.RUNNING:
        return Verdict(outcome=Outcome.PREPARING, reason="its guest is yet to be resumed")
    return None


def _is_unfinished_when_plugged(nic: NicConfig) -> bool:
    """Whether a guest could send before all of a NIC that has just been plugged in is right.

    libvirt makes a tap in no VLAN of its own, and writes a VF's VLAN as one of 802.1Q with a
    priority of 0. Source: libvirt src/util/virnetdev.c, virNetDevSetVfVlan().
    """
    overwritten = nic.vlan_qos != 0 or nic.vlan_protocol is not VlanProtocol.DOT1Q
    return is_tap(nic) or (nic.device is not None and overwritten)


def _has(view: View, domain: DomainState, nic: NicConfig) -> bool | None:
    """Whether a guest has a NIC; None: its VIF type shows nothing of itself to go by."""
    shown = _shown(view, nic)
    if shown is None:
        return None
    return shown in (domain.devices if isinstance(shown, PciAddress) else domain.ifnames)


def _named(view: View, nic: NicConfig) -> tuple[PciAddress | None, str]:
    """Return the device that a NIC has, and the netdev that the guest is on in place of it."""
    shown = _shown(view, nic)
    device = None if nic.device is None else nic.device.address
    return device, shown if isinstance(shown, str) else ""


def _shown(view: View, nic: NicConfig) -> PciAddress | str | None:
    """Return the device, or the netdev below, by which a guest's NIC is told from others."""
    pool = pool_of(nic, view.pools)
    if nic.device is None:
        return nic.logical_name if is_tap(nic) else None
    if pool is None:
        return netdev_name(nic, view.vif_types) or nic.device.address
    function = view.observed.functions.get(nic.device.address)
    if pool.mode is PoolMode.PASSTHROUGH and function is not None:
        return function.ifname
    return nic.device.address
