"""Making a server so: its devices programmed and read back, then its domain as it should be."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.server import PowerState
from trunkline.domain.vf import VfSettings
from trunkline.reconcile.config_drive import config_drive, file_name, guest_address
from trunkline.reconcile.desired import HeldDevice, NicConfig, ServerConfig
from trunkline.reconcile.domain_xml import attachment, define, names_network, netdev_name, pool_of
from trunkline.reconcile.observed import DomainPower, DomainState, GuestFiles, OriginalState
from trunkline.reconcile.pool_devices import before_taking, pooled_nics, taken_otherwise
from trunkline.reconcile.programming import (
    CannotHonour,
    desired_settings,
    neutral_settings,
    program,
)
from trunkline.reconcile.report import DriftFact, TakenFact
from trunkline.reconcile.steps import (
    DefineDomain,
    Destroy,
    ForgetOriginal,
    JournalStep,
    MakeDisk,
    ReadBack,
    ReadBackName,
    ReadBackNetdevMac,
    ReadBackVfCount,
    ReloadVfDriver,
    RememberEpoch,
    RememberOriginal,
    RenameNetdev,
    Resume,
    SetVfCount,
    StartPaused,
    Step,
    WriteConfigDrive,
    differences,
)
from trunkline.reconcile.taps import Taps, plan_taps
from trunkline.reconcile.view import (
    Outcome,
    Preparing,
    Refused,
    Unseen,
    Verdict,
    View,
    Waiting,
    fenced,
)
from trunkline.vif.registry import UnknownVifType


@dataclass(slots=True)
class _Devices:
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


def plan_server(view: View, server: ServerConfig) -> Verdict:
    """Return what makes `server` so."""
    for held in server.held_devices:
        if view.is_fenced(held):
            return fenced(held, view)
    domain = view.observed.domains.get(server.id)
    if domain is not None and domain.doing:
        return Verdict(outcome=Outcome.PREPARING, reason=domain.doing)
    if _has_ended(view, server, domain):
        return Verdict(outcome=Outcome.ENDED)
    guest_runs = domain is not None and domain.power is DomainPower.RUNNING
    # What can't be planned for is no reason to end a guest that runs: its devices are as they were.
    refused = Outcome.WAITING if guest_runs else Outcome.REFUSED
    taps = Taps()
    try:
        if domain is not None and _must_stop(view, server, domain):
            return Verdict(outcome=Outcome.TO_DO, steps=(Destroy(server.id),))
        is_attached = _is_active(domain)
        if domain is not None and is_attached:
            taken = taken_otherwise(view, server, domain)
            if taken:
                return _taken(taken, guest_runs=guest_runs)
        if server.power is PowerState.RUNNING:
            taps = plan_taps(view, server, is_attached=is_attached)
        devices = _devices(view, server, is_attached=is_attached)
    except UnknownVifType as unknown:
        return Verdict(outcome=refused, reason=str(unknown), guest_runs=guest_runs)
    except Refused as refusal:
        return Verdict(outcome=refused, reason=str(refusal), guest_runs=guest_runs)
    except Preparing as doing:
        return Verdict(outcome=Outcome.PREPARING, reason=str(doing), guest_runs=guest_runs)
    except (Waiting, Unseen) as wait:
        if isinstance(wait, Unseen) and _agrees(view, server, domain):
            return Verdict(
                outcome=Outcome.TO_DO if taps.steps else Outcome.UNSEEN,
                steps=taps.steps,
                guest_runs=guest_runs,
                drifts=tuple(taps.drifts) if guest_runs else (),
            )
        reason = str(wait) or "its devices were not read"
        return Verdict(outcome=Outcome.WAITING, reason=reason, guest_runs=guest_runs)
    try:
        missing = _missing_file(view, server, domain)
    except Preparing as doing:
        return Verdict(outcome=Outcome.PREPARING, reason=str(doing))
    except Refused as refusal:
        return Verdict(outcome=Outcome.REFUSED, reason=str(refusal))
    if missing is not None:
        return Verdict(outcome=Outcome.TO_DO, steps=(missing,))
    steps = _steps(view, server, domain, devices, taps)
    return Verdict(
        outcome=Outcome.TO_DO if steps else Outcome.SETTLED,
        steps=tuple(steps),
        guest_runs=guest_runs,
        drifts=(*devices.drifts, *taps.drifts) if guest_runs else (),
    )


def _taken(taken: tuple[TakenFact, ...], *, guest_runs: bool) -> Verdict:
    """Say which VFs libvirt took. Nothing is done until the control plane has agreed to them."""
    told = ", ".join(f"{fact.taken} rather than {fact.chosen}" for fact in taken)
    return Verdict(
        outcome=Outcome.PREPARING,
        reason=f"libvirt took {told}, which the control plane is told",
        guest_runs=guest_runs,
        taken=taken,
    )


def _has_ended(view: View, server: ServerConfig, domain: DomainState | None) -> bool:
    """Whether a guest that ran as it should has powered itself off since."""
    return (
        server.power is PowerState.RUNNING
        and server.id in view.ran
        and domain is not None
        and domain.power is DomainPower.POWERED_OFF
    )


def _is_active(domain: DomainState | None) -> bool:
    return domain is not None and domain.power.has_guest


def _must_stop(view: View, server: ServerConfig, domain: DomainState) -> bool:
    """Whether the guest that there is must end before `server` can be as desired."""
    if not domain.power.has_guest:
        return False
    wanted = attachment(server, view.vif_types, view.pools)
    given = [domain.given.get(guest_address(number)) for number, _, _ in pooled_nics(view, server)]
    return (
        server.power is PowerState.STOPPED
        or domain.boot_number < server.boot_number
        or None in given
        or domain.devices - frozenset(given) != wanted.devices
        or domain.ifnames - frozenset(given) != wanted.ifnames
        # A guest that has run keeps the definition it was started with until it next starts: a new
        # release of Trunkline that words XML otherwise must not restart anybody.
        or (domain.power is DomainPower.PAUSED and _is_outdated(view, server, domain))
    )


def _is_outdated(view: View, server: ServerConfig, domain: DomainState) -> bool:
    if domain.boot_number < server.boot_number:
        return True
    return domain.xml_digest != define(server, view.vif_types, view.options, view.pools).digest


def _agrees(view: View, server: ServerConfig, domain: DomainState | None) -> bool:
    """Whether the domain, its devices apart, is as desired."""
    if domain is None:
        return False
    if server.power is PowerState.RUNNING:
        return domain.power is DomainPower.RUNNING
    return not _is_outdated(view, server, domain)


def _missing_file(
    view: View, server: ServerConfig, domain: DomainState | None
) -> MakeDisk | WriteConfigDrive | None:
    """Return what makes the next file that `server` lacks; None: it has them, or needs none.

    Raises:
        Preparing: One is being made.
        Refused: One can't be made, or must not be: a server that has run has lost its data.
    """
    if view.observed.files is None or _is_active(domain):
        return None
    found = view.observed.files.get(server.id, GuestFiles())
    if found.doing:
        raise Preparing(found.doing)
    if server.disk_gib and not found.has_disk:
        if domain is not None:
            raise Refused("its disk is gone from the host, and what was on it can't be made again")
        return MakeDisk(server_id=server.id, image=server.image, disk_gib=server.disk_gib)
    name = file_name(server) if view.options.has_config_drives else None
    if name is None or name == found.config_drive:
        return None
    return WriteConfigDrive(server_id=server.id, name=name, files=config_drive(server) or {})


def _steps(
    view: View,
    server: ServerConfig,
    domain: DomainState | None,
    devices: _Devices,
    taps: Taps,
) -> list[Step]:
    """Put the steps of one server into their order.

    The rule behind it: from the moment a guest runs it can send, so whatever its VFs carry has been
    read back before. libvirt writes MAC and VLAN itself at start, a VLAN of 802.1Q with a priority
    of 0, so both are looked at once more while the guest is paused. The taps of normal ports come
    with the start.
    Source: libvirt src/util/virnetdev.c, virNetDevSetVfVlan(): IFLA_VF_VLAN, without its `qos`.
    """
    steps: list[Step] = [*devices.journal, *devices.writes, *devices.checks]
    if devices.writes or devices.reloads:
        steps += devices.read_back()
    if devices.reloads:
        return [*steps, *devices.reloads]
    if domain is not None and domain.power is DomainPower.RUNNING:
        return [*steps, *taps.steps]
    steps += taps.shared
    if domain is not None and domain.power is DomainPower.PAUSED:
        if not devices.writes:
            steps += devices.read_back()
        return [*steps, *taps.writes, *taps.checks, Resume(server.id)]
    if domain is None or _is_outdated(view, server, domain):
        xml = define(server, view.vif_types, view.options, view.pools).xml
        steps.append(DefineDomain(server_id=server.id, boot_number=server.boot_number, xml=xml))
    if server.power is PowerState.RUNNING:
        steps.append(StartPaused(server.id))
    return steps


def _devices(view: View, server: ServerConfig, *, is_attached: bool) -> _Devices:
    """Gather what the devices of `server` need.

    Raises:
        Waiting, Refused, Unseen: Of one of its NICs.
    """
    found = _Devices()
    if server.power is PowerState.RUNNING and not is_attached:
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
            _require_fit(server, function)
        if function.kind is DeviceKind.VF:
            _add_vf(view, found, nic, function, is_attached=is_attached)
        elif not is_attached:
            _add_whole_pf(view, found, function)
    for held in server.devices:
        function = _claim(view, found, server, held)
        if not is_attached:
            _require_fit(server, function)
        if function.kind is DeviceKind.PF:
            if not is_attached:
                _add_whole_pf(view, found, function)
        else:
            _add_as_it_is(view, found, function, is_attached=is_attached)
    return found


def _claim(view: View, found: _Devices, server: ServerConfig, held: HeldDevice) -> PciFunction:
    """Return the function that `held` names, which is `server`'s; its epoch goes on record."""
    _check_owner(view, server, held)
    function = view.function(held)
    if function is None:
        raise Waiting(f"{held.kind.name} {held.address} does not exist")
    if view.observed.journal.epochs.get(function.address, 0) < held.epoch:
        found.journal.append(RememberEpoch(address=function.address, epoch=held.epoch))
    return function


def _require_fit(server: ServerConfig, function: PciFunction) -> None:
    """Let no guest start with what it may not be given, though it was given it before."""
    if server.power is PowerState.RUNNING and function.unfit:
        raise Refused(f"{function.address} {function.unfit}")


def _check_owner(view: View, server: ServerConfig, held: HeldDevice) -> None:
    owner = view.owners[held.address]
    if owner != server.id:
        raise Refused(f"{held.address} belongs to server {owner}")
    view.require_free(held.address, besides=server.id)
    if held.pf_address is not None and held.pf_address in view.owners:
        raise Refused(f"its PF {held.pf_address} is given away whole")


def _add_vf(
    view: View, found: _Devices, nic: NicConfig, vf: PciFunction, *, is_attached: bool
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
        _ready_netdev(view, found, vf, wanted_name, nic.mac)


def _ready_netdev(
    view: View, found: _Devices, vf: PciFunction, wanted_name: str, mac: MacAddress
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
    found: _Devices,
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


def _add_as_it_is(view: View, found: _Devices, function: PciFunction, *, is_attached: bool) -> None:
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


def _add_whole_pf(view: View, found: _Devices, pf: PciFunction) -> None:
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
