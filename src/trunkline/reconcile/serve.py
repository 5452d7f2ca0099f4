"""Making a server so: its devices programmed and read back, then its domain as it should be."""

from __future__ import annotations

from dataclasses import replace

from trunkline.domain.pci import PciAddress
from trunkline.domain.server import PowerState
from trunkline.reconcile.config_drive import config_drive, file_name, guest_address
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.domain_xml import attachment, define
from trunkline.reconcile.nic_steps import Suspend
from trunkline.reconcile.observed import DomainPower, DomainState, GuestFiles
from trunkline.reconcile.plugging import as_it_is, given_besides, lacking, still_there
from trunkline.reconcile.pool_devices import pooled_nics, taken_otherwise
from trunkline.reconcile.report import TakenFact
from trunkline.reconcile.server_devices import Devices, gather_devices
from trunkline.reconcile.steps import (
    DefineDomain,
    Destroy,
    MakeDisk,
    Resume,
    StartPaused,
    Step,
    WriteConfigDrive,
)
from trunkline.reconcile.taps import Taps, plan_taps
from trunkline.reconcile.view import (
    Outcome,
    Preparing,
    Refused,
    Unplanned,
    Unseen,
    Verdict,
    View,
    Waiting,
    fenced,
)
from trunkline.vif.registry import UnknownVifType


def plan_server(view: View, server: ServerConfig) -> Verdict:
    """Return what makes `server` so, but for NICs that its guest is yet to get or to lose."""
    for held in server.held_devices:
        if view.is_fenced(held):
            return fenced(held, view)
    domain = view.observed.domains.get(server.id)
    if domain is None or not domain.power.has_guest:
        return _plan(view, server, domain)
    to_plug, to_unplug = lacking(view, server, domain), still_there(view, server, domain)
    verdict = _plan(view, as_it_is(server, to_plug), domain)
    if not (to_plug or to_unplug) or Destroy(server.id) in verdict.steps:
        return verdict
    if verdict.outcome in (Outcome.SETTLED, Outcome.UNSEEN):
        verdict = replace(
            verdict, outcome=Outcome.PREPARING, reason="its guest is given NICs, or loses some"
        )
    return replace(verdict, to_plug=to_plug, to_unplug=to_unplug)


def _plan(view: View, server: ServerConfig, domain: DomainState | None) -> Verdict:
    if domain is not None and domain.doing:
        return Verdict(outcome=Outcome.PREPARING, reason=domain.doing)
    if _has_ended(view, server, domain):
        return Verdict(outcome=Outcome.ENDED)
    if server.paused and domain is not None and domain.power is DomainPower.RUNNING:
        return _suspending(view, server, domain)
    is_paused = domain is not None and domain.power is DomainPower.PAUSED
    guest_runs = domain is not None and (
        domain.power is DomainPower.RUNNING
        # Suspended, by whomever: it has run, and is to go on as it is.
        or (is_paused and (server.id in view.booted or server.wanted_power is PowerState.PAUSED))
    )
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
        if server.wanted_power is not PowerState.STOPPED:
            taps = plan_taps(view, server, is_attached=is_attached)
        devices = gather_devices(view, server, is_attached=is_attached)
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
    except Unplanned as why:
        return why.verdict
    if missing is not None:
        return Verdict(outcome=Outcome.TO_DO, steps=(missing,))
    steps = _steps(view, server, domain, devices, taps)
    return Verdict(
        outcome=Outcome.TO_DO if steps else Outcome.SETTLED,
        steps=tuple(steps),
        guest_runs=guest_runs,
        drifts=(*devices.drifts, *taps.drifts) if guest_runs else (),
    )


