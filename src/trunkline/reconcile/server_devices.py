"""What the devices of one server need: programmed, read back, and on record before."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from trunkline.domain.device import DeviceKind, PciFunction, not_bound_to_vfio
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.server import PowerState
from trunkline.domain.vf import VfSettings
from trunkline.reconcile.desired import HeldDevice, NicConfig, ServerConfig
from trunkline.reconcile.domain_xml import names_network, netdev_name, pool_of
from trunkline.reconcile.observed import OriginalState
from trunkline.reconcile.pool_devices import before_taking, pooled_nics
from trunkline.reconcile.programming import (
    CannotHonour,
    desired_settings,
    neutral_settings,
    program,
)
from trunkline.reconcile.report import DriftFact
from trunkline.reconcile.steps import (
    ForgetOriginal,
    JournalStep,
    ReadBack,
    ReadBackName,
    ReadBackNetdevMac,
    ReadBackVfCount,
    ReloadVfDriver,
    RememberEpoch,
    RememberOriginal,
    RenameNetdev,
    SetVfCount,
    Step,
    differences,
)
from trunkline.reconcile.view import (
    Refused,
    View,
    Waiting,
)


@dataclass(slots=True)
class Devices:
    """What a server's devices need, gathered over its NICs."""

    journal: list[JournalStep] = field(default_factory=list)
    writes: list[Step] = field(default_factory=list)
    checks: list[Step] = field(default_factory=list)  # Of the writes that ReadBack can't check.
    # Netdevs come anew by these, under names that have to be looked up: nothing else until then.
    reloads: list[Step] = field(default_factory=list)
    expected: dict[PciAddress, list[tuple[int, VfSettings]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    pf_ifnames: dict[PciAddress, str] = field(default_factory=dict)
    drifts: list[DriftFact] = field(default_factory=list)

    def read_back(self) -> list[Step]:
        """Return the steps that check every VF of the server: one reading a PF."""
        return [
            ReadBack(pf=pf, pf_ifname=self.pf_ifnames[pf], expected=tuple(expected))
            for pf, expected in self.expected.items()
        ]


def gather_devices(view: View, server: ServerConfig, *, is_attached: bool) -> Devices:
    """Gather what the devices of `server` need.

    Raises:
        Waiting, Refused, Unseen: Of one of its NICs.
    """
    found = Devices()
    if server.wanted_power is PowerState.RUNNING and not is_attached:
        pooled = pooled_nics(view, server)
        for _, nic, pool in pooled:
            if not names_network(nic, view.vif_types, view.pools):
                raise Refused(
                    f"VIF type {nic.vif_type} does not serve network pools: its XML names no"
                    f" network, and that of port {nic.port_id} is to name {pool.name}"
                )
        for pool in dict.fromkeys(pool for _, _, pool in pooled):
            found.journal += before_taking(view, pool)
    for nic in server.nics:
        if nic.device is None or (not is_attached and pool_of(nic, view.pools) is not None):
            continue
        function = _claim(view, found, server, nic.device)
        keeps_on_host = netdev_name(nic, view.vif_types, view.pools) is not None
        if not (is_attached or keeps_on_host):
            _require_fit(server, nic.device, function)
        if function.kind is DeviceKind.VF:
            _add_vf(view, found, nic, function, is_attached=is_attached)
        elif not is_attached:
            _add_whole_pf(view, found, function)
    for held in server.devices:
        function = _claim(view, found, server, held)
        if not is_attached:
            _require_fit(server, held, function)
        if function.kind is DeviceKind.PF:
            if not is_attached:
                _add_whole_pf(view, found, function)
        else:
            _add_as_it_is(view, found, function, is_attached=is_attached)
    return found


def _claim(view: View, found: Devices, server: ServerConfig, held: HeldDevice) -> PciFunction:
    """Return the function that `held` names, which is `server`'s; its epoch goes on record."""
    _check_owner(view, server, held)
    function = view.function(held)
    if function is None:
        raise Waiting(f"{held.kind.name} {held.address} does not exist")
    if view.observed.journal.epochs.get(function.address, 0) < held.epoch:
        found.journal.append(RememberEpoch(address=function.address, epoch=held.epoch))
    return function


def _require_fit(server: ServerConfig, held: HeldDevice, function: PciFunction) -> None:
    """Let no guest start with what it may not be given, though it was given it before."""
    unfit = function.unfit or ("" if held.managed else not_bound_to_vfio(function))
    if server.wanted_power is PowerState.RUNNING and unfit:
        raise Refused(f"{function.address} {unfit}")


def _check_owner(view: View, server: ServerConfig, held: HeldDevice) -> None:
    owner = view.owners[held.address]
    if owner != server.id:
        raise Refused(f"{held.address} belongs to server {owner}")
    view.require_free(held.address, besides=server.id)
    if held.pf_address is not None and held.pf_address in view.owners:
        raise Refused(f"its PF {held.pf_address} is given away whole")


def _add_vf(
    view: View, found: Devices, nic: NicConfig, vf: PciFunction, *, is_attached: bool
) -> None:
    pf, vf_index, observed = view.pf_and_settings(vf)
    desired = desired_settings(nic, observed, speed_mbps=pf.speed_mbps)
    if isinstance(desired, CannotHonour):
        raise Refused(
            f"{pf.pf_driver or 'the driver'} of {pf.address} can't set "
            f"{', '.join(desired.problems)} for its VFs"
        )
    _let_others_give_up_first(view, pf, desired, observed)
    wanted_name = None if is_attached else netdev_name(nic, view.vif_types, view.pools)
    _remember_vf(view, found, nic, vf, observed, wanted_name)
    writes = program(pf, vf_index, desired=desired, observed=observed)
    found.writes += writes
    found.expected[pf.address].append((vf_index, desired))
    found.pf_ifnames[pf.address] = pf.ifname or str(pf.address)
    if writes:
        how = "; ".join(differences(expected=desired, found=observed))
        found.drifts.append(DriftFact(address=vf.address, found=how, repaired=False))
    if wanted_name is not None:
        if nic.device is not None and not nic.device.managed:
            raise Refused(
                f"{vf.address} is bound to vfio by the operator (managed = false), and has no"
                " netdev for a macvtap: use a port of type direct"
            )
        _ready_netdev(view, found, vf, wanted_name, nic.mac)


def _ready_netdev(
    view: View, found: Devices, vf: PciFunction, wanted_name: str, mac: MacAddress
) -> None:
    """Have the netdev of a VF carry the port's MAC, and its name.

    Where it has another MAC, libvirt loads the VF's driver anew when it starts a guest over it, and
    then looks for the netdev under a name that has gone with the old one.
    Source: libvirt src/util/virnetdev.c, virNetDevSetNetConfig(); seen with 9.0.0 and igbvf.
    """
    has = view.observed.netdev_macs.get(vf.address)
    if vf.driver is None or (has is not None and has != mac):
        found.reloads += [ReloadVfDriver(vf.address), ReadBackNetdevMac(vf.address, mac)]
    elif vf.ifname is None:
        raise Waiting(f"{vf.address} has no netdev to be called {wanted_name}")
    elif vf.ifname != wanted_name:
        found.writes.append(RenameNetdev(address=vf.address, old=vf.ifname, new=wanted_name))
        found.checks.append(ReadBackName(vf.address, wanted_name))


def _let_others_give_up_first(
    view: View, pf: PciFunction, desired: VfSettings, observed: VfSettings
) -> None:
    """Raise `Waiting` where more is to be guaranteed while another VF still has to give some up.

    Together they may be more than the PF has, which some drivers refuse.
    """
    if (desired.min_tx_rate_mbps or 0) <= (observed.min_tx_rate_mbps or 0):
        return
    settings = view.observed.vf_settings.get(pf.address, {})
    for server in view.servers:
        for nic in server.nics:
            held = nic.device
            if held is None or held.pf_address != pf.address or nic.min_tx_rate_mbps is None:
                continue
            has = None if held.vf_index is None else settings.get(held.vf_index)
            if has is not None and (has.min_tx_rate_mbps or 0) > nic.min_tx_rate_mbps:
                raise Waiting(f"{held.address} is to give up bandwidth first")


def _remember_vf(
    view: View,
    found: Devices,
    nic: NicConfig,
    vf: PciFunction,
    observed: VfSettings,
    wanted_name: str | None,
) -> None:
    original = view.observed.journal.originals.get(vf.address)
    remembered = original
    if remembered is None:
        # A VF that has the port's MAC already was programmed by an agent whose journal is lost:
        # what it has now must never pass for what it had before.
        was_programmed = observed.mac == nic.mac
        settings = neutral_settings(observed) if was_programmed else observed
        driver = None if was_programmed else vf.driver
        remembered = OriginalState(address=vf.address, settings=settings, driver=driver)
    if wanted_name is not None:
        remembered = replace(remembered, given_mac=nic.mac)
        if remembered.ifname is None and vf.ifname != wanted_name:
            remembered = replace(remembered, ifname=vf.ifname)
    if remembered != original:
        found.journal.append(RememberOriginal(remembered))


def _add_as_it_is(view: View, found: Devices, function: PciFunction, *, is_attached: bool) -> None:
    """Hand a VF or a plain function over unwritten; only what it was like is remembered."""
    settings = None
    if function.kind is DeviceKind.VF:
        _, _, settings = view.pf_and_settings(function)
    if function.address in view.observed.journal.originals:
        return
    driver = function.driver
    if is_attached:
        # The journal is lost: what there is now is the guest's, and says nothing about before.
        settings, driver = settings and neutral_settings(settings), None
    original = OriginalState(address=function.address, settings=settings, driver=driver)
    found.journal.append(RememberOriginal(original))


def _add_whole_pf(view: View, found: Devices, pf: PciFunction) -> None:
    for vf in view.vfs_of(pf.address):
        if vf.address in view.owners:
            raise Refused(f"VF {vf.address} of {pf.address} belongs to a server")
        view.require_free(vf.address)
        view.require_settled(vf.address, f"VF {vf.address} of {pf.address}")
    originals = view.observed.journal.originals
    if pf.address not in originals:
        original = OriginalState(address=pf.address, vf_count=pf.vf_count, driver=pf.driver)
        found.journal.append(RememberOriginal(original))
    if pf.vf_count:
        # The VFs cease to exist: what they once were like says nothing about later ones.
        found.journal += [
            ForgetOriginal(vf.address) for vf in view.vfs_of(pf.address) if vf.address in originals
        ]
        found.writes.append(SetVfCount(pf.address, 0))
        found.checks.append(ReadBackVfCount(pf.address, 0))
