"""The state of a simulated libvirt, and its domains as an agent sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.host.device_handover import HandedOver
from trunkline.host.fake_networks import NetworkRecord
from trunkline.host.faults import Fault
from trunkline.host.libvirt_domain import LibvirtDomain, parse_libvirt_domain
from trunkline.host.state_file import LoggedState
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.nic_steps import PlugNic, UnplugNic
from trunkline.reconcile.observed import DomainPower, DomainState, OtherDomain

_DOING: Final = {
    "": "",
    "start_paused": "its guest is being started",
    "destroy": "its guest is being ended",
    "plug": "its guest is given a NIC",
    "unplug": "its guest is to let go of a NIC",
}


class Guest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What exists only while a domain runs, or is starting or stopping."""

    boot_number: int
    xml_digest: str
    handed_over: HandedOver
    given: dict[str, str] = msgspec.field(default_factory=dict)  # Host's device by guest's address.
    of_networks: list[tuple[str, str]] = msgspec.field(default_factory=list)  # Network and member.


class FailedCall(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How a start or stop that took its time was refused."""

    operation: str
    command: str
    problem: str
    errno_name: str = ""
    transient: bool = False

    @classmethod
    def of(cls, operation: str, refused: HostRefused) -> FailedCall:
        """Keep a refusal of `operation`."""
        return cls(
            operation=operation,
            command=refused.operation,
            problem=refused.problem,
            errno_name=refused.errno_name,
            transient=refused.transient,
        )

    def refusal(self) -> HostRefused:
        """Return the refusal that was kept."""
        return HostRefused(
            self.command, self.problem, errno_name=self.errno_name, transient=self.transient
        )


class DomainRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A defined domain."""

    name: str
    xml: str
    is_ours: bool = False
    boot_number: int = 0
    disk_number: int = 1
    xml_digest: str = ""
    power: DomainPower = DomainPower.SHUT_OFF
    guest: Guest | None = None
    in_transition: bool = False  # Starting or stopping; after a crash: finish by giving back.
    # `start_paused`, `destroy`, `plug` or `unplug`, begun and not gone on with.
    under_way: str = ""
    plug: PlugNic | None = None  # What is under way,
    unplug: UnplugNic | None = None  # or this.
    # Of a NIC that is being plugged or unplugged: neither the guest's nor the host's.
    passing: HandedOver | None = None
    failed: FailedCall | None = None  # What came of the last that was under way.


class HypervisorState(LoggedState, kw_only=True, omit_defaults=True):
    """All of one simulated libvirt."""

    boot_id: str
    domains: dict[ServerId, DomainRecord] = msgspec.field(default_factory=dict)
    faults: list[Fault] = msgspec.field(default_factory=list)
    networks: dict[str, NetworkRecord] = msgspec.field(default_factory=dict)
    takes_last: bool = False  # Of a network's free devices; libvirt 9.0 takes the first.


def our_domains(state: HypervisorState) -> dict[ServerId, DomainState]:
    """Return what an agent sees of its own domains."""
    return {
        server_id: domain_state(server_id, record)
        for server_id, record in state.domains.items()
        if record.is_ours
    }


def other_domains(state: HypervisorState) -> tuple[OtherDomain, ...]:
    """Return what an agent sees of domains that are not its own."""
    others = (
        parse_libvirt_domain(each.xml).as_other(is_active=each.power.has_guest)
        for each in sorted(state.domains.values(), key=lambda each: each.name)
        if not each.is_ours
    )
    return tuple(each for each in others if each.devices or each.ifnames)


def domain_state(server_id: ServerId, record: DomainRecord) -> DomainState:
    """Return what an agent sees of a domain."""
    doing = _DOING[record.under_way]
    state = DomainState(
        server_id=server_id,
        name=record.name,
        power=record.power,
        boot_number=record.boot_number,
        disk_number=record.disk_number,
        xml_digest=record.xml_digest,
        doing=doing,
        coming=frozenset({record.plug.device})
        if record.plug is not None and record.plug.device is not None
        else frozenset(),
    )
    if record.guest is not None:
        return _with_guest(state, record.guest)
    if not doing:
        return state
    domain = parse_libvirt_domain(record.xml)
    return replace(
        state,
        devices=frozenset(domain.host_devices),
        ifnames=frozenset(each.ifname for each in domain.direct_interfaces),
        networks=frozenset(each.network for each in domain.networks),
    )


def _with_guest(state: DomainState, guest: Guest) -> DomainState:
    return replace(
        state,
        boot_number=guest.boot_number,
        xml_digest=guest.xml_digest,
        devices=frozenset[PciAddress](guest.handed_over.addresses),
        ifnames=frozenset(each.ifname for each in guest.handed_over.macvtaps)
        | {each.ifname for each in guest.handed_over.taps},
        given={PciAddress.parse(at): _device(what) for at, what in guest.given.items()},
    )


def devices_in_use(state: HypervisorState) -> dict[PciAddress, str]:
    """Return the devices that guests have, each with its domain's name."""
    return {
        address: record.name
        for record in state.domains.values()
        if record.guest is not None
        for address in record.guest.handed_over.addresses
    }


def is_unfinished(state: HypervisorState, boot_id: str) -> bool:
    """Whether the machine was booted, or this libvirt was killed, in the middle of something."""
    return state.boot_id != boot_id or any(
        record.in_transition or record.passing is not None for record in state.domains.values()
    )


def end_guests_without_process(state: HypervisorState, boot_id: str) -> list[Guest]:
    """Shut the domains off whose guests have ended; return those whose devices are to go back."""
    ended = []
    for record in state.domains.values():
        if state.boot_id != boot_id:
            # What libvirt saves is in /run and lost by now, as are the VFs that it is about.
            record.guest, record.in_transition, record.under_way = None, False, ""
            record.plug = record.unplug = record.passing = None
            record.power = DomainPower.SHUT_OFF
        elif record.in_transition and record.guest is not None:
            ended.append(record.guest)
            record.guest, record.in_transition = None, False
            if record.power.has_guest:
                record.power = DomainPower.SHUT_OFF
    return ended


def given_by(domain: LibvirtDomain) -> dict[str, str]:
    """Return the host's device, or netdev, by where the guest finds it."""
    given = {
        str(each.at): str(each.address) for each in domain.hostdev_interfaces if each.at is not None
    }
    return given | {
        str(each.at): each.ifname for each in domain.direct_interfaces if each.at is not None
    }


def _device(text: str) -> PciAddress | str:
    try:
        return PciAddress.parse(text)
    except ValueError:
        return text  # A netdev; its name may hold no colon.