def _suspending(view: View, server: ServerConfig, domain: DomainState) -> Verdict:
    """Halt a guest that runs, once it is as it should be: it may go on running for a while.

    What can't be had for its devices just now is no reason to let it run on.
    """
    running = _plan(view, replace(server, paused=False), domain)
    if running.steps:
        return running
    return replace(running, outcome=Outcome.TO_DO, steps=(Suspend(server.id),))


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
    """Whether a guest that was as it should be has ended since, and is not to be started again."""
    if server.wanted_power is PowerState.PAUSED:
        return not _is_active(domain)  # However it came: there is nothing to be paused any more.
    return (
        server.wanted_power is PowerState.RUNNING
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
    given = [domain.given.get(guest_address(number)) for number, _, _ in pooled_nics(view, server)]
    return (
        server.wanted_power is PowerState.STOPPED
        or domain.boot_number < server.boot_number
        # Started anew by an agent that knew of no rebuilds: what it goes on writing will be lost.
        or domain.disk_number < server.disk_number
        or None in given
        # Of this boot, however its XML is worded: a guest keeps the definition it was started with,
        # suspended or not. A new release of Trunkline must not restart anybody.
        or not _has_what_it_should(view, server, domain, frozenset(given))
    )


def _has_what_it_should(
    view: View,
    server: ServerConfig,
    domain: DomainState,
    given: frozenset[PciAddress | str | None],
) -> bool:
    """Whether a guest has all devices of its server, and besides only what pools have `given` it,
    or what is to leave it.

    What somebody attached to it by hand, and is no server's, stays: whoever did so wanted it there.
    """
    wanted = attachment(server, view.vif_types, view.pools)
    given |= given_besides(view, server)
    devices, ifnames = domain.devices - given, domain.ifnames - given
    if wanted.devices - devices or wanted.ifnames - ifnames:
        return False
    functions = view.observed.functions
    by_hand = {address for address, function in functions.items() if function.used_by}
    of_servers = {each.ifname for each in functions.values() if not each.used_by}
    return not (devices - wanted.devices - by_hand or (ifnames - wanted.ifnames) & of_servers)


def _is_outdated(view: View, server: ServerConfig, domain: DomainState) -> bool:
    if domain.boot_number < server.boot_number:
        return True
    return domain.xml_digest != define(server, view.vif_types, view.options, view.pools).digest


def _agrees(view: View, server: ServerConfig, domain: DomainState | None) -> bool:
    """Whether the domain, its devices apart, is as desired."""
    if domain is None:
        return False
    if server.wanted_power is PowerState.RUNNING:
        return domain.power is DomainPower.RUNNING
    if server.wanted_power is PowerState.PAUSED:
        return domain.power is DomainPower.PAUSED
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
    if server.disk_gib and found.disk != server.disk_number:
        newest = max(found.disk or 0, 0 if domain is None else domain.disk_number)
        if newest >= server.disk_number:
            raise Refused("its disk is gone from the host, and what was on it can't be made again")
        return MakeDisk(
            server_id=server.id,
            image=server.image,
            disk_gib=server.disk_gib,
            number=server.disk_number,
        )
    name = file_name(server) if view.options.has_config_drives else None
    if name is None or name == found.config_drive:
        return None
    return WriteConfigDrive(server_id=server.id, name=name, files=config_drive(server) or {})


def _steps(
    view: View,
    server: ServerConfig,
    domain: DomainState | None,
    devices: Devices,
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
    is_running = domain is not None and domain.power is DomainPower.RUNNING
    if is_running or server.wanted_power is PowerState.PAUSED:
        return [*steps, *taps.steps]  # A paused one is looked at once more before it goes on.
    steps += taps.shared
    if domain is not None and domain.power is DomainPower.PAUSED:
        if not devices.writes:
            steps += devices.read_back()
        return [*steps, *taps.writes, *taps.checks, Resume(server.id)]
    if domain is None or _is_outdated(view, server, domain):
        xml = define(server, view.vif_types, view.options, view.pools).xml
        steps.append(DefineDomain(server_id=server.id, boot_number=server.boot_number, xml=xml))
    if server.wanted_power is PowerState.RUNNING:
        steps.append(StartPaused(server.id))
    return steps
